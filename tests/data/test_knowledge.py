"""The knowledge base reads the same from YAML, JSON Lines, CSV and XLSX, and names what is wrong with its place."""

from __future__ import annotations

import gc
import io
import json
import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.knowledge import faq_entry, faq_row, read_faq
from data.types import FaqEntry, LabelSet
from tests.data.helpers import assert_helpful, json_lines, json_values, light, write, write_csv

LABELS = LabelSet(("aftersale.return", "presale.size"), ("neutral",))
ENTRIES = [
    FaqEntry(
        "return-1", "怎么退货？", ("如何退货", '我要"退", 怎么弄'), "七天内可退，\n运费看原因。", "aftersale.return",
        steps=("打开订单", "点「申请售后」"), facets={"product": "鞋包", "scene": "售后"}, related=("size-1", "return-2"),
        required_slots=("order_id",), channels=("app", "web"), valid_from="2026-01-01", valid_to="2026-11-11", status="draft",
    ),
    FaqEntry("return-2", "退貨運費誰出", (), "我们出😊", "aftersale.return", facets={"scene": "售后"}),
    FaqEntry("size-1", "偏大还是偏小", ("准不准",), "标准码", "presale.size"),
]  # fmt: skip
LEAST: dict[str, Any] = {"id": "a", "question": "怎么退货", "answer": "点退货", "intent": "aftersale.return"}


def write_yaml(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes entries as a YAML list."""
    return write(path, yaml.safe_dump(list(rows), allow_unicode=True, sort_keys=False))


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes entries as JSON Lines."""
    return write(path, json_lines(*rows))


def flat(row: dict[str, Any], sign: str) -> dict[str, Any]:
    """Returns a row as table cells: lists joined, facets as columns, nothing for nothing."""
    cells = {**row, **row.get("facets", {})}
    cells.pop("facets", None)
    return {key: sign.join(value) if isinstance(value, list | tuple) else value for key, value in cells.items() if value}


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes entries as CSV, lists separated by a semicolon."""
    return write_csv(path, [flat(row, ";") for row in rows])


def write_sheet(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes entries as an XLSX sheet, lists separated by a line break."""
    cells = [flat(row, "\n") for row in rows]
    columns = list(dict.fromkeys(column for row in cells for column in row))
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(columns)
    for row in cells:
        book.active.append([row.get(column) for column in columns])
    book.save(path)
    return path


Writer = Callable[[Path, Sequence[dict[str, Any]]], Path]
WRITERS: dict[str, Writer] = {
    ".yaml": write_yaml, ".yml": write_yaml, ".jsonl": write_lines, ".csv": write_table, ".xlsx": write_sheet,
}  # fmt: skip
every_format = pytest.mark.parametrize("suffix", WRITERS)
# How a format names its second entry.
SECOND = {".yaml": ", entry 2", ".yml": ", entry 2", ".jsonl": ":2", ".csv": ":3", ".xlsx": ":3"}


def refused(path: Path, *places: str, labels: LabelSet | None = None) -> None:
    """Reads a base that must be refused and checks that the message is of use."""
    with pytest.raises(DataError) as caught:
        read_faq(path, labels)
    assert_helpful(str(caught.value), *places)


@every_format
def test_every_format_reads_back_to_equal_entries(tmp_path: Path, suffix: str) -> None:
    path = WRITERS[suffix](tmp_path / f"faq{suffix}", [faq_row(entry) for entry in ENTRIES])
    assert read_faq(path, LABELS) == ENTRIES


def test_a_folder_is_one_base_and_may_mix_formats(tmp_path: Path) -> None:
    rows = [faq_row(entry) for entry in ENTRIES]
    write_yaml(tmp_path / "3.yaml", rows[2:])
    write_table(tmp_path / "1.csv", rows[:1])
    write_sheet(tmp_path / "2.xlsx", rows[1:2])
    write(tmp_path / "README.md", "# not entries")
    assert read_faq(tmp_path, LABELS) == ENTRIES


@every_format
def test_only_id_question_answer_and_intent_are_needed(tmp_path: Path, suffix: str) -> None:
    (entry,) = read_faq(WRITERS[suffix](tmp_path / f"faq{suffix}", [LEAST]))
    assert entry == FaqEntry("a", "怎么退货", (), "点退货", "aftersale.return")
    assert entry.status == "published"


@pytest.mark.parametrize("suffix", [".yaml", ".jsonl", ".csv"])
def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path, suffix: str) -> None:
    path = WRITERS[suffix](tmp_path / f"faq{suffix}", [faq_row(entry) for entry in ENTRIES])
    write(path, "\ufeff" + path.read_text(encoding="utf-8").replace("\n", "\r\n"))
    assert read_faq(path) == ENTRIES


