"""audit-labels: training rows in, a review file of doubtful labels for a person out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.review import REASONS, ReviewRow, write_review
from data.types import LabelSet, Speaker
from models.base_encoder import load_base_encoder
from pipelines.config import AuditConfig
from pipelines.label_audit import Audit, AuditSettings, audit, frozen_features
from pipelines.prepared import Message, load_prepared
from pipelines.progress import console
from pipelines.tracking import Run
from pipelines.train import model_inputs
from pipelines.workspace import Workspace

_CONTEXT_TURNS = 2  # shown to the person; more would only hide the message
_MARKS = {Speaker.USER: "客", Speaker.AGENT: "服"}


def run(config: AuditConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes review.xlsx, review.csv and report.json into the folder, and prints a summary."""
    if config.benchmark is not None:
        from pipelines.audit_benchmark import run as run_benchmark

        return run_benchmark(config, folder, tracker)
    prepared = load_prepared(workspace.require("prepare"))
    messages = prepared.messages["train"]
    found = audit_messages(messages, prepared.labels, config)
    rows = review_rows(messages, found, prepared.labels)
    write_review(folder, rows, prepared.labels.intents)
    report = audit_report(found, rows, len(messages))
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    tracker.metrics({name: float(value) for name, value in report.items() if isinstance(value, int | float)})
    tracker.artifacts(folder)
    print_summary(rows, len(messages), config.examples, console)
    console.print(
        f"  fill in the column `correct` of {workspace.audit / 'review.xlsx'}, then name the file as `review` in prepare.yaml"
    )
    return report


def audit_messages(messages: Sequence[Message], labels: LabelSet, config: AuditConfig) -> Audit:
    """Returns what is doubtful about the intents of labelled messages; labels are numbered as in the label set."""
    base = load_base_encoder(config.base_encoder, cache=config.cache)
    base.tokenizer.enable_truncation(config.input.max_tokens)
    pairs = model_inputs(messages, config.input.build())
    contexts = [context for _, context in pairs]
    texts = [text for text, _ in pairs]
    return audit(
        [text.removeprefix(config.input.prefix) for text in texts],
        [labels.intents.index(row.intents[0]) for row in messages],
        [row.row_id.rpartition("/")[0] for row in messages],
        features=frozen_features(base, texts, threads=config.threads),
        contexts=contexts,
        context_features=frozen_features(base, contexts, threads=config.threads) if any(contexts) else None,
        other_labels=[[labels.intents.index(code) for code in row.intents[1:]] for row in messages],
        settings=audit_settings(config),
    )


def audit_settings(config: AuditConfig) -> AuditSettings:
    """Returns the settings that the audit takes."""
    return AuditSettings(
        folds=config.folds, seed=config.seed, filter_by=config.filter_by, min_class_rows=config.min_class_rows,
        near_duplicate=config.near_duplicate, neighbours=config.neighbours, doubt=config.doubt, outlier_share=config.outlier_share,
    )  # fmt: skip


def review_rows(messages: Sequence[Message], found: Audit, labels: LabelSet) -> list[ReviewRow]:
    """Returns the doubtful messages for a person, doubtful labels before outliers, the least trusted first."""
    doubtful = [row for row in range(len(messages)) if found.flagged[row] or found.outlier[row]]
    doubtful.sort(key=lambda row: (not found.flagged[row], found.quality[row]))
    rows = []
    for row in doubtful:
        message = messages[row]
        dialogue_id, _, turn = message.row_id.rpartition("/")
        context = " / ".join(f"{_MARKS[turn.speaker]}:{turn.text}" for turn in message.history[-_CONTEXT_TURNS:])
        rows.append(
            ReviewRow(
                message.row_id, dialogue_id, int(turn), message.text, context, message.intents,
                labels.intents[found.suggested[row]], float(found.quality[row]), found.reasons(row),
            )
        )  # fmt: skip
    return rows


def audit_report(found: Audit, rows: Sequence[ReviewRow], count: int) -> dict[str, Any]:
    """Returns counts by reason, and the intents and confusions that are flagged most."""
    confusions = Counter((row.given[0], row.suggested) for row in rows if row.given[0] != row.suggested)
    return {
        "rows": count,
        "flagged": int(found.flagged.sum()),
        **{reason: sum(reason in row.reasons for row in rows) for reason in REASONS},
        "mean_quality": float(found.quality.mean()),
        "confusions": [{"given": given, "suggested": code, "n": n} for (given, code), n in confusions.most_common(30)],
    }


def print_summary(rows: Sequence[ReviewRow], count: int, examples: int, target: Console) -> None:
    """Prints how many rows are doubtful for which reason, with some examples of each."""
    table = Table("reason", "rows", "share", "example", "given", "suggested", "quality", title=f"Doubtful of {count} training rows")
    for reason in REASONS:
        own = [row for row in rows if reason in row.reasons]
        table.add_row(reason, str(len(own)), f"{len(own) / max(1, count):.1%}", "", "", "", "")
        for row in own[:examples]:
            cells = (row.text[:40], ";".join(row.given), row.suggested, f"{row.quality:.2f}")
            table.add_row("", "", "", *(escape(cell) for cell in cells))
    target.print(table)
