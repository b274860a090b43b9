"""Dialogue logs: what is good is read as written, what is bad is named with file and row and what to do."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.errors import DataError, LabelError
from data.readers import read_dialogues, read_json_lines, read_text
from data.types import Dialogue, LabelSet, Speaker, Utterance
from tests.data.helpers import assert_helpful, json_lines, json_values, light, write, write_csv

LABELS = LabelSet(("order.cancel", "logistics.fee"), ("neutral", "angry"))
GOOD: dict[str, Any] = {"dialogue_id": "d1", "turns": [{"speaker": "user", "text": "取消订单"}]}
HEADER = "dialogue_id,speaker,text,intents,emotion\n"


def row(name: str = "d1", **turn: object) -> dict[str, Any]:
    """Returns a dialogue of one turn as in the file, with fields of the turn replaced."""
    return {"dialogue_id": name, "turns": [{"speaker": "user", "text": "取消订单", **turn}]}


def refused(path: Path, *places: str, labels: LabelSet | None = None) -> str:
    """Reads a file that must be refused, checks that the message is of use, and returns it."""
    with pytest.raises(DataError) as caught:
        read_dialogues(path, labels)
    assert_helpful(str(caught.value), *places)
    return str(caught.value)


def test_json_lines_are_read_as_written(tmp_path: Path) -> None:
    first = {
        "dialogue_id": "d1", "category": "服饰", "channel": "app", "split": "test",
        "turns": [
            {"speaker": "user", "text": "衣服大了，\n運費誰出😡", "intents": ["order.cancel", "logistics.fee"], "emotion": "angry",
             "tags": ["traditional"]},
            {"speaker": "客服", "text": "亲，您好"},
        ],
    }  # fmt: skip
    path = write(tmp_path / "logs.jsonl", json_lines(first, row("d2")))
    assert read_dialogues(path, LABELS) == [
        Dialogue(
            "d1",
            (
                Utterance(Speaker.USER, "衣服大了，\n運費誰出😡", ("order.cancel", "logistics.fee"), "angry", ("traditional",)),
                Utterance(Speaker.AGENT, "亲，您好"),
            ),
            "服饰", "app", "test", f"{path}:1",
        ),
        Dialogue("d2", (Utterance(Speaker.USER, "取消订单"),), source=f"{path}:2"),
    ]  # fmt: skip


def test_a_csv_gives_the_same_dialogues_as_json_lines(tmp_path: Path) -> None:
    text, places = '他说"马上"，\n结果,没有', {"category": "服饰", "channel": "app", "split": "dev"}
    labels = {"intents": ["order.cancel", "logistics.fee"], "emotion": "angry", "tags": ["a", "b"]}
    cells = {"intents": "order.cancel;logistics.fee", "emotion": "angry", "tags": "a;b"}
    asked, answered = {"speaker": "user", "text": text}, {"speaker": "agent", "text": "好的"}
    raw = {"dialogue_id": "d1", "turns": [{**asked, **labels}, answered], **places}
    rows = [{"dialogue_id": "d1", **places, **asked, **cells}, {"dialogue_id": "d1", **places, **answered}]
    (one,) = read_dialogues(write(tmp_path / "a.jsonl", json_lines(raw)))
    (other,) = read_dialogues(write_csv(tmp_path / "a.csv", rows))
    assert (one.dialogue_id, one.turns, one.category, one.channel, one.split) == (
        other.dialogue_id, other.turns, other.category, other.channel, other.split,
    )  # fmt: skip


def test_consecutive_csv_rows_of_one_id_are_one_dialogue(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.csv", HEADER + "d1,user,在吗,,\nd1,agent,在的,,\nd2,user,退货,,\n")
    found = [(one.dialogue_id, len(one.turns), one.source) for one in read_dialogues(path)]
    assert found == [("d1", 2, f"{path}:2"), ("d2", 1, f"{path}:4")]


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_characters_that_only_look_like_line_ends_stay_in_the_text(tmp_path: Path, sign: str) -> None:
    text = f"第一行{sign}第二行"
    as_csv = write(tmp_path / "a.csv", HEADER + f"d1,user,{text},,\n")
    as_json = write(tmp_path / "a.jsonl", json_lines(row(text=text)))
    assert [read_dialogues(path)[0].turns[0].text for path in (as_csv, as_json)] == [text, text]


@pytest.mark.parametrize(
    ("typed", "speaker"),
    [
        ("user", "user"),
        ("Customer", "user"),
        ("BUYER", "user"),
        ("买家", "user"),
        ("agent", "agent"),
        ("bot", "agent"),
        ("客服", "agent"),
    ],
)
def test_the_usual_names_of_speakers_are_known(tmp_path: Path, typed: str, speaker: str) -> None:
    (one,) = read_dialogues(write(tmp_path / "logs.jsonl", json_lines(row(speaker=typed))))
    assert one.turns[0].speaker == speaker


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    as_json = write(tmp_path / "a.jsonl", "\ufeff" + json_lines(row("d1"), row("d2")).replace("\n", "\r\n"))
    as_csv = write(tmp_path / "a.csv", "\ufeff" + (HEADER + "d1,user,取消订单,,\nd2,user,取消订单,,\n").replace("\n", "\r\n"))
    assert [one.dialogue_id for path in (as_json, as_csv) for one in read_dialogues(path)] == ["d1", "d2", "d1", "d2"]


def test_blank_lines_are_passed_over_but_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.jsonl", "\n  \n" + json_lines(row("d1"), "", "{"))
    refused(path, f"{path}:5")
    assert read_dialogues(write(path, "\n" + json_lines(row("d1"))))[0].source == f"{path}:2"


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", json_lines(row("second")))
    write(tmp_path / "a.jsonl", json_lines(row("first")))
    write(tmp_path / "c.csv", HEADER + "third,user,在吗,,\n")
    write(tmp_path / "notes.txt", "not a log")
    assert [one.dialogue_id for one in read_dialogues(tmp_path)] == ["first", "second", "third"]


BAD = {
    "broken json": ('{"dialogue_id": "d2", ', "not valid JSON"),
    "a list": ("[1, 2]", "JSON list"),
    "a number too long": ('{"dialogue_id": ' + "1" * 5000 + "}", "not valid JSON"),
    "too deep": ("[" * 100_000, "not valid JSON"),
    "no id": ({"turns": GOOD["turns"]}, "dialogue_id is None"),
    "an id that is a number": ({**GOOD, "dialogue_id": 7}, "dialogue_id is 7"),
    "no turns": ({"dialogue_id": "d2"}, "turns is NoneType"),
    "an empty list of turns": ({"dialogue_id": "d2", "turns": []}, "turns"),
    "a turn that is a text": ({"dialogue_id": "d2", "turns": ["在吗"]}, "turn 1: got a str"),
    "an unknown speaker": (row("d2", speaker="robot"), "turn 1: speaker is 'robot'"),
    "an empty text": (row("d2", text=" \n"), "turn 1: text is"),
    "a text that is a number": (row("d2", text=5), "turn 1: text is 5"),
    "intents as a text": (row("d2", intents="order.cancel"), "turn 1: intents is"),
    "intents of numbers": (row("d2", intents=[1]), "turn 1: intents is [1]"),
    "four intents": (row("d2", intents=["order.cancel"] * 4), "at most 3"),
    "emotion as a list": (row("d2", emotion=["angry"]), "turn 1: emotion is ['angry']"),
    "tags as a number": (row("d2", tags=5), "turn 1: tags is 5"),
    "tags as a text": (row("d2", tags="abc"), "turn 1: tags is 'abc'"),
    "a split that is a list": ({**row("d2"), "split": ["test"]}, "split is ['test']"),
    "a category that is a number": ({**row("d2"), "category": 5}, "category is 5"),
    "an unknown intent": (row("d2", intents=["order.cancel", "tuikuan"]), "'tuikuan'"),
    "an unknown emotion": (row("d2", emotion="furious"), "'furious'"),
    "votes as a text": (row("d2", emotion="angry", emotion_votes="angry"), "turn 1: emotion_votes is 'angry'"),
    "votes of numbers": (row("d2", emotion="angry", emotion_votes=[1]), "turn 1: emotion_votes is [1]"),
    "votes without an emotion": (row("d2", emotion=None, emotion_votes=["angry"]), "beside an emotion"),
    "an unknown emotion among votes": (row("d2", emotion="angry", emotion_votes=["angry", "furious"]), "'furious'"),
    "an id used before": (row("d1"), "'d1'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_refused_with_its_file_and_row_and_what_to_do(tmp_path: Path, name: str) -> None:
    bad, said = BAD[name]
    path = write(tmp_path / "logs.jsonl", json_lines(row("d1"), bad, row("d3")))
    refused(path, f"{path}:2", said, labels=LABELS)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_skipped_on_request_and_the_rest_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    path = write(tmp_path / "logs.jsonl", json_lines(row("d1"), BAD[name][0], row("d3")))
    with caplog.at_level(logging.WARNING):
        kept = read_dialogues(path, LABELS, on_bad_row="skip")
    assert [one.source for one in kept] == [f"{path}:1", f"{path}:3"]
    assert f"{path}:2" in caplog.text


def test_what_several_readers_felt_is_kept_from_either_format(tmp_path: Path) -> None:
    votes = ["angry", "angry", "neutral"]
    lines = write(tmp_path / "a.jsonl", json_lines(row("d1", emotion="angry", emotion_votes=votes), row("d2", emotion="angry")))
    assert [one.turns[0].emotion_votes for one in read_dialogues(lines, LABELS)] == [tuple(votes), ()]
    table = write(tmp_path / "a.csv", HEADER.replace("emotion", "emotion,emotion_votes") + "d1,user,在吗,,angry,angry;neutral\n")
    assert read_dialogues(table, LABELS)[0].turns[0].emotion_votes == ("angry", "neutral")


def test_the_turn_that_is_bad_is_named(tmp_path: Path) -> None:
    turns = [{"speaker": "user", "text": "在吗"}, {"speaker": "agent", "text": ""}]
    path = write(tmp_path / "logs.jsonl", json_lines({"dialogue_id": "d1", "turns": turns}))
    refused(path, f"{path}:1, turn 2")


def test_an_unknown_label_is_a_label_error_and_without_labels_it_passes(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.jsonl", json_lines(row(intents=["tuikuan"])))
    with pytest.raises(LabelError):
        read_dialogues(path, LABELS)
    assert read_dialogues(path)[0].turns[0].intents == ("tuikuan",)


def test_an_id_used_twice_names_both_places_across_files(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", json_lines(row("d1")))
    write(tmp_path / "b.jsonl", json_lines(row("d0"), row("d1")))
    refused(tmp_path, f"{tmp_path / 'a.jsonl'}:1", f"{tmp_path / 'b.jsonl'}:2")


def test_csv_rows_of_one_dialogue_that_are_apart_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.csv", HEADER + "d1,user,在吗,,\nd2,user,退货,,\nd1,agent,在的,,\n")
    refused(path, f"{path}:4", f"{path}:2", "keep the rows of one CSV dialogue together")


def test_missing_csv_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.csv", "dialogue_id,words\nd1,在吗\n")
    refused(path, f"{path}:1", "speaker, text")
    path = write(tmp_path / "empty.csv", "")
    refused(path, f"{path}:1", "dialogue_id, speaker, text")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("d2,user,你好,在吗,,", "more cells than the header"),
        ("d2,user", "text is None"),
        ("d2,nobody,在吗,,", "speaker is 'nobody'"),
        ("d2,user,在吗,a;b;c;d,", "at most 3"),
        (",user,在吗,,", "dialogue_id is ''"),
    ],
    ids=["a comma without quotes", "a short row", "an unknown speaker", "four intents", "no id"],
)
def test_a_bad_csv_row_is_named_and_can_be_skipped(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path / "logs.csv", HEADER + f"d1,user,在吗,,\n{line}\nd3,user,退货,,\n")
    refused(path, f"{path}:3", said)
    assert [one.dialogue_id for one in read_dialogues(path, on_bad_row="skip")] == ["d1", "d3"]


def test_rows_after_a_text_of_several_lines_are_counted_as_the_editor_counts_them(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.csv", HEADER + 'd1,user,"第一行\n第二行",,\nd2,nobody,在吗,,\n')
    refused(path, f"{path}:4")


def test_a_csv_cell_without_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.csv", HEADER + 'd1,user,"' + "啊" * 140_000 + "\n")
    refused(path, f"{path}:", "not valid CSV")


def test_a_file_that_is_not_utf_8_says_at_which_byte(tmp_path: Path) -> None:
    for name in ("logs.jsonl", "logs.csv"):
        refused(write(tmp_path / name, b"ab" + "退款".encode("gb18030")), name, "byte 2 is not UTF-8", "GB18030")


def test_a_file_of_unknown_type_is_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "logs.xml", "<a/>"), "logs.xml", ".jsonl or .csv")
    refused(write(tmp_path / "logs", "{}"), "nameless")


def test_a_path_without_logs_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.jsonl", "nothing.jsonl does not exist")
    refused(tmp_path, str(tmp_path), "no .jsonl or .csv file")
    refused(write(tmp_path / "blank.jsonl", "\n\n"), "blank.jsonl", "no dialogue could be read")


def test_a_folder_that_is_named_like_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs.jsonl").mkdir()
    refused(tmp_path, "logs.jsonl", "cannot be opened")


def test_a_file_with_no_good_row_is_refused_even_when_skipping(tmp_path: Path) -> None:
    path = write(tmp_path / "logs.jsonl", "{\n[]\n")
    with pytest.raises(DataError, match="no dialogue could be read"):
        read_dialogues(path, on_bad_row="skip")


def test_json_lines_come_with_their_places_and_bad_ones_as_errors(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": 1}\n\n3\n')
    (where, value), (place, bad) = read_json_lines(path)
    assert (where, value, place) == (f"{path}:1", {"a": 1}, f"{path}:3")
    assert_helpful(bad["__error__"], f"{path}:3", "JSON int")


def test_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    assert read_text(write(tmp_path / "a.txt", "\ufeff退款")) == "退款"


def survives(path: Path) -> None:
    """Reads a file in both modes; only DataError may come out, and it names the file."""
    for mode in ("raise", "skip"):
        try:
            assert read_dialogues(path, LABELS, on_bad_row=mode)
        except DataError as error:
            assert str(path) in str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder for the files of one property."""
    return tmp_path_factory.mktemp("fuzz")


