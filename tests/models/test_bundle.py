"""A bundle is whole or absent, comes back as it was saved, and any damage is refused with the name of the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BundleError, KefuError
from data.types import LabelSet
from models.analyzer import Analyzer, Request
from models.bundle import (
    Bundle,
    BundleLayout,
    BundleManifest,
    file_hashes,
    load_bundle,
    manifest_seal,
    read_manifest,
    save_bundle,
    write_directory,
)  # fmt: skip
from models.calibration import Calibration, Thresholds
from models.inputs import InputFormat
from tests.models.helpers import index_of, light, reseal
from tests.tiny import DOMAIN, ENTRIES, FORMAT

TEXTS = ("怎么申请退货", "快递到哪了", "碎屏了!!我要赔偿", "打我电话13800138000", "hello", "長" * 300)


@pytest.fixture
def copy(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle, to be spoilt."""
    return Path(shutil.copytree(bundle_path, tmp_path / "copy"))


def again(bundle: Bundle, target: Path, **changes: object) -> BundleManifest:
    """Saves a loaded bundle's parts once more, some of them changed."""
    layout = BundleLayout(bundle.root)
    parts: dict[str, object] = {
        "model": layout.model, "tokenizer": layout.tokenizer, "lexicon": layout.lexicon, "domain": layout.domain, "faq": bundle.faq,
        "calibration": bundle.calibration, "input_format": bundle.encoder.input_format, "facts": {"run_ids": {"train": "tiny-run"}},
        "model_card": layout.model_card.read_text(encoding="utf-8"),
    }  # fmt: skip
    return save_bundle(target, **parts | changes)  # type: ignore[arg-type]


def analyses(bundle: Bundle) -> list[object]:
    found = Analyzer(bundle).analyze([Request(text) for text in TEXTS])
    return [(analysis, analysis.vector.tolist()) for analysis in found]


