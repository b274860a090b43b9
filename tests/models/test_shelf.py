"""The folder of bundles: one pointer, a way back, one change at a time, and nothing left of those that were killed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from data.errors import BundleError
from models.bundle import Bundle, derive_bundle, load_bundle
from models.interaction import Embedded, TokenStore
from models.manifest import read_manifest
from models.retrieval import FaqIndex, Texts
from models.shelf import Shelf, ShelfBusyError
from tests.models.helpers import reseal


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    shelf = Shelf(tmp_path)
    shelf.point_to(tmp_path / "one")
    return shelf


def names(*paths: Path | None) -> list[str | None]:
    return [path and path.name for path in paths]


def test_steps_back_go_the_way_they_came(shelf: Shelf) -> None:
    for name in ("two", "three", "two"):
        shelf.point_to(shelf.root / name)
    for current, previous in (("two", "three"), ("three", "two"), ("two", "one"), ("one", None)):
        assert names(shelf.current(), shelf.previous()) == [current, previous]
        shelf.step_back()
    assert shelf.current().name == "one"


def test_the_way_back_leaves_out_what_is_gone(shelf: Shelf) -> None:
    shelf.point_to(shelf.root / "two")
    shelf.point_to(shelf.root / "three")
    (shelf.root / "two" / "manifest.json").unlink()
    assert names(shelf.previous()) == ["one"]


def test_pointing_to_the_same_is_no_step(shelf: Shelf) -> None:
    shelf.point_to(shelf.root / "one")
    assert shelf.previous() is None


def test_killed_between_history_and_pointer_nothing_moved(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.point_to(shelf.root / "two")
    real = Shelf._write

    def killed(self: Shelf, name: str, lines: list[str]) -> None:
        if name == "current":
            raise OSError
        real(self, name, lines)

    monkeypatch.setattr(Shelf, "_write", killed)
    with pytest.raises(OSError):
        shelf.point_to(shelf.root / "three")
    assert names(shelf.current(), shelf.previous()) == ["two", "one"]


def test_one_change_at_a_time(shelf: Shelf) -> None:
    with shelf.lock(seconds=0):
        with pytest.raises(ShelfBusyError, match="under way"), shelf.lock(seconds=0.1):
            pass
        freed: list[str] = []
        other = threading.Thread(target=lambda: _locked(shelf, freed))
        other.start()
        assert freed == []
    other.join(5)
    assert freed == ["in"]


def _locked(shelf: Shelf, freed: list[str]) -> None:
    with shelf.lock(seconds=5):
        freed.append("in")


def test_a_pointer_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="make train"):
        Shelf(tmp_path).current()
    (tmp_path / "current").write_bytes(b"\xff")
    with pytest.raises(BundleError, match="UTF-8"):
        Shelf(tmp_path).current()


def test_leftovers_are_swept_and_nothing_else(shelf: Shelf) -> None:
    for name in (".derived-ab12", ".0123456789ab-x_y"):
        (shelf.root / name / "new").mkdir(parents=True)
    (shelf.root / ".current.123").touch()
    kept = {".gitkeep", ".lock", "notes.txt", "one", "two", "three", "current"}
    for name in (".gitkeep", ".lock", "notes.txt"):
        (shelf.root / name).touch()
    shelf.sweep()
    assert {path.name for path in shelf.root.iterdir()} == kept


# Versions with another knowledge base ------------------------------------------------------------------------------------


def derived(bundle: Bundle, folder: Path, *, without: int = 1, created: str = "2026-01-01") -> Path:
    """Makes a version that lacks the last entries."""
    entries = bundle.faq.entries[:-without]
    texts, kept = bundle.faq.texts, sum(len(entry.questions) for entry in entries)
    asked = Embedded(texts.questions.vectors[:kept], TokenStore.of([texts.questions.tokens[row] for row in range(kept)]))
    answers = TokenStore.of([texts.answers[number] for number in range(len(entries))])
    faq = FaqIndex.fit(entries, Texts(asked, answers, texts.unanswered), bundle.labels.intents, calibrated=bundle.faq.calibrated)
    return derive_bundle(folder, bundle, faq, created=created)


def test_a_derived_bundle_shares_the_model_and_names_its_parent(bundle: Bundle, tmp_path: Path) -> None:
    path = derived(bundle, tmp_path)
    other = load_bundle(path, loaded=bundle)
    assert path.name == other.manifest.bundle_version != bundle.manifest.bundle_version
    assert other.manifest.parent == bundle.manifest.bundle_version and other.manifest.created == "2026-01-01"
    assert other.encoder is bundle.encoder and other.pack is bundle.pack and other.calibration is bundle.calibration
    assert (path / "model.onnx").stat().st_ino == (bundle.root / "model.onnx").stat().st_ino
    assert [path.name for path in tmp_path.iterdir()] == [path.name]
    assert load_bundle(path).faq.entries == bundle.faq.entries[:-1]


def test_without_hard_links_files_are_copied(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    path = derived(bundle, tmp_path)
    assert load_bundle(path) and (path / "model.onnx").stat().st_ino != (bundle.root / "model.onnx").stat().st_ino


def test_the_same_change_makes_the_same_version_and_mends_a_damaged_one(bundle: Bundle, tmp_path: Path) -> None:
    path = derived(bundle, tmp_path)
    assert derived(bundle, tmp_path, created="2027-01-01") == path and read_manifest(path).created == "2026-01-01"
    (path / "faq" / "entries.jsonl").write_text("")
    assert derived(bundle, tmp_path) == path and load_bundle(path)


def test_another_model_is_loaded_anew(bundle: Bundle, tmp_path: Path) -> None:
    path = derived(bundle, tmp_path)
    (path / "lexicon.json").unlink()  # a hard link: not to be written through
    (path / "lexicon.json").write_text((bundle.root / "lexicon.json").read_text(encoding="utf-8") + " ", encoding="utf-8")
    reseal(path)
    assert load_bundle(path, loaded=bundle).encoder is not bundle.encoder


def test_pruning_spares_what_is_needed(bundle: Bundle, tmp_path: Path) -> None:
    made = [derived(bundle, tmp_path, without=number, created=f"2026-01-0{number}") for number in (1, 2, 3, 4)]
    (tmp_path / "trained").mkdir()
    for name in ("manifest.json",):
        (tmp_path / "trained" / name).write_bytes((bundle.root / name).read_bytes())
    shelf = Shelf(tmp_path)
    shelf.point_to(made[0])
    shelf.point_to(made[3])
    assert set(shelf.prune(1)) == {made[1].name, made[2].name}
    assert {path.name for path in shelf.bundles()} == {made[0].name, made[3].name, "trained"}