SAMPLES = {".jsonl": json_lines(GOOD, row("d2")), ".csv": HEADER + 'd1,user,"在吗, 亲",order.cancel,angry\nd1,客服,在,,\n'}


@light
@given(suffix=st.sampled_from(sorted(SAMPLES)), content=st.binary(max_size=60))
@example(suffix=".csv", content=b"\x00")
@example(suffix=".jsonl", content=b"\xef\xbb\xbf")
def test_any_bytes_are_read_or_refused_with_a_data_error(folder: Path, suffix: str, content: bytes) -> None:
    survives(write(folder / f"any{suffix}", content))


signs = st.sampled_from([b'"', b",", b"\n", b"\r", b"\xff", b"{", b"]"])


@light
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 200), st.integers(0, 9), st.binary(max_size=4) | signs)
def test_a_damaged_log_is_read_or_refused_with_a_data_error(
    folder: Path, suffix: str, place: int, length: int, content: bytes
) -> None:
    good = SAMPLES[suffix].encode()
    place %= len(good)
    survives(write(folder / f"damaged{suffix}", good[:place] + content + good[place + length :]))


GOOD_TURN: dict[str, Any] = {"speaker": "user", "text": "在吗", "intents": ["order.cancel"], "emotion": "angry", "tags": []}
turns = st.lists(
    st.fixed_dictionaries({}, optional={key: json_values | st.just(good) for key, good in GOOD_TURN.items()}), max_size=2
)
fields = {"dialogue_id": json_values | st.just("d1"), "turns": json_values | turns}
fields |= {"category": json_values, "channel": json_values, "split": json_values}


@light
@given(rows=st.lists(st.fixed_dictionaries({}, optional=fields), max_size=3))
def test_fields_of_any_type_are_read_or_refused_with_a_data_error(folder: Path, rows: list[dict[str, Any]]) -> None:
    path = write(folder / "typed.jsonl", json.dumps(GOOD) + "\n" + "".join(json.dumps(one) + "\n" for one in rows))
    survives(path)
    for one in read_dialogues(path, on_bad_row="skip"):
        words = [one.dialogue_id, one.category, one.channel, one.split or ""]
        words += [word for said in one.turns for word in (said.text, said.emotion or "", *said.intents, *said.tags)]
        assert all(isinstance(word, str) for word in words)
