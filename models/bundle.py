"""The bundle: one directory with all that serving reads, written whole or not at all, verified before the first request."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import BundleError
from data.normalise import NORMALISER_VERSION
from data.types import LabelSet
from models.calibration import Calibration
from models.domain import FILES as DOMAIN_FILES
from models.domain import DomainPack, load_domain
from models.encoder import OnnxEncoder
from models.inputs import InputFormat
from models.manifest import SCHEMA_VERSION, BundleLayout, BundleManifest, file_hashes, manifest_seal, read_manifest
from models.retrieval import FaqIndex


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle, all of it checked."""

    root: Path
    manifest: BundleManifest
    labels: LabelSet
    pack: DomainPack
    calibration: Calibration
    encoder: OnnxEncoder
    faq: FaqIndex


def save_bundle(
    target: Path, *, model: Path, tokenizer: Path, lexicon: Path, domain: Path, faq: FaqIndex, calibration: Calibration, input_format: InputFormat,
    facts: dict[str, Any] | None = None, model_card: str = "",
) -> BundleManifest:  # fmt: skip
    """Writes a bundle into a temporary directory beside the target and renames it: it is whole or absent.

    Args:
        target: The bundle's directory; an older one there is replaced.
        model: The ONNX graph.
        tokenizer: tokenizer.json.
        lexicon: lexicon.json.
        domain: Folder of the domain pack.
        faq: The index.
        calibration: Everything fitted on the dev split.
        input_format: How texts are fed.
        facts: Further fields of BundleManifest (git_commit, data_hashes, config_hash, run_ids, metrics).
        model_card: Markdown.
    """
    pack = load_domain(domain)

    def fill(root: Path) -> None:
        layout = BundleLayout(root)
        shutil.copyfile(model, layout.model)
        shutil.copyfile(tokenizer, layout.tokenizer)
        shutil.copyfile(lexicon, layout.lexicon)
        layout.labels.write_text(json.dumps(asdict(pack.labels), ensure_ascii=False, indent=1), encoding="utf-8")
        calibration.save(layout.calibration)
        layout.domain.mkdir()
        for name in DOMAIN_FILES:
            shutil.copyfile(domain / name, layout.domain / name)
        faq.save(layout.faq)
        layout.model_card.write_text(model_card, encoding="utf-8")
        files = file_hashes(root)
        manifest = BundleManifest(
            schema_version=SCHEMA_VERSION, bundle_version=_version(files), normaliser_version=NORMALISER_VERSION,
            label_fingerprint=pack.labels.fingerprint, input_format=asdict(input_format), files=files, **(facts or {}),
        )  # fmt: skip
        _write_manifest(layout.manifest, manifest)

    write_directory(target, fill)
    return read_manifest(target)


