"""What is looked at before workers are started. Loads no model and none of the libraries that run one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from data.errors import BundleError
from data.normalise import NORMALISER_VERSION
from models.calibration import Calibration
from models.manifest import SCHEMA_VERSION, BundleLayout, file_hashes, read_manifest
from models.shelf import Shelf, ShelfBusyError
from serving.settings import Settings


def bundle_path(settings: Settings) -> Path:
    """Returns the directory of the current bundle.

    Raises:
        BundleError: None is named, or the one named is not there.
    """
    if settings.bundle is not None:
        return settings.bundle
    return Shelf(settings.bundles).current()


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


def sweep(settings: Settings) -> None:
    """Removes what a change that was killed left behind, unless one is under way, or the folder is not ours to write."""
    if settings.bundle is None:
        with suppress(OSError, ShelfBusyError):
            shelf = Shelf(settings.bundles)
            if shelf.leftovers():
                with shelf.lock(seconds=0):
                    shelf.sweep()
