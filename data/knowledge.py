"""Reads and writes a knowledge base: YAML, JSON Lines, CSV or XLSX, each error with file and row."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import yaml

from data.errors import DataError
from data.readers import read_csv_rows, read_json_lines, read_text, read_xlsx_rows
from data.types import FaqEntry, LabelSet

logger = logging.getLogger(__name__)

_LISTS = ("similar_questions", "steps", "related", "required_slots", "channels")
_FIELDS = {
    "id", "faq_id", "question", "answer", "intent", "facets", "product", "scene", "valid_from", "valid_to", "status", *_LISTS,
}  # fmt: skip
_STATUSES = ("published", "draft", "retired")


def read_faq(path: Path, labels: LabelSet | None = None, *, on_bad_row: str = "raise") -> list[FaqEntry]:
    """Returns the entries of a knowledge base file, or of all such files in a folder (sorted by name).

    Lists in CSV and XLSX cells are separated by a line break or `;`. `facets` may be columns `product` and `scene`.

    Args:
        path: A `.yaml`, `.jsonl`, `.csv` or `.xlsx` file, or a folder of them.
        labels: If given, each entry's intent is checked against it.
        on_bad_row: `raise` refuses the whole base at the first bad row; `skip` logs it with its place and keeps the rest.

    Raises:
        DataError: A row is bad (with `raise`), the type is unknown, an id repeats, or nothing was found.
    """
    suffixes = (".yaml", ".yml", ".jsonl", ".csv", ".xlsx")
    files = sorted(file for file in path.iterdir() if file.suffix in suffixes) if path.is_dir() else [path]
    entries: dict[str, FaqEntry] = {}
    places: dict[str, str] = {}
    for file in files:
        if not file.exists():
            raise DataError(f"{file} does not exist; correct the path")
        for where, raw in _rows(file):
            try:
                entry = faq_entry(raw, where, labels)
                if entry.faq_id in entries:
                    raise DataError(f"{where}: id {entry.faq_id!r} is used twice; give each entry its own id")
            except DataError as error:
                if on_bad_row == "raise":
                    raise
                logger.warning("skipped an entry: %s", error)
                continue
            entries[entry.faq_id], places[entry.faq_id] = entry, where
    if not entries:
        raise DataError(f"{path}: no FAQ entry could be read; check the format in the README")
    for entry in entries.values():
        unknown = [name for name in entry.related if name not in entries]
        if unknown and on_bad_row == "raise":
            raise DataError(
                f"{places[entry.faq_id]}: related entries {unknown} of {entry.faq_id!r} do not exist; remove or add them"
            )
    return list(entries.values())


def faq_entry(raw: dict[str, Any], where: str, labels: LabelSet | None = None) -> FaqEntry:
    """Returns one checked entry from a mapping as in the files.

    Raises:
        DataError: A field is missing, unknown or of the wrong type; the message names `where`.
    """
    if "__error__" in raw:
        raise DataError(raw["__error__"])
    unknown = set(raw) - _FIELDS
    if unknown:
        known = ", ".join(sorted(_FIELDS))
        raise DataError(f"{where}: unknown fields {', '.join(sorted(map(str, unknown)))}, expected {known}; correct or remove them")
    raw_id = raw.get("faq_id") if raw.get("id") in (None, "") else raw["id"]
    faq_id = str(raw_id).strip() if isinstance(raw_id, str | int) else ""
    texts: dict[str, Any] = {name: _text(raw.get(name), name, where) for name in ("question", "answer", "intent")}
    if not faq_id:
        raise DataError(f"{where}: id is {raw_id!r}, expected a unique name; add it")
    if labels is not None and texts["intent"] not in labels.intents:
        raise DataError(f"{where}: intent {texts['intent']!r} is not in the domain pack; correct it or add the intent")
    lists: dict[str, Any] = {name: _list(raw.get(name), name, where) for name in _LISTS}
    status = str(raw.get("status") or "published")
    if status not in _STATUSES:
        raise DataError(f"{where}: status is {status!r}, expected one of {', '.join(_STATUSES)}; correct it")
    return FaqEntry(
        faq_id=faq_id, **texts, **lists, facets=_facets(raw, where), status=status,
        valid_from=_date(raw.get("valid_from"), "valid_from", where), valid_to=_date(raw.get("valid_to"), "valid_to", where),
    )  # fmt: skip


def faq_row(entry: FaqEntry) -> dict[str, Any]:
    """Returns an entry as the mapping that `faq_entry` reads back to an equal entry."""
    row = asdict(entry)
    return {"id": row.pop("faq_id"), **{key: list(value) if isinstance(value, tuple) else value for key, value in row.items()}}


class _YamlLoader(yaml.SafeLoader):
    """Safe, and leaves dates as texts, so that 2026-02-30 is reported with its entry."""

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        **yaml.SafeLoader.yaml_constructors, "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_str,
    }  # fmt: skip


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if file.suffix in {".yaml", ".yml"}:
        yield from _yaml_rows(file)
    elif file.suffix == ".jsonl":
        yield from read_json_lines(file)
    elif file.suffix == ".csv":
        for where, row in read_csv_rows(file):
            yield where, {key: value for key, value in row.items() if value not in (None, "")}
    elif file.suffix == ".xlsx":
        yield from read_xlsx_rows(file)
    else:
        raise DataError(f"{file}: got a {file.suffix or 'nameless'} file, expected .yaml, .jsonl, .csv or .xlsx; convert it")


def _yaml_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        document = _YamlLoader(read_text(file)).get_single_data()
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # `!!bool 是` is a KeyError
        raise DataError(f"{file}: not valid YAML ({error}); correct the file") from error
    if not isinstance(document, list):
        raise DataError(f"{file}: got {type(document).__name__}, expected a list of entries; begin each with '- id: …'")
    for number, row in enumerate(document, start=1):
        where = f"{file}, entry {number}"
        yield where, row if isinstance(row, dict) else {"__error__": f"{where}: expected a mapping, got {row!r}; correct it"}


def _text(value: object, name: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {name} is {value!r}, expected words; fill it in")
    return value.strip()


def _list(value: object, name: str, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = [part for line in value.splitlines() for part in line.split(";")]
    if not isinstance(value, Sequence) or not all(isinstance(part, str) for part in value):
        raise DataError(f"{where}: {name} is {value!r}, expected a list of texts; correct it")
    return tuple(part.strip() for part in value if part.strip())


def _facets(raw: dict[str, Any], where: str) -> dict[str, str]:
    facets = raw.get("facets") or {name: raw[name] for name in ("product", "scene") if raw.get(name)}
    if not isinstance(facets, dict):
        raise DataError(f"{where}: facets is {facets!r}, expected a mapping such as {{product: 鞋包, scene: 售后}}; correct it")
    return {str(key): str(value) for key, value in facets.items() if value is not None}


def _date(value: object, name: str, where: str) -> str | None:
    if value is None or value == "":
        return None
    try:
        return datetime.fromisoformat(str(value)).date().isoformat()
    except ValueError as error:
        raise DataError(f"{where}: {name} is {value!r}, expected a date such as 2026-11-11; correct it") from error
