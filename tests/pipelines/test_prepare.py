"""What customers asked joins the questions of the entry that answers it; what is measured is not learnt."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dedupe import dedupe_key
from data.errors import DataError
from data.knowledge import faq_row
from data.types import Dialogue, FaqEntry, Speaker, Utterance
from models.domain import load_domain
from pipelines.config import PrepareConfig
from pipelines.prepare import _labelled_lines, _without_leaks, fit_to_learn, run, with_asked
from pipelines.prepared import load_prepared
from pipelines.workspace import Workspace
from tests.models.helpers import light
from tests.tiny import ENTRIES

EMOTIONS = ("neutral", "angry")
IDS = [entry.faq_id for entry in ENTRIES]
ROWS = st.fixed_dictionaries(
    {
        "text": st.one_of(
            st.sampled_from(["我要退货!", "我要退货", "怎么开发票", "啥时候发"]), st.text("退货发票?!, ", min_size=1, max_size=5)
        ),
        "split": st.sampled_from(["train", "dev", "test"]),
        "faq_id": st.sampled_from([*IDS, None]),
    }
)


@light
@given(st.lists(ROWS, max_size=12))
def test_train_queries_join_the_entry_that_answers_them_once(rows: list[dict[str, str]]) -> None:
    found = with_asked(ENTRIES, rows)
    assert [entry.faq_id for entry in found] == IDS
    for before, after in zip(ENTRIES, found, strict=True):
        assert after.questions[: len(before.questions)] == before.questions, "its own stay, the standard one first"
        keys = [dedupe_key(question) for question in after.questions]
        assert len(set(keys)) == len(keys)
        own = {dedupe_key(row["text"]) for row in rows if row["split"] == "train" and row["faq_id"] == before.faq_id}
        assert set(keys) == own | {dedupe_key(question) for question in before.questions}
        assert (after.answer, after.intent, after.steps) == (before.answer, before.intent, before.steps)


def test_of_queries_that_differ_by_signs_alone_the_first_is_kept() -> None:
    entry = FaqEntry("a", "怎么退货", ("怎么退货?", "我要退货"), ".", "b.c")
    rows = [{"text": text, "split": "train", "faq_id": "a"} for text in ("退,货呢", "退货呢", "怎么退货!", "我要退货。")]
    (found,) = with_asked([entry], rows)
    assert found.questions == ("怎么退货", "我要退货", "退,货呢")


@pytest.mark.parametrize(
    ("row", "unknown"),
    [({"faq_id": "ab", "also": ["c"]}, "c"), ({"faq_id": "ab", "also": ["ab", "d"]}, "d"), ({"faq_id": "e"}, "e")],
)
def test_an_entry_that_is_none_is_refused_by_name(row: dict[str, object], unknown: str, tmp_path: Path) -> None:
    path = tmp_path / "faq_queries.jsonl"
    path.write_text(json.dumps({"text": "退货", "split": "dev", **row}), encoding="utf-8")
    with pytest.raises(DataError, match=f"faq_id '{unknown}' is not in the knowledge base"):
        _labelled_lines(path, {"ab"}, EMOTIONS)
    assert _labelled_lines(path, {"ab", unknown}, EMOTIONS)[0]["text"] == "退货"


@pytest.mark.parametrize("also", [["ab"], ["ab", "c"]])
def test_a_query_that_none_answers_has_no_other_right_entries(also: list[str], tmp_path: Path) -> None:
    path = tmp_path / "faq_queries.jsonl"
    path.write_text(json.dumps({"text": "退货", "split": "dev", "faq_id": None, "also": also}), encoding="utf-8")
    with pytest.raises(DataError, match=r"jsonl:1: also names .*, but faq_id is null; put one of them into faq_id"):
        _labelled_lines(path, {"ab", "c"}, EMOTIONS)


@pytest.mark.parametrize("text", ["", "  \t", "\u3000\n"])
@pytest.mark.parametrize("faq_ids", [{"ab"}, None])
def test_a_line_without_words_is_refused_by_number(text: str, faq_ids: set[str] | None, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    rows = [{"text": "退货", "split": "dev"}, {"text": text, "split": "train"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(DataError, match=r"lines\.jsonl:2: text is .*, expected words"):
        _labelled_lines(path, faq_ids, EMOTIONS)


@pytest.mark.parametrize("faq_ids", [{"ab"}, None])
def test_a_line_may_carry_an_emotion_and_no_unknown_one(faq_ids: set[str] | None, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    rows = [{"text": text, "split": "train", "emotion": emotion} for text, emotion in (("退货", "angry"), ("开票", None))]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [row["emotion"] for row in _labelled_lines(path, faq_ids, EMOTIONS)] == ["angry", None]
    with pytest.raises(DataError, match=r"lines\.jsonl:1: emotion is 'angry', expected one of neutral, calm, or none; correct it"):
        _labelled_lines(path, faq_ids, ("neutral", "calm"))


# What is measured is not learnt ---------------------------------------------------------------------------------------

LONG, LIKE_IT = "昨天买的那件外套什么时候能送到家", "昨天买的那件外套什么时候能送到我家"
OTHER = "别的衣服有没有大一号的可以换"


def _row(text: str, faq_id: str | None, split: str = "train") -> dict[str, Any]:
    return {"text": text, "faq_id": faq_id, "split": split}


def _learnt(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return fit_to_learn(rows, ENTRIES, threshold=0.8)


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("faq_id", ["ship_time", None])
@pytest.mark.parametrize(("text", "held"), [("在吗?", "在,吗"), (LONG, LIKE_IT)])
def test_a_training_query_that_nearly_equals_a_measured_one_is_not_learnt(
    text: str, held: str, faq_id: str | None, split: str
) -> None:  # fmt: skip
    more, measured = _row(OTHER, None), _row(held, "ship_time", split)
    assert _learnt(_row(text, faq_id), measured, more) == [measured, more]
    assert _learnt(measured, more, _row(text, faq_id)) == [measured, more]
    both = [_row(text, faq_id), _row(held, faq_id)]
    assert _learnt(*both) == both, "of training queries both are learnt"


def test_a_training_query_that_contradicts_the_knowledge_base_is_not_learnt() -> None:
    assert _learnt(_row("怎么开发票!", None), _row("怎么开发票。", "return")) == []
    fitting = [_row("怎么开发票!", "invoice"), _row("怎么开发票", None, "dev"), _row("怎么开发票", "return", "test")]
    assert _learnt(*fitting[:1]) == fitting[:1]
    assert _learnt(*fitting[1:]) == fitting[1:], "what is measured is never dropped"


def test_of_training_queries_that_contradict_each_other_an_answered_one_stays() -> None:
    none, one, two = (_row("抬头怎么写", faq_id) for faq_id in (None, "invoice", "return"))
    assert _learnt(none, one) == _learnt(one, none) == [one]
    assert _learnt(one, two) == [one] and _learnt(none, two, one) == [two]
    assert _learnt(none, none) == [none, none] and _learnt(one, one) == [one, one]


@light
@given(st.lists(ROWS, max_size=12))
def test_what_is_learnt_of_queries_contradicts_nothing_and_nothing_else_is_dropped(rows: list[dict[str, Any]]) -> None:
    kept = _learnt(*rows)
    assert [row for row in kept if row["split"] != "train"] == [row for row in rows if row["split"] != "train"]
    held = {dedupe_key(row["text"]) for row in rows if row["split"] != "train"}
    indexed = {dedupe_key(question): entry.faq_id for entry in ENTRIES for question in entry.questions}
    learnt = [row for row in kept if row["split"] == "train"]
    for row in learnt:
        key = dedupe_key(row["text"])
        assert key not in held
        assert {indexed.get(key, row["faq_id"])} == {own["faq_id"] for own in learnt if dedupe_key(own["text"]) == key}
    for row in rows:
        key = dedupe_key(row["text"])
        if row["split"] == "train" and key not in held and key not in indexed:
            assert key in {dedupe_key(own["text"]) for own in learnt}, "of a text that nothing speaks against one row stays"


def _dialogue(name: str, *texts: str, split: str | None = None) -> Dialogue:
    return Dialogue(name, tuple(Utterance(Speaker.USER, text) for text in texts), split=split)


def test_training_turns_that_nearly_equal_a_measured_text_are_dropped_and_their_dialogue_stays() -> None:
    splits = {
        "train": [_dialogue("a", LONG, OTHER), _dialogue("b", LIKE_IT)], "dev": [_dialogue("c", "你好")], "test": [_dialogue("d", "在吗")],
    }  # fmt: skip
    assert _without_leaks(splits, [], 0.8) == (splits["train"], 0)
    assert _without_leaks(splits, ["谢谢", LONG], 0.8) == ([_dialogue("a", OTHER)], 2)
    splits["test"] = [_dialogue("d", OTHER)]
    assert _without_leaks(splits, [LONG], 0.8) == ([], 3)


def test_nothing_that_any_file_measures_is_learnt(tmp_path: Path) -> None:
    texts = {
        "dev": "这件毛衣洗了以后会不会缩水变形",
        "test": "两件一起寄到公司要多少邮费呢",
        "query": LONG,
        "outside": "帮我写一首关于秋天的短诗吧",
    }
    others = {"train": OTHER, "outside": "明天上海会不会下一整天的大雨"}

    def lines(name: str, rows: list[Any]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
        return path

    labels = load_domain(PrepareConfig(dialogues=tmp_path, faq=tmp_path).domain).labels

    def dialogue(split: str, *said: str) -> dict[str, Any]:
        turns = [{"speaker": "user", "text": text, "intents": ["invoice.request"], "emotion": labels.emotions[0]} for text in said]
        return {"dialogue_id": split, "split": split, "turns": turns}

    config = PrepareConfig(
        dialogues=lines("dialogues.jsonl", [
            dialogue("train", *texts.values(), *others.values()), dialogue("dev", texts["dev"]), dialogue("test", texts["test"]),
        ]),
        faq=lines("faq.jsonl", [faq_row(entry) for entry in ENTRIES]),
        faq_queries=lines("faq_queries.jsonl", [
            _row(LONG, "ship_time", "test"), _row(LIKE_IT, "ship_time"), _row("能开专票吗", None) | {"intent": "invoice.request"},
            _row("抬头怎么写", None) | {"intent": None}, _row(OTHER, None),
        ]),
        out_of_scope=lines("out_of_scope.jsonl", [
            {"text": texts["outside"], "kind": "far", "split": "dev"}, {"text": others["outside"], "kind": "far", "split": "train"},
        ]),
    )  # fmt: skip
    tracker: Any = SimpleNamespace(metrics=lambda *_: None, artifacts=lambda *_: None)
    (tmp_path / "out").mkdir()
    facts = run(config, tmp_path / "out", Workspace(tmp_path), tracker)
    prepared = load_prepared(tmp_path / "out")
    assert [row.text for row in prepared.messages["train"]] == list(others.values()), "what is learnt anyway holds nothing back"
    assert [(query.text, query.intent) for query in prepared.queries["train"]] == [
        ("能开专票吗", "invoice.request"), ("抬头怎么写", ""), (OTHER, ""),
    ]  # fmt: skip
    assert [query.text for query in prepared.queries["test"]] == [LONG]
    assert facts["report"]["dropped_queries"] == 1 and facts["report"]["dropped_leaking_turns"] == len(texts)
    assert LIKE_IT not in [question for entry in prepared.entries for question in entry.questions]
