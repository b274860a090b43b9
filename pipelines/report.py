"""Prints what `evaluate` measured as tables."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table


def print_report(results: dict[str, Any], console: Console) -> None:
    """Prints model and baseline side by side, then slices, calibration and gates."""
    console.print(_headline_table(results))
    console.print(_slice_table(results))
    console.print(_calibration_table(results))
    for gate in results["gates"]:
        mark = "passed" if gate["passed"] else "MISSED"
        console.print(f"  gate {gate['gate']} >= {gate['at_least']}: {number(gate['reached'])} {mark}")


def headline_rows(results: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Returns (measure, n, model with interval, baseline with interval) rows, for the terminal and the model card."""
    intent, emotion, faq, outside = (results[name] for name in ("intent", "emotion", "faq", "out_of_scope"))
    rows = []
    for name, part in (("intent", intent), ("emotion", emotion)):
        rows += [
            (f"{name} accuracy", str(part["n"]), number(part["accuracy"]), number(part["tfidf_accuracy"])),
            (f"{name} macro-F1", str(part["n"]), spread(part["macro_f1"], part["macro_f1_interval"]),
             spread(part["tfidf_macro_f1"], part["tfidf_macro_f1_interval"])),
            ("  TF-IDF that reads the turns before as well", str(part["n"]), "", number(part["tfidf_with_turns_macro_f1"])),
            (f"{name} macro-F1 lead", str(part["n"]), spread(part["macro_f1"] - part["tfidf_macro_f1"], part["macro_f1_lead_interval"]), ""),
        ]  # fmt: skip
    anger, other = emotion["anger"], emotion["anger_baseline"]
    few, other_few = emotion["anger_few_alarms"], emotion["anger_few_alarms_baseline"]
    rows += [
        ("anger recall at its alert", str(anger["n"]), spread(anger["recall"], anger["recall_interval"]), spread(other["recall"], other["recall_interval"])),
        ("anger precision at its alert", str(anger["n"]), spread(anger["precision"], anger["precision_interval"]), number(other["precision"])),
        ("anger false alarms", str(emotion["n"] - anger["n"]), number(anger["false_alarms"]), number(other["false_alarms"])),
        ("anger recall at 5 % false alarms, a threshold read off the test", str(anger["n"]), spread(few["recall"], few["recall_interval"]),
         spread(other_few["recall"], other_few["recall_interval"])),
    ]  # fmt: skip
    for name, own in results["single_moods"].items():
        title = {"faq_queries": "FAQ queries", "out_of_scope": "out-of-scope texts"}[name]
        if own["n"]:
            rows.append((f"anger recall among {title}", str(own["n"]), spread(own["recall"], own["recall_interval"]), ""))
        rows.append((f"anger false alarms among {title}", str(own["n_all"] - own["n"]), number(own["false_alarms"]), ""))
    if faq["n"]:
        rows += [
            ("FAQ Hit@1", str(faq["n_answerable"]), spread(faq["hit_at_1"], faq["hit_at_1_interval"]), spread(faq["tfidf_hit_at_1"], faq["tfidf_hit_at_1_interval"])),
            ("FAQ MRR@10", str(faq["n_answerable"]), number(faq["mrr_at_10"]), number(faq["tfidf_mrr_at_10"])),
            ("FAQ coverage at 95 % precision", str(faq["n_answerable"]), spread(faq["coverage_at_95_answerable_only"], faq["coverage_at_95_interval"]),
             number(faq["tfidf_coverage_at_95_answerable_only"])),
            ("FAQ coverage at 95 % precision, unanswerable ones among them", str(faq["n"]),
             spread(faq["coverage_at_95_all_of_answerable"], faq["coverage_at_95_all_of_answerable_interval"]), ""),
            ("  with 0.4 unanswerable ones to each answerable one, by weight", str(faq["n"]),
             spread(faq["coverage_at_95_with_fewer"], faq["coverage_at_95_with_fewer_interval"]), ""),
            ("FAQ answered at the threshold", str(faq["n_answerable"]), number(faq["coverage_answerable"]), ""),
            ("FAQ precision when answered (unanswerable ones among them)", str(faq["n"]), spread(faq["precision_when_answered"], faq["precision_interval"]), ""),
        ]  # fmt: skip
        for own in faq["origins"]:
            rows += [
                (f"FAQ Hit@1, {own['origin']}", str(own["n_answerable"]), spread(own["hit_at_1"], own["hit_at_1_interval"]), ""),
                (f"FAQ coverage at 95 % precision with 0.4 unanswerable ones, {own['origin']}", str(own["n"]), number(own["coverage_at_95_with_fewer"]), ""),
            ]  # fmt: skip
    two = results["two_wants"]
    for name, title in (("both", "both answered"), ("one", "one answered"), ("wrong", "a wrong answer sent")) if two["n"] else ():
        rows.append((f"two FAQ queries in one message, {title}", str(two["n"]), spread(two[name], two["intervals"][name]), ""))
    if outside["n"]:
        rows.append(("out-of-scope AUROC", str(outside["n"]), number(outside["auroc"]), ""))
        for part in (outside, outside["at_95"]):
            note = "" if part is outside else ", threshold for 95 %"
            rows += [
                (f"out-of-scope recall, {kind}, {part['in_scope_kept']:.1%} in scope kept{note}", str(own["n"]), spread(own["recall"], own["interval"]), "")
                for kind, own in part["kinds"].items()
            ]  # fmt: skip
        rows.append(("FAQ test queries kept in scope", str(outside["n_queries"]), number(outside["queries_kept"]), ""))
        for row in outside["signs"]:
            found = " / ".join(f"{kind} {recall:.3f}" for kind, recall in row["recall"].items())
            rows.append((f"  by {row['sign']} alone: AUROC; recall {found}", str(outside["n"]), number(row["auroc"]), ""))
    for tag, part in results["challenge"].get("kinds", {}).items():
        rows.append(
            (
                f"emotion accuracy, challenge: {tag.replace('_', ' ')}",
                str(part["n"]),
                spread(part["emotion_accuracy"], part["interval"]),
                number(part["tfidf_emotion_accuracy"]),
            )
        )
    context = results["context"]
    if context["n"]:
        rows.append(
            ("intent accuracy on contextual turns, with history", str(context["n"]), number(context["accuracy_with_context"]), "")
        )
        rows.append(
            ("intent accuracy on contextual turns, without", str(context["n"]), number(context["accuracy_without_context"]), "")
        )
    return rows


