"""Who may ask for what: keys with scopes, from the environment or a file. No secret is kept, shown or logged, only its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection

from data.errors import ConfigError
from serving.errors import ForbiddenError, UnauthorizedError
from serving.scope import Scope
from serving.settings import Settings

logger = logging.getLogger(__name__)

MIN_SECRET = 16  # characters
MIN_DIFFERENT = 8  # different characters: a secret of one letter is none
_SECRET = re.compile(r"[A-Za-z0-9._~+/=-]+")  # what a bearer token may hold (RFC 6750)
_EXAMPLE = re.compile("change.?me", re.IGNORECASE)
_HASHED = "sha256="
_LINES = (".jsonl", ".ndjson")
_HOW = "make a secret with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the interface.

    Attributes:
        name: Names it in logs, rate limits and the audit file.
        digest: SHA-256 of its secret, 32 bytes.
        scopes: What it may do.
        rate: Its own limit in messages a minute, 0 for none; None for KEFU_RATE.
    """

    name: str
    digest: bytes
    scopes: frozenset[Scope]
    rate: int | None = None


class _KeyIn(BaseModel):
    """A key as it is written down."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    scopes: Annotated[list[Scope], Field(min_length=1)]
    secret: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    rate: Annotated[int, Field(ge=0, le=10**9)] | None = None


class Access:
    """The keys of a deployment. Without any, chat, score and feedback are open to this machine alone, and admin is off."""

    def __init__(self, settings: Settings) -> None:
        """Reads the keys.

        Raises:
            ConfigError: They cannot be read, or one is malformed, weak, or there twice. No secret is in the message.
        """
        self._fixed = parse_keys(settings.keys)
        self._file = settings.keys_file
        self._state = _state(self._file)
        self._keys = self._read()

    def check(self, request: HTTPConnection, scope: Scope | None) -> Key | None:
        """Returns the caller's key, or None where none is needed.

        Args:
            request: Its headers, and the address that it came to.
            scope: What the key must allow; None for any key.

        Raises:
            UnauthorizedError: There are keys, and the request has none of them.
            ForbiddenError: The key lacks the scope; or there are no keys, and it is an admin's work, comes over the network,
                or was sent to another host name.
        """
        self._reread()
        if not self._keys:
            if scope is Scope.ADMIN:
                raise ForbiddenError("admin operations are off without keys; configure a key with scope admin (KEFU_KEYS)")
            _refuse_strangers((request.scope.get("server") or ("",))[0], request.headers.get("host", ""))
            return None
        secret = _secret(request.headers)
        if secret is None:
            raise UnauthorizedError("a key is needed, got none; send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
        key = self._find(secret)
        if key is None:
            raise UnauthorizedError("the key is not known; check it, or ask the operators for one")
        if scope is not None and scope not in key.scopes:
            raise ForbiddenError(f"the key {key.name} lacks the scope {scope.value}; use one that has it", key=key.name)
        return key

    def check_host(self, host: str) -> None:
        """Refuses to listen to the network without keys.

        Args:
            host: The IP address to bind.

        Raises:
            ConfigError: The address is not a loopback one, and there are no keys.
        """
        if not self._keys and not _stays_here(host):
            raise ConfigError(
                f"KEFU_HOST is {host}, which others can reach, and there are no keys; set KEFU_KEYS or KEFU_KEYS_FILE "
                "(README, 'Keys, limits and safety'), or bind to 127.0.0.1"
            )

    def _find(self, secret: str) -> Key | None:
        digest = hashlib.sha256(secret.encode()).digest()
        found = None
        for key in self._keys:  # all of them, each in constant time: how long it takes must not tell how near a guess was
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found

    def _read(self) -> tuple[Key, ...]:
        return _distinct((*self._fixed, *(() if self._file is None else read_keys(self._file))))

    def _reread(self) -> None:
        """Follows the file. One that has become bad leaves the keys as they were."""
        if self._file is None or (state := _state(self._file)) == self._state:
            return
        self._state = state
        try:
            self._keys = self._read()
        except ConfigError as error:
            logger.error("the keys stay as they were: %s", error)
        else:
            logger.info("read the keys again", extra={"fields": {"keys": len(self._keys)}})


def parse_keys(text: str) -> tuple[Key, ...]:
    """Returns the keys of KEFU_KEYS: `name:scope+scope:secret`, or `…:sha256=hex`, and a `:rate` after it; separated by commas.

    Raises:
        ConfigError: An entry is malformed or weak.
    """
    entries = [entry.strip() for entry in re.split(r"[,\n]", text) if entry.strip()]
    return tuple(_key(_fields(entry, f"KEFU_KEYS, entry {i}"), f"KEFU_KEYS, entry {i}") for i, entry in enumerate(entries, 1))


def read_keys(path: Path) -> tuple[Key, ...]:
    """Returns the keys of a file: a YAML list, or JSON Lines, of `name`, `scopes`, `secret` or `sha256`, and `rate`.

    Raises:
        ConfigError: The file cannot be read, holds none, or one is malformed or weak.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = list(_json_lines(text)) if path.suffix in _LINES else yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"KEFU_KEYS_FILE {path} cannot be read ({error.strerror}); correct the path or its rights") from error
    except (
        ValueError,
        LookupError,
        AttributeError,
        RecursionError,
        yaml.YAMLError,
    ):  # its message would quote the line, and that may hold a secret
        raise ConfigError(f"KEFU_KEYS_FILE {path} is no list of keys in YAML, or JSON Lines if so named; correct it") from None
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"KEFU_KEYS_FILE {path} holds no list of keys; see the README, 'Keys, limits and safety'")
    return tuple(_key(row, f"{path.name}, key {i}") for i, row in enumerate(rows, 1))


