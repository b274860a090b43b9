"""Reads what `prepare` wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import DatasetDict

from data.knowledge import faq_entry
from data.types import FaqEntry, LabelSet, Speaker, Utterance


@dataclass(frozen=True, slots=True)
class Message:
    """A labelled customer turn with the turns before it.

    `weight` says how much it counts in training, in [0, 1]; `emotion_votes` what several readers took its emotion for.
    """

    row_id: str
    text: str
    history: tuple[Utterance, ...]
    intents: tuple[str, ...]
    emotion: str
    tags: tuple[str, ...]
    category: str
    weight: float = 1.0
    emotion_votes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaqQuery:
    """A question and the entry that answers it, None if none does; `also` are others whose answer is right too.

    `intent` is known of some that no entry answers, `emotion` of some of all; "" if not. `origin` names who wrote it, where several
    did; one may be harder.
    """

    text: str
    faq_id: str | None
    also: tuple[str, ...] = ()
    intent: str = ""
    origin: str = ""
    emotion: str = ""

    def is_answered_by(self, faq_id: str) -> bool:
        """Tells whether an entry's answer is right."""
        return faq_id == self.faq_id or faq_id in self.also


@dataclass(frozen=True, slots=True)
class OutOfScopeText:
    """A message that a shop cannot answer: `near`, `far` or `gibberish`. `emotion` is "" where nobody labelled it."""

    text: str
    kind: str
    emotion: str = ""


@dataclass(frozen=True)
class Prepared:
    """The labels and the data of all splits."""

    labels: LabelSet
    messages: dict[str, list[Message]]
    entries: list[FaqEntry]
    queries: dict[str, list[FaqQuery]]
    out_of_scope: dict[str, list[OutOfScopeText]]


def load_prepared(folder: Path) -> Prepared:
    """Returns the prepared data of a folder."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    dataset = DatasetDict.load_from_disk(str(folder / "dialogues"))
    entries = [faq_entry(row, f"faq.jsonl:{number}") for number, row in enumerate(_lines(folder / "faq.jsonl"), 1)]
    queries: dict[str, list[FaqQuery]] = {"train": [], "dev": [], "test": []}
    for row in _lines(folder / "faq_queries.jsonl"):
        queries[row["split"]].append(
            FaqQuery(
                row["text"], row["faq_id"], tuple(row.get("also") or ()),
                *(row.get(name) or "" for name in ("intent", "origin", "emotion")),
            )
        )  # fmt: skip
    out_of_scope: dict[str, list[OutOfScopeText]] = {"train": [], "dev": [], "test": []}
    for row in _lines(folder / "out_of_scope.jsonl"):
        out_of_scope[row["split"]].append(OutOfScopeText(row["text"], row.get("kind", ""), row.get("emotion") or ""))
    messages = {name: [_message(row) for row in dataset[name]] if name in dataset else [] for name in ("train", "dev", "test")}
    return Prepared(LabelSet(tuple(labels["intents"]), tuple(labels["emotions"])), messages, entries, queries, out_of_scope)


def _message(row: dict[str, Any]) -> Message:
    history = tuple(Utterance(Speaker(turn["speaker"]), turn["text"]) for turn in row["history"])
    return Message(
        row["id"],
        row["text"],
        history,
        tuple(row["intents"]),
        row["emotion"],
        tuple(row["tags"]),
        row["category"],
        row.get("weight", 1.0),
        tuple(row.get("emotion_votes") or ()),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
