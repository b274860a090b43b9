"""What was acknowledged survives the death of every process of the service."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from data.masking import mask_pii
from serving.bench import free_port
from serving.feedback.store import FeedbackStore
from tests.serving.conftest import ROOT, wait_ready
from tests.serving.postgres import PostgresServer, postgres

__all__ = ["postgres"]  # a fixture

CLIENTS = 4


@contextmanager
def service(bundles: Path, folder: Path, feedback: str) -> Iterator[str]:
    """A service of two workers; every process of it is killed at the end."""
    port = free_port()
    environment = {**os.environ, "KEFU_BUNDLES": str(bundles), "KEFU_STATE": str(folder / "state.db"), "KEFU_FEEDBACK": feedback}
    environment |= {"KEFU_PORT": str(port), "KEFU_WORKERS": "2"}
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "serving"], cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        wait_ready(url, process, log)
        yield url
    finally:
        # The workers are in process groups of their own, and would go on without their supervisor.
        supervisor = psutil.Process(process.pid)
        supervisor.suspend()  # so that it starts no new one
        for one in [*supervisor.children(recursive=True), supervisor]:
            one.kill()
        process.wait(20)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_a_random_moment(kind: str, bundles: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: PostgresServer | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    feedback = str(tmp_path / "feedback.db") if server is None else server.database()
    acknowledged: list[str] = []
    refused: list[str] = []
    started = threading.Barrier(CLIENTS + 1)

    def send(request_ids: list[str]) -> None:
        with httpx.Client(base_url=url, timeout=20) as client:
            started.wait()
            for request_id in request_ids:
                try:
                    response = client.post("/feedback", json={"request_id": request_id, "comment": f"意见 {request_id}"})
                except httpx.TransportError:
                    return  # killed
                if response.status_code == 200:
                    acknowledged.append(request_id)
                else:
                    refused.append(response.text)

    with ThreadPoolExecutor(CLIENTS) as pool:
        with service(bundles, tmp_path, feedback) as url, httpx.Client(base_url=url, timeout=20) as client:
            asked = [ask(client, f"c{number % 7}") for number in range(160)]
            sending = [pool.submit(send, asked[first::CLIENTS]) for first in range(CLIENTS)]
            started.wait()
            enough = random.randint(10, 80)
            while len(acknowledged) < enough and not refused:
                time.sleep(0.001)
        for sent in sending:
            sent.result(30)
    assert not refused and 0 < len(acknowledged) < len(asked)

    with service(bundles, tmp_path, feedback) as url, httpx.Client(base_url=url, timeout=20) as client:
        last = ask(client, "c0")
        assert client.post("/feedback", json={"request_id": last, "helpful": True}).status_code == 200
    with closing(FeedbackStore(feedback, days=1)) as store:
        kept = {record.request_id: record.comment for _, record in store.records()}
    assert {*acknowledged, last} <= set(kept)
    assert all(kept[request_id] == mask_pii(f"意见 {request_id}") for request_id in acknowledged)


def ask(client: httpx.Client, conversation: str) -> str:
    return str(client.post("/chat", json={"conversation_id": conversation, "text": "怎么查物流"}).json()["request_id"])
