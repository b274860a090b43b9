"""Finds the current bundle and holds it loaded."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

from data.errors import BundleError
from models.analyzer import Analyzer, Request
from models.bundle import Bundle, load_bundle
from models.policy import Knowledge
from serving.checks import bundle_path
from serving.settings import Settings

# Dictionaries of words and characters load at first use (most of a second): better before the first customer.
_FIRST = "您好,請問什麼時候發貨"


@dataclass(frozen=True)
class Brain:
    """A loaded bundle with all that is made from it. Replaced as one, so that no answer mixes two bundles."""

    bundle: Bundle
    analyzer: Analyzer
    knowledge: Knowledge

    @property
    def identity(self) -> tuple[Path, str]:
        """Where it was loaded from, and its version."""
        return self.bundle.root, self.bundle.manifest.bundle_version


def load_brain(settings: Settings, *, loaded: Brain | None = None) -> Brain:
    """Returns the current bundle, loaded and checked. Arguments and errors as of `load_brain_at`."""
    return load_brain_at(bundle_path(settings), loaded=loaded)


def load_brain_at(path: Path, *, loaded: Brain | None = None) -> Brain:
    """Returns a bundle, loaded, checked, and tried once.

    Args:
        path: The bundle's directory.
        loaded: A brain whose model is taken over if the bundle has the same.

    Raises:
        BundleError: There is none, it is damaged, or another version of kefu made it.
    """
    try:
        bundle = load_bundle(path, loaded=loaded.bundle if loaded else None)
        analyzer = Analyzer(bundle)
        analyzer.analyze([Request(_FIRST)])
    except (OSError, KeyError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise BundleError(f"{path} does not fit this version of kefu ({kind}: {error}); train it again") from error
    return Brain(bundle, analyzer, Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds))


def settle() -> None:
    """Takes what was loaded out of the garbage collector's sight: its full passes are what made the slowest answers."""
    gc.unfreeze()  # what was loaded before, and is not used any more, must be seen to be freed
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 50, 100)
