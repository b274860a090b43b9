"""prepare: raw logs and knowledge base in, masked, cleaned, deduplicated and split data out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, disable_progress_bars

from data.dedupe import dedupe_key, near_duplicate_pairs
from data.errors import DataError
from data.knowledge import faq_row, read_faq
from data.masking import mask_pii
from data.normalise import clean
from data.readers import read_dialogues, read_json_lines
from data.review import read_review
from data.split import SPLITS, split_dialogues, user_texts
from data.types import Dialogue, FaqEntry, LabelSet, Speaker
from models.domain import load_domain
from pipelines.config import PrepareConfig
from pipelines.corrections import apply_review
from pipelines.tracking import Run
from pipelines.workspace import Workspace, tree_hash


def run(config: PrepareConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:  # noqa: ARG001 - all jobs look alike
    """Writes dialogues/, labels.json, faq.jsonl, faq_queries.jsonl, out_of_scope.jsonl and report.json into the folder."""
    disable_progress_bars()
    labels = load_domain(config.domain).labels
    (folder / "labels.json").write_text(json.dumps(asdict(labels), ensure_ascii=False), encoding="utf-8")
    read = read_dialogues(config.dialogues, labels, on_bad_row=config.on_bad_row)
    dialogues = drop_copies([_clean(dialogue) for dialogue in read])
    splits = split_dialogues(dialogues, fractions=config.fractions, seed=config.seed, threshold=config.near_duplicate)
    _refuse_unlabelled(splits, config.dialogues)
    entries = [entry for entry in read_faq(config.faq, labels, on_bad_row=config.on_bad_row) if entry.status == "published"]
    given = _labelled_lines(config.faq_queries, {entry.faq_id for entry in entries}, labels.emotions)
    queries = fit_to_learn(given, entries, threshold=config.near_duplicate)
    out_of_scope = _labelled_lines(config.out_of_scope, None, labels.emotions)
    measured = [row["text"] for row in (*queries, *out_of_scope) if row["split"] != "train"]
    splits["train"], leaked = _without_leaks(splits, measured, config.near_duplicate)
    rows = {name: message_rows(splits[name]) for name in SPLITS}
    rows["train"], reviewed = _reviewed(rows, config, labels)
    DatasetDict({name: Dataset.from_list(part) for name, part in rows.items() if part}).save_to_disk(str(folder / "dialogues"))
    entries = with_asked(entries, queries)
    held = {dedupe_key(row["text"]) for row in queries if row["split"] != "train"}
    indexed = [question for entry in entries for question in entry.questions if dedupe_key(question) in held]
    if indexed:
        raise DataError(
            f"{config.faq_queries}: {indexed[0]!r} is a question of the knowledge base too; evaluation queries are never indexed"
        )
    _write(folder / "faq.jsonl", [faq_row(entry) for entry in entries])
    _write(folder / "faq_queries.jsonl", queries)
    _write(folder / "out_of_scope.jsonl", out_of_scope)
    report = _report(rows, labels) | {
        "faq_entries": len(entries), "faq_questions": sum(len(entry.questions) for entry in entries), "faq_queries": len(queries),
        "out_of_scope": len(out_of_scope), "dropped_copies": len(read) - len(dialogues), "dropped_leaking_turns": leaked,
        "dropped_queries": len(given) - len(queries),
        "masked_turns": sum("[phone]" in row["text"] or "[address]" in row["text"] for part in rows.values() for row in part),
    } | reviewed  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    tracker.metrics({name: float(value) for name, value in report.items() if isinstance(value, int)})
    tracker.artifacts(folder / "report.json")
    inputs = [config.dialogues, config.faq, *(path for path in (config.faq_queries, config.out_of_scope, config.review) if path)]
    return {"data_hashes": {str(path): tree_hash(path) for path in inputs}, "report": report}


def drop_copies(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    """Returns the dialogues without those whose customer says just what an earlier one's says; held-out ones come first."""
    order = sorted(range(len(dialogues)), key=lambda index: dialogues[index].split in (None, "train"))
    seen: set[tuple[str, ...]] = set()
    kept = []
    for index in order:
        key = tuple(dedupe_key(text) for text in user_texts(dialogues[index]))
        # One short greeting alone is what everybody types, not a copy.
        if key and key in seen and sum(map(len, key)) > 8:
            continue
        seen.add(key)
        kept.append(index)
    return [dialogues[index] for index in sorted(kept)]


