"""Finds the current bundle and holds it loaded."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

from data.errors import BundleError
from data.normalise import NORMALISER_VERSION
from models.analyzer import Analyzer, Request
from models.bundle import SCHEMA_VERSION, Bundle, BundleLayout, file_hashes, load_bundle, read_manifest
from models.calibration import Calibration
from models.policy import Knowledge
from models.shelf import Shelf
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


def bundle_path(settings: Settings) -> Path:
    """Returns the directory of the current bundle.

    Raises:
        BundleError: None is named, or the one named is not there.
    """
    if settings.bundle is not None:
        return settings.bundle
    return Shelf(settings.bundles).current()


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


def current_stamp(settings: Settings) -> tuple[Path, int, int]:
    """Returns what changes whenever the current bundle does. Reads a name and asks for a file's date: some 20 microseconds.

    Raises:
        BundleError: There is none.
    """
    path = bundle_path(settings)
    try:
        found = (path / "manifest.json").stat()
    except OSError as error:
        raise BundleError(f"{path} holds no manifest.json ({error.strerror}); restore the bundle, or point to another") from error
    return path, found.st_mtime_ns, found.st_ino


def settle() -> None:
    """Takes what was loaded out of the garbage collector's sight: its full passes are what made the slowest answers."""
    gc.unfreeze()  # what was loaded before, and is not used any more, must be seen to be freed
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def check_files(settings: Settings) -> Path:
    """Returns the current bundle's path once its manifest fits this kefu and every file has its hash. Loads no model.

    Raises:
        BundleError: There is no bundle, it is damaged, or another version of kefu made it.
    """
    path = bundle_path(settings)
    manifest = read_manifest(path)
    if (manifest.schema_version, manifest.normaliser_version) != (SCHEMA_VERSION, NORMALISER_VERSION):
        raise BundleError(f"{path}: another version of kefu made this bundle; train it again")
    if file_hashes(path) != manifest.files:
        raise BundleError(f"{path}: a file is missing, damaged, or not in manifest.json; restore the bundle or train it again")
    Calibration.load(BundleLayout(path).calibration)  # else every worker would find that it does not fit, and start again, for ever
    return path
