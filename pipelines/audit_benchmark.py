"""Measures what the audit is worth on a public set whose training labels are noisy and whose held-out labels are clean."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from data.dedupe import dedupe_key
from data.errors import DataError
from data.readers import read_json_lines
from models.base_encoder import load_base_encoder
from models.inputs import message_text
from models.lexical import Lexicon
from models.lexical_training import matrix
from pipelines.audit_labels import audit_settings
from pipelines.config import AuditConfig
from pipelines.label_audit import Audit, audit, frozen_features
from pipelines.metrics import Labels, accuracy, bootstrap_interval, macro_f1
from pipelines.progress import console
from pipelines.report import number, spread
from pipelines.tracking import Run

_FILES = ("train", "dev", "clean_dev")
_REFERENCE = "all rows"


@dataclass(frozen=True)
class LabelledTexts:
    """One file of the set.

    Attributes:
        texts: As in the file.
        inputs: As the encoder reads them, without its prefix.
        labels: Numbers of the labels. Shape: (n,), int64.
        features: Frozen vectors. Shape: (n, hidden), float32.
    """

    texts: list[str]
    inputs: list[str]
    labels: Labels
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Variant:
    """What a classifier learns from: rows, their labels and weights. Shapes: (n,) each."""

    rows: NDArray[np.int64]
    labels: Labels
    weights: NDArray[np.float32]


def run(config: AuditConfig, folder: Path, tracker: Run) -> dict[str, Any]:
    """Writes results.json and weights.jsonl (row number, weight, reasons, suggested label; no texts) into the folder."""
    source = config.benchmark or Path()
    parts, names = read_set(source, config)
    train = parts["train"]
    started = time.monotonic()
    # No dialogues in such sets: every row is a group of its own.
    groups = [str(row) for row in range(len(train.texts))]
    found = audit(train.inputs, train.labels.tolist(), groups, features=train.features, settings=audit_settings(config))
    seconds = time.monotonic() - started
    _write_weights(folder / "weights.jsonl", found, names, config.flagged_weight)
    results: dict[str, Any] = {
        "rows": {name: len(part.texts) for name, part in parts.items()}, "labels": len(names), "audit_seconds": seconds,
        "flagged": int(found.flagged.sum()), "label_error": int(found.label_error.sum()), "conflict": int(found.conflict.sum()),
        "outlier": int(found.outlier.sum()), "judge": judge(parts, found), "variants": compare(parts, found, config),
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    tracker.metrics({name: float(results[name]) for name in ("flagged", "label_error", "conflict", "outlier", "audit_seconds")})
    tracker.metrics({f"judge_{name}": value for name, value in results["judge"].items()})
    tracker.table("variants", results["variants"])
    tracker.artifacts(folder)
    print_results(results, console)
    return results


def read_set(folder: Path, config: AuditConfig) -> tuple[dict[str, LabelledTexts], list[str]]:
    """Returns (the three files by name, the names of the labels in the order of their numbers).

    Raises:
        DataError: A file is missing, or a row carries no text or label; the message names file and row.
    """
    raw = {name: _read(folder / f"{name}.jsonl") for name in _FILES}
    names = sorted({label for rows in raw.values() for _, label in rows})
    numbers = {label: place for place, label in enumerate(names)}
    base = load_base_encoder(config.base_encoder, cache=config.cache)
    base.tokenizer.enable_truncation(config.input.max_tokens)
    parts = {}
    for name, rows in raw.items():
        inputs = [message_text(text, config.input.build()) for text, _ in rows]
        labels = np.array([numbers[label] for _, label in rows], np.int64)
        features = frozen_features(base, inputs, threads=config.threads)
        plain = [text.removeprefix(config.input.prefix) for text in inputs]
        parts[name] = LabelledTexts([text for text, _ in rows], plain, labels, features)
    return parts, names


def judge(parts: Mapping[str, LabelledTexts], found: Audit) -> dict[str, float]:
    """Returns how often a classifier of rows that the audit never saw agrees with the labels of flagged and other rows.

    It learns from dev and clean_dev alone, and is often wrong itself: read its agreement with flagged rows' labels beside that
    with the others', not as a precision.
    """
    sources = [parts[name] for name in ("dev", "clean_dev")]
    features = np.concatenate([part.features for part in sources])
    labels = np.concatenate([part.labels for part in sources])
    train = parts["train"]
    opinion = _regression(features, labels, np.ones(len(labels), np.float32), train.features)
    flagged = found.flagged
    return {
        "agrees_with_given_of_unflagged": accuracy(train.labels[~flagged], opinion[~flagged]),
        "agrees_with_given_of_flagged": accuracy(train.labels[flagged], opinion[flagged]),
        "agrees_with_suggested_of_flagged": accuracy(found.suggested[flagged], opinion[flagged]),
    }


def variants(train: LabelledTexts, found: Audit, usable: NDArray[np.bool_], config: AuditConfig) -> dict[str, Variant]:
    """Returns what is compared; the control leaves out as many rows as are flagged, at random.

    Args:
        train: The noisy rows.
        found: Their audit.
        usable: False for copies of rows that are scored. Shape: (n,).
        config: Gives the weight of flagged rows, and the seed.
    """
    everything, flagged = np.flatnonzero(usable), found.flagged
    ones = np.ones(len(usable), np.float32)
    kept = everything[~flagged[everything]]
    control = np.sort(np.random.default_rng(config.seed).permutation(everything)[: len(kept)])
    relabelled = np.where(flagged, found.suggested, train.labels)
    return {
        _REFERENCE: Variant(everything, train.labels, ones),
        "without flagged": Variant(kept, train.labels, ones),
        "flagged down-weighted": Variant(everything, train.labels, found.weights(config.flagged_weight)),
        "flagged relabelled": Variant(everything, relabelled, ones),
        "without as many at random": Variant(control, train.labels, ones),
    }


def compare(parts: Mapping[str, LabelledTexts], found: Audit, config: AuditConfig) -> list[dict[str, Any]]:
    """Returns the scores on clean_dev of each classifier and variant, with the paired difference from all rows."""
    train, clean = parts["train"], parts["clean_dev"]
    scored = {dedupe_key(text) for text in clean.texts}
    usable = np.array([dedupe_key(text) not in scored for text in train.texts])
    grams = [(text, "") for text in train.inputs]
    lexicon = Lexicon.fit(grams)
    wide, wide_clean = matrix(lexicon, grams), matrix(lexicon, [(text, "") for text in clean.inputs])
    results = []
    for classifier in ("char n-grams + linear SVM", "frozen encoder + logistic regression"):
        reference: Labels | None = None
        for name, variant in variants(train, found, usable, config).items():
            own = variant.rows
            if classifier.startswith("char"):
                predicted = _svm(wide[own], variant.labels[own], variant.weights[own], wide_clean)
            else:
                predicted = _regression(train.features[own], variant.labels[own], variant.weights[own], clean.features)
            reference = predicted if reference is None else reference
            row = {"classifier": classifier, "variant": name, "training_rows": len(own), "n": len(clean.labels)}
            results.append(row | _scores(clean.labels, predicted, reference, config))
    return results


def print_results(results: Mapping[str, Any], target: Console) -> None:
    """Prints flags, the judge's agreement and the comparison as tables."""
    target.print(
        f"  {results['flagged']} of {results['rows']['train']} rows flagged ({results['label_error']} label errors, "
        f"{results['conflict']} conflicting copies), {results['outlier']} outliers, {results['audit_seconds']:.0f} s"
    )
    for name, value in results["judge"].items():
        target.print(f"  judge {name.replace('_', ' ')}: {number(value)}")
    table = Table("classifier", "learns from", "rows", "n", "accuracy", "difference [95 %]", "macro-F1", "difference [95 %]")
    for row in results["variants"]:
        table.add_row(
            row["classifier"], row["variant"], str(row["training_rows"]), str(row["n"]), number(row["accuracy"]),
            spread(row["accuracy_gain"], row["accuracy_gain_interval"]), number(row["macro_f1"]),
            spread(row["macro_f1_gain"], row["macro_f1_gain_interval"]),
        )  # fmt: skip
    target.print(table)