def fit_to_learn(
    queries: Sequence[dict[str, Any]], entries: Sequence[FaqEntry], *, threshold: float
) -> list[dict[str, Any]]:  # fmt: skip
    """Returns the queries without training ones that nearly equal a dev or test query, or contradict the knowledge base.

    One contradicts it that is another entry's question, or an entry's question and said to have no answer. Feedback brings such.
    """
    held = [row["text"] for row in queries if row["split"] != "train"]
    texts = [row["text"] for row in queries]
    near = {left for left, _, _ in near_duplicate_pairs(texts, held, threshold=threshold)}
    keys = {dedupe_key(text) for text in held}
    owners = {dedupe_key(question): entry.faq_id for entry in entries for question in entry.questions}
    kept = []
    for number, row in enumerate(queries):
        key = dedupe_key(row["text"])
        if row["split"] == "train":
            if number in near or key in keys or owners.get(key, row["faq_id"]) != row["faq_id"]:
                continue
            if row["faq_id"] is not None:
                owners[key] = row["faq_id"]
        kept.append(row)
    # What an entry answers may have come after its like that none does.
    return [row for row in kept if row["split"] != "train" or owners.get(dedupe_key(row["text"]), row["faq_id"]) == row["faq_id"]]


def with_asked(entries: Sequence[FaqEntry], queries: Sequence[dict[str, Any]]) -> list[FaqEntry]:
    """Returns the entries with what customers asked them, the training queries, among their similar questions."""
    asked: dict[str, dict[str, str]] = {entry.faq_id: {dedupe_key(own): own for own in entry.questions} for entry in entries}
    for row in queries:
        if row["split"] == "train" and row["faq_id"] is not None:
            asked[row["faq_id"]].setdefault(dedupe_key(row["text"]), row["text"])
    return [replace(entry, similar_questions=tuple(list(asked[entry.faq_id].values())[1:])) for entry in entries]


def message_rows(dialogues: Sequence[Dialogue]) -> list[dict[str, Any]]:
    """Returns one row for each labelled customer turn, with the turns before it."""
    rows = []
    for dialogue in dialogues:
        history: list[dict[str, str]] = []
        for number, turn in enumerate(dialogue.turns):
            if turn.speaker is Speaker.USER and turn.intents:
                rows.append(
                    {
                        "id": f"{dialogue.dialogue_id}/{number}", "dialogue_id": dialogue.dialogue_id, "text": turn.text,
                        "history": list(history[-6:]), "intents": list(turn.intents), "emotion": turn.emotion or "",
                        "emotion_votes": list(turn.emotion_votes), "tags": list(turn.tags), "category": dialogue.category, "channel": dialogue.channel, "weight": 1.0,
                    }
                )  # fmt: skip
            history.append({"speaker": turn.speaker.value, "text": turn.text})
    return rows


def _clean(dialogue: Dialogue) -> Dialogue:
    turns = tuple(replace(turn, text=mask_pii(clean(turn.text)) or turn.text.strip()) for turn in dialogue.turns)
    return replace(dialogue, turns=turns)


