"""Files that nobody would write: every reader gives rows, or a DataError with the file's place; never another error."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.knowledge import read_faq
from data.readers import read_dialogues
from data.review import read_review

FUZZ = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
READERS = {
    ".jsonl": (read_dialogues, read_faq), ".csv": (read_dialogues, read_faq, read_review), ".yaml": (read_faq,),
    ".xlsx": (read_faq, read_review), ".txt": (read_dialogues, read_faq),
}  # fmt: skip
NAMES = st.sampled_from(
    ["dialogue_id", "speaker", "text", "intents", "emotion", "tags", "turns", "category", "channel", "split", "id", "faq_id", "question",
     "answer", "intent", "similar_questions", "steps", "related", "valid_from", "valid_to", "status", "product", "facets", "correct", "row"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["user", "客服", "a", "", " ", ";", "2026-02-30", "2026-01-01", "drop", "=1+1", "\x00", "\u2028", "退货"]
) | st.text(max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | WORDS
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=8) | VALUES, max_size=5)
SYNTAX = st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b",", b":", b"- ", b"\n", b"\r", b"&a ", b"*a", b"!!", b"!!set ", b"!!binary ",
                                   b"!!int ", b"<<: ", b"? ", b"| ", b"id", b"question", b"\xe9\x80\x80", b"\xff", b"\x00", b"9" * 5000]), max_size=30).map(b"".join)  # fmt: skip


def check(suffix: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{suffix}"
        path.write_bytes(content)
        for read in READERS[suffix]:
            for more in ({},) if read is read_review else ({"on_bad_row": "raise"}, {"on_bad_row": "skip"}):
                call: Callable[..., list[Any]] = read
                try:
                    assert isinstance(call(path, **more), list)
                except DataError as error:
                    assert path.name in str(error)
                    str(error).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("suffix", READERS)
@FUZZ
@given(content=st.binary(max_size=300) | SYNTAX)
def test_bytes(suffix: str, content: bytes) -> None:
    check(suffix, content)


@FUZZ
@given(rows=ROWS)
@example(rows=[{"id": "a", "question": "\ud83d", "answer": "b", "intent": "c"}])
def test_rows_of_json_lines(rows: list[Any]) -> None:
    check(".jsonl", "\n".join(json.dumps(row) for row in rows).encode())


@FUZZ
@given(rows=ROWS)
def test_entries_of_yaml(rows: list[Any]) -> None:
    check(".yaml", yaml.safe_dump(rows, allow_unicode=True).encode("utf-8", "backslashreplace"))


@pytest.mark.parametrize("required", [["dialogue_id", "speaker", "text"], ["id", "question", "answer", "intent"], []])
@FUZZ
@given(header=st.lists(NAMES | WORDS, max_size=5), rows=st.lists(st.lists(WORDS, max_size=9), max_size=5))
def test_cells_of_csv(required: list[str], header: list[str], rows: list[list[str]]) -> None:
    text = io.StringIO()
    with contextlib.suppress(csv.Error):  # what the writer itself refuses
        csv.writer(text).writerows([[*required, *header], *rows])
    check(".csv", text.getvalue().encode("utf-8", "backslashreplace"))


@settings(FUZZ, max_examples=40)
@given(header=st.lists(NAMES, max_size=5), rows=st.lists(st.lists(PLAIN | st.datetimes(), max_size=9), max_size=5))
def test_cells_of_workbooks(header: list[str], rows: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [["id", "question", "answer", "intent", *header], *rows]:
        with contextlib.suppress(openpyxl.utils.exceptions.IllegalCharacterError):
            book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    check(".xlsx", content.getvalue())


@settings(FUZZ, max_examples=60)
@given(data=st.data())
def test_damaged_workbooks(data: st.DataObject) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["id", "question", "answer", "intent"])
    book.active.append(["a", "b", "c", "d"])
    content = io.BytesIO()
    book.save(content)
    with zipfile.ZipFile(content) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    at = data.draw(st.integers(0, len(parts[name])))
    parts[name] = parts[name][:at] + data.draw(st.binary(max_size=9)) + parts[name][at + data.draw(st.integers(0, 9)) :]
    damaged = io.BytesIO()
    with zipfile.ZipFile(damaged, "w") as packed:
        for part, value in parts.items():
            packed.writestr(part, value)
    check(".xlsx", damaged.getvalue())
