"""Explaining changes nothing, and every number in it is the one that decided."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.types import Speaker, Utterance
from models.analysis import Conversation
from models.analyzer import Analyzer, Request
from models.bm25 import segments
from models.calibration import Thresholds
from models.explain import MAX_REPLAYED, MAX_WORDS, Explanation, explain, explaining, replay
from models.inputs import message_text
from models.policy import RULES, Circumstances, Knowledge, advance, decide
from models.policy_path import FACTS, decide_with_path
from tests.models.helpers import analysis, hit, light
from tests.models.test_policy import ASKED, NIGHT, NOON, messages

AROUND = Circumstances()


@pytest.fixture(scope="module")
def known(analyzer: Analyzer) -> Knowledge:
    bundle = analyzer.bundle
    return Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds)


def explained(
    analyzer: Analyzer, known: Knowledge, text: str, *history: Utterance, state: Conversation | None = None
) -> Explanation:
    return explain(analyzer, known, Request(text, history), state or Conversation(), AROUND)


@light
@given(st.lists(messages, min_size=1, max_size=6), st.sampled_from([None, NOON, NIGHT]), st.booleans())
def test_the_path_ends_with_the_rule_that_decided_and_changes_no_decision(
    knowledge: Knowledge, conversation: list, now: object, asked: bool
) -> None:  # fmt: skip
    around, state = Circumstances(now=now), Conversation(open_slots=ASKED if asked else None)  # type: ignore[arg-type]
    for found in conversation:
        before = copy.deepcopy((found, state, around))
        decision, path = decide_with_path(found, state, around, knowledge)
        assert decision == decide(found, state, around, knowledge)
        assert (found, state, around) == before
        assert [step.rule for step in path] == list(RULES)[: len(path)]
        assert [step.fired for step in path] == [False] * (len(path) - 1) + [True]
        assert [step.reason for step in path] == [None] * (len(path) - 1) + [decision.reason]
        state = advance(state, found, decision)


@pytest.mark.parametrize(
    ("rule", "found", "state"),
    [
        ("handed_off", analysis(), Conversation(handed_off=True)),
        ("user_request", analysis("人工", intents=("service.human",)), Conversation()),
        ("emotion", analysis(scores={"angry": 0.9}), Conversation()),
        ("clarification_dropped", analysis("算了不改了"), Conversation(open_slots=ASKED)),
        ("repeated_miss", analysis(), Conversation(misses=1)),
        ("out_of_scope", analysis(out_of_scope=0.9), Conversation()),
        ("faq_above_direct", analysis(hits=[hit("tracking", 0.95)]), Conversation()),
        ("faq_above_suggest", analysis(hits=[hit("tracking", 0.5)]), Conversation()),
        ("praise", analysis("好喜欢", emotion="satisfied"), Conversation()),
        ("nothing_fits", analysis(), Conversation()),
    ],
)  # fmt: skip
def test_a_rule_is_named_as_the_reason_that_it_gives(
    rule: str, found: object, state: Conversation, knowledge: Knowledge
) -> None:  # fmt: skip
    decision, path = decide_with_path(found, state, AROUND, knowledge)  # type: ignore[arg-type]
    assert path[-1].rule == decision.reason == rule


def test_every_rule_says_what_it_saw(knowledge: Knowledge) -> None:
    assert set(FACTS) == set(RULES)
    _, path = decide_with_path(
        analysis(scores={"angry": 0.3}, hits=[hit("tracking", 0.5)]), Conversation(misses=1), AROUND, knowledge
    )
    seen = {step.rule: step.because for step in path}
    assert seen["emotion"] == {"angry": 0.3, "anger_handoff": 0.85}
    assert seen["repeated_miss"] == {"would_miss": False, "misses": 1, "repeated_misses": 2}
    assert seen["faq_above_direct"] == {"faq_confidence": 0.5, "faq_direct": 0.8, "faq_calibrated": True, "wants": ()}


def test_a_words_influence_is_the_confidence_with_it_less_that_without(analyzer: Analyzer, known: Knowledge) -> None:
    text = "我要退货,运费谁出"
    found = explained(analyzer, known, text)
    assert {"退货", "运费"} <= {word.text for word in found.words}
    assert found.passes == 1 + len(analyzer.parts(found.analysis)) + len(found.words)
    encoder, main = analyzer.bundle.encoder, analyzer.bundle.labels.intents.index(found.analysis.intent.name)
    for word in found.words:
        assert text[word.start : word.end] == word.text
        left = text[: word.start] + text[word.end :]
        shorter = message_text(left, encoder.input_format)
        rest = analyzer.readings([left], encoder.encode_prepared([(shorter, "")]))[0].intent[main]
        assert word.influence == pytest.approx(found.analysis.intent.confidence - rest, abs=1e-4)
    assert any(abs(word.influence) > 1e-3 for word in found.words)


@light
@given(st.text("我要退货运费谁出 ,。?abc12個請問", min_size=1, max_size=120))
def test_words_are_few_in_order_and_apart(analyzer: Analyzer, known: Knowledge, text: str) -> None:
    if not text.strip():
        return
    found = explained(analyzer, known, text)
    assert len(found.words) <= MAX_WORDS
    ends = [0, *(word.end for word in found.words)]
    assert all(end <= word.start < word.end for end, word in zip(ends, found.words, strict=False))
    assert all(found.analysis.text[word.start : word.end] == word.text for word in found.words)
    assert "".join(segments(text)) == text


def test_a_long_message_costs_no_more_passes(analyzer: Analyzer, known: Knowledge) -> None:
    before = analyzer.bundle.encoder.calls
    found = explained(analyzer, known, "我要退货运费谁出" * 100)
    assert analyzer.bundle.encoder.calls - before == found.passes <= 1 + MAX_WORDS


def test_the_parts_of_a_message_are_counted_and_decide_as_in_the_chat(analyzer: Analyzer, known: Knowledge) -> None:
    before = analyzer.bundle.encoder.calls
    found = explained(analyzer, known, "能开发票吗 退货运费谁出")
    assert analyzer.bundle.encoder.calls - before == found.passes == 1 + 2 + len(found.words)
    assert found.analysis == analyzer.analyze([Request("能开发票吗 退货运费谁出")])[0]


def test_others_need_not_wait_for_the_whole(analyzer: Analyzer, known: Knowledge) -> None:
    before, passes = analyzer.bundle.encoder.calls, []
    words = []
    for found in explaining(analyzer, known, Request("我要退货运费谁出" * 10), Conversation(), AROUND):
        passes.append(analyzer.bundle.encoder.calls - before - sum(passes))
        words.append(len(found.words))
    assert len(passes) > 2 and max(passes) <= 4 and words[-1] == sum(passes) - 1


def test_a_candidates_features_add_up_to_its_confidence(analyzer: Analyzer, known: Knowledge) -> None:
    found = explained(analyzer, known, "怎么查物流")
    assert len(found.candidates) == 3
    for candidate, seen in zip(found.candidates, found.analysis.hits, strict=False):
        assert (candidate.faq_id, candidate.matched_question, candidate.score, candidate.confidence) == (
            seen.faq_id, seen.matched_question, seen.score, seen.confidence,
        )  # fmt: skip
        odds = candidate.bias + sum(feature.contribution for feature in candidate.features)
        assert 1 / (1 + math.exp(-odds)) == pytest.approx(candidate.confidence, abs=2e-3)


def test_neighbours_are_the_nearest_questions(analyzer: Analyzer, known: Knowledge) -> None:
    first, *rest = explained(analyzer, known, "怎么查物流").neighbours
    assert (first.faq_id, first.question, first.intent) == ("tracking", "怎么查物流", "logistics.tracking")
    assert first.score == pytest.approx(1, abs=1e-3)
    assert [first.score, *(other.score for other in rest)] == sorted([first.score, *(other.score for other in rest)], reverse=True)


def test_every_threshold_stands_beside_its_value(analyzer: Analyzer, known: Knowledge) -> None:
    found = explained(analyzer, known, "怎么查物流")
    compared = {comparison.name: comparison for comparison in found.comparisons}
    assert set(compared) == set(Thresholds.__slots__)
    assert compared["faq_direct"].value == found.analysis.hits[0].confidence
    assert compared["repeat"].value is None and not compared["repeat"].reached
    for comparison in found.comparisons:
        limit = getattr(known.thresholds, comparison.name)
        assert comparison.reached == (comparison.value is not None and comparison.value >= limit)
    state = replay(analyzer, known, [Utterance(Speaker.USER, "怎么查物流")], AROUND)[0]
    again = explained(analyzer, known, "怎么查物流", *state.turns, state=state)
    repeat = next(comparison for comparison in again.comparisons if comparison.name == "repeat")
    assert repeat.value == pytest.approx(float(np.dot(state.past[-1].vector, again.analysis.vector)), abs=1e-4)


def test_a_replay_is_the_state_of_the_conversation(analyzer: Analyzer, known: Knowledge) -> None:
    state = Conversation()
    for text in ("怎么查物流", "怎么开发票", "怎么开发票"):
        found = analyzer.analyze([Request(text, state.context)])[0]
        state = advance(state, found, decide(found, state, AROUND, known))
    replayed, passes = replay(analyzer, known, state.turns, AROUND)
    assert passes == 3
    assert replace(replayed, conversation_id="") == state


@pytest.mark.parametrize("answered", [True, False])
def test_a_replay_reads_no_further_back_than_a_handoff(
    analyzer: Analyzer, known: Knowledge, monkeypatch: pytest.MonkeyPatch, *, answered: bool
) -> None:
    strict = replace(
        known, pack=replace(known.pack, policy=replace(known.pack.policy, handoff_intents=tuple(known.pack.labels.intents)))
    )
    read, analyze = [], analyzer.analyze
    monkeypatch.setattr(analyzer, "analyze", lambda requests: read.append(requests[0].history) or analyze(requests))
    asked = [Utterance(Speaker.USER, text) for text in ("怎么查物流", "怎么开发票", "人呢")]
    reply = [Utterance(Speaker.AGENT, "已为您转接")] if answered else []
    state, _ = replay(analyzer, strict, [asked[0], *reply, *asked[1:]], AROUND)
    assert state.handed_off
    assert read == [(), (), (asked[1],)], "neither what led to the handoff nor the words of handing over"


def test_a_replay_is_bounded_and_passes_over_what_is_empty(analyzer: Analyzer, known: Knowledge) -> None:
    history = [Utterance(Speaker.USER, text) for text in ("怎么查物流", *[" "] * 3, *["怎么开发票"] * 20)]
    state, passes = replay(analyzer, known, history, AROUND)
    assert passes == len(state.past) == MAX_REPLAYED
    assert not replay(analyzer, known, history[1:4], AROUND)[0].past


@pytest.mark.parametrize("text", ["[图片]", "😀😀"])
def test_what_has_no_words_is_explained_too(analyzer: Analyzer, known: Knowledge, text: str) -> None:
    found = explained(analyzer, known, text)
    assert found.words == () and found.path[-1].rule == "wordless"
