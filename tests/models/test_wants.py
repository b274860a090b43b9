"""Messages that ask for several things: their parts, what each gets, and the reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from models.analysis import Analysis, Conversation
from models.analyzer import Analyzer, Request
from models.bundle import Bundle
from models.encoder import Encoded
from models.matching import SearchHit
from models.policy import Circumstances, Knowledge, advance, decide
from models.wants import parts_of
from tests.models.helpers import analysis, hit
from tests.tiny import ENTRIES

TWO = "怎么开发票呀 另外退款多久能到"
ANSWERS = {entry.faq_id: entry.answer for entry in ENTRIES}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("能开发票吗 另外这个冰箱保修多久", ("能开发票吗", "这个冰箱保修多久")),
        ("什么时候发货？发什么快递！", ("什么时候发货", "发什么快递")),
        ("一米六五 110斤穿什么码,这个毛衣会起球吗", ("110斤穿什么码", "这个毛衣会起球吗")),
        ("还有几天到啊 顺便问下能不能换颜色", ("还有几天到啊", "能不能换颜色")),
        ("再便宜点行不行 还有黑色的吗 再问一下包邮吗", ("再便宜点行不行", "还有黑色的吗", "包邮吗")),
        ("能开发票吗", ()), ("开票 能开吗", ()), ("昨天买的 能开发票吗", ()), ("can i exchange 能换吗", ()),
        ("能退吗 能换吗 能修吗 能送吗 能便宜吗", ()), ("能不能快点发货 " * 2 + "到底能不能" * 20, ()), ("", ()),
    ],
)  # fmt: skip
def test_parts(text: str, parts: tuple[str, ...]) -> None:
    assert parts_of(text) == parts


class Scripted(Analyzer):
    """An analyzer that takes texts for what the test says."""

    def __init__(self, bundle: Bundle, read: dict[str, Analysis]) -> None:
        super().__init__(bundle)
        self.read = read

    def from_encoded(self, texts: Sequence[str], encoded: Encoded, *, top_k: int = 5) -> list[Analysis]:
        assert len(encoded.vector) == len(texts)
        return [self.read[text] for text in texts]


def _part(intent: str, faq_id: str, confidence: float) -> Analysis:
    return analysis(intents=(intent,), hits=[hit(faq_id, confidence)])


def _scripted(bundle: Bundle, whole: Analysis, *, invoice: float = 0.95, refund: float = 0.95) -> Analyzer:
    first, second = _part("invoice.request", "invoice", invoice), _part("aftersale.refund_status", "refund", refund)
    return Scripted(bundle, {TWO: whole, "怎么开发票呀": first, "退款多久能到": second})


def _wanted(bundle: Bundle, whole: Analysis, **confidences: float) -> tuple[tuple[str, ...], list[str]]:
    (found,) = _scripted(bundle, whole, **confidences).analyze([Request(TWO)])
    return found.intents, [own.faq_id for own in found.wants]


def test_each_part_gets_its_entry_if_both_are_sure(bundle: Bundle) -> None:
    whole = analysis(TWO, intents=("invoice.request",))
    both = ("invoice.request", "aftersale.refund_status")
    assert _wanted(bundle, whole) == (both, ["invoice", "refund"])
    assert _wanted(bundle, whole, refund=0.85) == (("invoice.request",), []), "one part alone is not asked for two things"
    named = analysis(TWO, intents=both)
    assert _wanted(bundle, named, refund=0.85) == (both, ["invoice", "refund"]), "the whole message shows that intent too"
    assert _wanted(bundle, named, refund=0.75) == (both, [])


def test_an_entry_of_another_intent_than_the_part_s_is_not_sure(bundle: Bundle) -> None:
    analyzer = _scripted(bundle, analysis(TWO))
    assert isinstance(analyzer, Scripted)
    analyzer.read["退款多久能到"] = _part("logistics.urge", "refund", 0.99)
    assert analyzer.analyze([Request(TWO)])[0].wants == ()


def test_a_message_that_asks_for_one_thing_costs_no_second_pass(bundle: Bundle) -> None:
    one, card = "昨天付了钱 今天能发吗", "[商品卡片]"
    analyzer = Scripted(bundle, {one: analysis(one), card: analysis(TWO, kind="card")})
    before = bundle.encoder.calls  # texts read
    analyzer.analyze([Request(one), Request(card)])
    assert bundle.encoder.calls == before + 2
    _wanted(bundle, analysis(TWO))
    assert bundle.encoder.calls == before + 2 + 3


def test_the_parts_of_many_messages_are_read_together_and_as_alone(bundle: Bundle) -> None:
    whole = analysis(TWO)
    analyzer = _scripted(bundle, whole)
    assert isinstance(analyzer, Scripted)
    analyzer.read["你好"] = analysis("你好", intents=("chitchat.greeting",))
    first, between, last = analyzer.analyze([Request(TWO), Request("你好"), Request(TWO)])
    assert first == last == analyzer.analyze([Request(TWO)])[0] and between.wants == ()


def _said(knowledge: Knowledge, *wants: SearchHit, hits: Sequence[SearchHit] = (), out_of_scope: float = 0.0) -> list[str]:
    """The entries whose answers are in the reply, in their order."""
    found = replace(analysis(TWO, intents=("invoice.request",), hits=hits, out_of_scope=out_of_scope), wants=wants)
    decision = decide(found, Conversation(), Circumstances(), knowledge)
    sent = [answer.faq_id for answer in (decision.answer, decision.second_answer) if answer is not None]
    places = [decision.reply.index(ANSWERS[faq_id]) for faq_id in sent]
    assert places == sorted(places)
    assert advance(Conversation(), found, decision).tried == tuple(sent)
    return sent


def test_both_wants_are_answered_in_their_order(knowledge: Knowledge) -> None:
    refund, invoice = hit("refund", 0.95), hit("invoice", 0.92)
    assert _said(knowledge, invoice, refund) == ["invoice", "refund"]
    assert _said(knowledge, refund, invoice) == ["refund", "invoice"]
    assert _said(knowledge, refund, invoice, out_of_scope=1.0) == ["refund", "invoice"], "who is answered is not turned away"
    assert _said(knowledge, refund, invoice, hits=[hit("invoice", 0.99)]) == ["invoice", "refund"], (
        "the whole message's comes first"
    )
    assert _said(knowledge, invoice, replace(refund, calibrated=False)) == [], "how sure a new question is was never measured"
    assert _said(knowledge) == []


def test_what_an_intent_lacks_is_not_asked_for_when_its_parts_are_answered(knowledge: Knowledge) -> None:
    both = analysis(TWO, intents=("aftersale.refund_status", "invoice.request"))
    asked = decide(both, Conversation(), Circumstances(), knowledge)
    assert (asked.decision, asked.missing_slots) == ("clarify", ("order_id",))
    answered = decide(replace(both, wants=(hit("refund", 0.95), hit("invoice", 0.92))), Conversation(), Circumstances(), knowledge)
    assert answered.decision == "answer"
