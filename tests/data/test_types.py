"""The frozen vocabulary: labels keep their order, records cannot be changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from data.errors import LabelError
from data.types import FaqEntry, LabelSet, Speaker, Utterance
from tests.data.helpers import assert_helpful

LABELS = LabelSet(("order.cancel", "aftersale.return"), ("neutral", "angry"))


def test_the_fingerprint_is_the_same_for_equal_labels() -> None:
    assert LABELS.fingerprint == LabelSet(("order.cancel", "aftersale.return"), ("neutral", "angry")).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        LabelSet(("aftersale.return", "order.cancel"), ("neutral", "angry")),
        LabelSet(("order.cancel",), ("neutral", "angry")),
        LabelSet(("order.cancel", "aftersale.return", "order.place"), ("neutral", "angry")),
        LabelSet(("order.cancel", "aftersale.return"), ("angry", "neutral")),
        LabelSet(("order.cancel", "aftersale.return", "neutral"), ("angry",)),
        LabelSet(("order.cancel,aftersale.return",), ("neutral", "angry")),
    ],
    ids=["moved", "removed", "added", "emotion moved", "from one list to the other", "joined"],
)
def test_the_fingerprint_changes_with_any_change_of_the_labels(other: LabelSet) -> None:
    assert other.fingerprint != LABELS.fingerprint


def test_the_fingerprint_is_stable_across_releases_because_bundles_store_it() -> None:
    text = json.dumps([["order.cancel", "aftersale.return"], ["neutral", "angry"]])
    assert LABELS.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_known_labels_pass_the_check() -> None:
    LABELS.check(Utterance(Speaker.USER, "退了吧", ("order.cancel", "aftersale.return"), "angry"), where="a:1")
    LABELS.check(Utterance(Speaker.AGENT, "好的"), where="a:2")


def test_an_unknown_intent_is_refused_wherever_it_stands_in_the_list() -> None:
    with pytest.raises(LabelError) as caught:
        LABELS.check(Utterance(Speaker.USER, "退", ("order.cancel", "tuikuan")), where="logs.jsonl:812")
    assert_helpful(str(caught.value), "'tuikuan'", "logs.jsonl:812")


def test_an_unknown_emotion_is_refused() -> None:
    with pytest.raises(LabelError) as caught:
        LABELS.check(Utterance(Speaker.USER, "退", (), "furious"), where="logs.jsonl:9")
    assert_helpful(str(caught.value), "'furious'", "logs.jsonl:9", "neutral, angry")


def test_an_emotion_is_not_an_intent() -> None:
    with pytest.raises(LabelError):
        LABELS.check(Utterance(Speaker.USER, "退", ("angry",)), where="a:1")


def test_the_questions_of_an_entry_begin_with_the_standard_one() -> None:
    entry = FaqEntry("f1", "怎么退货", ("如何退货", "我要退"), "点退货", "aftersale.return")
    assert entry.questions == ("怎么退货", "如何退货", "我要退")


def test_two_entries_do_not_share_their_facets() -> None:
    first, second = (FaqEntry(name, "问", (), "答", "order.cancel") for name in ("a", "b"))
    first.facets["product"] = "鞋包"
    assert second.facets == {}


@pytest.mark.parametrize(
    ("record", "field"),
    [(LABELS, "intents"), (Utterance(Speaker.USER, "在吗"), "text"), (FaqEntry("a", "问", (), "答", "x"), "answer")],
    ids=["labels", "utterance", "entry"],
)
def test_records_are_frozen(record: object, field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, "changed")


def test_speakers_are_written_as_plain_words() -> None:
    assert json.dumps([Speaker.USER, Speaker.AGENT]) == '["user", "agent"]'
    assert f"{Speaker.USER}" == "user"
