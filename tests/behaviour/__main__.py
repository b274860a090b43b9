"""Prints which behaviour cases hold with the bundle that is served: python -m tests.behaviour [BUNDLE_FOLDER]."""

from __future__ import annotations

import sys
from pathlib import Path

from models.bundle import load_bundle
from tests.behaviour.runner import run_cases

BUNDLES = Path("artifacts/bundles")


def current_bundle() -> Path:
    """Returns the folder of the bundle that is served."""
    return BUNDLES / (BUNDLES / "current").read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    print(run_cases(load_bundle(Path(sys.argv[1]) if len(sys.argv) > 1 else current_bundle())).text())
