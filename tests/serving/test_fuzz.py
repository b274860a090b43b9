"""Requests that nobody would think of, made from our own OpenAPI document: no fault of ours, and every answer as documented."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
)

from serving.app import parse_json
from serving.bundles import load_brain
from serving.errors import MalformedBodyError
from serving.openapi import openapi
from serving.settings import Settings
from tests.serving.conftest import Make

SECRET = "fuzz-0123456789abcdef"
KEYS = {"Authorization": f"Bearer {SECRET}"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance, ignored_auth]
EXAMPLES = 25  # an operation and mode
BENTOML = {"/healthz", "/livez", "/readyz"}
CASES = [
    (path, method, mode)
    for path, methods in openapi()["paths"].items() if path not in BENTOML
    for method, described in methods.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or "requestBody" in described or "parameters" in described
]  # fmt: skip


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_every_operation_answers_as_documented(
    make: Make, bundles: Path, tmp_path: Path, path: str, method: str, mode: GenerationMode
) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")  # admins' operations write there
    mine = Settings(keys=f"fuzz:chat+score+feedback+admin:{SECRET}", state=tmp_path / "state.db", bundles=tmp_path / "bundles")
    client, _ = make(mine, load_brain(mine))
    operation = schemathesis.openapi.from_asgi("/openapi.json", client.app)[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def run(case: Case) -> None:
        case.call_and_validate(headers=KEYS, checks=CHECKS)

    run()


PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\ud83d",
    b"\xef\xbb\xbf",
    b"\xff",
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b"[" * 5000,
    b"\x00",
]


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(body=st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_any_body_is_json_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedBodyError):
        parse_json(body)
