"""What operations watch, for Prometheus at /metrics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from serving.schema import ChatAnswer, Scores

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Counters and times of one worker; `exposition` adds up the workers."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # Imported here: BentoML must have named its multiprocess folder before prometheus_client is first loaded.
        from prometheus_client import REGISTRY, Counter, Histogram

        self._registry = where = registry or REGISTRY
        self._requests = Counter("kefu_requests", "Requests answered.", ["path", "status"], registry=where)
        self._seconds = Histogram("kefu_request_seconds", "Time to answer.", ["path"], buckets=_SECONDS, registry=where)
        self._errors = Counter("kefu_errors", "Errors by type; in /score one a message.", ["path", "type"], registry=where)
        self._messages = Counter("kefu_messages", "Messages read.", ["path"], registry=where)
        self._decisions = Counter("kefu_decisions", "Decisions of /chat.", ["decision", "reason"], registry=where)
        self._handoffs = Counter("kefu_handoffs", "Handoffs to a person.", ["reason"], registry=where)
        self._alerts = Counter("kefu_emotion_alerts", "Emotion alerts by reason.", ["reason"], registry=where)
        self._angry = Counter("kefu_anger_alerts", "Messages whose anger was reported.", registry=where)
        self._out_of_scope = Counter("kefu_out_of_scope", "Messages out of scope.", ["path"], registry=where)
        self._degraded = Counter("kefu_degraded", "Answers that a part was missing from.", ["part"], registry=where)
        self._replays = Counter("kefu_replays", "Retries that got the stored answer.", registry=where)
        self._reloads = Counter("kefu_bundle_reloads", "Attempts to change to another bundle.", ["result"], registry=where)

    def exposition(self) -> tuple[bytes, str]:
        """Returns what Prometheus reads, of all workers of the service, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
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
        self._decisions.labels(answer.decision, answer.decision_reason).inc()
        if answer.handoff is not None:
            self._handoffs.labels(answer.handoff.reason).inc()

    def scores(self, path: str, found: Scores) -> None:
        """Counts what was found in a message."""
        self._messages.labels(path).inc()
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

    def reload(self, result: str) -> None:
        """Counts a reload, `ok` or `failed`."""
        self._reloads.labels(result).inc()
