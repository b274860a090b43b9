"""Settings, the start, and what the process must not import."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import BundleError, ConfigError
from models.calibration import Calibration
from models.manifest import file_hashes
from serving.bench import free_port
from serving.bundles import load_brain
from serving.checks import bundle_path, check_files
from serving.errors import TooManyRequestsError
from serving.rate import RateLimit
from serving.settings import ROOT, Settings, ip_address

HEAVY = ("torch", "transformers", "mlflow", "sklearn", "pandas", "datasets")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEFU_")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=clean | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.workers, settings.max_body, settings.rate) == ("127.0.0.1", 3000, 2, 2**22, 0)
    assert settings.bundles == ROOT / "artifacts" / "bundles" and settings.state == ROOT / "artifacts" / "state.db"
    assert not settings.opening_hours and settings.state_days == 7


def test_every_setting_is_read_and_passed_on() -> None:
    environment = {
        "KEFU_BUNDLE": "/b", "KEFU_BUNDLES": "/bs", "KEFU_STATE": "/s.db", "KEFU_STATE_URL": "redis://h", "KEFU_HOST": "0.0.0.0", "KEFU_PORT": "81",
        "KEFU_WORKERS": "3", "KEFU_MAX_BODY": "4096", "KEFU_RATE": "5", "KEFU_STATE_DAYS": "1.5", "KEFU_FEEDBACK": "/f.db", "KEFU_FEEDBACK_DAYS": "9",
        "KEFU_QUEUE": "9", "KEFU_MAX_WAIT": "2",
        "KEFU_RELOAD_SECONDS": "0", "KEFU_OPENING_HOURS": "on", "KEFU_LOG_LEVEL": "warning", "KEFU_KEYS": "a:b:c", "KEFU_KEYS_FILE": "/k.yaml", "KEFU_AUDIT": "/a.jsonl",
        "KEFU_BODY_SECONDS": "3", "KEFU_CORS_ORIGINS": "https://shop.example, http://localhost:5173",
        "KEFU_BUNDLES_KEPT": "3",
    }  # fmt: skip
    settings, default = Settings.from_environment(environment), Settings()
    assert all(getattr(settings, name) != getattr(default, name) for name in Settings.__slots__)
    assert Settings.from_environment(settings.to_environment()) == settings
    assert "a:b:c" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("KEFU_PORT", "http"), ("KEFU_PORT", "70000"), ("KEFU_WORKERS", "0"), ("KEFU_STATE_DAYS", "nan"),
     ("KEFU_OPENING_HOURS", "maybe"), ("KEFU_LOG_LEVEL", "LOUD"), ("KEFU_BODY_SECONDS", "0")],
)  # fmt: skip
def test_bad_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value!r}, expected"):
        Settings.from_environment({name: value})


def test_names_become_addresses() -> None:
    assert ip_address("localhost") in {"127.0.0.1", "::1"}
    with pytest.raises(ConfigError, match="KEFU_HOST"):
        ip_address("no.such.host.invalid")


def test_the_pointer_cannot_lead_outside(bundles: Path, tmp_path: Path) -> None:
    assert bundle_path(Settings(bundles=bundles)) == bundles / "tiny"
    assert bundle_path(Settings(bundles=bundles, bundle=tmp_path)) == tmp_path
    for words in ("../elsewhere", "..", "/etc", "", "a/b"):
        (tmp_path / "current").write_text(words)
        with pytest.raises(BundleError, match="expected the name of a directory"):
            bundle_path(Settings(bundles=tmp_path))


def test_damaged_files_are_found(recalibrated: Callable[[Calibration], Path]) -> None:
    path = recalibrated(Calibration())
    assert check_files(Settings(bundle=path)) == path
    (path / "labels.json").write_text("{}")
    with pytest.raises(BundleError, match="damaged"):
        check_files(Settings(bundle=path))


def test_a_calibration_of_another_version_is_refused_before_workers_start(recalibrated: Callable[[Calibration], Path]) -> None:
    path = recalibrated(Calibration())
    calibration, manifest = path / "calibration.json", path / "manifest.json"
    raw = json.loads(calibration.read_text(encoding="utf-8"))
    raw["fusion"]["weights"].pop()
    calibration.write_text(json.dumps(raw), encoding="utf-8")
    known = json.loads(manifest.read_text(encoding="utf-8"))
    known |= {"files": file_hashes(path), "seal": ""}  # whole, as another version would have written it
    manifest.write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(BundleError, match=r"calibration\.json does not fit this version"):
        check_files(Settings(bundle=path))


def test_no_bundle_ends_with_2_and_says_what_to_do(tmp_path: Path) -> None:
    result = run("-m", "serving", KEFU_BUNDLES=str(tmp_path), KEFU_STATE=str(tmp_path / "s.db"), KEFU_PORT=str(free_port()))
    assert result.returncode == 2
    assert "no bundle to serve" in result.stderr and "make train" in result.stderr and "Traceback" not in result.stderr


def test_bentoml_serve_without_a_bundle_ends_too(tmp_path: Path) -> None:
    state, home = str(tmp_path / "s.db"), str(tmp_path / "home")
    command = ("-m", "bentoml", "serve", "serving.service:Kefu", "--port", str(free_port()))
    result = run(*command, KEFU_BUNDLES=str(tmp_path), KEFU_STATE=state, BENTOML_HOME=home, BENTOML_DO_NOT_TRACK="True")
    assert result.returncode != 0 and "no bundle to serve" in result.stderr + result.stdout


def test_a_taken_port_ends_with_2(bundles: Path, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        result = run("-m", "serving", KEFU_BUNDLES=str(bundles), KEFU_STATE=str(tmp_path / "s.db"), KEFU_PORT=port)
    assert result.returncode == 2
    assert f"port {port}" in result.stderr and "KEFU_PORT" in result.stderr and "Traceback" not in result.stderr


def test_a_port_taken_after_the_first_look_ends_with_2_too(bundles: Path, tmp_path: Path) -> None:
    code = "import serving.__main__ as main\nmain.check_port = lambda *_: None\nmain.sys.exit(main.main())"
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        result = run("-c", code, KEFU_BUNDLES=str(bundles), KEFU_STATE=str(tmp_path / "s.db"), KEFU_PORT=port)
    assert result.returncode == 2 and f"kefu: port {port}" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the range elsewhere")
def test_a_free_port_is_none_that_the_system_hands_out() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(not first <= free_port() <= last for _ in range(50))


def test_serving_imports_no_training_code(bundles: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "import serving.service, serving.bundles, serving.settings, serving.engine, serving.conversations, serving.schema\n"
        "settings = serving.settings.Settings.from_environment()\n"
        "store = serving.stores.sqlite.SqliteConversations(settings.state, days=1)\n"
        "engine = serving.engine.Engine(serving.bundles.load_brain(settings), store)\n"
        "request = serving.schema.ChatRequest(conversation_id='c', text='怎么查物流')\n"
        "assert engine.chat(request, request_id='r', started=time.perf_counter()).answer\n"
        f"print([name for name in {(*HEAVY, 'pipelines', 'redis')!r} if name in sys.modules])\n"
    )
    result = run("-c", code, KEFU_BUNDLES=str(bundles), KEFU_STATE=str(tmp_path / "s.db"))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().splitlines()[-1] == "[]"


def test_rate_is_counted_for_all_workers_and_each_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [6000.0]
    monkeypatch.setattr("serving.rate.time.time", lambda: clock[0])
    one, other = (RateLimit(tmp_path / "state.db", per_minute=3) for _ in range(2))
    for limit in (one, other, one):
        limit.check("10.0.0.1")
    with pytest.raises(TooManyRequestsError, match="KEFU_RATE"):
        other.check("10.0.0.1")
    other.check("10.0.0.2")
    clock[0] += 60
    one.check("10.0.0.1")
    RateLimit(tmp_path / "none.db", per_minute=0).check("10.0.0.1")
    assert not (tmp_path / "none.db").exists()


def test_a_bundle_of_another_version_is_refused_in_words(recalibrated: Callable[[Calibration], Path]) -> None:
    path = recalibrated(Calibration())
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    manifest["input_format"]["from_the_future"] = 1
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match="does not fit this version of kefu"):
        load_brain(Settings(bundle=path))
