"""What the benchmark measured as tables: on the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.report import number, spread

_CONFUSIONS = 10
_CHARACTERS = 24  # of an example; results.json has it whole
_NAMES = {"kefu": "kefu", "tfidf": "char TF-IDF + LinearSVC", "frozen": "frozen encoder + logistic regression"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its title, the names of its columns, its rows, and what to know before reading it."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def sheets(results: dict[str, Any], *, examples: bool) -> list[Sheet]:
    """Returns the tables of the results, those without rows left out.

    Args:
        results: As results.json holds them.
        examples: Whether confusions come with texts of the sets; not for what is passed on, for their licences vary.
    """
    found = [_sets(results), *_transfer(results["transfer"], examples), *_training(results["training"])]
    return [sheet for sheet in found if sheet.rows]


def print_sheets(tables: Sequence[Sheet], console: Console) -> None:
    """Prints tables with their notes."""
    for sheet in tables:
        table = Table(*sheet.columns, title=sheet.title)
        for row in sheet.rows:
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
        if sheet.note:
            console.print(f"[dim]{escape(sheet.note)}[/dim]")


def markdown(tables: Sequence[Sheet], title: str) -> str:
    """Returns a document of tables."""
    return f"# {title}\n" + "".join(f"\n{part}\n" for sheet in tables for part in _markdown(sheet))


def _markdown(sheet: Sheet) -> Iterator[str]:
    yield f"## {sheet.title}"
    if sheet.note:
        yield sheet.note
    lines = [sheet.columns, ("---",) * len(sheet.columns), *sheet.rows]
    yield "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _sets(results: dict[str, Any]) -> Sheet:
    parts = results["sets"]
    rows = [(name, "used") for name in parts["present"]]
    rows += [(name, f"skipped, absent: {', '.join(files)}") for name, files in parts["absent"].items()]
    rows += [(file, f"{count} rows without readable text left out") for file, count in parts["left_out"].items()]
    return Sheet("Sets", ("set", "state"), rows, " ".join(results["notes"]))


def _transfer(transfer: dict[str, Any], examples: bool) -> list[Sheet]:
    if not transfer:
        return []
    return [
        _intent(transfer["intent"]), *(_confusions(name, part, examples) for name, part in transfer["intent"].items()),
        *_emotion(transfer["emotion"]), _retrieval(transfer["retrieval"]), *_out_of_scope(transfer["out_of_scope"]),
    ]  # fmt: skip


def _intent(cases: dict[str, Any]) -> Sheet:
    columns = (
        "rows",
        "n",
        "accuracy [95 %]",
        "macro over labels",
        "without broad labels (n)",
        "coverage",
        "precision",
        "threshold",
    )
    rows: list[tuple[str, ...]] = []
    for name, part in cases.items():
        if part["n"] == 0:
            rows.append((name, "0", "no label maps onto an intent of this bundle", *("–",) * 5))
            continue
        narrow = part["without_broad"]
        other = f"{number(narrow['accuracy'])} ({narrow['n']})" if part["broad_labels"] else "–"
        rows.append(
            (
                name, str(part["n"]), spread(part["accuracy"], part["interval"]), f"{number(part['macro'])} ({part['macro_labels']})",
                other, number(part["coverage"]), number(part["precision"]), number(part["threshold"]),
            )
        )  # fmt: skip
    broad = sorted({label for part in cases.values() for label in part.get("broad_labels", ())})
    note = "Any accepted code counts. Macro: labels with 20 rows or more. Coverage and precision: confidence at the threshold or above."
    return Sheet("Transfer: intents", columns, rows, f"{note} Broad: {', '.join(broad)}." if broad else note)


def _confusions(name: str, part: dict[str, Any], examples: bool) -> Sheet:
    columns = ("n", "label", "accepted", "predicted", *(("examples",) if examples else ()))
    rows = [
        (str(one["n"]), one["label"], ", ".join(one["accepted"]), one["predicted"], *((" / ".join(map(_short, one["examples"])),) if examples else ()))
        for one in part.get("confusions", ())[:_CONFUSIONS]
    ]  # fmt: skip
    return Sheet(f"Largest confusions: {name}", columns, rows)


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _emotion(parts: dict[str, Any]) -> Iterator[Sheet]:
    posts = parts.get("ewect_dev", {"n": 0})
    if posts["n"]:
        read_as = ", ".join(f"{label} as {own}" for label, own in posts["read_as"].items())
        rows = [
            (
                "all",
                str(posts["n"]),
                spread(posts["accuracy"], posts["interval"]),
                number(posts["macro_f1"]),
                number(posts["majority"]),
            )
        ]
        rows += [
            (one["label"], str(one["n"]), number(one["recall"]), number(one["f1"]), "") for one in posts["per_class"] if one["n"]
        ]
        columns = ("emotion", "n", "accuracy or recall", "F1 (macro for all)", "always the commonest")
        yield Sheet("Transfer: emotions of Weibo posts (EWECT dev)", columns, rows, f"Labels are read as ours: {read_as}.")
    shares = [
        (title, str(parts[name]["n"]), " or ".join(parts[name]["read_as"]), spread(parts[name]["share"], parts[name]["interval"]),
         number(parts[name]["anger_alert_share"]))
        for name, title in (("cic_dissatisfied", "dissatisfied or angry buyers"), ("cic_calm_questions", "calm questions"))
        if parts.get(name, {"n": 0})["n"]
    ]  # fmt: skip
    columns = ("rows of CIC", "n", "read as", "share [95 %]", "share that raises the anger alert")
    yield Sheet("Transfer: emotions of buyers", columns, shares, "Of train and dev, where about 18 % of the labels are wrong.")


def _retrieval(parts: dict[str, Any]) -> Sheet:
    rows = [
        (name, str(part["n"]), number(part["map"]), number(part["mrr"]), str(part["n_pairs"]), number(part["spearman"]))
        for name, part in parts.items()
    ]
    return Sheet("Transfer: retrieval vectors", ("set", "n", "MAP", "MRR", "pairs", "Spearman"), rows)


def _out_of_scope(part: dict[str, Any]) -> Iterator[Sheet]:
    if not part:
        return
    columns = ("in-scope messages", "n", "AUROC", "above the threshold", "turned away")
    rows = [
        (name, str(one["n"]), number(one["auroc"]), number(one["above_threshold"]), number(one["rejected"]))
        for name, one in part["against"].items()
    ]
    yield Sheet(f"Transfer: {part['n']} out-of-scope texts against messages to a shop", columns, rows)
    every = {"all": part} | part["labels"]
    recalls = [
        (name, str(one["n"]), spread(one["recall"], one["interval"]), number(one["rejected"])) for name, one in every.items()
    ]
    title = f"Transfer: out-of-scope recall at {part['threshold']:.3f}"
    note = "Turned away: as serving decides, which keeps a message with a certain intent."
    yield Sheet(title, ("label", "n", "recall [95 %]", "turned away"), recalls, note)


def _training(training: dict[str, Any]) -> Iterator[Sheet]:
    for name, part in training.items():
        rows: list[tuple[str, ...]] = [
            (_NAMES.get(method, method), str(one["n"]), spread(one["accuracy"], one["interval"]), number(one["macro_f1"]), f"{one['seconds']:.0f}")
            for method, one in part["models"].items()
        ]  # fmt: skip
        rows += [(method, reason, "–", "–", "–") for method, reason in part["not_installed"].items()]
        gains = (spread(part["gain"][measure]["gain"], part["gain"][measure]["interval"]) for measure in ("accuracy", "macro_f1"))
        rows.append(("gain over TF-IDF", "", *gains, ""))
        for turns, one in part["turns"].items():
            rows.append((f"{turns} turns: kefu / TF-IDF", str(one["n"]), f"{number(one['kefu'])} / {number(one['tfidf'])}", "", ""))
        title = f"Training: {name}, {part['labels']} {part['target']}s, {part['n_train']} training rows"
        yield Sheet(title, ("method", "n", "accuracy [95 %]", "macro-F1", "seconds"), rows, part["note"])
