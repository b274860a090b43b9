"""The configuration of every job: YAML in configs/, checked by frozen pydantic models that allow no unknown field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from data.errors import ConfigError
from models.inputs import InputFormat
from models.settings import TrainingSettings

CONFIGS = Path("configs")


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrepareConfig(_Config):
    """Reads, masks, cleans and splits the data."""

    dialogues: Path = Field(description="JSON Lines or CSV file, or a folder of them")
    faq: Path = Field(description="Knowledge base: YAML, JSON Lines, CSV or XLSX file, or a folder of them")
    faq_queries: Path | None = Field(
        default=None, description="JSON Lines: text, faq_id or null, split; null measures nothing but Hit@1"
    )
    out_of_scope: Path | None = Field(default=None, description="JSON Lines: text, kind, split")
    domain: Path = CONFIGS / "domain"
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
    near_duplicate: float = Field(
        default=0.8, ge=0, le=1, description="Jaccard similarity of character bigrams of a near duplicate"
    )
    on_bad_row: Literal["raise", "skip"] = "raise"
    review: Path | None = Field(
        default=None,
        description="Corrected review file of `audit-labels` (.xlsx or .csv), or a folder of them; the later name wins",
    )
    flagged: Literal["keep", "down_weight", "drop"] = Field(
        default="keep", description="What becomes of training rows that the review file flags and nobody corrected"
    )
    flagged_reasons: tuple[Literal["label_error", "conflicting_duplicate", "outlier"], ...] = Field(
        default=("label_error", "conflicting_duplicate"), description="Reasons that count as flagged; an outlier is no wrong label"
    )
    flagged_weight: float = Field(default=0.3, ge=0, le=1, description="Weight of a row with `flagged: down_weight`")
    seed: int = 13


class InputConfig(_Config):
    """How texts are fed to the encoder; see models.inputs.InputFormat."""

    prefix: str = "query: "
    max_tokens: int = Field(default=192, ge=16, le=512)
    message_characters: int = Field(default=160, ge=16)
    context_turns: int = Field(default=0, ge=0, le=10)
    context_below: int = Field(default=16, ge=0)
    context_characters: int = Field(default=48, ge=8)
    turn_characters: int = Field(default=0, ge=0)

    def build(self) -> InputFormat:
        """Returns the format that `models` takes."""
        return InputFormat(**self.model_dump())


class TrainConfig(_Config):
    """Trains the trunk; `training` takes the fields of models.training.TrainingSettings."""

    base_encoder: str = "bundled:e5-small-zh"
    trunk_layers: int | None = Field(default=None, ge=1, description="Lowest layers of the encoder that are kept; null keeps all")
    warm_start: Path | None = Field(
        default=None,
        description="What `adapt` left: a trunk in place of the encoder's own, and heads to start from where labels and number of layers are the same; null: none",
    )
    cache: Path = Path("artifacts/cache")
    input: InputConfig = InputConfig()
    training: dict[str, Any] = Field(default_factory=dict)
    ngram_min_count: int = Field(default=2, ge=1, description="Rows that an n-gram of the wide part must occur in")
    early_stopping: bool = Field(default=True, description="Keep the epoch that is best on the dev split")
    threads: int = Field(default=2, ge=1)

    def settings(self) -> TrainingSettings:
        """Returns the settings that `models` takes.

        Raises:
            ConfigError: A name is unknown, or a value is of the wrong type.
        """
        known = {field.name for field in dataclasses.fields(TrainingSettings)}
        unknown = sorted(set(self.training) - known)
        if unknown:
            raise ConfigError(f"training.{unknown[0]} is not a setting; known are {', '.join(sorted(known))}")
        try:
            return TypeAdapter(TrainingSettings).validate_python(self.training)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"training.{name}: {first['msg']} (got {first['input']!r}); correct it in configs/train.yaml"
            ) from error


class AdaptConfig(_Config):
    """Fine-tunes trunk and heads at length, for `train` to start from."""

    base: Path = Field(default=CONFIGS / "train.yaml", description="Configuration of `train`: its encoder, layers and input")
    out: Path = Field(description="The file that `train` names as its warm_start")
    start: Path | None = Field(default=None, description="An earlier `out` to go on from; null starts from the encoder itself")
    training: dict[str, Any] = Field(default_factory=dict, description="Settings over those of `base`")

    def build(self) -> TrainConfig:
        """Returns the configuration of the long training.

        Raises:
            ConfigError: Word embeddings are to be trained, which a warm start does not hold.
        """
        own = load_config(TrainConfig, self.base)
        own = own.model_copy(update={"warm_start": self.start, "training": own.training | self.training})
        if not own.settings().frozen_embeddings:
            raise ConfigError("training.frozen_embeddings is false, but a warm start holds no word embeddings; set it to true")
        return own


class ExportConfig(_Config):
    """Exports to ONNX and chooses the quantisation."""

    tolerance: float = Field(default=0.01, ge=0, le=1, description="Quality that speed may cost on the dev split")
    dev_rows: int = Field(default=300, ge=50, description="Dev messages that the choice is measured on")
    dev_queries: int = Field(default=150, ge=0)
    threads: int = Field(default=2, ge=1)


class IndexConfig(_Config):
    """Embeds the knowledge base with the exported graph."""

    threads: int = Field(default=2, ge=1)


class CalibrateConfig(_Config):
    """Fits temperatures, fusion, rejection and thresholds on the dev split."""

    direct_precision: float = Field(default=0.95, ge=0, le=1)
    suggest_precision: float = Field(default=0.6, ge=0, le=1)
    anger_recall: float = Field(default=0.95, ge=0, le=1, description="Share of angry turns that the alert finds")
    anger_false_alarms: float = Field(
        default=0.05, ge=0, le=1, description="Share of the other turns that may raise it; it goes before the recall"
    )
    false_alarms_z: float = Field(
        default=0.0, ge=0, le=3, description="It is kept to by the upper Wilson bound at so many standard errors"
    )
    anger_handoff_precision: float = Field(default=0.8, ge=0, le=1)
    anxiety_recall: float = Field(default=0.8, ge=0, le=1)
    in_scope_kept: float = Field(default=0.95, ge=0, le=1)
    certain_leak: float = Field(
        default=0.02, ge=0, le=1, description="Share of out-of-scope messages whose intent is so sure that they are served"
    )
    precision_z: float = Field(
        default=1.0, ge=0, le=3, description="FAQ precisions are met by the lower Wilson bound at so many standard errors"
    )
    intent_precision: float = Field(
        0.8, ge=0, le=1, description="Precision of the ranking's first place above the intent threshold"
    )
    threads: int = Field(default=2, ge=1)
    seed: int = 13


class BundleConfig(_Config):
    """Puts the parts together."""

    domain: Path = CONFIGS / "domain"


class EvaluateConfig(_Config):
    """Measures the candidate on the test split; `gates` are the lowest values that promotion accepts."""

    gates: dict[str, float] = Field(default_factory=dict)
    bootstrap: int = Field(default=1000, ge=100)
    threads: int = Field(default=2, ge=1)
    seed: int = 13


class PromoteConfig(_Config):
    """Makes the candidate the champion."""

    max_recall_drop: float = Field(default=0.2, ge=0, le=1, description="Largest loss of recall on an intent against the champion")
    min_support: int = Field(default=15, ge=1, description="Test rows below which an intent's recall is not compared")
    keep: int = Field(default=5, ge=1, description="Old bundles that are kept")


PublicSet = Literal["cic", "jddc", "dialoguecse_jddc", "dialoguecse_ecd", "ewect", "oos"]
TrainedSet = Literal["cic", "jddc", "ewect"]
Flagged = Literal["down_weight", "drop", "relabel"]
Baseline = Literal["frozen", "fasttext", "setfit-8", "setfit-64"]


class TransferConfig(_Config):
    """Scores the current bundle on sets that it was never trained on."""

    enabled: bool = True
    rows: int | None = Field(default=None, ge=1, description="At most so many rows of each measurement; null takes all")


class BenchmarkTrainingConfig(_Config):
    """Trains on each set's own training part and scores the result on its held-out part."""

    enabled: bool = True
    base: Path = CONFIGS / "train.yaml"
    rows: int | None = Field(default=None, ge=1, description="At most so many training rows of any set; null takes all")
    ewect_rows: int | None = Field(default=9000, ge=1, description="At most so many training rows of EWECT; null takes all")
    dev_rows: int = Field(default=1000, ge=1, description="Most rows for early stopping and the share of the n-grams")
    test_rows: int | None = Field(default=None, ge=1, description="At most so many scored rows; null takes all")
    epochs: int | None = Field(default=None, ge=1, description="If given, for every set, whatever `overrides` says")
    baselines: tuple[Baseline, ...] = ("frozen",)
    overrides: dict[TrainedSet, dict[str, Any]] = Field(default_factory=dict, description="Settings over `base`, by set")
    flagged: dict[TrainedSet, Flagged] = Field(
        default_factory=dict, description="What becomes of training rows that the audit of labels flags, by set; kept if not named"
    )


