"""Changes of the knowledge base, and of the bundle, while the service answers. Everything here may block: give it a thread."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.changes import Change, Changed, apply_change
from data.errors import BundleError
from data.types import FaqEntry
from models.bundle import Bundle, derive_bundle
from models.interaction import Embedded, TokenStore
from models.manifest import BundleManifest, read_manifest
from models.retrieval import ITSELF, FaqIndex, Texts, answer_text
from models.shelf import Shelf
from serving.bundles import Brain, load_brain_at, settle
from serving.checks import bundle_path
from serving.engine import Engine
from serving.errors import (
    BundleRefusedError,
    FixedBundleError,
    NoWayBackError,
    ShelfError,
    UnknownBundleError,
    VersionConflictError,
)
from serving.settings import Settings

PATIENCE = 10.0  # seconds that a change waits for another one
_PIECE = 16  # texts that are embedded at a time


@dataclass(frozen=True, slots=True)
class Swap:
    """A change that was made, or would be.

    Attributes:
        bundle: Version that is served now.
        previous: Version that was served before.
        changed: The knowledge base and what differs; None where only the bundle was changed.
    """

    bundle: str
    previous: str
    changed: Changed | None = None


def follow(settings: Settings, engine: Engine) -> bool:
    """Makes the engine answer with the current bundle; returns whether that is another one than before.

    Raises:
        BundleError: It cannot be loaded; the engine keeps what it has.
    """
    with engine.replacing:
        path = bundle_path(settings)
        if (path, read_manifest(path).bundle_version) == engine.brain.identity:
            return False
        engine.brain = load_brain_at(path, loaded=engine.brain)
    settle()
    return True


def change_knowledge(
    settings: Settings, engine: Engine, change: Change, *, base_version: str | None = None, dry_run: bool = False
) -> Swap:  # fmt: skip
    """Returns what a change made of the knowledge base, once this worker answers with it.

    Args:
        settings: Of the deployment.
        engine: What answers.
        change: What to do.
        base_version: The version that the change was made for; any if not given.
        dry_run: Whether to check only.

    Raises:
        ChangeError: The change is bad.
        VersionConflictError: Another version is current.
        KefuError: See `_writing`.
    """
    with _writing(settings) as shelf:
        brain = _current_brain(shelf, engine)
        version = brain.bundle.manifest.bundle_version
        if base_version is not None and base_version != version:
            raise VersionConflictError(f"the current bundle is {version}, expected {base_version[:64]!r}; read the entries again")
        changed = apply_change(brain.bundle.faq.entries, change, brain.bundle.labels)
        if dry_run or changed.entries == brain.bundle.faq.entries:
            if not dry_run:
                _serve(shelf, engine, brain, current=True)
            return Swap(version, version, changed)
        index = _index(changed.entries, brain.bundle)
        path = derive_bundle(shelf.root, brain.bundle, index, created=_now())
        new = _load(path, replace(brain, bundle=replace(brain.bundle, faq=index)))
        _serve(shelf, engine, new)
        _prune(shelf, settings.bundles_kept)
    settle()
    return Swap(new.bundle.manifest.bundle_version, version, changed)


def change_bundle(settings: Settings, engine: Engine, version: str) -> Swap:
    """Returns what was served before, once this worker answers with another bundle of the folder.

    Raises:
        UnknownBundleError: The folder has no such bundle.
        BundleRefusedError: It is damaged.
        KefuError: See `_writing`.
    """
    with _writing(settings) as shelf:
        before = _current_version(shelf)
        new = _load(_find(shelf, version), engine.brain)
        _serve(shelf, engine, new)
    settle()
    return Swap(new.bundle.manifest.bundle_version, before)


def revert(settings: Settings, engine: Engine) -> Swap:
    """Returns what was served before, once this worker answers with the bundle before that. A second call goes one further.

    Raises:
        NoWayBackError: None was served before.
        BundleRefusedError: It is damaged.
        KefuError: See `_writing`.
    """
    with _writing(settings) as shelf:
        before, previous = _current_version(shelf), shelf.previous()
        if previous is None:
            raise NoWayBackError("no bundle was served before this one; list those that exist, and choose one")
        new = _load(previous, engine.brain)
        with engine.replacing:
            shelf.step_back()
            engine.brain = new
    settle()
    return Swap(new.bundle.manifest.bundle_version, before)


def list_bundles(settings: Settings) -> dict[Path, BundleManifest | BundleError]:
    """Returns the bundles of the folder, newest first.

    Raises:
        FixedBundleError: The service was told to serve one bundle.
        ShelfError: The folder cannot be read.
    """
    _refuse_fixed(settings)
    try:
        found = Shelf(settings.bundles).bundles()
    except OSError as error:
        raise ShelfError(f"the folder of bundles cannot be read ({error.strerror}); mend it") from error
    return dict(sorted(found.items(), key=lambda item: created(*item), reverse=True))


def created(path: Path, manifest: BundleManifest | BundleError) -> str:
    """Returns when a bundle was made, in UTC: what it says, or its manifest's date."""
    if isinstance(manifest, BundleManifest) and manifest.created:
        return manifest.created
    with suppress(OSError):
        return _iso(datetime.fromtimestamp((path / "manifest.json").stat().st_mtime, UTC))
    return ""