def _scores(truth: Labels, predicted: Labels, reference: Labels, config: AuditConfig) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    for name, measure in (("accuracy", accuracy), ("macro_f1", macro_f1)):

        def gain(rows: NDArray[np.int64], measure: Any = measure) -> float:
            return float(measure(truth[rows], predicted[rows]) - measure(truth[rows], reference[rows]))

        scores[name] = measure(truth, predicted)
        scores[f"{name}_gain"] = gain(np.arange(len(truth)))
        scores[f"{name}_gain_interval"] = bootstrap_interval(gain, len(truth), draws=config.bootstrap, seed=config.seed)
    return scores


def _svm(train: csr_matrix, labels: Labels, weights: NDArray[np.float32], test: csr_matrix) -> Labels:
    return np.asarray(
        LinearSVC(C=1.0, fit_intercept=False, random_state=0).fit(train, labels, sample_weight=weights).predict(test), np.int64
    )


def _regression(train: NDArray[np.float32], labels: Labels, weights: NDArray[np.float32], test: NDArray[np.float32]) -> Labels:
    middle, spread_ = train.mean(0), np.maximum(train.std(0), 1e-6)
    model = LogisticRegression(C=0.01, max_iter=200).fit((train - middle) / spread_, labels, sample_weight=weights)
    return np.asarray(model.predict((test - middle) / spread_), np.int64)


def _write_weights(path: Path, found: Audit, names: Sequence[str], flagged_weight: float) -> None:
    lines = [
        {
            "row": row, "weight": round(float(weight), 4), "reasons": found.reasons(row), "quality": round(float(found.quality[row]), 4),
            "suggested": names[found.suggested[row]],
        }
        for row, weight in enumerate(found.weights(flagged_weight))
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _read(path: Path) -> list[tuple[str, str]]:
    rows = []
    for where, raw in read_json_lines(path):
        text, label = raw.get("text"), raw.get("label")
        if not isinstance(text, str) or not isinstance(label, str) or not text.strip() or not label:
            raise DataError(raw.get("__error__") or f"{where}: expected a text and a label; correct the line")
        rows.append((text, label))
    if not rows:
        raise DataError(f"{path} holds no row; point `benchmark` at a folder with train.jsonl, dev.jsonl and clean_dev.jsonl")
    return rows