class BenchmarkConfig(_Config):
    """Measures on public sets that lie in a folder of the user's; nothing is downloaded."""

    folder: Path | None = Field(default=None, description="Where the sets lie; there is no default")
    sets: tuple[PublicSet, ...] | None = Field(default=None, description="Sets to use; null takes those that are there")
    label_maps: Path = CONFIGS / "benchmark"
    transfer: TransferConfig = TransferConfig()
    training: BenchmarkTrainingConfig = BenchmarkTrainingConfig()
    bootstrap: int = Field(default=1000, ge=100)
    threads: int = Field(default=2, ge=1)
    seed: int = 13


class AuditConfig(_Config):
    """Looks for doubtful labels in the training split; `audit` takes the fields of pipelines.label_audit.AuditSettings."""

    base_encoder: str = "bundled:e5-small-zh"
    cache: Path = Path("artifacts/cache")
    input: InputConfig = InputConfig()
    folds: int = Field(default=5, ge=2, description="Parts of the cross-validation")
    filter_by: Literal["prune_by_noise_rate", "prune_by_class", "both", "confident_learning"] = "prune_by_noise_rate"
    min_class_rows: int = Field(default=5, ge=2, description="Intents with fewer rows are neither flagged nor suggested")
    near_duplicate: float = Field(default=0.9, ge=0, le=1, description="Jaccard similarity from which two texts say the same")
    neighbours: int = Field(default=5, ge=1, description="Nearest rows that tell how far a row is from everything")
    doubt: float = Field(
        default=0.5, gt=0, description="Flag only labels less likely than this share of chance; lower flags fewer rows"
    )
    outlier_share: float = Field(default=0.01, ge=0, le=1, description="Share of rows, the farthest, that are shown as outliers")
    flagged_weight: float = Field(default=0.3, ge=0, le=1, description="Weight of flagged rows in the benchmark")
    examples: int = Field(default=3, ge=0, description="Rows of each reason that are printed")
    benchmark: Path | None = Field(
        default=None, description="Folder with train.jsonl, dev.jsonl and clean_dev.jsonl (text, label): measure the audit instead"
    )
    bootstrap: int = Field(default=1000, ge=10)
    threads: int = Field(default=2, ge=1)
    seed: int = 13