def swap(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def test_it_holds_what_the_layout_says(bundle: Bundle) -> None:
    layout = BundleLayout(bundle.root)
    parts = [layout.model, layout.tokenizer, layout.lexicon, layout.labels, layout.calibration, layout.model_card]
    names = {part.name for part in parts} | {part.relative_to(bundle.root).as_posix() for part in layout.domain.iterdir()}
    names |= {
        f"faq/{name}" for name in ("index.faiss", "unanswered.faiss", "entries.jsonl", "bm25.json", "bm25.npz", "answers.npz")
    }
    names |= {f"faq/{name}.{kind}" for name in ("questions", "unanswered") for kind in ("npy", "npz")}
    assert set(bundle.manifest.files) == names == set(file_hashes(bundle.root))
    assert bundle.labels == bundle.pack.labels
    assert bundle.manifest.label_fingerprint == bundle.labels.fingerprint
    assert InputFormat(**bundle.manifest.input_format) == FORMAT
    assert bundle.faq.entries == ENTRIES
    assert bundle.manifest.run_ids == {"train": "tiny-run"}


def test_no_file_of_it_is_a_pickle(bundle_path: Path) -> None:
    for name in file_hashes(bundle_path):
        content = (bundle_path / name).read_bytes()
        assert not content.startswith(b"\x80")
        assert not name.endswith((".pkl", ".pickle", ".pt", ".bin"))
    with np.load(bundle_path / "faq" / "bm25.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "if" for name in arrays.files)


def test_saved_and_loaded_it_scores_the_same(bundle: Bundle, tmp_path: Path) -> None:
    manifest = again(bundle, tmp_path / "again")
    other = load_bundle(tmp_path / "again")
    assert analyses(other) == analyses(bundle)
    assert other.calibration == bundle.calibration
    assert manifest == bundle.manifest == other.manifest, "the same parts make the same version"


def test_other_parts_make_another_version(bundle: Bundle, tmp_path: Path) -> None:
    stricter = Calibration(thresholds=Thresholds(faq_direct=0.9))
    manifest = again(bundle, tmp_path / "stricter", calibration=stricter)
    assert manifest.bundle_version != bundle.manifest.bundle_version
    assert manifest.files["model.onnx"] == bundle.manifest.files["model.onnx"]
    assert load_bundle(tmp_path / "stricter").calibration == stricter


def test_a_flipped_byte_in_any_file_is_refused_with_its_name(copy: Path) -> None:
    names = [*file_hashes(copy), "manifest.json"]
    assert len(names) == 23
    for name in names:
        path = copy / name
        content = path.read_bytes()
        for place in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(BundleError, match=name):
                load_bundle(copy)
        path.write_bytes(content)
    load_bundle(copy)


@light
@given(st.data())
def test_no_flipped_bit_of_the_manifest_goes_unseen(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = (bundle_path / "manifest.json").read_bytes()
    place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    spoilt = content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "manifest.json").write_bytes(spoilt)
    try:
        assert read_manifest(folder) == read_manifest(bundle_path), "only what changes nothing, such as a space, may pass"
    except BundleError as error:
        assert "manifest.json" in str(error)


def test_a_changed_input_format_is_refused(copy: Path) -> None:
    swap(copy / "manifest.json", lambda raw: raw["input_format"].update(context_turns=0))
    with pytest.raises(BundleError, match=r"manifest\.json was changed"):
        load_bundle(copy)


def test_a_manifest_from_before_the_seal_is_still_read(copy: Path, bundle: Bundle) -> None:
    swap(copy / "manifest.json", lambda raw: raw.pop("seal"))
    assert load_bundle(copy).manifest == replace(bundle.manifest, seal="")


def test_a_missing_file_is_named(copy: Path) -> None:
    for name in [*file_hashes(copy), "manifest.json"]:
        (copy / name).rename(copy.parent / "aside")
        with pytest.raises(BundleError, match=name):
            load_bundle(copy)
        (copy.parent / "aside").rename(copy / name)


@pytest.mark.parametrize("name", ["notes.txt", "domain/more.yaml", "faq/.hidden", "domain/manifest.json"])
def test_an_extra_file_is_named(copy: Path, name: str) -> None:
    (copy / name).write_text("x", encoding="utf-8")
    with pytest.raises(BundleError, match=f"{name} is not listed"):
        load_bundle(copy)


def test_a_directory_that_is_no_bundle_is_refused_with_advice(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match=r"holds no manifest\.json; run `make train`"):
            load_bundle(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"schema_version": "2"}'])
def test_a_malformed_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"manifest\.json is damaged"):
        load_bundle(copy)


@pytest.mark.parametrize("changes", [{"schema_version": "1"}, {"schema_version": "3"}, {"normaliser_version": "0"}])
def test_a_bundle_of_another_version_is_refused(copy: Path, changes: dict[str, str]) -> None:
    reseal(copy, **changes)
    with pytest.raises(BundleError, match="train the bundle again"):
        load_bundle(copy)


def test_a_seal_and_hashes_made_afresh_are_accepted(copy: Path, bundle: Bundle) -> None:
    # So that the tests around this one refuse what they mean to, and not their own reseal.
    reseal(copy)
    assert load_bundle(copy).manifest == bundle.manifest


@pytest.mark.parametrize("part", ["intents", "emotions"])
def test_labels_in_another_order_are_refused(copy: Path, part: str) -> None:
    swap(copy / "labels.json", lambda raw: raw[part].reverse())
    reseal(copy)
    with pytest.raises(BundleError, match=r"labels\.json"):
        load_bundle(copy)


def test_a_domain_pack_with_another_order_is_refused(copy: Path) -> None:
    path = copy / "domain" / "emotions.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if "code:" in line)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    path.write_text("\n".join(lines), encoding="utf-8")
    reseal(copy)
    with pytest.raises(BundleError, match=r"labels\.json"):
        load_bundle(copy)


def test_a_fingerprint_of_other_labels_is_refused(copy: Path) -> None:
    reseal(copy, label_fingerprint="0" * 16)
    with pytest.raises(BundleError, match=r"labels\.json"):
        load_bundle(copy)


def test_a_graph_with_fewer_labels_than_the_pack_is_refused(copy: Path) -> None:
    swap(copy / "labels.json", lambda raw: raw["intents"].pop())
    path = copy / "domain" / "intents.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.rindex("  - code:")], encoding="utf-8")
    labels = json.loads((copy / "labels.json").read_text(encoding="utf-8"))
    reseal(copy, label_fingerprint=LabelSet(tuple(labels["intents"]), tuple(labels["emotions"])).fingerprint)
    with pytest.raises(BundleError, match=r"model\.onnx scores \(49, 6\) labels, labels\.json lists 48 and 6"):
        load_bundle(copy)


def test_an_index_of_another_dimension_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    again(bundle, tmp_path / "thin", faq=index_of(ENTRIES, bundle.labels.intents, size=8))
    with pytest.raises(BundleError, match=r"faq/index\.faiss has dimension 8, model\.onnx gives 32"):
        load_bundle(tmp_path / "thin")


def test_an_index_with_fewer_entries_than_vectors_is_refused(copy: Path) -> None:
    path = copy / "faq" / "entries.jsonl"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", encoding="utf-8")
    reseal(copy)
    with pytest.raises(BundleError, match=r"faq/ holds 14 vectors"):
        load_bundle(copy)


def test_a_graph_that_is_none_is_refused(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"not a graph")
    reseal(copy)
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded"):
        load_bundle(copy)


def test_the_manifest_is_written_last(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever is killed on the way leaves a directory that nobody takes for a bundle.
    seen: list[set[str]] = []
    write_text = Path.write_text

    def watched(path: Path, *arguments: object, **named: object) -> int:
        if path.name == "manifest.json":
            seen.append(set(file_hashes(path.parent)))
        return write_text(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", watched)
    manifest = again(bundle, tmp_path / "again")
    assert seen == [set(manifest.files)]


class Interrupted(BaseException):
    """Like a KeyboardInterrupt, which pytest itself would obey."""


@pytest.mark.parametrize("error", [OSError, KefuError, Interrupted])
def test_a_half_written_directory_is_never_taken(error: type[BaseException], tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_text("x", encoding="utf-8")
        raise error

    with pytest.raises(error):
        write_directory(tmp_path / "bundle", fill)
    assert list(tmp_path.iterdir()) == []


def test_an_older_directory_stays_when_the_new_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "bundle"
    write_directory(target, lambda folder: (folder / "old").touch())

    def broken(_: Path) -> None:
        raise OSError

    with pytest.raises(OSError):
        write_directory(target, broken)
    assert [path.name for path in target.iterdir()] == ["old"]

    refused: list[Path] = []

    def refuse_once(source: Path, where: Path) -> None:
        if where == target and not refused:
            refused.append(source)
            raise OSError("disk full")
        source.rename(where)

    monkeypatch.setattr("os.replace", refuse_once)
    with pytest.raises(OSError, match="disk full"):
        write_directory(target, lambda folder: (folder / "new").touch())
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_directory_replaces_the_older_one_wholly(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    for name in ("old", "new"):
        write_directory(target, lambda folder, name=name: (folder / name).touch())  # type: ignore[misc]
        assert [path.name for path in target.iterdir()] == [name]
    assert list(target.parent.iterdir()) == [target]


def test_nothing_is_visible_until_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "bundle"

    def fill(folder: Path) -> None:
        assert not target.exists()
        assert all(path.name.startswith(".") for path in tmp_path.iterdir())
        (folder / "file").touch()

    write_directory(target, fill)
    assert target.is_dir()


def test_others_may_read_it_as_they_may_read_any_directory(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    write_directory(tmp_path / "bundle", lambda folder: (folder / "file").touch())
    assert (tmp_path / "bundle").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_seal_covers_every_field_but_itself(bundle: Bundle) -> None:
    for name, value in asdict(bundle.manifest).items():
        other: Any = f"{value}x" if isinstance(value, str) else {**value, "x": "y"}
        changed = replace(bundle.manifest, **{name: other})
        assert (manifest_seal(changed) == bundle.manifest.seal) is (name == "seal")


def test_the_shipped_domain_pack_goes_in_as_it_stands(bundle_path: Path) -> None:
    for path in (bundle_path / "domain").iterdir():
        assert path.read_bytes() == (DOMAIN / path.name).read_bytes()
