"""The generated clients: the Python one against a real server, the TypeScript one against its compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from serving.openapi import FILE, openapi
from tests.required import do_without, require
from tests.serving.conftest import ROOT, Server

CLIENTS = ROOT / "serving" / "clients"
TYPESCRIPT = CLIENTS / "typescript"


@pytest.fixture
def kefu_client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generated package."""
    monkeypatch.syspath_prepend(str(CLIENTS / "python"))
    return import_module("kefu_client")


@pytest.fixture
def client(kefu_client: Any, server: Server) -> Iterator[Any]:
    """A client of the test server."""
    with kefu_client.Client(server.url) as client:
        yield client


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clients generated now, in `clients`, beside the `tools` that did it."""
    require("npm", "npm")
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(openapi()), encoding="utf-8")
    command = [str(CLIENTS / "generate.sh"), str(folder / "openapi.json"), str(folder / "clients")]
    environment = {**os.environ, "PYTHON": sys.executable, "TOOLS": str(folder / "tools")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 75:
        do_without(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_python_chats(client: Any) -> None:
    from kefu_client.api.default import chat
    from kefu_client.models import ChatRequest, CustomerIn

    request = ChatRequest(conversation_id=uuid4().hex, text="怎么申请退货", message_id="m1", customer=CustomerIn(tier="gold"))
    first = chat.sync_detailed(client=client, body=request)
    assert first.parsed.decision == "answer" and first.parsed.answer.faq_id == "return"
    assert "customer_value" in {factor.name for factor in first.parsed.priority.factors}
    retry = chat.sync_detailed(client=client, body=request)
    assert retry.parsed == first.parsed and retry.headers["Idempotent-Replayed"] == "true"


def test_python_scores_and_shows_errors(client: Any) -> None:
    from kefu_client.api.default import score
    from kefu_client.models import ErrorBody, MessageIn, ScoreRequest, Scores

    good, bad = score.sync(client=client, body=ScoreRequest([MessageIn("怎么查物流"), MessageIn("")])).results
    assert isinstance(good, Scores) and good.intent_ranking[0] == good.intent and good.emotion.scores["angry"] <= 1
    assert isinstance(bad, ErrorBody) and bad.error.type_ == "invalid_text"
    refused = score.sync_detailed(client=client, body=ScoreRequest([]))
    assert refused.status_code == 422 and refused.parsed.error.type_ == "invalid_request"


def test_python_survives_what_a_newer_service_adds(kefu_client: Any) -> None:
    from kefu_client.models import ChatAnswer

    answer = openapi()["paths"]["/chat"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    newer = ChatAnswer.from_dict(answer | {"decision": "call_back", "mood": 1})
    assert newer.decision == "call_back" and newer.additional_properties == {"mood": 1}


def test_typescript_compiles_and_watches(generated: Path, tmp_path: Path) -> None:
    shutil.copytree(TYPESCRIPT, tmp_path / "ts")
    use = 'import { chat } from "./example";\nexport const reply = chat("", { text: "在吗", conversation_id: "c1" }).then((answer) => answer.%s);\n'
    for field, fits in (("reply", True), ("replies", False)):
        (tmp_path / "ts" / "use.ts").write_text(use % field, encoding="utf-8")
        options = ["--noEmit", "--strict", "--lib", "es2022,dom", "--module", "esnext", "--moduleResolution", "bundler"]
        command = [str(generated / "tools" / "node_modules" / ".bin" / "tsc"), *options, "use.ts"]
        done = subprocess.run(command, cwd=tmp_path / "ts", capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is fits, done.stdout


@pytest.mark.generated
def test_the_committed_document_is_current() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == openapi(), "run `make openapi clients`"


@pytest.mark.generated
def test_the_committed_clients_are_current(generated: Path) -> None:
    for folder in ("python/kefu_client", "typescript"):
        fresh, committed = generated / "clients" / folder, CLIENTS / folder
        names = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file() and path.suffix != ".pyc"}
        there = {path.relative_to(committed) for path in committed.rglob("*") if path.is_file() and path.suffix != ".pyc"}
        assert there - {Path("example.ts")} == names, "run `make openapi clients`"
        for name in names:
            assert (fresh / name).read_bytes() == (committed / name).read_bytes(), f"{name} is old: run `make openapi clients`"
