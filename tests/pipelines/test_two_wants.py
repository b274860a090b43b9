"""Two queries in one message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.analysis import Answer, Conversation, Decision
from models.analyzer import Analyzer
from models.bundle import Bundle, load_bundle
from models.policy import Circumstances, Knowledge, decide
from pipelines.prepared import FaqQuery
from pipelines.two_wants import measure_two_wants, outcomes, paired
from tests.models.helpers import analysis
from tests.tiny import tiny_bundle

PAIR = (FaqQuery("怎么退货", "return", ("policy",)), FaqQuery("怎么查物流", "tracking"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))


def _answer(faq_id: str) -> Answer:
    return Answer("好的", (), faq_id, "问", 0.9, 0.9)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (("return", "tracking"), ["both"]), (("tracking", "policy"), ["both"]), (("tracking", None), ["one"]), ((None, None), []),
        (("invoice", None), ["wrong"]), (("invoice", "tracking"), ["one", "wrong"]),
    ],
)  # fmt: skip
def test_what_a_reply_is_counted_as(sent: tuple[str | None, str | None], expected: list[str], bundle: Bundle) -> None:
    knowledge = Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds)
    decision: Decision = decide(analysis(), Conversation(), Circumstances(), knowledge)
    answers = [None if name is None else _answer(name) for name in sent]
    assert outcomes(PAIR, replace(decision, answer=answers[0], second_answer=answers[1])) == expected


def test_pairs_are_short_whole_answerable_and_of_different_intents() -> None:
    queries = [FaqQuery(f"问{number}?", "ab"[number % 2]) for number in range(20)]
    others = [FaqQuery("没有答案", None), FaqQuery("长" * 17, "a"), FaqQuery("付了钱 没到账", "a"), FaqQuery("付了,没到", "b")]
    pairs = paired([*queries, *others], {"a": "x.y", "b": "x.z"}, seed=3)
    assert pairs and all({first.faq_id, second.faq_id} == {"a", "b"} for first, second in pairs)
    texts = [query.text for pair in pairs for query in pair]
    assert len(set(texts)) == len(texts) and not {query.text for query in others} & set(texts)
    assert paired(queries, {"a": "x.y", "b": "x.y"}, seed=3) == []


def test_it_is_measured_with_the_analyzer_that_serves(bundle: Bundle) -> None:
    by_intent = {entry.intent: entry for entry in bundle.faq.entries}
    queries = [FaqQuery(entry.question[:16], entry.faq_id) for entry in by_intent.values()]
    found = measure_two_wants(Analyzer(bundle), queries, seed=1)
    assert found["n"] == len(queries) // 2 and set(found["intervals"]) == {"both", "one", "wrong"}
    assert found["both"] + found["one"] <= 1.0
    assert measure_two_wants(Analyzer(bundle), [], seed=1)["n"] == 0
