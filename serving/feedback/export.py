"""From feedback to training data: dialogues for `data.readers`, and queries with the entry that answers them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from data.dedupe import dedupe_key
from data.readers import read_json_lines
from models.domain import load_domain
from models.manifest import BundleLayout
from serving.feedback.record import NO_ENTRY, Feedback


@dataclass(slots=True)
class Report:
    """What an export wrote, and what it left out.

    Attributes:
        dialogues: Messages written with their right intents or emotion.
        emotion_only: Of these, those without intents; training reads them as context alone.
        faq_queries: Queries written with the entry that answers them, or none.
        unlabelled: Requests of which nobody said anything to learn from.
        unknown: Labels left out because the current bundle does not know them any more.
        indexed: Queries left out because they are, word for word, questions of the knowledge base: they would measure nothing.
        repeated: Queries left out because the same words were judged again later.
    """

    dialogues: int = 0
    emotion_only: int = 0
    faq_queries: int = 0
    unlabelled: int = 0
    unknown: int = 0
    indexed: int = 0
    repeated: int = 0

    def lines(self) -> list[str]:
        """Returns one line a count."""
        return [f"{name}: {count}" for name, count in asdict(self).items()]


@dataclass(frozen=True, slots=True)
class Known:
    """What training will accept.

    Attributes:
        intents: Codes.
        emotions: Codes.
        entries: Ids of the knowledge base.
        questions: Its questions, by the key that copies share.
    """

    intents: frozenset[str]
    emotions: frozenset[str]
    entries: frozenset[str]
    questions: frozenset[str]

    @classmethod
    def of(cls, bundle: Path) -> Known:
        """Returns what a bundle knows, without loading its model.

        Raises:
            ConfigError: Its domain pack cannot be read.
            DataError: Its knowledge base cannot be read.
        """
        layout = BundleLayout(bundle)
        labels = load_domain(layout.domain).labels
        entries = [row for _, row in read_json_lines(layout.faq / "entries.jsonl")]
        questions = {dedupe_key(question) for row in entries for question in (row["question"], *row["similar_questions"])}
        return cls(
            frozenset(labels.intents), frozenset(labels.emotions), frozenset(row["id"] for row in entries), frozenset(questions)
        )


@dataclass(frozen=True, slots=True)
class _Labels:
    """What is to be learnt of one message."""

    intents: tuple[str, ...]
    emotion: str | None
    faq_id: str | None


def export(records: Iterable[tuple[datetime, Feedback]], known: Known, *, dialogues: Path, faq_queries: Path) -> Report:
    """Writes both files and returns what is in them; each appears whole or not at all.

    Of what customer and agent say of the same answer, the agent's labels count.

    Args:
        records: With the time of their last change; those of one request follow one another.
        known: Other labels are left out.
        dialogues: A dialogue a line: the turns before the message, unlabelled, and the message.
        faq_queries: A query a line: `text`, `faq_id` (null if no entry answers it), `split` (dev or test, by the text itself).
    """
    report = Report()
    queries: dict[str, tuple[datetime, dict[str, Any]]] = {}
    with _whole(dialogues) as file:
        for _, group in groupby(records, key=lambda record: record[1].request_id):
            said = sorted(group, key=lambda record: record[1].source)  # the agent's first
            (_, first), when = said[0], max(updated for updated, _ in said)
            labels = _labels([record for _, record in said], known, report)
            if labels == _Labels((), None, None):
                report.unlabelled += 1
            if labels.intents or labels.emotion:
                file.write(_line(_dialogue(first, labels)))
                report.dialogues += 1
                report.emotion_only += not labels.intents
            if labels.faq_id is not None:
                _add_query(queries, when, first.text, labels.faq_id, known, report)
    with _whole(faq_queries) as file:
        file.writelines(_line(row) for _, row in queries.values())
    report.faq_queries = len(queries)
    return report


def _labels(said: Sequence[Feedback], known: Known, report: Report) -> _Labels:
    intents = next((record.intents for record in said if record.intents), ())
    emotion = next((record.emotion for record in said if record.emotion), None)
    faq_id = next((record.faq_id for record in said if record.faq_id), None)
    found = _Labels(
        intents if known.intents.issuperset(intents) else (),
        emotion if emotion in known.emotions else None,
        faq_id if faq_id in {*known.entries, NO_ENTRY} else None,
    )
    report.unknown += sum(before != after for before, after in zip((intents, emotion, faq_id), astuple(found), strict=True))
    return found


def _dialogue(record: Feedback, labels: _Labels) -> dict[str, Any]:
    message = {"speaker": "user", "text": record.text, "intents": list(labels.intents), "emotion": labels.emotion}
    turns = [{"speaker": speaker, "text": text} for speaker, text in record.history if text.strip()]
    # The message alone carries labels, and no conversation is named.
    return {"dialogue_id": f"feedback-{record.request_id}", "turns": [*turns, message]}


def _add_query(
    queries: dict[str, tuple[datetime, dict[str, Any]]], when: datetime, text: str, faq_id: str, known: Known, report: Report
) -> None:
    key = dedupe_key(text)
    if key in known.questions:
        report.indexed += 1
        return
    if key in queries:
        report.repeated += 1
        if queries[key][0] > when:
            return
    split = ("dev", "test")[zlib.crc32(key.encode()) % 2]  # so that the same words are never on both sides, whenever exported
    queries[key] = (when, {"text": text, "faq_id": None if faq_id == NO_ENTRY else faq_id, "split": split})


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
