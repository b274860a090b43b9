"""One tiny bundle and one real server for the whole session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from models.bundle import load_bundle, save_bundle
from models.calibration import Calibration
from models.manifest import BundleLayout
from serving.app import Api
from serving.bench import free_port
from serving.bundles import Brain, load_brain
from serving.conversations import ConversationStore
from serving.engine import Engine
from serving.metrics import Metrics
from serving.rate import RateLimit
from serving.settings import Settings
from serving.stores import open_store
from serving.stores.sqlite import SqliteConversations
from tests.required import do_without, require
from tests.serving.redis_server import RedisServer
from tests.tiny import tiny_bundle

Make = Callable[..., tuple[TestClient, CollectorRegistry]]
OpenStore = Callable[..., ConversationStore]
DEFAULT = Settings()
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A running `python -m serving`."""

    client: httpx.Client
    url: str
    bundles: Path
    log: Path


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundle `tiny`, which `current` names."""
    folder = tmp_path_factory.mktemp("bundles")
    tiny_bundle(folder / "tiny")
    (folder / "current").write_text("tiny\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def brain(bundles: Path) -> Brain:
    """The same bundle, loaded in the test's own process."""
    return load_brain(Settings(bundles=bundles))


@pytest.fixture(scope="session")
def server(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker on a free port."""
    with running(bundles, tmp_path_factory.mktemp("server"), KEFU_RELOAD_SECONDS="0.2") as server:
        yield server


@contextmanager
def running(bundles: Path, folder: Path, **environment: str) -> Iterator[Server]:
    """Runs a server of one worker on a free port, until the block ends."""
    port = free_port()
    mine = {"KEFU_BUNDLES": str(bundles), "KEFU_STATE": str(folder / "state.db"), "KEFU_PORT": str(port), "KEFU_WORKERS": "1"}
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with log.open("wb") as out:
        command, changed = [sys.executable, "-m", "serving"], {**os.environ, **mine, **environment}
        process = subprocess.Popen(command, cwd=ROOT, env=changed, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_ready(url, process, log)
        with httpx.Client(base_url=url, timeout=20) as client:
            yield Server(client, url, bundles, log)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis; tests share it, and each empties it first."""
    require("redis-server", "redis-server")
    server = RedisServer(tmp_path_factory.mktemp("redis"), free_port())
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "redis"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens one store again and again, as workers and replicas do; it lives a day unless told otherwise."""
    opened: list[ConversationStore] = []
    url = request.getfixturevalue("redis_server").emptied() if request.param == "redis" else ""

    def build(*, days: float = 1) -> ConversationStore:
        opened.append(open_store(Settings(state=tmp_path / "state.db", state_url=url, state_days=days)))
        return opened[-1]

    yield build
    for store in opened:
        store.close()


@pytest.fixture(scope="module")  # while it runs, its event loop is in the way of other modules' tests
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    chromium = shutil.which("google-chrome") or shutil.which("chromium")
    if chromium is None:
        require("chromium", "chromium")
    sync_api = import_module("playwright.sync_api")
    quiet = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=quiet.split())
        yield launched
        launched.close()


def npm_package(name: str, folder: Path) -> Path:
    """Unpacks a package of npm's registry; skips the test where it cannot be had."""
    require("npm", "npm")
    fetched = subprocess.run(["npm", "pack", name], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if fetched.returncode != 0:
        do_without(f"npm cannot fetch {name}: {fetched.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


@pytest.fixture
def engine(brain: Brain, tmp_path: Path) -> Iterator[Engine]:
    """An engine without HTTP, with a store of its own."""
    store = SqliteConversations(tmp_path / "state.db", days=1)
    yield Engine(brain, store)
    store.close()


@pytest.fixture
def make(brain: Brain, tmp_path: Path) -> Iterator[Make]:
    """Makes a client of an application with the settings given."""
    stores = []

    def build(settings: Settings = DEFAULT, brain: Brain = brain) -> tuple[TestClient, CollectorRegistry]:
        if settings.feedback == DEFAULT.feedback:
            settings = replace(settings, feedback=str(tmp_path / "feedback.db"))
        api, registry = Api(settings), CollectorRegistry()
        stores.append(open_store(replace(settings, state=tmp_path / "state.db")))
        rate = RateLimit(tmp_path / "state.db", per_minute=settings.rate)
        api.start(Engine(brain, stores[-1], opening_hours=settings.opening_hours), Metrics(registry), rate)
        return TestClient(api, raise_server_exceptions=False), registry

    yield build
    for store in stores:
        store.close()


@pytest.fixture
def recalibrated(bundles: Path, tmp_path: Path) -> Callable[[Calibration], Path]:
    """Makes a copy of the tiny bundle with another calibration, within milliseconds."""

    def make(calibration: Calibration, target: Path = tmp_path / "other") -> Path:
        return recalibrate(bundles / "tiny", target, calibration)

    return make


def recalibrate(source: Path, target: Path, calibration: Calibration) -> Path:
    """Writes a bundle with the same model and knowledge as another, and other thresholds."""
    bundle, layout = load_bundle(source), BundleLayout(source)
    save_bundle(
        target, model=layout.model, tokenizer=layout.tokenizer, lexicon=layout.lexicon, domain=layout.domain, faq=bundle.faq,
        calibration=calibration, input_format=bundle.encoder.input_format,
    )  # fmt: skip
    return target


def wait_ready(url: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float = 90) -> None:
    """Waits until the server answers, and shows its log if it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