def _json_lines(text: str) -> Iterator[Any]:
    return (json.loads(line) for line in text.splitlines() if line.strip())


def _fields(entry: str, place: str) -> dict[str, object]:
    name, scopes, secret, rate, *more = [*entry.split(":"), "", "", ""]
    if not secret or any(more) or (rate and not rate.isdecimal()):
        raise ConfigError(f"{place}: expected name:scope+scope:secret, or name:scope+scope:secret:rate; {_HOW}")
    field = "sha256" if secret.startswith(_HASHED) else "secret"
    return {"name": name, "scopes": scopes.split("+"), field: secret.removeprefix(_HASHED), "rate": int(rate) if rate else None}


def _key(row: object, place: str) -> Key:
    try:
        given = _KeyIn.model_validate(row)
    except ValidationError as error:
        raise ConfigError(f"{place}: {_complaint(error)}; {_HOW}") from None
    if (given.secret is None) == (given.sha256 is None):
        raise ConfigError(f"{place}: expected either secret or sha256; {_HOW}")
    digest = bytes.fromhex(given.sha256) if given.sha256 else hashlib.sha256(_strong(given.secret or "", place).encode()).digest()
    return Key(given.name, digest, frozenset(given.scopes), given.rate)


def _complaint(error: ValidationError) -> str:
    """Returns what is wrong, without a word of what was written: any of it may be a secret in the wrong place."""
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = detail["loc"][0] if detail["loc"] else ""
    known = {"name": "a letter or digit, then letters, digits, '.', '_' or '-', 64 at most",
             "scopes": f"a list of {', '.join(Scope)}", "secret": "text in quotes", "sha256": "64 hexadecimal digits",
             "rate": "messages a minute, 0 for no limit"}  # fmt: skip
    return f"{field}: expected {known[field]}" if field in known else f"expected the fields {', '.join(known)} and no others"


def _strong(secret: str, place: str) -> str:
    if not _SECRET.fullmatch(secret):
        raise ConfigError(f"{place}: the secret has characters that no bearer token may have; {_HOW}")
    if len(secret) < MIN_SECRET or len(set(secret)) < MIN_DIFFERENT:
        raise ConfigError(
            f"{place}: the secret is weak, expected {MIN_SECRET} characters or more, {MIN_DIFFERENT} different; {_HOW}"
        )
    if _EXAMPLE.search(secret):
        raise ConfigError(f"{place}: the secret is an example's, which everybody knows; {_HOW}")
    return secret


def _distinct(keys: Sequence[Key]) -> tuple[Key, ...]:
    for i, key in enumerate(keys, 1):
        if any(key.name == other.name or key.digest == other.digest for other in keys[i:]):
            raise ConfigError(f"key {i} of {len(keys)} has the name or the secret of another one; give each its own")
    return tuple(keys)


def _secret(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")


def _refuse_strangers(address: str, host: str) -> None:
    """Refuses what may not ask without keys.

    A site may let its own name point to 127.0.0.1 (DNS rebinding): the browser then lets its page read our answers as its own.
    Only the Host header tells.

    Raises:
        ForbiddenError: The address that the request came to is not a loopback one, or its Host names no such.
    """
    if not _stays_here(address):
        raise ForbiddenError("without keys only this machine may ask; configure keys (KEFU_KEYS), or bind to 127.0.0.1")
    if _is_ip(address) and not _names_this_machine(host):
        raise ForbiddenError(
            "without keys the Host header must be localhost, 127.0.0.1 or [::1]; ask by such a name, or configure keys (KEFU_KEYS)"
        )


def _names_this_machine(host: str) -> bool:
    """Whether a Host header, with or without a port, is localhost or a loopback address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _stays_here(address: str) -> bool:
    """Whether only this machine can reach an address; what is no IP address (a socket file, a test) is no network."""
    return not _is_ip(address) or ip_address(address).is_loopback


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _state(path: Path | None) -> tuple[int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if found else None
