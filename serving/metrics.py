"""What operations watch, for Prometheus at /metrics."""

from __future__ import annotations

import os
import re
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from serving.schema import ChatAnswer, Scores

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_STATM = Path("/proc/self/statm")


class Metrics:
    """Counters and times of one worker; `exposition` adds up the workers.

    Labels take few values: names of operations, of errors and of reasons. A bundle's version is one of decisions and of
    `kefu_bundle_info` only; each change of bundle adds its series until the server restarts.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, worker: int = 1) -> None:
        """Makes the series.

        Args:
            registry: Where to; by default prometheus_client's own.
            worker: The number of this process within the server, from 1; a restarted worker takes over its number.
        """
        # Imported here: BentoML must have named its multiprocess folder before prometheus_client is first loaded.
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        self._registry = where = registry or REGISTRY
        self._requests = Counter("kefu_requests", "Requests answered.", ["path", "status"], registry=where)
        self._seconds = Histogram("kefu_request_seconds", "Time to answer.", ["path"], buckets=_SECONDS, registry=where)
        self._errors = Counter("kefu_errors", "Errors by type; in /score one a message.", ["path", "type"], registry=where)
        self._messages = Counter("kefu_messages", "Messages read.", ["path"], registry=where)
        decided = ["decision", "reason", "bundle", "variant"]
        self._decisions = Counter("kefu_decisions", "Decisions of /chat.", decided, registry=where)
        self._handoffs = Counter("kefu_handoffs", "Handoffs to a person.", ["reason"], registry=where)
        self._alerts = Counter("kefu_emotion_alerts", "Emotion alerts by reason.", ["reason"], registry=where)
        self._angry = Counter("kefu_anger_alerts", "Messages whose anger was reported.", registry=where)
        self._out_of_scope = Counter("kefu_out_of_scope", "Messages out of scope.", ["path"], registry=where)
        self._degraded = Counter("kefu_degraded", "Answers that a part was missing from.", ["part"], registry=where)
        self._replays = Counter("kefu_replays", "Retries that got the stored answer.", registry=where)
        self._feedback = Counter(
            "kefu_feedback", "Feedback kept; `replaced` took an earlier one's place.", ["source", "helpful", "resolved", "replaced"],
            registry=where,
        )  # fmt: skip
        self._reloads = Counter("kefu_bundle_reloads", "Attempts to change to another bundle.", ["result"], registry=where)
        self._intent_confidence = Histogram(
            "kefu_intent_confidence", "Confidence of the likeliest intent.", ["path"], buckets=_CONFIDENCES, registry=where
        )
        self._faq_confidence = Histogram(
            "kefu_faq_confidence",
            "Confidence of the entry that was answered or offered first.",
            buckets=_CONFIDENCES,
            registry=where,
        )
        self._batch = Histogram("kefu_batch_size", "Messages of /chat done in one go.", buckets=_SIZES, registry=where)
        live = "livesum"  # of workers that run; those that ended leave their counters, not their gauges
        self._queue = Gauge("kefu_queue", "Pieces of work that wait.", registry=where, multiprocess_mode=live)
        served = ["bundle", "variant"]
        self._bundle = Gauge("kefu_bundle_info", "Workers that serve a bundle.", served, registry=where, multiprocess_mode=live)
        self._memory = Gauge(
            "kefu_process_resident_bytes", "Memory of a worker.", ["worker"], registry=where, multiprocess_mode="livemax"
        ).labels(str(worker))
        self._cpu = Counter("kefu_process_cpu_seconds", "CPU time of a worker.", ["worker"], registry=where).labels(str(worker))
        self._cpu_counted = 0.0
        self._serving: tuple[str, str] | None = None

    def exposition(self) -> tuple[bytes, str]:
        """Returns what Prometheus reads, of all workers of the service, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            _forget_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def error(self, path: str, name: str) -> None:
        """Counts an error."""
        self._errors.labels(path, name).inc()

    def chat(self, answer: ChatAnswer) -> None:
        """Counts what /chat said."""
        self.scores("chat", answer)
        self._decisions.labels(answer.decision, answer.decision_reason, answer.model.bundle, answer.model.variant).inc()
        if answer.answer is not None:
            self._faq_confidence.observe(answer.answer.confidence)
        elif answer.suggestions:
            self._faq_confidence.observe(answer.suggestions[0].confidence)
        if answer.handoff is not None:
            self._handoffs.labels(answer.handoff.reason).inc()

    def scores(self, path: str, found: Scores) -> None:
        """Counts what was found in a message."""
        self._messages.labels(path).inc()
        self._intent_confidence.labels(path).observe(found.intent.confidence)
        if found.out_of_scope.is_oos:
            self._out_of_scope.labels(path).inc()
        if found.emotion.reason is not None:
            self._alerts.labels(found.emotion.reason).inc()
        if found.emotion.reason == "angry":
            self._angry.inc()
        for part in found.degraded:
            self._degraded.labels(part).inc()

    def replay(self) -> None:
        """Counts a retry."""
        self._replays.inc()

    def feedback(self, source: str, helpful: bool | None, resolved: bool | None, *, replaced: bool) -> None:
        """Counts feedback that was kept; what was not said counts as `unsaid`."""
        said = {None: "unsaid", True: "yes", False: "no"}
        self._feedback.labels(source, said[helpful], said[resolved], said[replaced]).inc()

    def reload(self, result: str) -> None:
        """Counts a reload, `ok` or `failed`."""
        self._reloads.labels(result).inc()

    def batch(self, size: int) -> None:
        """Counts messages of /chat that were done in one go."""
        self._batch.observe(size)

    def queue(self, waiting: int) -> None:
        """Tells how many pieces of work wait in this worker."""
        self._queue.set(waiting)

    def serving(self, bundle: str, variant: str) -> None:
        """Tells which bundle this worker serves, instead of the one before."""
        if self._serving not in (None, (bundle, variant)):
            self._bundle.labels(*self._serving).set(0)
        self._serving = (bundle, variant)
        self._bundle.labels(bundle, variant).set(1)

    def sample(self) -> None:
        """Looks at this process's memory and CPU time."""
        self._memory.set(_resident_bytes())
        used = time.process_time()
        self._cpu.inc(used - self._cpu_counted)
        self._cpu_counted = used


def _resident_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:  # no Linux: the most it ever was is the best there is
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _forget_dead_workers(folder: Path) -> None:
    """Deletes the gauges of workers that ended, killed ones too: nobody else does."""
    for file in folder.glob("gauge_live*.db"):
        found = re.search(r"_(\d+)\.db$", file.name)
        if found is not None and not _runs(int(found.group(1))):
            file.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A killed worker is a zombie until BentoML looks, every ten seconds.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or no Linux
        return True
