"""What a bundle consists of and says of itself. Loads nothing, so that a start can be refused before anything heavy is imported."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.errors import BundleError

SCHEMA_VERSION = "2"


@dataclass(frozen=True, slots=True)
class BundleLayout:
    """Where each part of a bundle lies. Source of truth for writers and readers."""

    root: Path

    @property
    def manifest(self) -> Path:
        """What the bundle is, and the hash of every other file."""
        return self.root / "manifest.json"

    @property
    def model(self) -> Path:
        """Trunk and heads."""
        return self.root / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer."""
        return self.root / "tokenizer.json"

    @property
    def lexicon(self) -> Path:
        """The n-grams of the network's wide part."""
        return self.root / "lexicon.json"

    @property
    def labels(self) -> Path:
        """Ordered intents and emotions."""
        return self.root / "labels.json"

    @property
    def calibration(self) -> Path:
        """Temperatures, thresholds, fusion, rejection."""
        return self.root / "calibration.json"

    @property
    def domain(self) -> Path:
        """The domain pack as it stood at training."""
        return self.root / "domain"

    @property
    def faq(self) -> Path:
        """Vectors, entries and word statistics of the knowledge base."""
        return self.root / "faq"

    @property
    def model_card(self) -> Path:
        """What it was trained on, measured results, limits."""
        return self.root / "model_card.md"


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What a bundle says of itself.

    Attributes:
        schema_version: Of the layout.
        bundle_version: Short name, derived from the hashes of its files.
        normaliser_version: Of data.normalise.
        label_fingerprint: Of the label order.
        input_format: How texts are fed to the encoder.
        git_commit: Of the code that made it.
        data_hashes: Of the prepared data.
        config_hash: Of the resolved configuration.
        run_ids: MLflow runs by job.
        metrics: Headline results on the test split.
        files: sha256 of every other file, by path within the bundle.
        parent: Version of the bundle whose knowledge base was changed to make this one; empty for one that was trained.
        created: When that was, in UTC; empty for one that was trained.
        seal: sha256 of all the fields above: a damaged `input_format` would change scores without a word.
    """

    schema_version: str
    bundle_version: str
    normaliser_version: str
    label_fingerprint: str
    input_format: dict[str, Any]
    git_commit: str = ""
    data_hashes: dict[str, str] = field(default_factory=dict)
    config_hash: str = ""
    run_ids: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    parent: str = ""
    created: str = ""
    seal: str = ""


def read_manifest(root: Path) -> BundleManifest:
    """Returns a bundle's manifest.

    Raises:
        BundleError: It is absent, malformed, or not as it was written.
    """
    path = BundleLayout(root).manifest
    try:
        manifest = BundleManifest(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise BundleError(f"{root} holds no manifest.json; run `make train` or point KEFU_BUNDLE at a bundle") from error
    except (ValueError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}); build the bundle again") from error
    if manifest.seal and manifest.seal != manifest_seal(manifest):  # bundles from before the seal have none
        raise BundleError(f"{path} was changed after it was written, or does not fit this version of kefu; build the bundle again")
    return manifest


def manifest_seal(manifest: BundleManifest) -> str:
    """Returns the sha256 of a manifest's fields but the seal."""
    values = asdict(manifest) | {"seal": ""}
    # Bundles from before these fields were sealed without them.
    values = {name: value for name, value in values.items() if value or name not in ("parent", "created")}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def file_hashes(root: Path) -> dict[str, str]:
    """Returns the sha256 of every file under a directory but its own manifest.json, by relative path."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path != root / "manifest.json")
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
