"""The table of errors."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

import serving
from data.errors import BundleError, InputTooLongError, KefuError
from serving.errors import TABLE, HttpError, error_response, http_error


def _all_errors(base: type[KefuError] = KefuError) -> set[type[KefuError]]:
    return {base}.union(*(_all_errors(child) for child in base.__subclasses__()))


def test_every_error_is_in_the_table() -> None:
    for module in pkgutil.iter_modules(serving.__path__):
        if module.name != "__main__":
            importlib.import_module(f"serving.{module.name}")
    ours = {error for error in _all_errors() if error.__module__.split(".")[0] in {"data", "models", "serving"}}
    assert ours == set(TABLE)


def test_rows_are_sound() -> None:
    for row in TABLE.values():
        assert 400 <= row.status < 600 and row.name.replace("_", "").isalpha()
        assert row.shown or row.status >= 500


def test_a_child_that_nobody_listed_is_treated_like_its_parent() -> None:
    class Unlisted(InputTooLongError):
        pass

    try:
        assert http_error(Unlisted()) == TABLE[InputTooLongError]
    finally:
        del Unlisted


@pytest.mark.parametrize("error", [ValueError("13800138000"), BundleError("/secret/path"), KefuError("inside")])
def test_our_own_faults_are_not_told(error: Exception) -> None:
    response = error_response(error, "abc123")
    assert response.status_code >= 500
    message = json.loads(bytes(response.body))["error"]["message"]
    assert "abc123" in message and str(error) not in message


def test_retry_after() -> None:
    rows: list[HttpError] = [row for row in TABLE.values() if row.status in (429, 503) and row.name != "bundle_unavailable"]
    assert all(row.retry_after for row in rows)