def test_a_table_may_separate_lists_by_semicolon_or_line_break(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faq.csv", [{**LEAST, "similar_questions": "一; 二\n三;\n\n", "steps": "开"}])
    (entry,) = read_faq(path)
    assert (entry.similar_questions, entry.steps) == (("一", "二", "三"), ("开",))


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0c"])
def test_characters_that_only_look_like_line_ends_stay_in_the_answer(tmp_path: Path, sign: str) -> None:
    row = {**LEAST, "answer": f"第一行{sign}第二行"}
    lines = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    assert read_faq(write(tmp_path / "faq.csv", lines))[0].answer == row["answer"]
    assert read_faq(write_lines(tmp_path / "faq.jsonl", [row]))[0].answer == row["answer"]


def test_faq_id_is_another_name_for_id_and_a_number_will_do(tmp_path: Path) -> None:
    row = {**LEAST, "faq_id": "b"}
    del row["id"]
    assert read_faq(write_lines(tmp_path / "a.jsonl", [row]))[0].faq_id == "b"
    assert read_faq(write_yaml(tmp_path / "a.yaml", [{**LEAST, "id": 12}, {**LEAST, "id": 0}]))[1].faq_id == "0"
    assert read_faq(write_sheet(tmp_path / "a.xlsx", [{**LEAST, "id": 12}]))[0].faq_id == "12"


def test_blanks_around_texts_and_in_lists_are_dropped() -> None:
    raw = {**LEAST, "id": " a ", "question": " 怎么退货\n", "related": [" b ", "", " "], "similar_questions": ["如何退 "]}
    entry = faq_entry(raw, "x")
    assert (entry.faq_id, entry.question, entry.related, entry.similar_questions) == ("a", "怎么退货", ("b",), ("如何退",))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"id": None}, "id is None"),
    "a blank id": ({"id": " "}, "id is ' '"),
    "no question": ({"question": None}, "question is"),
    "a blank answer": ({"answer": "  "}, "answer is"),
    "no intent": ({"intent": None}, "intent is"),
    "an unknown intent": ({"intent": "aftersale.retrun"}, "'aftersale.retrun'"),
    "an unknown field": ({"awnser": "点退货"}, "unknown fields awnser"),
    "an unknown status": ({"status": "live"}, "'live'"),
    "no date": ({"valid_from": "soon"}, "valid_from is 'soon'"),
    "a day that does not exist": ({"valid_to": "2026-02-30"}, "valid_to is '2026-02-30'"),
    "a date with a slip": ({"valid_to": "2026-11-111"}, "valid_to is '2026-11-111'"),
    "an id used twice": ({"id": "first"}, "'first' is used twice"),
}
# What only YAML and JSON can say.
BAD_TYPES: dict[str, tuple[dict[str, Any], str]] = {
    "an id that is a list": ({"id": ["a"]}, "id is ['a']"),
    "a question that is a number": ({"question": 12306}, "question is 12306"),
    "an answer that is a list": ({"answer": ["点", "退"]}, "answer is"),
    "steps of numbers": ({"steps": [1, 2]}, "steps is [1, 2]"),
    "related as a mapping": ({"related": {"a": 1}}, "related is"),
    "facets as a list": ({"facets": ["鞋包"]}, "facets is"),
    "a date that is a list": ({"valid_from": [2026]}, "valid_from is [2026]"),
}
CASES = [(name, suffix) for name in BAD for suffix in WRITERS]
CASES += [(name, suffix) for name in BAD_TYPES for suffix in (".yaml", ".jsonl")]


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_a_bad_entry_is_refused_with_its_place_or_skipped_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, suffix: str
) -> None:
    change, said = {**BAD, **BAD_TYPES}[name]
    bad = {key: value for key, value in {**LEAST, "id": "second", **change}.items() if value is not None}
    rows = [{**LEAST, "id": "first"}, bad, {**LEAST, "id": "third"}]
    path = WRITERS[suffix](tmp_path / f"faq{suffix}", rows)
    refused(path, f"{path}{SECOND[suffix]}", said, labels=LABELS)
    with caplog.at_level(logging.WARNING):
        kept = read_faq(path, LABELS, on_bad_row="skip")
    assert [entry.faq_id for entry in kept] == ["first", "third"]
    assert f"{path}{SECOND[suffix]}" in caplog.text


def test_without_labels_any_intent_passes() -> None:
    assert faq_entry({**LEAST, "intent": "own.code"}, "x").intent == "own.code"


@every_format
def test_related_entries_that_do_not_exist_are_refused_with_their_place(tmp_path: Path, suffix: str) -> None:
    rows = [{**LEAST, "id": "first"}, {**LEAST, "id": "second", "related": ["first", "nowhere"]}]
    path = WRITERS[suffix](tmp_path / f"faq{suffix}", rows)
    refused(path, f"{path}{SECOND[suffix]}", "'second'", "['nowhere']")
    assert len(read_faq(path, on_bad_row="skip")) == 2


