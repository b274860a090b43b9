"""What tests need beside Python's packages; CI says with KEFU_TEST_REQUIRE=1 that all of it must be there."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def require(program: str, package: str) -> None:
    """Skips the test where a program is missing; fails it under KEFU_TEST_REQUIRE=1."""
    if shutil.which(program) is None:
        do_without(f"{program} is not installed (apt-get install {package})")


def do_without(missing: str) -> NoReturn:
    """Skips the test for want of something; fails it under KEFU_TEST_REQUIRE=1."""
    if os.environ.get("KEFU_TEST_REQUIRE") == "1":
        pytest.fail(f"{missing}, and KEFU_TEST_REQUIRE=1 allows no skip")
    pytest.skip(missing)
