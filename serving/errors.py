"""The one table from errors to HTTP. Every error body is {"error": {"type": "...", "message": "..."}}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.responses import Response

from data.changes import ChangeError
from data.errors import (
    BundleError,
    ConfigError,
    DataError,
    GateError,
    InputError,
    InputTooLongError,
    KefuError,
    LabelError,
    ParityError,
    ShapeError,
)
from models.shelf import ShelfBusyError


class MalformedBodyError(InputError):
    """The body is not UTF-8 or not JSON."""


class BrokenTextError(InputError):
    """A text holds half of a surrogate pair, which no encoding can carry."""


class FieldError(InputError):
    """A field is missing, of the wrong type, or out of its range."""


class MediaTypeError(InputError):
    """The body is said to be something else than plain JSON."""


class SlowBodyError(InputError):
    """The body did not arrive in time."""


class BodyTooLargeError(InputError):
    """The body is larger than the service takes."""


class UnknownPathError(InputError):
    """There is nothing at the path."""


class MethodError(InputError):
    """The path exists, and takes another method."""


class UnauthorizedError(KefuError):
    """The request has no key, or one that nobody gave out."""


class ForbiddenError(KefuError):
    """The caller is known, or need not be, and may not do this. `key` is the caller's name."""

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class UnknownRequestError(InputError):
    """No answer is stored under a request id."""


class UnknownLabelError(InputError):
    """Feedback names an intent, an emotion or an FAQ entry that the bundle does not have."""


class TooManyRequestsError(KefuError):
    """A client sends more than its share. `retry_after` is the time in whole seconds until it may send again."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverloadedError(KefuError):
    """More work waits than this worker can do in time."""


class StateError(KefuError):
    """The conversation store cannot be read or written."""


class VersionConflictError(KefuError):
    """A change was made for another bundle than the current one."""


class UnknownBundleError(InputError):
    """No bundle of the folder has the version."""


class BundleRefusedError(BundleError):
    """A bundle that was asked for cannot be served; the old one stays."""


class FixedBundleError(KefuError):
    """The service was told to serve one bundle, and no other."""


class NoWayBackError(KefuError):
    """No bundle was served before this one."""


class ShelfError(BundleError):
    """The folder of bundles cannot be written."""


class FeedbackError(KefuError):
    """The feedback store cannot be read or written."""


@dataclass(frozen=True, slots=True)
class HttpError:
    """What a kind of error looks like from outside.

    Attributes:
        status: HTTP status.
        name: The `type` in the body.
        shown: Whether the error's own message is shown, or only that something went wrong.
        retry_after: Seconds after which a retry makes sense, or None.
        headers: Further headers of the answer.
    """

    status: int
    name: str
    shown: bool = True
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


TABLE: dict[type[KefuError], HttpError] = {
    MalformedBodyError: HttpError(400, "malformed_body"),
    BrokenTextError: HttpError(400, "broken_text"),
    FieldError: HttpError(422, "invalid_request"),
    InputError: HttpError(422, "invalid_text"),
    InputTooLongError: HttpError(413, "text_too_long"),
    MediaTypeError: HttpError(415, "unsupported_media_type"),
    SlowBodyError: HttpError(408, "body_too_slow", headers={"Connection": "close"}),
    BodyTooLargeError: HttpError(413, "body_too_large"),
    UnauthorizedError: HttpError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="kefu"'}),
    ForbiddenError: HttpError(403, "forbidden"),
    UnknownPathError: HttpError(404, "not_found"),
    MethodError: HttpError(405, "method_not_allowed"),
    UnknownRequestError: HttpError(404, "unknown_request"),
    UnknownLabelError: HttpError(422, "unknown_label"),
    TooManyRequestsError: HttpError(429, "too_many_requests", retry_after=60),
    OverloadedError: HttpError(503, "overloaded", retry_after=1),
    StateError: HttpError(503, "state_unavailable", retry_after=1),
    FeedbackError: HttpError(503, "feedback_unavailable", retry_after=5),
    BundleError: HttpError(503, "bundle_unavailable", shown=False),
    ChangeError: HttpError(422, "invalid_entries"),
    VersionConflictError: HttpError(409, "version_conflict"),
    UnknownBundleError: HttpError(404, "unknown_bundle"),
    BundleRefusedError: HttpError(409, "bundle_refused"),
    FixedBundleError: HttpError(409, "bundle_fixed"),
    NoWayBackError: HttpError(409, "no_way_back"),
    ShelfBusyError: HttpError(409, "bundles_busy", retry_after=10),
    ShelfError: HttpError(503, "bundles_unwritable", retry_after=60),
    # None of these can come from a request; if one does, the fault is ours and the log has it.
    KefuError: HttpError(500, "internal", shown=False),
    ConfigError: HttpError(500, "internal", shown=False),
    DataError: HttpError(500, "internal", shown=False),
    LabelError: HttpError(500, "internal", shown=False),
    ShapeError: HttpError(500, "internal", shown=False),
    ParityError: HttpError(500, "internal", shown=False),
    GateError: HttpError(500, "internal", shown=False),
}

_BROKEN = "string_unicode"  # pydantic's name for a lone surrogate
_MAX_NAMED = 3


def http_error(error: Exception) -> HttpError:
    """Returns the row of the table for an error: its own class's, or the nearest base class's."""
    return next((TABLE[base] for base in type(error).__mro__ if base in TABLE), TABLE[KefuError])


def error_fields(error: Exception, request_id: str) -> dict[str, str]:
    """Returns the `error` object for a body: {"type", "message"}."""
    row = http_error(error)
    hidden = f"something went wrong on our side; try again, and give the operators request id {request_id}"
    return {"type": row.name, "message": str(error) if row.shown else hidden}


def error_response(error: Exception, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Returns the whole HTTP answer for an error."""
    row = http_error(error)
    body = json.dumps({"error": error_fields(error, request_id)}, ensure_ascii=False).encode("utf-8", "backslashreplace")
    seconds = error.retry_after if isinstance(error, TooManyRequestsError) else row.retry_after
    retry = {} if seconds is None else {"Retry-After": str(seconds)}
    return Response(body, row.status, {**retry, **row.headers, **(headers or {})}, "application/json")


def field_error(error: ValidationError) -> InputError:
    """Returns pydantic's complaint as one of our errors. It names places and types, never what the customer wrote."""
    found = error.errors(include_url=False, include_context=False)
    broken = [detail for detail in found if detail["type"] == _BROKEN]
    if broken:
        return BrokenTextError(
            f"{_place(broken[0])} holds half of a surrogate pair (such as \\ud83d alone), expected whole characters; "
            "send emoji as UTF-8, and do not cut texts between UTF-16 units"
        )
    named = "; ".join(f"{_place(detail)}: {detail['msg']}{_got(detail)}" for detail in found[:_MAX_NAMED])
    more = f"; and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
    return FieldError(f"{named}{more}. Correct the request; /openapi.json describes it")


def _place(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"]) or "body"


def _got(detail: ErrorDetails) -> str:
    kinds = {"str": "a string", "list": "a list", "dict": "an object", "bool": "true or false", "NoneType": "null"}
    kind = type(detail["input"]).__name__
    return "" if detail["type"] == "missing" else f", got {kinds.get(kind, 'a number')}"