def test_related_entries_may_come_later_or_from_another_file(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{**LEAST, "related": ["b", "c"]}, {**LEAST, "id": "b"}])
    write_lines(tmp_path / "b.jsonl", [{**LEAST, "id": "c", "related": ["a"]}])
    assert len(read_faq(tmp_path)) == 3


def test_an_id_used_twice_is_refused_across_files(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [LEAST])
    write_lines(tmp_path / "b.jsonl", [LEAST])
    refused(tmp_path, f"{tmp_path / 'b.jsonl'}:1", "'a' is used twice")


def test_a_table_row_with_more_cells_than_columns_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "faq.csv", "id,question,intent,answer\na,怎么退,aftersale.return,七天内,可退\n")
    refused(path, f"{path}:2", "more cells than the header")


def test_blank_rows_of_a_sheet_are_passed_over_but_counted(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "faq.xlsx", [{**LEAST}, {}, {**LEAST, "id": "b", "status": "live"}])
    refused(path, f"{path}:4")
    assert len(read_faq(path, on_bad_row="skip")) == 1


def test_a_sheet_may_hold_real_dates_and_yaml_may_leave_them_bare(tmp_path: Path) -> None:
    dated = {**LEAST, "valid_from": datetime(2026, 1, 2, 8, 30), "valid_to": date(2026, 11, 11)}
    for path in (write_sheet(tmp_path / "a.xlsx", [dated]), write_yaml(tmp_path / "a.yaml", [dated])):
        (entry,) = read_faq(path)
        assert (entry.valid_from, entry.valid_to) == ("2026-01-02", "2026-11-11")


def test_a_bare_yaml_date_that_does_not_exist_is_refused_with_its_entry(tmp_path: Path) -> None:
    path = write(tmp_path / "faq.yaml", "- {id: a, question: 问, answer: 答, intent: x, valid_to: 2026-02-30}\n")
    refused(path, f"{path}, entry 1", "2026-02-30")


@pytest.mark.parametrize(
    "content",
    [
        "- a: [1", "- {a: b: c}", "- !!int x", "- !!float x", "- !!bool x", "- !!timestamp x", "- *nobody", "\x01", "- {? [a]: b}",
        "- !!python/object/apply:os.getcwd []", "- " + "[" * 5000,
    ],
)  # fmt: skip
def test_yaml_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "faq.yaml", content)
    refused(path, str(path))


@pytest.mark.parametrize(("content", "said"), [("id: a", "got dict"), ("", "got NoneType"), ("- a\n- b", "entry 1: expected")])
def test_yaml_that_is_no_list_of_mappings_is_refused(tmp_path: Path, content: str, said: str) -> None:
    refused(write(tmp_path / "faq.yaml", content), "faq.yaml", said)


def test_files_that_cannot_be_a_base_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.yaml", "none.yaml does not exist")
    refused(write(tmp_path / "faq.txt", "问"), "faq.txt", ".yaml, .jsonl, .csv or .xlsx")
    refused(write(tmp_path / "faq.xlsx", b"PK\x03\x04 not a workbook"), "faq.xlsx", "save it again")
    refused(write(tmp_path / "gb.csv", "id,问".encode("gb18030")), "gb.csv", "byte 3 is not UTF-8")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no FAQ entry could be read")


def test_a_workbook_with_a_broken_part_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faq.xlsx"
    with ZipFile(io.BytesIO(GOOD[".xlsx"])) as whole, ZipFile(path, "w") as broken:
        for name in whole.namelist():
            broken.writestr(name, b"<worksheet><sheetData><row" if "sheet1" in name else whole.read(name))
    refused(path, "faq.xlsx", "save it again")


def test_a_workbook_is_closed_after_reading_and_may_be_saved_again(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "faq.xlsx", [LEAST])
    gc.disable()  # else the collector may close what the reader left open
    try:
        read_faq(path)
        still_open = [link for link in Path("/proc/self/fd").glob("*") if link.resolve() == path.resolve()]
    finally:
        gc.enable()
    assert still_open == []


def test_a_base_with_no_good_entry_is_refused_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no FAQ entry could be read"):
        read_faq(write_lines(tmp_path / "faq.jsonl", [{"id": "a"}]), on_bad_row="skip")


def test_a_facet_without_a_value_is_no_facet() -> None:
    facets = {"product": None, "scene": "售后", "season": 2026}
    assert faq_entry({**LEAST, "facets": facets}, "x").facets == {"scene": "售后", "season": "2026"}