# What `--quick` sets: some minutes for a look at whether all works; the figures are of samples and say so.
QUICK = (
    "transfer.rows=300", "training.rows=2000", "training.dev_rows=300", "training.test_rows=600", "training.epochs=1",
    "training.baselines=[frozen]", "bootstrap=200",
)  # fmt: skip

CONFIG_TYPES: dict[str, type[_Config]] = {
    "prepare": PrepareConfig, "train": TrainConfig, "export": ExportConfig, "index": IndexConfig, "calibrate": CalibrateConfig,
    "bundle": BundleConfig, "evaluate": EvaluateConfig, "promote": PromoteConfig, "benchmark": BenchmarkConfig,
    "audit-labels": AuditConfig, "adapt": AdaptConfig,
}  # fmt: skip

Config = TypeVar("Config", bound=_Config)


def load_config(kind: type[Config], path: Path, overrides: list[str] | None = None) -> Config:
    """Returns a job's configuration.

    Args:
        kind: Its model.
        path: YAML file.
        overrides: `a.b=value` each; the value is read as YAML.

    Raises:
        ConfigError: The file is missing or malformed, a field is unknown or of the wrong type; the message names the field.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); pass --config with an existing YAML file") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: got {type(raw).__name__}, expected a mapping of settings; compare configs/")
    for override in overrides or []:
        _apply(raw, override)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path}: {place}: {first['msg']} (got {first['input']!r}); known are {', '.join(kind.model_fields)}"
        ) from error


def config_hash(config: BaseModel) -> str:
    """Returns a hash of the resolved configuration."""
    return hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def _apply(raw: dict[str, Any], override: str) -> None:
    name, separator, value = override.partition("=")
    if not separator or not name:
        raise ConfigError(f"--set {override!r} is not of the form a.b=value; write for example --set training.epochs=5")
    *path, last = name.split(".")
    target = raw
    for part in path:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise ConfigError(f"--set {override!r}: {part} is not a mapping; check the name")
    target[last] = yaml.safe_load(value)