@contextmanager
def _writing(settings: Settings) -> Iterator[Shelf]:
    """Lets one change at a time in, of all workers and processes.

    Raises:
        FixedBundleError: The service was told to serve one bundle.
        ShelfBusyError: Another change takes too long.
        ShelfError: The folder cannot be written; the old bundle stays.
    """
    _refuse_fixed(settings)
    shelf = Shelf(settings.bundles)
    try:
        with shelf.lock(seconds=PATIENCE):
            shelf.sweep()
            yield shelf
    except OSError as error:
        raise ShelfError(
            f"the folder of bundles cannot be written ({error.strerror}); the old bundle stays. See KEFU_BUNDLES"
        ) from error


def _refuse_fixed(settings: Settings) -> None:
    if settings.bundle is not None:
        raise FixedBundleError(
            "this service serves the one bundle that KEFU_BUNDLE names, so neither it nor its knowledge base can be changed; "
            "unset KEFU_BUNDLE and use a folder, KEFU_BUNDLES"
        )


def _current_brain(shelf: Shelf, engine: Engine) -> Brain:
    """The current bundle, which another worker may have made a moment ago."""
    path, brain = shelf.current(), engine.brain
    return brain if (path, read_manifest(path).bundle_version) == brain.identity else _load(path, brain)


def _current_version(shelf: Shelf) -> str:
    """The version that is current; its directory's name if it cannot be read any more, for then going elsewhere is the cure."""
    path = shelf.current()
    try:
        return read_manifest(path).bundle_version
    except BundleError:
        return path.name


def _find(shelf: Shelf, version: str) -> Path:
    for path, manifest in shelf.bundles().items():
        if version in (path.name, getattr(manifest, "bundle_version", None)):
            return path
    raise UnknownBundleError(f"no bundle has the version {version[:64]!r}; list those that exist, and choose one")


def _index(entries: Sequence[FaqEntry], base: Bundle) -> FaqIndex:
    """Returns the index of entries; only questions and answers that the base does not have are embedded."""
    faq = base.faq
    asked, answered = faq.texts.questions, faq.texts.answers
    known = {question: (asked.vectors[row], asked.tokens[row]) for row, question in enumerate(faq.questions)}
    told = {answer_text(entry): answered[number] for number, entry in enumerate(faq.entries)}
    questions = [question for entry in entries for question in entry.questions]
    answers = [answer_text(entry) for entry in entries]
    for piece in _pieces(questions, known):
        encoded = base.encoder.encode(piece)
        known |= zip(piece, zip(encoded.vector.astype(np.float16), encoded.tokens, strict=True), strict=True)
    for piece in _pieces(answers, told):
        told |= zip(piece, base.encoder.encode(piece).tokens, strict=True)
    vectors: NDArray[np.float16] = np.stack([known[question][0] for question in questions])
    asked = Embedded(vectors, TokenStore.of([known[question][1] for question in questions]))
    texts = Texts(asked, TokenStore.of([told[answer] for answer in answers]), _still_unanswered(faq.texts.unanswered, vectors))
    return FaqIndex.fit(entries, texts, base.labels.intents, calibrated=faq.calibrated, like=faq)


def _still_unanswered(unanswered: Embedded, questions: NDArray[np.float16]) -> Embedded:
    """Without what an entry now asks itself: an entry added for such a question must not suffer by it."""
    if not len(unanswered.vectors):
        return unanswered
    cosines = unanswered.vectors.astype(np.float32) @ questions.astype(np.float32).T
    kept = np.flatnonzero(cosines.max(axis=1, initial=-1.0) < ITSELF)
    if len(kept) == len(unanswered.vectors):
        return unanswered
    return Embedded(unanswered.vectors[kept], TokenStore.of([unanswered.tokens[int(row)] for row in kept]))


def _pieces(texts: Sequence[str], known: Container[str]) -> Iterator[list[str]]:
    """Yields the texts that are not known, a few at a time: between any two pieces, a message may be answered."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    for first in range(0, len(new), _PIECE):
        yield new[first : first + _PIECE]


def _load(path: Path, loaded: Brain) -> Brain:
    try:
        return load_brain_at(path, loaded=loaded)
    except BundleError as error:
        # Its place on the disk is the operators' business; which file it is, is the caller's.
        raise BundleRefusedError(str(error).replace(f"{path.parent}{os.sep}", "")) from error


def _serve(shelf: Shelf, engine: Engine, brain: Brain, *, current: bool = False) -> None:
    with engine.replacing:
        if not current:
            shelf.point_to(brain.bundle.root)
        engine.brain = brain


def _prune(shelf: Shelf, keep: int) -> None:
    with suppress(OSError):  # the change is live; what cannot be removed now will be next time
        shelf.prune(keep)


def _now() -> str:
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
