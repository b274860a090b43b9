"""The Bento: packed from a stage, served without the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from serving.build import stage
from tests.serving.conftest import ROOT, free_port, wait_ready


def test_stage_holds_code_page_and_the_current_bundle_alone(bundles: Path, tmp_path: Path) -> None:
    stage(tmp_path, bundles / "tiny")
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"serving/service.py", "serving/page/index.html", "models/analyzer.py", "data/types.py"} <= files
    assert {"artifacts/bundles/current", "artifacts/bundles/tiny/model.onnx", "serving/bentofile.yaml"} <= files
    assert {name.split("/")[0] for name in files} == {"artifacts", "data", "models", "serving"}


def test_a_bento_serves_without_the_repository(bundles: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KEFU_", "PYTHONPATH"))}
    environment = clean | {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    packed = environment | {"KEFU_BUNDLES": str(bundles)}
    build = [sys.executable, "-m", "serving.build"]
    built = subprocess.run(build, cwd=ROOT, env=packed, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
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
