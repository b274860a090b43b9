"""What a test needs from the system may be absent: then it is skipped, or fails where KEFU_TEST_REQUIRE=1."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """Skips the test, or fails it where nothing may be absent."""
    if os.environ.get("KEFU_TEST_REQUIRE") == "1":
        pytest.fail(f"{reason} (KEFU_TEST_REQUIRE=1)")
    pytest.skip(reason)