def _without_leaks(splits: dict[str, list[Dialogue]], others: Sequence[str], threshold: float) -> tuple[list[Dialogue], int]:
    """Drops training turns that nearly equal a held-out one, or one of `others`; the rest of their dialogue stays."""
    held = [*others, *(text for name in ("dev", "test") for dialogue in splits[name] for text in user_texts(dialogue))]
    places = [(number, place) for number, dialogue in enumerate(splits["train"]) for place in range(len(dialogue.turns))]
    texts = [splits["train"][number].turns[place].text for number, place in places]
    leaks = {places[left] for left, _, _ in near_duplicate_pairs(texts, held, threshold=threshold)}
    kept = []
    for number, dialogue in enumerate(splits["train"]):
        turns = tuple(turn for place, turn in enumerate(dialogue.turns) if (number, place) not in leaks)
        if turns:
            kept.append(replace(dialogue, turns=turns))
    return kept, len(leaks)


def _refuse_unlabelled(splits: dict[str, list[Dialogue]], path: Path) -> None:
    """Every split needs some labels of both kinds, or a later job would have nothing to learn from or to measure."""
    for name in SPLITS:
        turns = [turn for dialogue in splits[name] for turn in dialogue.turns if turn.intents]
        missing = "an intent" if not turns else None if any(turn.emotion for turn in turns) else "an intent and an emotion"
        if missing:
            raise DataError(
                f"{path}: no customer turn of the {name} split ({len(splits[name])} dialogues) carries {missing}; label some turns, or put "
                "data/ecommerce/dialogues beside your logs (see README)"
            )


def _reviewed(
    rows: dict[str, list[dict[str, Any]]], config: PrepareConfig, labels: LabelSet
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Returns the training rows as a person and `flagged` leave them, and counts of what was changed."""
    if config.review is None:
        return rows["train"], {}
    review = read_review(config.review, labels)
    kept, counts = apply_review(
        rows, review, flagged=config.flagged, reasons=config.flagged_reasons, flagged_weight=config.flagged_weight
    )
    if not kept:
        raise DataError(f"{config.review}: no training row is left once its corrections are made; keep or label some turns")
    return kept, counts


def _labelled_lines(path: Path | None, faq_ids: set[str] | None, emotions: Sequence[str]) -> list[dict[str, Any]]:
    if path is None:
        return []
    rows = []
    for where, raw in read_json_lines(path):
        text = raw.get("text")
        if "__error__" in raw or not isinstance(text, str) or raw.get("split") not in SPLITS:
            raise DataError(
                raw.get("__error__") or f"{where}: expected text and split (one of {', '.join(SPLITS)}); correct the line"
            )
        for name in (raw.get("faq_id"), *(raw.get("also") or ())):
            if faq_ids is not None and name is not None and name not in faq_ids:
                raise DataError(f"{where}: faq_id {name!r} is not in the knowledge base; correct it")
        if faq_ids is not None and raw.get("faq_id") is None and raw.get("also"):
            raise DataError(f"{where}: also names {raw['also']!r}, but faq_id is null; put one of them into faq_id")
        if raw.get("emotion") and raw["emotion"] not in emotions:
            raise DataError(f"{where}: emotion is {raw['emotion']!r}, expected one of {', '.join(emotions)}, or none; correct it")
        masked = mask_pii(clean(text))
        if not masked:
            raise DataError(f"{where}: text is {text!r}, expected words; fill it in or remove the line")
        rows.append({**raw, "text": masked})
    return rows


def _report(rows: dict[str, list[dict[str, Any]]], labels: LabelSet) -> dict[str, Any]:
    everything = [row for part in rows.values() for row in part]
    return {
        "turns": len(everything),
        "dialogues": len({row["dialogue_id"] for row in everything}),
        **{f"turns_{name}": len(part) for name, part in rows.items()},
        "intents": {code: sum(row["intents"][0] == code for row in everything) for code in labels.intents},
        "emotions": dict(Counter(row["emotion"] for row in everything)),
        "tags": dict(Counter(tag for row in everything for tag in row["tags"])),
        "several_intents": sum(len(row["intents"]) > 1 for row in everything),
    }


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
