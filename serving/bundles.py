"""Finds the current bundle and holds it loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.errors import BundleError
from data.normalise import NORMALISER_VERSION
from models.analyzer import Analyzer, Request
from models.bundle import SCHEMA_VERSION, Bundle, file_hashes, load_bundle, read_manifest
from models.policy import Knowledge
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
    pointer = settings.bundles / "current"
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BundleError(
            f"no bundle to serve: {pointer} cannot be read ({error.strerror}), expected a text file with the name of a bundle; "
            "run `make train`, or point KEFU_BUNDLE at a bundle"
        ) from error
    if not name or Path(name).name != name or name == "..":
        raise BundleError(f"{pointer} holds {name[:60]!r}, expected the name of a directory beside it; correct it")
    return settings.bundles / name


def load_brain(settings: Settings) -> Brain:
    """Returns the current bundle, loaded and checked.

    Raises:
        BundleError: There is none, it is damaged, or another version of kefu made it.
    """
    path = bundle_path(settings)
    try:
        bundle = load_bundle(path)
        analyzer = Analyzer(bundle)
        analyzer.analyze([Request(_FIRST)])
    except (OSError, KeyError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise BundleError(f"{path} does not fit this version of kefu ({kind}: {error}); train it again") from error
    return Brain(bundle, analyzer, Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds))


def current_identity(settings: Settings) -> tuple[Path, str]:
    """Returns path and version of the bundle that `load_brain` would load. Reads two small files.

    Raises:
        BundleError: There is none.
    """
    path = bundle_path(settings)
    return path, read_manifest(path).bundle_version


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
    return path
