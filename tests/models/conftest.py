"""One tiny bundle for the whole folder, and the shipped domain pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.analyzer import Analyzer
from models.bundle import Bundle, load_bundle
from models.calibration import Thresholds
from models.domain import DomainPack, load_domain
from models.policy import Knowledge
from tests.models.helpers import index_of
from tests.tiny import DOMAIN, ENTRIES, tiny_bundle


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle on disk; tests that change it copy it."""
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    """The same, loaded."""
    return load_bundle(bundle_path)


@pytest.fixture(scope="session")
def analyzer(bundle: Bundle) -> Analyzer:
    """Reads with the tiny bundle; its scores mean nothing."""
    return Analyzer(bundle)


@pytest.fixture(scope="session")
def pack() -> DomainPack:
    """The shipped domain pack."""
    return load_domain(DOMAIN)


@pytest.fixture(scope="session")
def knowledge(pack: DomainPack) -> Knowledge:
    """The shipped pack, a few entries, and the default thresholds."""
    return Knowledge(pack, index_of(ENTRIES, pack.labels.intents), Thresholds())
