"""A change of the knowledge base is applied whole or refused with every bad entry named."""

from __future__ import annotations

from typing import Any

import pytest

from data.changes import MAX_ANSWER, MAX_ENTRY_QUESTIONS, Change, ChangeError, apply_change
from data.knowledge import faq_row
from data.types import LabelSet
from tests.tiny import ENTRIES

LABELS = LabelSet(tuple(sorted({entry.intent for entry in ENTRIES})), ("neutral",))
NEW: dict[str, Any] = {"id": "gift", "question": "能送礼盒吗", "answer": "可以。", "intent": "logistics.tracking"}
ROWS = [faq_row(entry) for entry in ENTRIES]
RETURN = next(row for row in ROWS if row["id"] == "return")


def refusal(change: Change) -> str:
    with pytest.raises(ChangeError) as caught:
        apply_change(ENTRIES, change, LABELS)
    return str(caught.value)


def test_entries_are_added_changed_and_removed_in_their_places() -> None:
    changed = apply_change(ENTRIES, Change([NEW, RETURN | {"answer": "新答案。"}], delete=["invoice"]), LABELS)
    assert (changed.added, changed.changed, changed.removed) == (("gift",), ("return",), ("invoice",))
    assert [entry.faq_id for entry in changed.entries] == ["ship_time", "tracking", "return", "return_fee", "refund", "gift"]
    assert changed.entries[2].answer == "新答案。" and changed.entries[0] is ENTRIES[0]


def test_replacing_by_the_same_changes_nothing() -> None:
    changed = apply_change(ENTRIES, Change(list(reversed(ROWS)), replace=True), LABELS)
    assert changed.entries == ENTRIES and not (changed.added or changed.changed or changed.removed)


def test_replacing_leaves_only_what_was_sent() -> None:
    changed = apply_change(ENTRIES, Change([NEW], replace=True), LABELS)
    assert [entry.faq_id for entry in changed.entries] == ["gift"] and len(changed.removed) == len(ENTRIES)


def test_a_draft_is_taken_out() -> None:
    changed = apply_change(ENTRIES, Change([RETURN | {"status": "draft"}]), LABELS)
    assert changed.removed == ("return",)


def test_every_bad_entry_is_named_with_its_place_and_id() -> None:
    bad: list[Any] = [NEW, NEW | {"id": "a", "intent": "no.such"}, "words", NEW | {"id": "b", "answer": ""}]
    text = refusal(Change(bad))
    assert "entries[1] (id 'a'): intent 'no.such'" in text and "entries[2]: expected an object" in text
    assert "entries[3] (id 'b'): answer is ''" in text and "entries[0]" not in text


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (NEW | {"id": ""}, "id is None"),
        (NEW | {"colour": "red"}, "unknown fields colour"),
        (NEW | {"related": ["nowhere"]}, "related entries ['nowhere'] do not exist"),
        (NEW | {"question": "怎么查物流"}, "asked in 'tracking' and 'gift' alike"),
        (NEW | {"similar_questions": ["能送禮盒嗎"]}, "asked in 'gift' and 'gift' alike"),
        (NEW | {"similar_questions": ["\u200b"]}, "nothing that can be read"),
        (NEW | {"answer": "好" * (MAX_ANSWER + 1)}, f"answer has {MAX_ANSWER + 1} characters"),
        (NEW | {"similar_questions": [f"问{number}" for number in range(MAX_ENTRY_QUESTIONS)]}, "questions, expected at most"),
        (NEW | {"steps": ["\ud83d"]}, "half of a surrogate pair"),
        (NEW | {"answer": "打13800138000"}, "answer holds personal data (phone); take it out, or send contacts: true"),
        (NEW | {"answer": "身份证110101199003077758"}, "personal data (id_card); take it out"),
    ],
)
def test_a_bad_entry_is_refused_in_words(row: dict[str, Any], words: str) -> None:
    text = refusal(Change([row]))
    assert words in text and "13800138000" not in text and "110101199003077758" not in text


def test_the_shops_own_contacts_may_be_told_but_no_identity_card() -> None:
    own = NEW | {"answer": "打13800138000"}
    assert apply_change(ENTRIES, Change([own], contacts=True), LABELS).added == ("gift",)
    assert "id_card" in refusal(Change([NEW | {"answer": "身份证110101199003077758"}], contacts=True))


def test_what_stands_there_already_is_not_refused_again() -> None:
    before = apply_change(ENTRIES, Change([NEW | {"answer": "打13800138000"}], contacts=True), LABELS).entries
    rows = [faq_row(entry) for entry in before]
    assert apply_change(before, Change(rows, replace=True), LABELS).entries == before


def test_ids_and_deletions_are_checked() -> None:
    text = refusal(Change([NEW, NEW, ROWS[1]], delete=["nowhere", "tracking"]))
    assert "entries[1] (id 'gift'): the id is that of entries[0]" in text
    assert "delete[0]: no entry has the id 'nowhere'" in text and "delete[1]: 'tracking' is among the entries too" in text


def test_what_others_relate_to_is_not_deleted() -> None:
    assert "entry 'ship_time', which is not in the request: related entries ['tracking']" in refusal(
        Change([], delete=["tracking"])
    )
    without = ROWS[0] | {"related": []}
    assert apply_change(ENTRIES, Change([without], delete=["tracking"]), LABELS).removed == ("tracking",)


def test_an_entry_that_is_refused_is_not_also_missing() -> None:
    text = refusal(Change([NEW | {"related": ["b"]}, NEW | {"id": "b", "question": "另一个", "answer": ""}]))
    assert "entries[1]" in text and "do not exist" not in text


def test_something_must_be_left() -> None:
    assert "no published entry would be left" in refusal(Change([], replace=True))


def test_a_question_may_move_to_another_entry() -> None:
    moved = [RETURN | {"similar_questions": ["不想要了怎么退"]}, NEW | {"question": "我要退货"}]
    assert apply_change(ENTRIES, Change(moved), LABELS).changed == ("return",)