def derive_bundle(folder: Path, parent: Bundle, faq: FaqIndex, *, created: str) -> Path:
    """Returns the directory of a bundle that is another one with a changed knowledge base, and shares its model files.

    The same parts make the same version: where it exists, undamaged, it is returned as it is.

    Args:
        folder: Folder of bundles, on the parent's disk if files are to be shared; else they are copied.
        parent: The bundle with the model.
        faq: The changed index, made with the parent's encoder.
        created: The time, in UTC.
    """
    workplace = Path(tempfile.mkdtemp(prefix=".derived-", dir=folder))
    try:
        building = workplace / "new"  # the workplace itself may be entered by its owner only
        faq.save(building / "faq")
        shared = {name: digest for name, digest in parent.manifest.files.items() if not name.startswith("faq/")}
        files = dict(sorted((shared | file_hashes(building)).items()))
        target = folder / _version(files)
        if target.exists():
            if _is_whole(target):
                return target
            target.replace(workplace / "damaged")
        for name in shared:
            _link(parent.root / name, building / name)
        manifest = replace(
            parent.manifest, bundle_version=target.name, files=files, parent=parent.manifest.bundle_version, created=created
        )
        _write_manifest(BundleLayout(building).manifest, manifest)
        building.replace(target)
        return target
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def load_bundle(root: Path, *, threads: int = 1, loaded: Bundle | None = None) -> Bundle:
    """Returns a bundle once every file's hash, the label counts and the index's dimension were checked.

    Args:
        root: The bundle's directory.
        threads: Messages encoded at once.
        loaded: A bundle whose parts are taken over where the files are the same, which takes a tenth of the time.

    Raises:
        BundleError: Something is missing, damaged or does not fit; the message names the file.
    """
    manifest = read_manifest(root)
    if manifest.schema_version != SCHEMA_VERSION or manifest.normaliser_version != NORMALISER_VERSION:
        raise BundleError(
            f"{root}: schema {manifest.schema_version}, normaliser {manifest.normaliser_version}; this kefu reads schema "
            f"{SCHEMA_VERSION}, normaliser {NORMALISER_VERSION}; train the bundle again"
        )
    _verify(root, manifest)
    layout = BundleLayout(root)
    raw = json.loads(layout.labels.read_text(encoding="utf-8"))
    labels = LabelSet(tuple(raw["intents"]), tuple(raw["emotions"]))
    known = _Known(loaded, manifest)
    pack = known.pack or load_domain(layout.domain)
    if labels != pack.labels or labels.fingerprint != manifest.label_fingerprint:
        raise BundleError(f"{root}: labels.json does not list the labels of domain/ in their order; build the bundle again")
    encoder = known.encoder or OnnxEncoder(
        layout.model, layout.tokenizer, layout.lexicon, InputFormat(**manifest.input_format), threads=threads
    )
    if encoder.widths != (len(labels.intents), len(labels.emotions)):
        raise BundleError(
            f"{root}: model.onnx scores {encoder.widths} labels, labels.json lists {len(labels.intents)} and {len(labels.emotions)}"
        )
    faq = FaqIndex.load(layout.faq, labels.intents, like=loaded.faq if loaded else None)
    if faq.dimension != encoder.dimension:
        raise BundleError(
            f"{root}: faq/index.faiss has dimension {faq.dimension}, model.onnx gives {encoder.dimension}; index again"
        )
    return Bundle(root, manifest, labels, pack, known.calibration or Calibration.load(layout.calibration), encoder, faq)


def write_directory(target: Path, fill: Callable[[Path], object]) -> None:
    """Makes a directory whole or not at all: `fill` writes into a temporary one, which is then renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    # Inside it, because only its owner may enter what mkdtemp makes, and a server may be someone else.
    building, old = workplace / "new", workplace / "old"
    try:
        building.mkdir()
        fill(building)
        if target.exists():
            target.replace(old)
        try:
            building.replace(target)
        except BaseException:
            if old.exists():
                old.replace(target)
            raise
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


class _Known:
    """The parts of a loaded bundle that another one has too, by the hashes of their files; None for the rest."""

    def __init__(self, loaded: Bundle | None, manifest: BundleManifest) -> None:
        self._files = {} if loaded is None else loaded.manifest.files
        self._wanted = manifest.files
        self.pack = loaded.pack if loaded and self._same(f"domain/{name}" for name in DOMAIN_FILES) else None
        self.calibration = loaded.calibration if loaded and self._same(["calibration.json"]) else None
        same = loaded is not None and loaded.manifest.input_format == manifest.input_format
        self.encoder = loaded.encoder if loaded and same and self._same(["model.onnx", "tokenizer.json", "lexicon.json"]) else None

    def _same(self, names: Iterable[str]) -> bool:
        return all(self._files.get(name, "") == self._wanted.get(name) for name in names)


def _version(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


def _write_manifest(path: Path, manifest: BundleManifest) -> None:
    manifest = replace(manifest, seal=manifest_seal(manifest))
    path.write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """Gives a file a second name; where the disk has no such thing, copies it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _is_whole(root: Path) -> bool:
    try:
        _verify(root, read_manifest(root))
    except BundleError:
        return False
    return True


def _verify(root: Path, manifest: BundleManifest) -> None:
    found = file_hashes(root)
    for name, digest in manifest.files.items():
        if name not in found:
            raise BundleError(f"{root}: {name} is missing; restore it or build the bundle again")
        if found[name] != digest:
            raise BundleError(
                f"{root}: {name} does not have the hash in manifest.json, it is damaged; restore it or build the bundle again"
            )
    extra = sorted(set(found) - set(manifest.files))
    if extra:
        raise BundleError(f"{root}: {extra[0]} is not listed in manifest.json; remove it")
