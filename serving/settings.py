"""What a deployment may change, from environment variables only."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from data.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]  # the repository, or `src` within a Bento
_Number = TypeVar("_Number", int, float)
_ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?")  # as browsers write it
_SWITCH = {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """The deployment.

    Attributes:
        bundle: KEFU_BUNDLE, a bundle's directory; it wins over `bundles`.
        bundles: KEFU_BUNDLES, a folder of bundles with a text file `current` that holds the name of one of them.
        state: KEFU_STATE, the SQLite file of conversations.
        state_url: KEFU_STATE_URL, a Redis that keeps conversations instead; it may hold a password and is never shown.
        feedback: KEFU_FEEDBACK, the SQLite file of feedback, or the URL of a PostgreSQL database; beside `state` if not given.
        host: KEFU_HOST, an IP address or a name that resolves to one.
        port: KEFU_PORT.
        workers: KEFU_WORKERS, processes; each takes one core and about 310 MB.
        max_body: KEFU_MAX_BODY, bytes of a request. The largest /score, written in ASCII, has 3.1 million.
        body_seconds: KEFU_BODY_SECONDS, time in which a body must have arrived.
        rate: KEFU_RATE, messages a minute of a key without a limit of its own, or of an address without keys; 0 is no limit.
        state_days: KEFU_STATE_DAYS, days after its last message that a conversation is forgotten.
        feedback_days: KEFU_FEEDBACK_DAYS, days after its last change that feedback is forgotten.
        queue: KEFU_QUEUE, pieces of work that may wait in a worker before it answers 503.
        max_wait: KEFU_MAX_WAIT, seconds that a message may be expected to wait in a worker before it answers 503.
        bundles_kept: KEFU_BUNDLES_KEPT, versions of a changed knowledge base that are kept to go back to.
        reload_seconds: KEFU_RELOAD_SECONDS, how often a worker looks whether `current` names another bundle; 0 is never.
        opening_hours: KEFU_OPENING_HOURS, on or off: whether a handoff outside opening hours takes a message instead.
        log_level: KEFU_LOG_LEVEL, INFO (a line a request) or WARNING.
        keys: KEFU_KEYS, `name:scope+scope:secret` entries separated by commas (serving/access.py); a secret, so never printed.
        keys_file: KEFU_KEYS_FILE, more keys, as YAML or JSON Lines.
        audit: KEFU_AUDIT, the file that admin acts are appended to; else `audit.jsonl` beside `state`.
        cors_origins: KEFU_CORS_ORIGINS, origins such as https://shop.example, separated by commas, whose pages may call this.
    """

    bundle: Path | None = None
    bundles: Path = ROOT / "artifacts" / "bundles"
    state: Path = ROOT / "artifacts" / "state.db"
    state_url: str = field(default="", repr=False)
    feedback: str = field(default=str(ROOT / "artifacts" / "feedback.db"), repr=False)  # a URL may hold a password
    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 2
    max_body: int = 4 * 1024 * 1024
    body_seconds: float = 10.0
    rate: int = 0
    state_days: float = 7.0
    feedback_days: float = 365.0
    queue: int = 256
    max_wait: float = 0.5
    bundles_kept: int = 20
    reload_seconds: float = 1.0
    opening_hours: bool = False
    log_level: str = "INFO"
    keys: str = field(default="", repr=False)
    keys_file: Path | None = None
    audit: Path | None = None
    cors_origins: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Returns the settings that the environment asks for; paths come out absolute.

        Raises:
            ConfigError: A variable has a value that it cannot have.
        """
        read = _Reader(environment)
        default = cls()
        state = read.path("KEFU_STATE", default.state) or default.state
        return cls(
            bundle=read.path("KEFU_BUNDLE", None),
            bundles=read.path("KEFU_BUNDLES", default.bundles) or default.bundles,
            state=state,
            state_url=read.url("KEFU_STATE_URL", ("redis", "rediss", "unix")),
            feedback=read.path_or_url("KEFU_FEEDBACK", state.with_name("feedback.db")),
            host=read.text("KEFU_HOST", default.host),
            port=read.whole("KEFU_PORT", default.port, 1, 65535),
            workers=read.whole("KEFU_WORKERS", default.workers, 1, 256),
            max_body=read.whole("KEFU_MAX_BODY", default.max_body, 1024, 1024**3),
            body_seconds=read.number("KEFU_BODY_SECONDS", default.body_seconds, 0.1, 3600),
            rate=read.whole("KEFU_RATE", default.rate, 0, 10**9),
            state_days=read.number("KEFU_STATE_DAYS", default.state_days, 1e-5, 3650),
            feedback_days=read.number("KEFU_FEEDBACK_DAYS", default.feedback_days, 1e-5, 36500),
            queue=read.whole("KEFU_QUEUE", default.queue, 1, 10**6),
            max_wait=read.number("KEFU_MAX_WAIT", default.max_wait, 1e-3, 3600),
            bundles_kept=read.whole("KEFU_BUNDLES_KEPT", default.bundles_kept, 1, 10**6),
            reload_seconds=read.number("KEFU_RELOAD_SECONDS", default.reload_seconds, 0, 86400),
            opening_hours=read.switch("KEFU_OPENING_HOURS", default=default.opening_hours),
            log_level=read.choice("KEFU_LOG_LEVEL", default.log_level, ("DEBUG", "INFO", "WARNING", "ERROR")),
            keys=read.text("KEFU_KEYS", default.keys),
            keys_file=read.path("KEFU_KEYS_FILE", None),
            audit=read.path("KEFU_AUDIT", None),
            cors_origins=read.origins("KEFU_CORS_ORIGINS"),
        )

    def to_environment(self) -> dict[str, str]:
        """Returns the variables with which another process, in whatever directory, reads equal settings."""
        values = {
            "KEFU_BUNDLES": self.bundles, "KEFU_STATE": self.state, "KEFU_STATE_URL": self.state_url, "KEFU_FEEDBACK": self.feedback,
            "KEFU_HOST": self.host, "KEFU_PORT": self.port, "KEFU_WORKERS": self.workers, "KEFU_MAX_BODY": self.max_body,
            "KEFU_RATE": self.rate,
            "KEFU_STATE_DAYS": self.state_days, "KEFU_FEEDBACK_DAYS": self.feedback_days, "KEFU_QUEUE": self.queue, "KEFU_MAX_WAIT": self.max_wait,
            "KEFU_BUNDLES_KEPT": self.bundles_kept, "KEFU_RELOAD_SECONDS": self.reload_seconds,
            "KEFU_OPENING_HOURS": "on" if self.opening_hours else "off", "KEFU_LOG_LEVEL": self.log_level,
            "KEFU_KEYS": self.keys, "KEFU_KEYS_FILE": self.keys_file, "KEFU_AUDIT": self.audit, "KEFU_BUNDLE": self.bundle,
            "KEFU_BODY_SECONDS": self.body_seconds, "KEFU_CORS_ORIGINS": ",".join(self.cors_origins),
        }  # fmt: skip
        return {name: str(value) for name, value in values.items() if value is not None}


