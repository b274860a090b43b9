"""The knowledge base changes under load, on two real workers; and a process is killed in the middle of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.knowledge import faq_row
from models.shelf import Shelf
from serving.bundles import load_brain
from serving.checks import sweep
from serving.settings import Settings
from tests.serving.conftest import ROOT, running
from tests.tiny import ENTRIES

ADMIN, CHAT = "admin-0123456789abcdef", "chat-0123456789abcdef"
HEADERS = {"Authorization": f"Bearer {ADMIN}"}
VERSIONS = 8
ROWS = [faq_row(entry) for entry in ENTRIES]


@pytest.fixture
def folder(bundles: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundles, tmp_path / "bundles"))


def rows(text: str) -> list[dict[str, Any]]:
    return [row | {"answer": text} if row["id"] == "tracking" else row for row in ROWS]


class Asking(threading.Thread):
    """Asks, each time on a connection of its own so that every worker is asked, until it is told to stop."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self.url, self.asker = url, name
        self.seen: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self.enough = False

    def run(self) -> None:
        while not self.enough:
            try:
                self.seen.append(ask(self.url, f"{self.asker}-{len(self.seen)}"))
            except Exception as error:
                self.failed.append(repr(error))
                return


def ask(url: str, conversation: str) -> tuple[str, str]:
    body = {"conversation_id": conversation, "text": "怎么查物流"}
    response = httpx.post(f"{url}/chat", json=body, headers={"X-API-Key": CHAT}, timeout=20)
    answer = response.raise_for_status().json()
    return answer["model"]["bundle"], answer["answer"]["text"]


def test_every_answer_is_of_one_version_and_all_workers_follow(folder: Path, tmp_path: Path) -> None:
    keys = f"boss:admin:{ADMIN}, shop:chat:{CHAT}"
    with running(folder, tmp_path, KEFU_WORKERS="2", KEFU_KEYS=keys, KEFU_RELOAD_SECONDS="0.2") as server:
        texts = dict([ask(server.url, "first")])
        askers = [Asking(server.url, f"asker-{number}") for number in range(3)]
        for asker in askers:
            asker.start()
        for number in range(VERSIONS):
            text = f"第{number}版。"
            changed = httpx.put(f"{server.url}/admin/faq", json={"entries": rows(text)}, headers=HEADERS, timeout=60)
            texts[changed.raise_for_status().json()["bundle"]] = text
        newest = changed.json()["bundle"]
        time.sleep(2)
        for asker in askers:
            asker.enough = True
            asker.join(30)
        assert [asker.failed for asker in askers] == [[], [], []]
        seen = [pair for asker in askers for pair in asker.seen]
        assert len(texts) == VERSIONS + 1 and len({bundle for bundle, _ in seen}) > 2
        assert [pair for pair in seen if texts[pair[0]] != pair[1]] == []
        assert {ask(server.url, f"last-{number}")[0] for number in range(40)} == {newest}


KILLED = """
import os, signal, sys
from pathlib import Path
import models.bundle, models.shelf, serving.knowledge
from data.changes import Change
from serving.bundles import load_brain
from serving.engine import Engine
from serving.settings import Settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(bundles=Path(sys.argv[1]))
engine = Engine(load_brain(settings), None)
step = sys.argv[2]
if step == "pointer":
    write = models.shelf.Shelf._write
    models.shelf.Shelf._write = lambda self, name, lines: die() if name == "current" else write(self, name, lines)
elif step == "rename":
    Path.replace = die
elif step == "encoding":
    type(engine.brain.bundle.encoder).encode = die
else:
    owner, _, name = step.rpartition(".")
    setattr(eval(owner), name, die)
serving.knowledge.change_knowledge(settings, engine, Change([
    {"id": "gift", "question": "能送礼盒吗", "answer": "可以。", "intent": "presale.gift"},
]))
print("it lived")
"""


@pytest.mark.parametrize(
    "step",
    ["encoding", "models.bundle._link", "models.bundle._write_manifest", "rename", "serving.knowledge._load", "pointer"],
)
def test_killed_at_any_step_the_old_bundle_serves_and_the_folder_is_cleaned(folder: Path, step: str) -> None:
    command = [sys.executable, "-c", KILLED, str(folder), step]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done.stdout + done.stderr
    settings = Settings(bundles=folder)
    assert load_brain(settings).bundle.root == folder / "tiny"
    sweep(settings)
    shelf = Shelf(folder)
    assert not shelf.leftovers() and shelf.previous() is None
    assert all(not isinstance(found, Exception) for found in shelf.bundles().values())
    with shelf.lock(seconds=0):
        pass