# Entries as `faq_entry` makes them: words without blanks around them; no control characters, which no format keeps.
word = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8).map(str.strip).filter(bool)
words = st.lists(word, max_size=3).map(tuple)
day = st.none() | st.dates().map(date.isoformat)
entries = st.builds(
    FaqEntry, faq_id=word, question=word, similar_questions=words, answer=word, intent=word, steps=words,
    facets=st.dictionaries(word, word, max_size=2), related=words, required_slots=words, channels=words,
    valid_from=day, valid_to=day, status=st.sampled_from(["published", "draft", "retired"]),
)  # fmt: skip


@light
@given(entries)
def test_faq_entry_undoes_faq_row(entry: FaqEntry) -> None:
    assert faq_entry(faq_row(entry), "x") == entry
    assert faq_entry(json.loads(json.dumps(faq_row(entry))), "x") == entry


@light
@given(entries)
def test_faq_row_undoes_faq_entry(entry: FaqEntry) -> None:
    row = faq_row(entry)
    assert faq_row(faq_entry(row, "x")) == row
    assert json.loads(json.dumps(row)) == row


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder for the files of one property."""
    return tmp_path_factory.mktemp("fuzz")


@settings(light, max_examples=50)
@given(base=st.lists(entries, min_size=1, max_size=3, unique_by=lambda entry: entry.faq_id))
def test_any_base_reads_back_equal(folder: Path, base: list[FaqEntry]) -> None:
    rows = [faq_row(entry) for entry in base]
    assert read_faq(write_yaml(folder / "any.yaml", rows), on_bad_row="skip") == base
    assert read_faq(write_lines(folder / "any.jsonl", rows), on_bad_row="skip") == base


@light
@given(question=word, answer=word)
@example(question='",', answer="a\n\nb")
def test_any_question_and_answer_survive_a_table(folder: Path, question: str, answer: str) -> None:
    (entry,) = read_faq(write_table(folder / "any.csv", [{**LEAST, "question": question, "answer": answer}]))
    assert (entry.question, entry.answer) == (question, answer)


FIELDS = [
    "id", "faq_id", "question", "answer", "intent", "facets", "product", "scene", "valid_from", "valid_to", "status", "related",
    "steps",
]  # fmt: skip


@light
@given(st.fixed_dictionaries({}, optional={key: json_values | st.just("2026-11-11") for key in FIELDS}))
def test_fields_of_any_type_make_an_entry_or_a_data_error_that_names_the_place(raw: dict[str, Any]) -> None:
    try:
        entry = faq_entry({**LEAST, **raw}, "faq.jsonl:7")
    except DataError as error:
        assert_helpful(str(error), "faq.jsonl:7")
    else:
        assert faq_entry(faq_row(entry), "x") == entry


def survives(path: Path) -> None:
    """Reads a base in both modes; only DataError may come out, and it names the file."""
    for mode in ("raise", "skip"):
        try:
            assert read_faq(path, LABELS, on_bad_row=mode)
        except DataError as error:
            assert str(path) in str(error)


def workbook() -> bytes:
    """Returns a small good workbook."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(list(LEAST))
    book.active.append(list(LEAST.values()))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


GOOD = {
    ".yaml": b'- id: a\n  question: "b"\n  answer: c\n  intent: aftersale.return\n  valid_to: 2026-11-11\n  steps: [d, e]\n',
    ".jsonl": json_lines(LEAST).encode(),
    ".csv": (",".join(LEAST) + "\n" + ",".join(LEAST.values()) + "\n").encode(),
    ".xlsx": workbook(),
}
TAGS = [f"!!{tag} " for tag in ("int", "float", "bool", "binary", "set", "omap", "timestamp")]
NOISE = [*"a[]{}|>'\"#%é\n\t", "- ", ": ", "  ", "&x ", "*x", "<<: ", "? ", "---\n", "1:2", "0x", "0b", "2026-99-99", *TAGS]
yaml_noise = st.lists(st.sampled_from(NOISE), max_size=12).map(lambda parts: "".join(parts).encode())


@pytest.mark.parametrize("suffix", GOOD)
def test_any_bytes_make_a_base_or_a_data_error(folder: Path, suffix: str) -> None:
    @settings(light, max_examples=60)
    @given(st.binary(max_size=40) | yaml_noise)
    def check(content: bytes) -> None:
        survives(write(folder / f"noise{suffix}", content))

    check()


@pytest.mark.parametrize("suffix", GOOD)
def test_a_damaged_base_is_read_or_refused_with_a_data_error(folder: Path, suffix: str) -> None:
    good = GOOD[suffix]
    survives(write(folder / f"whole{suffix}", good))

    @settings(light, max_examples=60)
    @given(place=st.integers(0, len(good) - 1), length=st.integers(0, 9), content=st.binary(max_size=4) | yaml_noise)
    def check(place: int, length: int, content: bytes) -> None:
        survives(write(folder / f"damaged{suffix}", good[:place] + content + good[place + length :]))

    check()
