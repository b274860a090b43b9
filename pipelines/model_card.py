"""Writes the model card: what the bundle was trained on, what was measured on data it has not seen, and its limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from models.bundle import Bundle
from pipelines.config import CONFIGS
from pipelines.prepared import Prepared
from pipelines.report import headline_rows, number, spread

_WEAKEST = 8
_PUBLIC_SETS = CONFIGS / "benchmark" / "measured.md"


def write_model_card(prepared: Prepared, results: dict[str, Any], bundle: Bundle) -> str:
    """Returns the model card in Markdown."""
    counts = {name: len(rows) for name, rows in prepared.messages.items()}
    weakest = sorted((row for row in results["intent"]["per_class"] if row["n"] >= 5), key=lambda row: row["f1"])[:_WEAKEST]
    lines = [
        "# Model card: kefu bundle",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} with `python -m pipelines evaluate`; code {bundle.manifest.git_commit or 'unknown'}.",
        "",
        "## What it is",
        "",
        f"One encoder, one pass, served as ONNX: {len(bundle.labels.intents)} intents, {len(bundle.labels.emotions)} emotions, out of scope, "
        f"and vectors of message and tokens for retrieval over {len(bundle.faq.entries)} FAQ entries ({len(bundle.faq.questions)} questions).",
        f"Trained on {counts['train']} customer turns; thresholds and temperatures fitted on {counts['dev']}; measured on {counts['test']}.",
        "Splits go by dialogue; no FAQ query of the measurement was indexed or trained on.",
        "",
        "## Results on the test split",
        "",
        "| measure | n | kefu [95 %] | TF-IDF [95 %] |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in headline_rows(results)),
        "",
        "TF-IDF is character 1–3-grams with a linear SVM, trained on the same dialogues; for anger it is read at the same share of false alarms.",
        "",
        *_public_sets(),
        "## By slice (intent accuracy)",
        "",
        "| slice | n | kefu [95 %] | TF-IDF |",
        "|---|---|---|---|",
        *(
            f"| {row['slice']} | {row['n']} | {spread(row['accuracy'], row['interval'])} | {number(row['tfidf_accuracy'])} |"
            for row in results["intent"]["slices"]
        ),
        "",
        "## Emotions",
        "",
        "| emotion | n | precision | recall | F1 |",
        "|---|---|---|---|---|",
        *(
            f"| {row['title']} {row['label']} | {row['n']} | {row['precision']} | {row['recall']} | {row['f1']} |"
            for row in results["emotion"]["per_class"]
        ),
        "",
        "## Where it is weak",
        "",
        "The intents it confuses most (F1 on the test split):",
        "",
        *(f"- {row['title']} `{row['label']}`: {row['f1']} (n={row['n']})" for row in weakest),
        "",
        "The commonest confusions:",
        "",
        *(f"- {row['truth']} taken for {row['predicted']}: {row['n']}" for row in results["intent"]["confusions"][:_WEAKEST]),
        "",
        "## Thresholds and where they come from (dev split)",
        "",
        *(f"- {name}: {_facts(facts)}" for name, facts in bundle.calibration.provenance.items()),
        "",
        "## Limits",
        "",
        "- Trained on dialogues written for this project, not on logs of a real shop: expect less on yours until you train on your own logs.",
        "- Mainland shopping Chinese; Cantonese, English-only and code-mixed messages are thinly covered.",
        "- Personal data is masked by rules, which miss names and addresses without a number.",
        "- Emotions are read from words (and the turns before short ones), not from voice or typing.",
        "",
    ]
    return "\n".join(lines)


def _public_sets() -> list[str]:
    """What the benchmark said of an earlier training of the shipped recipe; nothing where the file is gone."""
    return [*_PUBLIC_SETS.read_text(encoding="utf-8").splitlines(), ""] if _PUBLIC_SETS.is_file() else []


def _facts(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {round(value, 3) if isinstance(value, float) else value}" for name, value in facts.items())