def ip_address(host: str) -> str:
    """Returns the IP address that a host name means, IPv4 if it has one (BentoML binds addresses only).

    Raises:
        ConfigError: The name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"KEFU_HOST is {host!r}, which does not resolve ({error}); use an address such as 127.0.0.1") from error
    addresses = sorted((family != socket.AF_INET, str(address[0])) for family, _, _, _, address in found)
    return addresses[0][1]


class _Reader:
    """Reads one variable at a time; an empty one counts as unset."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def path(self, name: str, default: Path | None) -> Path | None:
        value = self.text(name, "")
        return Path(value).expanduser().absolute() if value else default

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name, "")
        if value and value.partition("://")[0] not in schemes:  # not shown: it may hold a password
            raise ConfigError(
                f"{name} does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}; correct or unset it"
            )
        return value

    def path_or_url(self, name: str, default: Path) -> str:
        value = self.text(name, "")
        return value if "://" in value else str(self.path(name, default))

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        return self._bounded(name, default, (low, high), int, "a whole number")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        return self._bounded(name, default, (low, high), float, "a number")

    def switch(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "on" if default else "off").lower()
        if value not in _SWITCH:
            raise ConfigError(f"{name} is {value!r}, expected on or off; correct or unset it")
        return _SWITCH[value]

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default).upper()
        if value not in allowed:
            raise ConfigError(f"{name} is {value!r}, expected one of {', '.join(allowed)}; correct or unset it")
        return value

    def origins(self, name: str) -> tuple[str, ...]:
        values = tuple(value for value in re.split(r"[,\s]+", self.text(name, "")) if value)
        for value in values:
            if not _ORIGIN.fullmatch(value):
                raise ConfigError(
                    f"{name} has {value!r}, expected origins such as https://shop.example, without a path; correct it"
                )
        return values

    def _bounded(
        self, name: str, default: _Number, limits: tuple[_Number, _Number], kind: Callable[[str], _Number], words: str
    ) -> _Number:
        low, high = limits
        value = self.text(name, "")
        if not value:
            return default
        try:
            number = kind(value)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:  # a NaN is not between anything
            raise ConfigError(f"{name} is {value!r}, expected {words} from {low} to {high}; correct or unset it")
        return number
