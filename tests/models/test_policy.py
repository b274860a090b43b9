"""What is done about a message: the precedence rule by rule, slots, repetition, silence, and that deciding changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.types import FaqEntry, Speaker, Utterance
from models.analysis import Analysis, Conversation, Customer, Decision, OpenSlots, Order, PastMessage
from models.analyzer import Analyzer, Request
from models.matching import SearchHit
from models.policy import Circumstances, Knowledge, advance, decide
from tests.models.helpers import EMOTIONS, analysis, hit, index_of, light
from tests.tiny import ENTRIES

SURE, UNSURE, VAGUE = 0.95, 0.5, 0.1  # above the direct threshold, above the one for suggestions, below both
ANSWER = hit("tracking", SURE)
FURIOUS = {"angry": 0.9}
LAPTOP = "笔记本电脑推荐"
ASKED = OpenSlots("presale.recommendation", ("budget", "usage", "brand"), {"budget": "5000", "usage": "游戏"})
NOON = datetime(2026, 11, 18, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
NIGHT = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)  # 03:00 in Shanghai


def decided(found: Analysis, knowledge: Knowledge, state: Conversation | None = None, **around: object) -> Decision:
    return decide(found, state or Conversation(), Circumstances(**around), knowledge)  # type: ignore[arg-type]


def outcome(found: Analysis, knowledge: Knowledge, state: Conversation | None = None, **around: object) -> tuple[str, str]:
    decision = decided(found, knowledge, state, **around)
    return decision.decision, decision.reason


def talk(
    messages: Sequence[Analysis], knowledge: Knowledge, state: Conversation | None = None
) -> tuple[list[Decision], Conversation]:
    """Returns the decisions about messages one after another, and the state after them."""
    state, decisions = state or Conversation(), []
    for found in messages:
        decision = decided(found, knowledge, state)
        state = advance(state, found, decision)
        decisions.append(decision)
    return decisions, state


def with_policy(knowledge: Knowledge, **changes: object) -> Knowledge:
    return replace(knowledge, pack=replace(knowledge.pack, policy=replace(knowledge.pack.policy, **changes)))  # type: ignore[arg-type]


# Precedence: in each test all that stands lower holds as well, and must not win. -----------------------------------------


def test_a_person_asked_for_goes_before_all(knowledge: Knowledge) -> None:
    strict = with_policy(knowledge, handoff_intents=("service.human", "service.complaint"))
    found = analysis("联想,我要人工", intents=("service.human", "service.complaint"), scores=FURIOUS, hits=[ANSWER])
    state = Conversation(open_slots=ASKED, misses=1)
    decision = decided(found, strict, state)
    assert (decision.decision, decision.reason) == ("handoff", "user_request")
    assert decision.handoff is not None
    assert decision.handoff.reason == "user_request"


@pytest.mark.parametrize(
    ("intents", "first"),
    [
        (("service.human",), None),
        (("service.human", "aftersale.return"), "aftersale.return"),
        (("aftersale.return", "service.human"), None),
    ],
)
def test_a_person_is_asked_for_whatever_else_is_wanted(intents: tuple[str, ...], first: str | None, knowledge: Knowledge) -> None:
    assert outcome(analysis("人工", intents=intents, first=first), knowledge) == ("handoff", "user_request")


def test_a_second_want_that_is_hardly_a_request_is_none(knowledge: Knowledge) -> None:
    found = analysis("蓝色", intents=("aftersale.exchange", "service.human"))

    def with_share(share: float) -> Analysis:
        return replace(found, ranking=(found.ranking[0], replace(found.ranking[1], confidence=share)))

    limit = knowledge.pack.policy.human_share
    assert outcome(with_share(limit), knowledge) == ("handoff", "user_request")
    assert outcome(with_share(limit - 0.01), knowledge)[1] != "user_request"
    assert outcome(with_share(limit - 0.01), with_policy(knowledge, human_share=0.0)) == ("handoff", "user_request")


def test_policy_goes_before_anger_slots_misses_and_answers(knowledge: Knowledge) -> None:
    strict = with_policy(knowledge, handoff_intents=("service.complaint",))
    found = analysis("联想,我要投诉", intents=("logistics.tracking", "service.complaint"), scores=FURIOUS, hits=[ANSWER])
    state = Conversation(open_slots=ASKED, misses=1)
    assert outcome(found, strict, state) == ("handoff", "policy")
    assert outcome(found, knowledge, state) == ("handoff", "emotion"), "by default no intent is configured so"


def test_anger_goes_before_slots_misses_and_answers(knowledge: Knowledge) -> None:
    found = analysis("联想,你们可真行", scores=FURIOUS, hits=[ANSWER])
    state = Conversation(open_slots=ASKED, misses=1)
    assert outcome(found, knowledge, state) == ("handoff", "emotion")
    assert outcome(replace(found, out_of_scope=0.9), knowledge, state) == ("handoff", "emotion")


def test_anger_counts_by_its_probability_and_not_by_its_rank(knowledge: Knowledge) -> None:
    just = knowledge.thresholds.anger_handoff
    assert outcome(analysis(scores={"neutral": 0.1, "angry": just}), knowledge) == ("handoff", "emotion")
    assert outcome(analysis(emotion="angry", scores={"angry": just - 0.01}, hits=[ANSWER]), knowledge)[0] == "answer"


def test_an_open_clarification_goes_before_misses_scope_and_answers(knowledge: Knowledge) -> None:
    found = analysis("联想", out_of_scope=0.9, hits=[ANSWER], intents=("presale.product_info",))
    decision = decided(found, knowledge, Conversation(open_slots=ASKED, misses=1))
    assert (decision.decision, decision.reason) == ("handoff", "slots_complete")
    more = OpenSlots(ASKED.intent, ASKED.wanted, {"budget": "5000"})
    assert outcome(analysis("打游戏", out_of_scope=0.9), knowledge, Conversation(open_slots=more, misses=1)) == (
        "clarify",
        "slot_filled",
    )


def test_a_second_miss_goes_before_scope_and_fallback(knowledge: Knowledge) -> None:
    for found in (analysis("啊吧啊吧", out_of_scope=0.9), analysis(hits=[hit("tracking", VAGUE)])):
        assert outcome(found, knowledge, Conversation(misses=1)) == ("handoff", "repeated_miss")
        assert outcome(found, knowledge, Conversation(misses=0))[0] == "fallback"
    patient = with_policy(knowledge, repeated_misses=3)
    assert outcome(analysis(), patient, Conversation(misses=1)) == ("fallback", "nothing_fits")
    assert outcome(analysis(), patient, Conversation(misses=2)) == ("handoff", "repeated_miss")


@pytest.mark.parametrize(
    "found",
    [
        analysis(hits=[ANSWER]), analysis(hits=[hit("tracking", UNSURE)]), analysis(LAPTOP, intents=("presale.recommendation",)),
        analysis("你好", intents=("chitchat.greeting",)), analysis("[图片]", kind="image"),
    ],
)  # fmt: skip
def test_what_helps_is_no_second_miss(found: Analysis, knowledge: Knowledge) -> None:
    decision = decided(found, knowledge, Conversation(misses=1))
    assert decision.decision in {"answer", "suggest", "clarify"}
    assert not decision.miss


def test_out_of_scope_goes_before_slots_small_talk_and_suggestions(knowledge: Knowledge) -> None:
    for found in (
        analysis(LAPTOP, intents=("presale.recommendation",)), analysis("哈哈", intents=("chitchat.other",)),
        analysis(hits=[hit("tracking", UNSURE)]), analysis(),
    ):  # fmt: skip
        decision = decided(replace(found, out_of_scope=0.5), knowledge)
        assert (decision.decision, decision.reason, decision.miss) == ("fallback", "out_of_scope", True)
        assert decision.reply == knowledge.pack.replies["out_of_scope"]
        assert outcome(replace(found, out_of_scope=0.49), knowledge)[1] != "out_of_scope"


def test_a_certain_intent_outweighs_the_rejector(knowledge: Knowledge) -> None:
    found = analysis("怎么查物流呢", hits=[hit("tracking", UNSURE)], out_of_scope=0.9)
    for confidence, reason in ((0.92, "out_of_scope"), (0.93, "faq_above_suggest")):
        first = replace(found.ranking[0], confidence=confidence)
        assert outcome(replace(found, ranking=(first, *found.ranking[1:])), knowledge)[1] == reason


def test_who_asks_whether_you_hire_people_asks_for_no_person(knowledge: Knowledge) -> None:
    found = analysis("你们招人吗", intents=("service.human",), out_of_scope=0.9)
    assert outcome(found, knowledge) == ("fallback", "out_of_scope")
    assert outcome(replace(found, out_of_scope=0.4), knowledge) == ("handoff", "user_request")


def test_a_guess_at_a_request_for_a_person_is_none(knowledge: Knowledge) -> None:
    found = analysis("人", intents=("service.human",))
    least = knowledge.thresholds.intent
    for confidence, reason in ((least - 0.01, "nothing_fits"), (least, "user_request")):
        sure = replace(found, ranking=(replace(found.ranking[0], confidence=confidence),))
        assert outcome(sure, knowledge)[1] == reason


def test_abstaining_never_touches_the_ranking(knowledge: Knowledge) -> None:
    found = analysis(out_of_scope=0.9)
    before = copy.deepcopy(found)
    decided(found, knowledge)
    assert found == before
    assert found.intent.name == "logistics.carrier"


def test_missing_slots_go_before_an_answer(knowledge: Knowledge) -> None:
    found = analysis(LAPTOP, intents=("presale.recommendation",), hits=[ANSWER])
    assert outcome(found, knowledge) == ("clarify", "missing_slots")
    assert outcome(analysis("推荐一下", intents=("presale.recommendation",), hits=[ANSWER]), knowledge)[0] == "answer", (
        "no product, no slots"
    )


def test_slots_that_an_answer_makes_needless_wait_for_it(knowledge: Knowledge) -> None:
    found = analysis("我要退", intents=("aftersale.return",), hits=[hit("return", SURE)])
    assert outcome(found, knowledge) == ("answer", "faq_above_direct")
    assert outcome(replace(found, hits=(hit("return", UNSURE),)), knowledge) == ("clarify", "missing_slots")


def test_an_answer_goes_before_a_suggestion_and_that_before_falling_back(knowledge: Knowledge) -> None:
    direct, suggest = knowledge.thresholds.faq_direct, knowledge.thresholds.faq_suggest
    for confidence, expected in (
        (direct, ("answer", "faq_above_direct")), (direct - 1e-6, ("suggest", "faq_above_suggest")),
        (suggest, ("suggest", "faq_above_suggest")), (suggest - 1e-6, ("fallback", "nothing_fits")),
    ):  # fmt: skip
        assert outcome(analysis(hits=[hit("tracking", confidence)]), knowledge) == expected
    assert outcome(analysis(), knowledge) == ("fallback", "nothing_fits")


def test_a_guess_at_the_intent_opens_no_clarification(knowledge: Knowledge) -> None:
    found = analysis(LAPTOP, intents=("presale.recommendation",))
    unsure = replace(found, ranking=(replace(found.ranking[0], confidence=knowledge.thresholds.intent - 0.01),))
    assert outcome(unsure, knowledge) == ("fallback", "nothing_fits")


def test_a_fallback_names_what_the_message_is_surely_about(knowledge: Knowledge) -> None:
    found = analysis("那个能给弄弄不", intents=("aftersale.repair",))
    about, plain = knowledge.pack.intent("aftersale.repair").title, knowledge.pack.replies["fallback"]
    assert about in decided(found, knowledge).reply
    guessed = replace(found, ranking=(replace(found.ranking[0], confidence=knowledge.thresholds.intent - 0.01),))
    for unsure in (guessed, analysis("好 那个能弄弄不", intents=("chitchat.ack", "aftersale.repair"))):
        assert decided(unsure, knowledge).reply.endswith(plain)


def test_of_two_values_in_one_message_the_last_holds(knowledge: Knowledge) -> None:
    asked = Conversation(open_slots=OpenSlots("presale.recommendation", ("budget", "usage"), {}))
    found = decided(analysis("两三千的 2500块差不多", intents=("presale.recommendation",)), knowledge, asked)
    assert found.open_slots == OpenSlots("presale.recommendation", ("budget", "usage"), {"budget": "2500块"})


def test_the_order_number_is_asked_for_only_where_nothing_else_fits(knowledge: Knowledge) -> None:
    intents = ("aftersale.exchange",)
    found = analysis("想换一下", intents=intents)
    assert decided(found, knowledge).missing_slots == ("order_id", "wanted_instead")
    assert decided(analysis("想换个小码", intents=intents), knowledge).open_slots == OpenSlots(
        "aftersale.exchange", ("order_id", "wanted_instead"), {"wanted_instead": "小码"}
    )
    for fits in (hit("return", UNSURE), hit("return", SURE)):
        assert decided(analysis("想换一下", intents=intents, hits=[fits]), knowledge).missing_slots == ()
    decisions, state = talk([found, analysis("20261115887766", intents=intents), analysis("大一码", intents=intents)], knowledge)
    assert [decision.missing_slots for decision in decisions] == [("order_id", "wanted_instead"), ("wanted_instead",), ()]
    assert decisions[-1].reason == "slots_complete" and state.handed_off


def test_a_call_for_a_person_that_looks_strange_is_heard_if_an_entry_is_sure_of_it(knowledge: Knowledge) -> None:
    odd = analysis("转仁工", intents=("service.human",), out_of_scope=0.9)
    unsure = replace(odd, ranking=(replace(odd.ranking[0], confidence=0.6),))
    assert outcome(unsure, knowledge) == ("fallback", "out_of_scope")
    assert outcome(replace(unsure, hits=(ANSWER,)), knowledge) == ("handoff", "user_request")


def test_who_has_no_number_is_asked_once_and_then_gets_a_person(knowledge: Knowledge) -> None:
    intents = ("logistics.not_received",)
    said = [analysis(text, intents=intents) for text in ("门口也没有", "问了邻居也没", "小区没驿站", "里面是药")]
    decisions, state = talk(said, knowledge)
    assert [decision.decision for decision in decisions] == ["clarify", "fallback", "handoff", "silent"]
    assert decisions[2].reason == "repeated_miss" and state.handed_off


def test_what_an_exchange_is_for_is_no_question_and_no_stray_word(knowledge: Knowledge) -> None:
    opened = OpenSlots("aftersale.exchange", ("order_id", "wanted_instead"), {})
    for text, value in (("多少平用多大匹", None), ("想换小一号", "小一号"), ("大家都说好", None)):
        filled = decided(analysis(text, intents=("aftersale.repair",)), knowledge, Conversation(open_slots=opened)).open_slots
        assert (filled.filled.get("wanted_instead") if filled else None) == value, text
    asked = OpenSlots("aftersale.exchange", ("wanted_instead",), {})
    for text, taken in (("黑色的", True), ("大一点", True), ("XL", True), ("能换几次呢", False)):
        found = decided(analysis(text, intents=("aftersale.repair",)), knowledge, Conversation(open_slots=asked))
        assert (found.reason == "slots_complete") == taken, text


def test_praise_is_no_question_that_was_missed(knowledge: Knowledge) -> None:
    happy = analysis("东西收到 超喜欢", emotion="satisfied", scores={"satisfied": 0.9, "neutral": 0.1})
    assert outcome(happy, knowledge) == ("answer", "praise")
    assert outcome(happy, knowledge, Conversation(misses=1)) == ("answer", "praise")
    asks = analysis("超喜欢 有别的颜色吗", emotion="satisfied", scores={"satisfied": 0.9, "neutral": 0.1})
    guessed = analysis("东西收到", emotion="satisfied", scores={"satisfied": 0.45, "neutral": 0.4})
    for other in (asks, guessed):
        assert outcome(other, knowledge) == ("fallback", "nothing_fits")


def test_an_order_number_that_an_answer_asked_for_goes_to_a_person(knowledge: Knowledge) -> None:
    entry = knowledge.faq.by_id["tracking"]
    needy = replace(entry, required_slots=("order_id", "reason", "no_slot_of_the_pack"))
    faq = index_of([needy if known is entry else known for known in knowledge.faq.entries], knowledge.pack.labels.intents)
    needs = replace(knowledge, faq=faq)
    number = "20261115887766"
    decisions, state = talk([analysis("怎么查物流", hits=[ANSWER]), analysis(f"订单{number}")], needs)
    assert decisions[0].reason == "faq_above_direct"
    assert (decisions[1].decision, decisions[1].reason) == ("handoff", "slots_complete")
    assert number in decisions[1].reply and state.handed_off
    # Nothing was asked, so that a nod or a change of mind is read as it stands.
    for text, intent in (("好的", "chitchat.ack"), ("算了", "chitchat.ack"), ("小了", "presale.size")):
        decisions, _ = talk([analysis("怎么查物流", hits=[ANSWER]), analysis(text, intents=(intent,))], needs)
        assert decisions[1].reason not in {"missing_slots", "slot_filled", "slots_complete", "clarification_dropped"}


def test_a_number_that_nobody_asked_for_goes_to_a_person_with_the_want_before_it(knowledge: Knowledge) -> None:
    number = "20261115887766"
    offered = analysis("退款呢", intents=("aftersale.refund_status",), hits=[hit("tracking", UNSURE)])
    decisions, state = talk([offered, analysis(f"订单号:{number}", intents=("order.status",))], knowledge)
    assert [decision.decision for decision in decisions] == ["suggest", "handoff"]
    assert decisions[1].reason == "slots_complete" and state.handed_off
    assert (
        decisions[1].handoff is not None and knowledge.pack.intent("aftersale.refund_status").title in decisions[1].handoff.summary
    )
    first = analysis(number, intents=("order.status",))
    assert outcome(first, knowledge) == ("clarify", "number_alone"), "no want is known"
    greeted, _ = talk([analysis("在吗", intents=("chitchat.greeting",)), first], knowledge)
    assert greeted[1].reason == "number_alone", "a greeting is no want"
    assert outcome(first, knowledge, Conversation(misses=1)) == ("clarify", "number_alone"), "a number is no miss"
    assert outcome(analysis(f"我的{number}到底什么时候修", intents=("aftersale.repair",)), knowledge)[1] == "nothing_fits", (
        "words count"
    )
    assert outcome(analysis(number, hits=[ANSWER]), knowledge)[0] == "answer"
    assert outcome(analysis(number, intents=("aftersale.return",)), knowledge) == ("clarify", "missing_slots")


# Answers ------------------------------------------------------------------------------------------------------------------


def test_an_answer_carries_steps_source_and_related_entries(knowledge: Knowledge) -> None:
    decision = decided(analysis("怎么退", intents=("aftersale.policy",), hits=[hit("return", SURE)]), knowledge)
    entry = knowledge.faq.by_id["return"]
    assert decision.answer is not None
    assert (decision.answer.faq_id, decision.answer.text, decision.answer.steps) == ("return", entry.answer, entry.steps)
    assert (decision.answer.confidence, decision.answer.score, decision.answer.matched_question) == (
        SURE,
        0.5,
        "question of return",
    )
    assert decision.related == (("return_fee", "退货运费谁出"), ("refund", "退款多久到账"))
    assert entry.answer in decision.reply
    assert not decision.miss
    fewer = decided(analysis(hits=[hit("return", SURE)]), with_policy(knowledge, related=1))
    assert fewer.related == (("return_fee", "退货运费谁出"),)


def test_a_second_want_is_answered_as_well(knowledge: Knowledge) -> None:
    hits = [hit("return", SURE), hit("return_fee", 0.85)]
    both = decided(analysis("退货运费谁出", intents=("aftersale.return", "aftersale.return_shipping"), hits=hits), knowledge)
    one = decided(analysis("退货", intents=("aftersale.return",), hits=hits), knowledge)
    second = knowledge.faq.by_id["return_fee"]
    assert second.answer in both.reply
    assert second.question in both.reply
    assert both.answer is not None
    assert both.answer.faq_id == "return"
    assert second.answer not in one.reply
    found = analysis("退货运费谁出", intents=("aftersale.return", "aftersale.return_shipping"), hits=hits)
    for confidence in (VAGUE, 0.49):  # likelier wrong than right
        vague = replace(found, hits=(hits[0], hit("return_fee", confidence)))
        assert second.answer not in decided(vague, knowledge).reply
    other = replace(found, intents=("aftersale.return", "invoice.request"))
    assert second.answer not in decided(other, knowledge).reply, "nobody asked for that"


def test_no_more_suggestions_than_the_policy_allows(knowledge: Knowledge) -> None:
    hits = [hit(entry.faq_id, 0.5 - 0.01 * place) for place, entry in enumerate(ENTRIES)]
    decision = decided(analysis(hits=hits), knowledge)
    assert decision.suggestions == tuple(hits[:3])
    assert decided(analysis(hits=hits), with_policy(knowledge, suggestions=2)).suggestions == tuple(hits[:2])
    assert decision.answer is None
    assert not decision.miss


def test_small_talk_is_answered_without_an_entry(knowledge: Knowledge) -> None:
    decision = decided(analysis("你好", intents=("chitchat.greeting",)), knowledge)
    assert (decision.decision, decision.reason, decision.answer) == ("answer", "chitchat_greeting", None)
    assert decision.reply == knowledge.pack.replies["greeting"]
    with_want = analysis("你好,查物流", intents=("chitchat.greeting", "logistics.tracking"), hits=[ANSWER])
    assert outcome(with_want, knowledge) == ("answer", "faq_above_direct")


@pytest.mark.parametrize(("kind", "reply"), [("image", "image"), ("emoji", "emoji"), ("link", "link"), ("card", "link")])
def test_a_message_without_words_gets_a_sensible_reply(kind: str, reply: str, knowledge: Knowledge) -> None:
    found = analysis("[…]", kind=kind, intents=("service.human",), scores=FURIOUS, out_of_scope=1.0)
    decision = decided(found, knowledge, Conversation(open_slots=ASKED, misses=1))
    assert (decision.decision, decision.reason) == ("clarify", f"wordless_{kind}")
    assert decision.reply == knowledge.pack.replies[reply]
    assert decision.open_slots == ASKED, "a picture does not end a clarification"


def season(knowledge: Knowledge) -> Knowledge:
    dated = FaqEntry(
        "sale",
        "双十一活动",
        ("双11",),
        "满减。",
        "promotion.activity",
        valid_from="2026-11-01",
        valid_to="2026-11-11",
        related=("app",),
    )
    app = FaqEntry(
        "app", "怎么查物流", (), "在 app 里看。", "logistics.tracking", channels=("app", "web"), related=("sale", "refund")
    )
    entries = [dated, app, next(entry for entry in ENTRIES if entry.faq_id == "refund")]
    return replace(knowledge, faq=index_of(entries, knowledge.pack.labels.intents))


@pytest.mark.parametrize(
    ("faq_id", "today", "channel", "usable"),
    [
        ("sale", None, None, True), ("sale", date(2026, 10, 31), None, False), ("sale", date(2026, 11, 1), None, True),
        ("sale", date(2026, 11, 11), None, True), ("sale", date(2026, 11, 12), None, False), ("sale", date(2026, 11, 5), "phone", True),
        ("app", None, "app", True), ("app", date(2030, 1, 1), "web", True), ("app", None, "phone", False), ("app", None, None, True),
    ],
)  # fmt: skip
def test_an_entry_is_sent_in_its_time_and_channel(
    faq_id: str, today: date | None, channel: str | None, usable: bool, knowledge: Knowledge
) -> None:
    found = analysis(hits=[hit(faq_id, SURE)])
    decision = decided(found, season(knowledge), today=today, channel=channel)
    assert (decision.answer is not None) is usable
    assert decision.decision == ("answer" if usable else "fallback")
    offered = decided(analysis(hits=[hit(faq_id, UNSURE)]), season(knowledge), today=today, channel=channel)
    assert bool(offered.suggestions) is usable


def test_related_entries_too_are_sent_in_their_time_and_channel(knowledge: Knowledge) -> None:
    known = season(knowledge)
    late = decided(analysis(hits=[hit("app", SURE)]), known, today=date(2026, 12, 1))
    assert [faq_id for faq_id, _ in late.related] == ["refund"]
    elsewhere = decided(analysis(hits=[hit("sale", SURE)]), known, today=date(2026, 11, 5), channel="phone")
    assert elsewhere.related == ()


# Slots --------------------------------------------------------------------------------------------------------------------


def test_slots_are_asked_one_at_a_time_and_remembered(knowledge: Knowledge) -> None:
    messages = [analysis(LAPTOP, intents=("presale.recommendation",))]
    messages += [analysis(text, intents=("presale.product_info",), out_of_scope=0.7) for text in ("5000左右", "打游戏", "联想")]
    decisions, state = talk(messages, knowledge)
    questions = [knowledge.pack.slots[name].question for name in ("budget", "usage", "brand")]
    assert [decision.reply for decision in decisions[:3]] == questions
    assert [decision.missing_slots for decision in decisions] == [("budget", "usage", "brand"), ("usage", "brand"), ("brand",), ()]
    assert [decision.decision for decision in decisions] == ["clarify", "clarify", "clarify", "handoff"]
    last = decisions[-1]
    assert last.reason == "slots_complete"
    assert last.handoff is not None
    assert last.handoff.reason == "policy"
    for said in ("5000左右", "打游戏", "联想"):
        assert said in last.reply
        assert said in last.handoff.summary
    assert state.handed_off


def test_what_was_said_at_once_is_not_asked_again(knowledge: Knowledge) -> None:
    first = analysis("5000元左右的笔记本电脑推荐,打游戏用", intents=("presale.recommendation",))
    decision = decided(first, knowledge)
    assert decision.missing_slots == ("brand",)
    assert decision.open_slots is not None
    assert decision.open_slots.filled == {"budget": "5000元左右", "usage": "游戏"}
    later = decided(analysis("6000块,办公"), knowledge, Conversation(open_slots=OpenSlots(ASKED.intent, ASKED.wanted, {})))
    assert later.missing_slots == ("brand",)


def test_all_slots_at_once_need_no_question(knowledge: Knowledge) -> None:
    full = analysis("5000元左右的联想笔记本电脑推荐,打游戏用", intents=("presale.recommendation",))
    assert outcome(full, knowledge) == ("handoff", "slots_complete")


def test_the_first_rule_whose_words_are_named_decides_what_is_asked(knowledge: Knowledge) -> None:
    for text, slots in (
        ("手机推荐", ("budget", "usage")),
        ("礼物推荐", ("budget", "recipient")),
        ("送礼手机推荐", ("budget", "usage")),
        ("电饭煲推荐", ("budget", "need")),
    ):
        assert decided(analysis(text, intents=("presale.recommendation",)), knowledge).missing_slots == slots


def test_any_product_is_asked_about_and_what_is_wanted_may_be_said_in_ones_own_words(knowledge: Knowledge) -> None:
    wanted = analysis("想买个电饭煲,推荐一下", intents=("presale.recommendation",))
    decisions, _ = talk([wanted, analysis("预算三四百"), analysis("三口人用")], knowledge)
    assert [decision.reason for decision in decisions] == ["missing_slots", "slot_filled", "slots_complete"]
    assert "三四百、三口人用" in decisions[-1].reply
    for question in (
        "有什么区别吗", "你家这个怎么预约煮粥", "能蒸包子么。", "这锅咋这么贵", "这个多少钱", "什么时候发货", "几个人能用", "能不能蒸包子", "贵不贵",
    ):  # fmt: skip
        asked_back, _ = talk([wanted, analysis("预算三四百"), analysis(question)], knowledge)
        assert asked_back[-1].reason != "slots_complete", "a question is no reply"


def test_what_any_product_needs_is_asked_only_when_no_entry_answers(knowledge: Knowledge) -> None:
    assert outcome(analysis("电饭煲推荐", intents=("presale.recommendation",), hits=[ANSWER], first=None), knowledge)[0] == "answer"


def test_another_subject_abandons_the_clarification(knowledge: Knowledge) -> None:
    messages = [analysis(LAPTOP, intents=("presale.recommendation",)), analysis("怎么查物流", hits=[ANSWER])]
    decisions, state = talk(messages, knowledge)
    assert (decisions[1].decision, decisions[1].reason) == ("answer", "faq_above_direct")
    assert state.open_slots is None
    late = decided(analysis("5000左右"), knowledge, state)
    assert late.open_slots is None
    assert late.reason == "nothing_fits"


def test_a_whole_sentence_about_something_else_is_no_reply_though_it_holds_a_number(knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots(ASKED.intent, ASKED.wanted, {}))
    found = analysis("上次那个100块的退款怎么还没到账啊", intents=("aftersale.refund_status",), hits=[hit("refund", SURE)])
    certain = replace(found, ranking=(replace(found.intent, confidence=0.99),))
    assert outcome(certain, knowledge, opened) == ("answer", "faq_above_direct")
    assert outcome(found, knowledge, opened) == ("clarify", "slot_filled"), "a guess abandons nothing"


def test_an_open_question_ends_when_the_customer_gives_up(knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots("order.change_address", ("order_id", "new_address"), {}))
    found = analysis("算了不改了 就寄原来那个吧", intents=("order.change_address",))
    decision = decided(found, knowledge, opened)
    assert (decision.decision, decision.reason, decision.open_slots) == ("answer", "clarification_dropped", None)
    assert decided(found, knowledge).reason != "clarification_dropped"


def test_a_nod_is_no_reply_and_the_question_is_put_once_more(knowledge: Knowledge) -> None:
    nod = analysis("嗯", intents=("chitchat.ack",))
    decisions, _ = talk([analysis(LAPTOP, intents=(ASKED.intent,)), nod, nod], knowledge)
    assert [decision.decision for decision in decisions] == ["clarify", "clarify", "answer"]
    assert decisions[1].missing_slots == ("budget", "usage", "brand")


def test_what_was_said_may_be_said_anew(knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots(ASKED.intent, ASKED.wanted, {"budget": "5000左右"}))
    decision = decided(analysis("等等 改成7000左右吧", intents=(ASKED.intent,)), knowledge, opened)
    assert decision.open_slots is not None
    assert decision.open_slots.filled == {"budget": "7000左右"}
    assert decision.missing_slots == ("usage", "brand")


def test_several_wants_are_named_when_questions_are_offered(knowledge: Knowledge) -> None:
    found = analysis("想退 运费谁出", intents=("aftersale.return_shipping", "aftersale.policy"), hits=[hit("return_fee", UNSURE)])
    decision = decided(found, knowledge)
    assert decision.decision == "suggest"
    assert decision.reply.startswith("您提到了退货物流与运费、退换货规则。")


def test_no_preference_counts_only_as_a_reply(knowledge: Knowledge) -> None:
    asked = decided(analysis("有没有5000左右打游戏的笔记本电脑推荐", intents=("presale.recommendation",)), knowledge)
    assert asked.missing_slots == ("brand",)
    assert outcome(analysis("没有"), knowledge, Conversation(open_slots=asked.open_slots)) == ("handoff", "slots_complete")


def test_slot_words_are_found_in_traditional_characters(knowledge: Knowledge) -> None:
    decision = decided(analysis("想買台筆記本電腦,打遊戲用", intents=("presale.recommendation",)), knowledge)
    assert decision.missing_slots == ("budget", "brand")


def test_a_reply_that_says_nothing_is_not_asked_again(knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots(ASKED.intent, ASKED.wanted, {}))
    found = analysis("笔记本电脑嘛", intents=("presale.recommendation",))
    assert outcome(found, knowledge, opened) == ("fallback", "nothing_fits")
    assert outcome(found, knowledge) == ("clarify", "missing_slots")


def test_a_want_that_is_said_again_is_asked_about_once_more(knowledge: Knowledge) -> None:
    decisions, _ = talk([analysis(LAPTOP, intents=("presale.recommendation",))] * 3, knowledge)
    assert [decision.decision for decision in decisions] == ["clarify", "clarify", "fallback"]


def test_an_entity_fills_a_slot_and_a_bare_word_only_the_one_asked_for(knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots("order.change_address", ("order_id", "new_address"), {}))
    order = decided(analysis("202611180012345"), knowledge, opened)
    assert order.open_slots is not None
    assert order.open_slots.filled == {"order_id": "202611180012345"}
    assert order.missing_slots == ("new_address",)
    free = decided(analysis("滨江大道那个菜鸟驿站"), knowledge, opened)
    assert free.open_slots is None, "the order number was asked for, not the address"
    address = decided(analysis("滨江大道那个菜鸟驿站"), knowledge, advance(opened, analysis("202611180012345"), order))
    assert address.reason == "slots_complete"
    assert "滨江大道那个菜鸟驿站" in address.reply


@pytest.mark.parametrize(
    "text", ["这个地址要怎么改才行", "改了要等多久才到呢", "能不能改到别的地方吗", "一共还能改几次地址?", "改一下"]
)
def test_a_question_or_a_scrap_is_no_address(text: str, knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots("order.change_address", ("order_id", "new_address"), {"order_id": "1" * 15}))
    assert decided(analysis(text), knowledge, opened).reason != "slots_complete"


def test_a_sensitive_value_fills_a_slot_masked(knowledge: Knowledge) -> None:
    opened = Conversation(open_slots=OpenSlots("order.change_address", ("order_id", "new_address"), {"order_id": "1" * 15}))
    decision = decided(analysis("改到[address]"), knowledge, opened)
    assert decision.handoff is not None
    assert "new_address=[address]" in decision.handoff.summary


# Repetition, emotion, handoff ---------------------------------------------------------------------------------------------


def test_the_third_time_raises_alert_and_priority_with_the_script_of_logistics(knowledge: Knowledge) -> None:
    found = analysis(
        "怎么还不发货",
        intents=("logistics.urge",),
        emotion="anxious",
        scores={"anxious": 0.4, "neutral": 0.3},
        hits=[hit("ship_time", SURE)],
    )
    decisions, state = talk([found, found, found], knowledge)
    assert [decision.repetition for decision in decisions] == [1, 2, 3]
    assert [decision.emotion.alert for decision in decisions] == [False, False, True]
    scores = [decision.priority.score for decision in decisions]
    assert scores[0] < scores[1] < scores[2]
    last = decisions[2]
    assert (last.emotion.reason, last.emotion.script_id) == ("repeated_question", "soothe.anxious.logistics")
    script = knowledge.pack.soothing_script("anxious", "logistics.urge")
    assert script is not None
    assert last.reply.startswith(script.text), "empathy comes before the solution"
    assert [decision.decision for decision in decisions] == ["answer"] * 3, "a repeated question that was answered is no miss"
    assert state.misses == 0


def test_the_third_time_is_an_alarm_even_for_a_calm_customer(knowledge: Knowledge) -> None:
    found = analysis("怎么还不发货", intents=("logistics.urge",), hits=[hit("ship_time", SURE)])
    decisions, _ = talk([found] * 3, knowledge)
    assert (decisions[2].emotion.alert, decisions[2].emotion.script_id) == (True, "soothe.anxious.logistics")
    assert decisions[1].emotion.script_id is None


@pytest.mark.parametrize(
    ("intents", "text", "like", "repetition"),
    [
        (("logistics.urge",), "怎么还没发货", "怎么还不发货", 2),  # other words, the same vector
        (("logistics.urge",), "快递太慢了", "快递太慢了", 1),
        (("logistics.fee",), "怎么还不发货", "怎么还不发货", 1),  # another want
    ],
)
def test_what_counts_as_a_repetition(intents: tuple[str, ...], text: str, like: str, repetition: int, knowledge: Knowledge) -> None:
    _, state = talk([analysis("怎么还不发货", intents=("logistics.urge",))], knowledge)
    assert decided(analysis(text, intents=intents, like=like), knowledge, state).repetition == repetition


def test_a_reply_to_an_open_question_is_no_repetition_and_begins_the_count_anew(knowledge: Knowledge) -> None:
    change = ("order.change_address",)

    def said(text: str) -> Analysis:
        return analysis(text, intents=change, like="改到公司去")

    texts = ["改到公司去", "都说了改到公司去", "送到[address]", "什么时候能改好", "改好了没", "到底改没改"]
    decisions, _ = talk([said(text) for text in texts], with_policy(knowledge, repeated_misses=9))
    assert decisions[2].reason == "slot_filled"
    assert [decision.repetition for decision in decisions] == [1, 2, 1, 1, 2, 3]
    assert [decision.emotion.alert for decision in decisions] == [False] * 5 + [True]


def test_something_else_in_between_begins_the_count_anew(knowledge: Knowledge) -> None:
    urge, other = analysis("怎么还不发货", intents=("logistics.urge",)), analysis("谢谢", intents=("chitchat.thanks_bye",))
    _, state = talk([urge, urge, other], with_policy(knowledge, repeated_misses=9))
    assert decided(urge, knowledge, state).repetition == 1


def test_kinds_of_small_talk_need_no_lead_over_each_other(knowledge: Knowledge) -> None:
    least = knowledge.thresholds.intent
    found = analysis("ok thx", intents=("chitchat.thanks_bye",))

    def ranked(**confidences: float) -> Analysis:
        names = {name.replace("__", "."): confidence for name, confidence in confidences.items()}
        return replace(
            found, ranking=tuple(replace(found.ranking[0], name=name, confidence=share) for name, share in names.items())
        )

    unclear = ranked(chitchat__thanks_bye=least - 0.1, chitchat__ack=least - 0.15)
    assert outcome(unclear, knowledge) == ("answer", "chitchat_thanks_bye")
    guessed = ranked(chitchat__thanks_bye=least - 0.1, logistics__urge=least - 0.15)
    no_lead = ranked(chitchat__thanks_bye=least, logistics__urge=least - knowledge.thresholds.intent_margin / 2)
    for wanted in (guessed, no_lead):
        assert outcome(wanted, knowledge) == ("fallback", "nothing_fits")


def test_small_talk_is_never_repeated(knowledge: Knowledge) -> None:
    found = analysis("嗯", intents=("chitchat.ack",))
    decisions, _ = talk([found] * 4, knowledge)
    assert {decision.repetition for decision in decisions} == {1}
    assert not decisions[-1].emotion.alert


def test_two_misses_in_a_row_call_a_person_and_an_answer_between_them_does_not(knowledge: Knowledge) -> None:
    miss, good = analysis("什么跟什么"), analysis("查物流", hits=[ANSWER])
    assert [decision.decision for decision in talk([miss, miss], knowledge)[0]] == ["fallback", "handoff"]
    assert [decision.decision for decision in talk([miss, good, miss], knowledge)[0]] == ["fallback", "answer", "fallback"]


@pytest.mark.parametrize("anxious", [0.5, 0.99])
def test_anxiety_alerts_and_never_hands_off(anxious: float, knowledge: Knowledge) -> None:
    decision = decided(
        analysis("急", intents=("logistics.urge",), emotion="anxious", scores={"anxious": anxious}, hits=[ANSWER]), knowledge
    )
    assert (decision.decision, decision.emotion.alert, decision.emotion.reason) == ("answer", True, "anxious")
    assert decision.emotion.script_id == "soothe.anxious.logistics"
    assert decision.handoff is None


def test_anger_alerts_before_it_hands_off(knowledge: Knowledge) -> None:
    calm, cross, furious = (
        decided(analysis(intents=("service.complaint",), scores={"neutral": 0.1, "angry": value}, hits=[ANSWER]), knowledge) for value in (0.39, 0.4, 0.85)
    )  # fmt: skip
    assert (calm.emotion.alert, cross.emotion.alert, furious.emotion.alert) == (False, True, True)
    assert (calm.decision, cross.decision, furious.decision) == ("answer", "answer", "handoff")
    assert cross.emotion.script_id == furious.emotion.script_id == "soothe.angry.service"
    assert cross.emotion.script is not None
    assert cross.reply.startswith(cross.emotion.script)


def test_an_uncertain_mood_is_not_comforted(knowledge: Knowledge) -> None:
    unsure = decided(analysis(emotion="disappointed", scores={"disappointed": 0.4}, hits=[ANSWER]), knowledge)
    sure = decided(analysis(emotion="disappointed", scores={"disappointed": 0.7}, hits=[ANSWER]), knowledge)
    assert (unsure.emotion.script_id, sure.emotion.script_id) == (None, "soothe.disappointed.logistics")
    assert not sure.emotion.alert


def test_a_handoff_out_of_anger_may_carry_the_answer(knowledge: Knowledge) -> None:
    with_answer = decided(analysis(scores=FURIOUS, hits=[ANSWER]), knowledge)
    without = decided(analysis(scores=FURIOUS, hits=[hit("tracking", UNSURE)]), knowledge)
    assert with_answer.answer is not None
    assert knowledge.faq.by_id["tracking"].answer in with_answer.reply
    assert without.answer is None
    assert knowledge.pack.replies["handoff"] in without.reply


def test_after_a_handoff_the_bot_is_silent_until_released(knowledge: Knowledge) -> None:
    decisions, state = talk(
        [
            analysis("人工", intents=("service.human",)),
            analysis("查物流", hits=[ANSWER]),
            analysis("人工", intents=("service.human",)),
        ],
        knowledge,
    )
    assert [(decision.decision, decision.reason) for decision in decisions[1:]] == [("silent", "handed_off")] * 2
    assert decisions[1].reply == ""
    assert decisions[1].answer is None
    assert decisions[1].priority.score > 0, "the agent still sees how urgent it is"
    assert state.handed_off
    assert [turn.speaker for turn in state.turns] == [Speaker.USER, Speaker.AGENT, Speaker.USER, Speaker.USER], "silence is no turn"
    released = replace(state, handed_off=False)
    assert outcome(analysis("查物流", hits=[ANSWER]), knowledge, released)[0] == "answer"
    talkative = with_policy(knowledge, silent_after_handoff=False)
    assert outcome(analysis("查物流", hits=[ANSWER]), talkative, state)[0] == "answer"


def test_whom_nobody_can_read_at_night_is_told_so(knowledge: Knowledge) -> None:
    _, state = talk([analysis("人工", intents=("service.human",))], knowledge)
    decision = decided(analysis("还在吗 订单202611180012345"), knowledge, state, now=NIGHT)
    assert (decision.decision, decision.reason) == ("handoff", "outside_opening_hours")
    assert "09:00–22:00" in decision.reply
    assert decision.handoff is not None
    assert "202611180012345" in decision.handoff.summary
    assert outcome(analysis("还在吗"), knowledge, state, now=NOON) == ("silent", "handed_off")


def test_a_picture_neither_adds_a_miss_nor_ends_the_row(knowledge: Knowledge) -> None:
    decisions, _ = talk([analysis("嗯哪个"), analysis("[图片]", kind="image"), analysis("就那个")], knowledge)
    assert [decision.decision for decision in decisions] == ["fallback", "clarify", "handoff"]
    assert decisions[-1].reason == "repeated_miss"


def test_outside_opening_hours_a_message_is_taken_and_the_bot_stays(knowledge: Knowledge) -> None:
    found = analysis("人工", intents=("service.human",))
    decision = decided(found, knowledge, now=NIGHT)
    assert (decision.decision, decision.reason) == ("handoff", "outside_opening_hours")
    assert "09:00–22:00" in decision.reply
    assert decision.handoff is not None
    assert decision.handoff.reason == "user_request"
    state = advance(Conversation(), found, decision)
    assert not state.handed_off
    assert outcome(analysis(hits=[ANSWER]), knowledge, state, now=NIGHT)[0] == "answer"
    assert outcome(found, knowledge, now=NOON) == ("handoff", "user_request")


@pytest.mark.parametrize(
    ("hours", "utc", "is_open"),
    [
        (("09:00", "22:00"), (0, 59), False), (("09:00", "22:00"), (1, 0), True), (("09:00", "22:00"), (13, 59), True),
        (("09:00", "22:00"), (14, 0), False), (("20:00", "02:00"), (12, 0), True), (("20:00", "02:00"), (17, 59), True),
        (("20:00", "02:00"), (18, 0), False), (("09:00", "00:00"), (15, 59), True), (("09:00", "00:00"), (16, 0), False),
    ],
)  # fmt: skip
def test_opening_hours_are_those_of_the_shop(
    hours: tuple[str, str], utc: tuple[int, int], is_open: bool, knowledge: Knowledge
) -> None:
    shop = with_policy(knowledge, opening_hours={"from": hours[0], "to": hours[1], "timezone": "Asia/Shanghai"})
    now = datetime(2026, 11, 18, *utc, tzinfo=UTC)
    reason = outcome(analysis("人工", intents=("service.human",)), shop, now=now)[1]
    assert reason == ("user_request" if is_open else "outside_opening_hours")


def test_the_summary_says_want_mood_facts_and_what_was_tried(knowledge: Knowledge) -> None:
    asked = analysis("怎么退货", intents=("aftersale.return",), emotion="disappointed", hits=[hit("return", SURE)])
    furious = analysis(
        "订单202611180012345的手机碎屏了,退钱", intents=("aftersale.quality", "aftersale.return"), emotion="angry", scores=FURIOUS
    )
    decisions, _ = talk([asked, furious], knowledge)
    assert decisions[1].handoff is not None
    summary = decisions[1].handoff.summary
    wanted = (
        "质量问题破损、退货退款",
        "失望→愤怒",
        f"优先级:{decisions[1].priority.score}",
        "order_id=202611180012345",
        "怎么申请退货",
        furious.text,
    )
    for part in wanted:
        assert part in summary


def test_the_summary_names_earlier_wants_but_no_small_talk_and_none_twice(knowledge: Knowledge) -> None:
    earlier = ("logistics.tracking", "chitchat.greeting", "aftersale.return", "logistics.tracking")
    past = tuple(PastMessage(intent, "neutral", (0.0,) * 16, answered=True) for intent in earlier)
    decision = decided(analysis("人工", intents=("service.human",)), knowledge, Conversation(past=past))
    assert decision.handoff is not None
    assert decision.handoff.summary.splitlines()[0] == "诉求:转人工(此前:物流查询、退货退款)", "the latest first"


def test_the_summary_names_the_numbers_that_the_customer_gave_before_the_latest_first(knowledge: Knowledge) -> None:
    said = (
        "订单4729103856201938475少一件",
        "订单202611180012345也是",
        "[phone]打给我",
        "订单202611180012345",
        "单号SF1234567890123",
        "订单9912345678901",
        "就是9912345678901那单",
    )
    turns = (*(Utterance(Speaker.USER, text) for text in said), Utterance(Speaker.AGENT, "您的订单5556667778889990001"))
    decision = decided(analysis("人工", intents=("service.human",)), knowledge, Conversation(turns=turns))
    assert decision.handoff is not None
    (facts,) = [line for line in decision.handoff.summary.splitlines() if line.startswith("信息:")]
    assert facts == "信息:order_id=9912345678901、tracking_no=SF1234567890123、order_id=202611180012345"
    alone = decided(analysis("人工", intents=("service.human",)), knowledge, Conversation(turns=turns[-1:]))
    assert alone.handoff is not None and "信息" not in alone.handoff.summary, "the agent's number is none that the customer gave"


def test_the_summary_names_the_want_whose_question_was_open(knowledge: Knowledge) -> None:
    opened = OpenSlots(ASKED.intent, ASKED.wanted, {"budget": "5000", "usage": "游戏"})
    decision = decided(analysis("联想", intents=("presale.product_info",)), knowledge, Conversation(open_slots=opened))
    assert decision.handoff is not None and decision.reason == "slots_complete"
    first, *_ = decision.handoff.summary.splitlines()
    assert first == f"诉求:{knowledge.pack.intent(ASKED.intent).title}"


def test_the_summary_never_holds_a_phone_or_an_identity_card(analyzer: Analyzer) -> None:
    bundle = analyzer.bundle
    known = Knowledge(bundle.pack, bundle.faq, replace(bundle.calibration.thresholds, anger_handoff=0.0))
    phone, card = "13800138000", "110101199003078515"
    state = Conversation()
    for text in (f"我电话{phone}", f"身份证{card},卡号 6222 0212 1381 2345 678", f"{phone}快给我打电话,{card}"):
        (found,) = analyzer.analyze([Request(text, state.context)])
        decision = decide(found, replace(state, handed_off=False), Circumstances(), known)
        assert decision.handoff is not None, "the test needs a handoff"
        assert "[phone]" in decision.handoff.summary or "[id_card]" in decision.handoff.summary
        state = advance(state, found, decision)
        for secret in (phone, card, "6222 0212"):
            assert secret not in repr(decision)
            assert secret not in repr(state)


# Purity -------------------------------------------------------------------------------------------------------------------

TEXTS = ["怎么还不发货", LAPTOP, "5000左右", "打游戏", "人工", "你好", "在说什么", "手机碎屏了"]
messages = st.builds(
    analysis, st.sampled_from(TEXTS), emotion=st.sampled_from(EMOTIONS),
    intents=st.lists(
        st.sampled_from(["logistics.urge", "aftersale.return", "presale.recommendation", "service.human", "chitchat.greeting", "service.complaint"]),
        min_size=1, max_size=3, unique=True,
    ),
    scores=st.fixed_dictionaries({name: st.floats(0, 1) for name in EMOTIONS}), out_of_scope=st.sampled_from([0.0, 0.3, 0.9]),
    hits=st.lists(st.tuples(st.sampled_from([entry.faq_id for entry in ENTRIES]), st.sampled_from([VAGUE, UNSURE, SURE])), max_size=3).map(
        lambda pairs: sorted((hit(*pair) for pair in pairs), key=lambda found: -found.confidence)
    ),
    kind=st.sampled_from(["text", "text", "text", "image", "card"]),
)  # fmt: skip


@light
@given(st.lists(messages, min_size=1, max_size=6))
def test_deciding_is_pure_and_a_replay_gives_the_same(knowledge: Knowledge, conversation: list[Analysis]) -> None:
    around = Circumstances(Customer("gold", 3), Order("paid", 0.5), 70.0, NOON)
    state, decisions = Conversation("c1"), []
    for found in conversation:
        before = copy.deepcopy((found, state, around))
        decision = decide(found, state, around, knowledge)
        assert decide(found, state, around, knowledge) == decision
        assert (found, state, around) == before, "deciding changed an argument"
        state = advance(state, found, decision)
        decisions.append(decision)
    replayed = Conversation("c1")
    for found, decision in zip(conversation, decisions, strict=True):
        assert decide(found, replayed, around, knowledge) == decision
        replayed = advance(replayed, found, decision)
    assert replayed == state


@light
@given(st.lists(messages, min_size=1, max_size=6))
def test_what_always_holds(knowledge: Knowledge, conversation: list[Analysis]) -> None:
    state = Conversation()
    for found in conversation:
        decision = decided(found, knowledge, state)
        assert decision.decision in {"answer", "suggest", "clarify", "handoff", "fallback", "silent"}
        assert bool(decision.reply) is (decision.decision != "silent")
        assert (decision.handoff is not None) is (decision.decision == "handoff")
        assert (decision.decision == "silent") is state.handed_off
        assert decision.miss is (decision.decision == "fallback")
        assert bool(decision.suggestions) is (decision.decision == "suggest")
        assert not decision.missing_slots or decision.decision == "clarify"
        if decision.answer is not None:
            assert decision.answer.confidence >= knowledge.thresholds.faq_direct
        if found.kind == "text" and found.emotion.scores["angry"] >= knowledge.thresholds.anger_alert:
            assert decision.emotion.alert, "anger is never missed in silence"
        assert 0 <= decision.priority.score <= 100
        after = advance(state, found, decision)
        assert after.turns[: len(state.turns)] == state.turns
        assert after.misses == (state.misses + 1 if decision.miss else 0 if found.kind == "text" else state.misses)
        assert len(after.past) == len(state.past) + 1
        state = after


# Advancing ----------------------------------------------------------------------------------------------------------------


def test_advancing_keeps_what_was_said_and_tried(knowledge: Knowledge) -> None:
    found = analysis("查物流", hits=[ANSWER], emotion="anxious")
    before = Conversation("c1")
    decision = decided(found, knowledge, before)
    after = advance(before, found, decision)
    assert before == Conversation("c1")
    assert [(turn.speaker, turn.text) for turn in after.turns] == [(Speaker.USER, "查物流"), (Speaker.AGENT, decision.reply)]
    assert after.past == (PastMessage("logistics.carrier", "anxious", tuple(map(float, found.vector)), True),)
    assert (after.conversation_id, after.tried, after.turn) == ("c1", ("tracking",), 1)
    assert advance(after, found, decision).tried == ("tracking",)
    other = advance(after, found, replace(decision, answer=replace(decision.answer, faq_id="return")))  # type: ignore[type-var]
    assert other.tried == ("tracking", "return")


def test_a_long_conversation_is_remembered_in_part(knowledge: Knowledge) -> None:
    found = [analysis(f"第{number}句", hits=[ANSWER]) for number in range(40)]
    _, state = talk(found, knowledge)
    assert len(state.turns) == len(state.past) == 30
    assert state.turns[-2].text == "第39句"


def test_after_a_handoff_what_came_before_is_read_no_more_however_long_the_conversation(knowledge: Knowledge) -> None:
    _, state = talk([analysis(f"第{number}句", hits=[ANSWER]) for number in range(20)], knowledge)
    found = analysis("人工", intents=("service.human",))
    state = replace(advance(state, found, decided(found, knowledge, state)), handed_off=False)
    assert len(state.turns) == 30 and state.context == ()
    for number in range(20):
        found = analysis(f"之后{number}", hits=[ANSWER])
        state = advance(state, found, decided(found, knowledge, state))
        assert [turn.text for turn in state.context[::2]] == [f"之后{before}" for before in range(number + 1)][-15:]
    assert state.context == state.turns


def test_the_slots_still_to_be_filled_are_in_the_order_they_are_asked() -> None:
    assert OpenSlots("x", ("a", "b", "c"), {"b": "1"}).missing == ("a", "c")
    assert OpenSlots("x", (), {}).missing == ()


def test_hits_of_another_kind_change_nothing(knowledge: Knowledge) -> None:
    # Only an entry's own confidence gates its answer: a high similarity does not.
    similar = SearchHit("tracking", "怎么查物流", 0.999, VAGUE)
    assert outcome(analysis(hits=[similar]), knowledge) == ("fallback", "nothing_fits")


# Questions that came after calibration ------------------------------------------------------------------------------------


def test_an_entry_found_by_a_new_question_is_only_suggested(knowledge: Knowledge) -> None:
    new = replace(ANSWER, calibrated=False)
    assert outcome(analysis(hits=[ANSWER]), knowledge) == ("answer", "faq_above_direct")
    decision = decided(analysis(hits=[new, hit("return", SURE)]), knowledge)
    assert (decision.decision, decision.answer) == ("suggest", None)
    assert decision.suggestions[0].faq_id == "tracking"


def test_a_new_question_is_suggested_where_the_rejector_knew_nothing_of_it(knowledge: Knowledge) -> None:
    found = analysis(out_of_scope=1.0, hits=[replace(ANSWER, calibrated=False)])
    found = replace(found, ranking=(replace(found.ranking[0], confidence=0.3),))
    assert outcome(found, knowledge) == ("suggest", "faq_above_suggest")
    vague = replace(found, hits=(hit("tracking", VAGUE),))
    assert outcome(vague, knowledge) == ("fallback", "out_of_scope")


def test_a_new_question_gives_no_second_answer(knowledge: Knowledge) -> None:
    wants = ("logistics.tracking", "aftersale.return")
    second = hit("return", SURE)
    both = decided(analysis(intents=wants, hits=[ANSWER, second]), knowledge)
    one = decided(analysis(intents=wants, hits=[ANSWER, replace(second, calibrated=False)]), knowledge)
    answer = next(entry.answer for entry in ENTRIES if entry.faq_id == "return")
    assert answer in both.reply and answer not in one.reply


def test_an_angry_customer_gets_no_unmeasured_answer_beside_the_handoff(knowledge: Knowledge) -> None:
    assert decided(analysis(scores=FURIOUS, hits=[ANSWER]), knowledge).answer is not None
    assert decided(analysis(scores=FURIOUS, hits=[replace(ANSWER, calibrated=False)]), knowledge).answer is None