def number(value: float | None) -> str:
    """Returns a number with three digits, a dash for none."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def spread(value: float, interval: tuple[float, float]) -> str:
    """Returns a number with its interval."""
    return f"{number(value)} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _headline_table(results: dict[str, Any]) -> Table:
    table = Table("measure", "n", "kefu [95 %]", "TF-IDF [95 %]", title="Test split")
    for row in headline_rows(results):
        table.add_row(*row)
    return table


def _slice_table(results: dict[str, Any]) -> Table:
    table = Table("slice", "n", "intent accuracy [95 %]", "TF-IDF", "emotion accuracy [95 %]", "TF-IDF", title="Slices")
    for one, other in zip(results["intent"]["slices"], results["emotion"]["slices"], strict=True):
        table.add_row(
            one["slice"], str(one["n"]), spread(one["accuracy"], one["interval"]), number(one["tfidf_accuracy"]),
            spread(other["accuracy"], other["interval"]), number(other["tfidf_accuracy"]),
        )  # fmt: skip
    return table


def _calibration_table(results: dict[str, Any]) -> Table:
    table = Table("calibration", "n", "ECE", "band of a perfect model", "confidence", "accuracy", title="Calibration")
    for name, part in results["calibration"].items():
        for label, row in {"all": part, **part["slices"]}.items():
            low, high = row["perfect_band"]
            table.add_row(
                f"{name}, {label}",
                str(row["n"]),
                number(row["ece"]),
                f"{low:.3f}–{high:.3f}",
                number(row["mean_confidence"]),
                number(row["accuracy"]),
            )
    return table
