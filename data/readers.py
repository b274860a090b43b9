"""Reads dialogue logs: JSON Lines with turns, or a flat CSV with a dialogue id a row."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.types import Dialogue, LabelSet, Speaker, Utterance

logger = logging.getLogger(__name__)

_SPEAKERS = {
    "user": Speaker.USER, "customer": Speaker.USER, "buyer": Speaker.USER, "客户": Speaker.USER, "买家": Speaker.USER,
    "agent": Speaker.AGENT, "bot": Speaker.AGENT, "system": Speaker.AGENT, "客服": Speaker.AGENT, "卖家": Speaker.AGENT,
}  # fmt: skip


def read_dialogues(path: Path, labels: LabelSet | None = None, *, on_bad_row: str = "raise") -> list[Dialogue]:
    """Returns the dialogues of a `.jsonl` or `.csv` file, or of all such files in a folder (sorted by name).

    JSON Lines: `{"dialogue_id": "d1", "turns": [{"speaker": "user", "text": "…", "intents": ["order.cancel"],
    "emotion": "neutral", "tags": [], "emotion_votes": []}], "category": "", "channel": "", "split": null}`.
    CSV: columns `dialogue_id,speaker,text` and, optionally, `intents` (separated by `;`), `emotion`, `tags`,
    `emotion_votes` (separated by `;`), `category`, `channel`, `split`; the rows of one dialogue follow one another.

    Args:
        path: File or folder.
        labels: If given, every label is checked against it.
        on_bad_row: `raise` stops at the first bad row; `skip` logs it with its place and keeps the rest.

    Raises:
        DataError: A row cannot be read (with `raise`), the file type is unknown, or nothing was found.
        LabelError: A label is unknown (with `raise`).
    """
    files = sorted([*path.glob("*.jsonl"), *path.glob("*.csv")]) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no .jsonl or .csv file; point data.dialogues at a file or folder of dialogue logs")
    dialogues: list[Dialogue] = []
    seen: dict[str, str] = {}
    for file in files:
        for where, raw in _raw_dialogues(file):
            try:
                dialogue = _dialogue(raw, where, labels)
                if dialogue.dialogue_id in seen:
                    raise DataError(
                        f"{where}: dialogue_id {dialogue.dialogue_id!r} was used at {seen[dialogue.dialogue_id]}; "
                        "give each dialogue its own id, and keep the rows of one CSV dialogue together"
                    )
            except DataError as error:
                if on_bad_row == "raise":
                    raise
                logger.warning("skipped a row: %s", error)
                continue
            seen[dialogue.dialogue_id] = where
            dialogues.append(dialogue)
    if not dialogues:
        raise DataError(f"{path}: no dialogue could be read; check the format in the README")
    return dialogues


def _raw_dialogues(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not file.exists():
        raise DataError(f"{file} does not exist; correct the path")
    if file.suffix == ".jsonl":
        yield from read_json_lines(file)
    elif file.suffix == ".csv":
        yield from _csv_dialogues(file)
    else:
        raise DataError(f"{file}: got a {file.suffix or 'nameless'} file, expected .jsonl or .csv; convert it")


def read_json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (`file:row`, object) for each line that is not blank; an unreadable line yields an object without fields.

    Raises:
        DataError: The file is not UTF-8.
    """
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, brackets 5,000 deep
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield where, {"__error__": f"{where}: not valid JSON ({reason}); correct the line"}
            continue
        if not isinstance(value, dict):
            value = {"__error__": f"{where}: got a JSON {type(value).__name__}, expected an object; correct the line"}
        yield where, value


