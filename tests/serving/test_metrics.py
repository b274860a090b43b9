"""What /metrics says of several workers, and of one that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from serving.metrics import Metrics
from tests.serving.conftest import ROOT

_WORKER = """
import sys
from serving.metrics import Metrics
metrics = Metrics(worker=int(sys.argv[1]))
metrics.request("chat", 200, 0.01)
metrics.queue(5)
metrics.serving("old", "champion")
metrics.serving("new", "champion")
metrics.sample()
print("ready", flush=True)
sys.stdin.read()
"""
_READER = "from serving.metrics import Metrics; print(Metrics().exposition()[0].decode())"


def series(text: str) -> dict[str, float]:
    """Returns the value of each series of an exposition."""
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_killed_worker_leaves_its_counts_but_not_its_gauges(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def read() -> dict[str, float]:
        command = [sys.executable, "-c", _READER]
        return series(subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout)

    workers = []
    for number in "12":
        command = [sys.executable, "-c", _WORKER, number]
        worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        workers.append(worker)
        assert worker.stdout is not None and worker.stdout.readline() == b"ready\n"
    try:
        both = read()
        assert both['kefu_requests_total{path="chat",status="200"}'] == 2 and both["kefu_queue"] == 10
        assert both['kefu_bundle_info{bundle="new",variant="champion"}'] == 2
        assert both['kefu_bundle_info{bundle="old",variant="champion"}'] == 0
        assert both['kefu_process_resident_bytes{worker="2"}'] > 1e7 and both['kefu_process_cpu_seconds_total{worker="2"}'] > 0
        workers[1].kill()
        workers[1].wait()
        one = read()
        assert one['kefu_requests_total{path="chat",status="200"}'] == 2 and one["kefu_queue"] == 5
        assert one['kefu_bundle_info{bundle="new",variant="champion"}'] == 1
        assert 'kefu_process_resident_bytes{worker="2"}' not in one
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_cpu_time_is_counted_once() -> None:
    metrics = Metrics(CollectorRegistry(), worker=3)
    metrics.sample()
    first = series(metrics.exposition()[0].decode())['kefu_process_cpu_seconds_total{worker="3"}']
    metrics.sample()
    assert first <= series(metrics.exposition()[0].decode())['kefu_process_cpu_seconds_total{worker="3"}'] < 2 * first
