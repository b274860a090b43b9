"""Logs as JSON lines, on standard output. What customers wrote is never logged; whatever else is said is masked."""

from __future__ import annotations

import json
import logging
import logging.config
import re
import time
from datetime import UTC, datetime
from typing import Any

from data.masking import mask_pii

_OURS = {"request_id", "bundle"}  # random or hashes: never anybody's
_TELLING = re.compile(r"[\d@]")  # all that masking looks for has one of these, and looking for all of it takes time
_calls = logging.getLogger("serving.app")
_LIBRARIES = ("bentoml", "uvicorn.error", "circus")


class JsonLines(logging.Formatter):
    """One JSON object a record; `extra={"fields": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        fields: dict[str, Any] = getattr(record, "fields", {})
        line |= {name: masked(value) if isinstance(value, str) and name not in _OURS else value for name, value in fields.items()}
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def configure(level: str) -> None:
    """Sends every log of this process through JsonLines: ours at the level given, those of libraries from WARNING."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
            "root": {"level": "WARNING", "handlers": ["out"]},
            "loggers": {
                **{name: {"level": level} for name in ("serving", "models", "data")},
                # BentoML gave these their own handlers, which write plain text.
                **{name: {"level": "WARNING", "handlers": [], "propagate": True} for name in _LIBRARIES},
            },
        }
    )


def log_call(name: str, request_id: str, started: float, **fields: object) -> None:
    """Writes the line of a request. What the customer wrote is no field of it."""
    common = {"request_id": request_id, "status": 200, "latency_ms": round((time.perf_counter() - started) * 1000, 2)}
    _calls.info("%s", name, extra={"fields": common | fields})


def placed(error: Exception) -> Exception:
    """Returns the same kind of error at the same place, without its words: they may hold a customer's."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)


def masked(text: str) -> str:
    """Returns a text without personal data."""
    return mask_pii(text) if _TELLING.search(text) else text