def read_csv_rows(file: Path, *, required: Iterable[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (`file:row`, cells by column) for each row; a row with more cells than columns carries `__error__` as well.

    Raises:
        DataError: The file is not UTF-8 or not CSV, or a required column is missing.
    """
    # Not splitlines: it also cuts at U+2028, U+0085 and other characters that customers paste.
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""))
    try:
        missing = set(required) - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{file}:1: columns {', '.join(sorted(missing))} are missing; add them to the header")
        for row in reader:
            where = f"{file}:{reader.line_num}"
            cells: dict[str, Any] = {key: value for key, value in row.items() if key}
            if None in row:
                cells["__error__"] = f"{where}: more cells than the header has columns; put quotes around a text with a comma"
            yield where, cells
    except csv.Error as error:
        raise DataError(f"{file}:{reader.line_num}: not valid CSV ({error}); correct the row") from error


def read_xlsx_rows(file: Path, *, sheet: str | None = None, required: Iterable[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (`file:row`, filled cells by column) for each row of a workbook that is not blank.

    Args:
        file: The workbook.
        sheet: Its sheet if it has one of that name; otherwise the one that was open when it was saved.
        required: Columns that the first row must name.

    Raises:
        DataError: The file does not exist or is no workbook, or a required column is missing.
    """
    import openpyxl  # heavy, and only this reader needs it

    try:
        with closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book:
            page = book[sheet] if sheet in book.sheetnames else book.active
            rows = [] if page is None else list(page.iter_rows(values_only=True))
    except Exception as error:  # a damaged part raises whatever zipfile, the XML parser or openpyxl stumbles on
        raise DataError(f"{file}: cannot be opened as a workbook ({error}); save it again as .xlsx") from error
    header = [str(cell).strip() if cell is not None else "" for cell in (rows[0] if rows else ())]
    missing = set(required) - set(header)
    if missing:
        raise DataError(f"{file}:1: columns {', '.join(sorted(missing))} are missing; add them to the header")
    for number, cells in enumerate(rows[1:], start=2):
        row = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell is not None}
        if row:
            yield f"{file}:{number}", row


def read_text(file: Path) -> str:
    """Returns the file's text, without a byte order mark.

    Raises:
        DataError: The file cannot be opened, or is not UTF-8 (the message says at which byte).
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8 (it may be GB18030)") from error
    except OSError as error:
        raise DataError(f"{file} cannot be opened ({error.strerror}); correct the path or its permissions") from error


def _csv_dialogues(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    current: dict[str, Any] | None = None
    for where, row in read_csv_rows(file, required=("dialogue_id", "speaker", "text")):
        if current is None or row["dialogue_id"] != current["dialogue_id"]:
            if current is not None:
                yield current["where"], current
            current = {"dialogue_id": row["dialogue_id"], "turns": [], "where": where}
            current |= {key: row.get(key) or "" for key in ("category", "channel")} | {"split": row.get("split") or None}
        if "__error__" in row:
            current.setdefault("__error__", row["__error__"])
        current["turns"].append(
            {
                "speaker": row["speaker"],
                "text": row["text"],
                "intents": [part for part in (row.get("intents") or "").split(";") if part],
                "emotion": row.get("emotion") or None,
                "tags": [part for part in (row.get("tags") or "").split(";") if part],
                "emotion_votes": [part for part in (row.get("emotion_votes") or "").split(";") if part],
            }
        )
    if current is not None:
        yield current["where"], current


def _dialogue(raw: dict[str, Any], where: str, labels: LabelSet | None) -> Dialogue:
    if "__error__" in raw:
        raise DataError(raw["__error__"])
    dialogue_id = raw.get("dialogue_id")
    turns = raw.get("turns")
    if not isinstance(dialogue_id, str) or not dialogue_id:
        raise DataError(f"{where}: dialogue_id is {dialogue_id!r}, expected a text that is not empty; add it")
    if not isinstance(turns, list) or not turns:
        raise DataError(f"{where}: turns is {type(turns).__name__}, expected a list with a turn or more; add them")
    for name in ("category", "channel", "split"):
        if not isinstance(raw.get(name) or "", str):
            raise DataError(f"{where}: {name} is {raw[name]!r}, expected a text; correct it")
    utterances = []
    for number, turn in enumerate(turns, start=1):
        place = f"{where}, turn {number}"
        utterance = _utterance(turn, place)
        if labels is not None:
            labels.check(utterance, where=place)
        utterances.append(utterance)
    return Dialogue(
        dialogue_id=dialogue_id, turns=tuple(utterances), category=raw.get("category") or "",
        channel=raw.get("channel") or "", split=raw.get("split") or None, source=where,
    )  # fmt: skip


def _utterance(turn: object, where: str) -> Utterance:
    if not isinstance(turn, dict):
        raise DataError(f"{where}: got a {type(turn).__name__}, expected an object with speaker and text; correct it")
    speaker = _SPEAKERS.get(str(turn.get("speaker", "")).lower())
    if speaker is None:
        raise DataError(f"{where}: speaker is {turn.get('speaker')!r}, expected one of {', '.join(_SPEAKERS)}; correct it")
    text = turn.get("text")
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: text is {text!r}, expected words; remove the turn or fill it in")
    intents = turn.get("intents") or []
    if not isinstance(intents, list) or not all(isinstance(code, str) for code in intents) or len(intents) > 3:
        raise DataError(f"{where}: intents is {intents!r}, expected a list of at most 3 codes; correct it")
    emotion, tags = turn.get("emotion") or None, turn.get("tags") or []
    if emotion is not None and not isinstance(emotion, str):
        raise DataError(f"{where}: emotion is {emotion!r}, expected one code; correct it")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise DataError(f"{where}: tags is {tags!r}, expected a list of texts; correct it")
    votes = turn.get("emotion_votes") or []
    if not isinstance(votes, list) or not all(isinstance(code, str) for code in votes) or (votes and emotion is None):
        raise DataError(f"{where}: emotion_votes is {votes!r}, expected a list of codes beside an emotion; correct it")
    return Utterance(speaker, text, tuple(intents), emotion, tuple(tags), tuple(votes))
