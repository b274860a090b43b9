"""The Bento: packed from a stage, served without the repository."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import yaml

from serving.bench import free_port
from serving.build import stage
from tests.serving.conftest import ROOT, wait_ready

_WITH_BENTOML = {"starlette", "prometheus-client", "pydantic-core"}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.sub(r"\[.*\]", "", name)).lower().strip()


_LEFT_OUT = re.compile(r"serving/(deploy|clients|bench|build|faults)")


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_stage_holds_code_page_and_the_current_bundle_alone(bundles: Path, tmp_path: Path) -> None:
    stage(tmp_path, bundles / "tiny")
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"serving/service.py", "serving/page/index.html", "models/analyzer.py", "data/types.py"} <= files
    assert {"artifacts/bundles/current", "artifacts/bundles/tiny/model.onnx", "serving/bentofile.yaml"} <= files
    assert {name.split("/")[0] for name in files} == {"artifacts", "data", "models", "serving"}


def test_the_bento_installs_what_serving_imports_in_the_measured_versions() -> None:
    packages = yaml.safe_load((ROOT / "serving" / "bentofile.yaml").read_text(encoding="utf-8"))["python"]["packages"]
    pinned = {_plain(line.partition("==")[0]): line.partition(";")[0].partition("==")[2].strip() for line in packages}
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    measured = dict(line.split("==") for line in constraints if "==" in line and not line.startswith("#"))
    measured = {_plain(name): version for name, version in measured.items()}
    assert {name: measured.get(name) for name, version in pinned.items() if version} == {n: v for n, v in pinned.items() if v}
    owners = importlib.metadata.packages_distributions()
    for path in (ROOT / "serving").rglob("*.py"):
        if _LEFT_OUT.match(path.relative_to(ROOT).as_posix()):
            continue
        for name in _imports(path) & owners.keys():
            assert {_plain(owner) for owner in owners[name]} & (pinned.keys() | _WITH_BENTOML), f"{path} imports {name}"


def test_a_bento_serves_without_the_repository(bundles: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KEFU_", "PYTHONPATH"))}
    environment = clean | {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    packed = environment | {"KEFU_BUNDLES": str(bundles)}
    build = [sys.executable, "-m", "serving.build"]
    built = subprocess.run(build, cwd=ROOT, env=packed, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (source,) = (tmp_path / "home" / "bentos" / "kefu").glob("*/src")
    packed_files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert not [name for name in packed_files if _LEFT_OUT.match(name) or re.match(r"tests|.*\.pyc$", name)]
    code = {path.relative_to(ROOT).as_posix() for room in ("data", "models", "serving") for path in (ROOT / room).rglob("*.py")}
    assert {name for name in code if not _LEFT_OUT.match(name)} <= packed_files
    port, log = free_port(), tmp_path / "log"
    environment |= {"KEFU_STATE": str(tmp_path / "state.db"), "KEFU_WORKERS": "1"}
    command = [sys.executable, "-m", "bentoml", "serve", "kefu:latest", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=elsewhere, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_ready(url, process, log)
        answer = httpx.post(f"{url}/chat", json={"conversation_id": "c", "text": "怎么查物流"}, timeout=20)
        assert answer.status_code == 200 and answer.json()["answer"]["faq_id"] == "tracking"
        assert "客服" in httpx.get(url, timeout=20).text
    finally:
        process.terminate()
        process.wait(20)
