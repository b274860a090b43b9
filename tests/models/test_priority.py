"""Priority is bounded, monotone in each factor, explained to the point, and holds the example of the domain description."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.analysis import Analysis, Conversation, Customer, Order, PastMessage, PriorityScore
from models.domain import TIERS, DomainPack, load_domain
from models.priority import customer_tier, score_priority
from tests.models.helpers import EMOTIONS, analysis, light
from tests.tiny import DOMAIN

PACK = load_domain(DOMAIN)
SEED = "我要退货上周买的碎屏手机"
WORSE = ("neutral", "confused", "disappointed", "anxious", "angry")


@dataclass(frozen=True)
class Case:
    """All that a priority hangs on."""

    intents: tuple[str, ...] = ("invoice.request",)
    text: str = "问一下"
    emotion: str = "neutral"
    before: tuple[str, ...] = ()
    tier: str | None = None
    orders: int | None = None
    risk: float | None = None
    repetition: int = 1
    waiting: float | None = None

    def score(self, pack: DomainPack = PACK) -> PriorityScore:
        past = tuple(PastMessage("chitchat.ack", emotion, (), False) for emotion in self.before)
        return score_priority(
            self.message(), Conversation(past=past), Customer(self.tier, self.orders), Order(risk=self.risk), pack,
            repetition=self.repetition, waiting_seconds=self.waiting,
        )  # fmt: skip

    def message(self) -> Analysis:
        return analysis(self.text, intents=self.intents, emotion=self.emotion)


CODES = [info.code for info in PACK.intents]
cases = st.builds(
    Case, intents=st.lists(st.sampled_from(CODES), min_size=1, max_size=3, unique=True).map(tuple),
    text=st.sampled_from(["问一下", SEED, "屏幕裂了", "手机"]), emotion=st.sampled_from(EMOTIONS),
    before=st.lists(st.sampled_from(EMOTIONS), max_size=5).map(tuple), tier=st.none() | st.sampled_from(TIERS),
    orders=st.none() | st.integers(0, 60), risk=st.none() | st.floats(0, 1), repetition=st.integers(1, 6),
    waiting=st.none() | st.floats(0, 4000),
)  # fmt: skip


def names(score: PriorityScore) -> list[str]:
    return [factor.name for factor in score.factors]


def test_the_example_of_the_domain_description() -> None:
    case = Case(("aftersale.return",), SEED, tier="silver", orders=4)
    score = case.score()
    assert (score.score, score.band, score.urgency, score.business_type) == (82, "high", "high", "aftersale")
    assert {factor.name: factor.value for factor in score.factors} == {
        "intent_urgency": "high", "business_type": "aftersale", "emotion": "neutral", "customer_value": "silver",
    }  # fmt: skip
    assert replace(case, emotion="disappointed").score().score == 87


def test_the_points_of_the_example_are_shares_of_the_logarithm() -> None:
    points = {factor.name: factor.points for factor in Case(("aftersale.return",), SEED, tier="silver").score().factors}
    exact = 100 * (1 - 0.35 * 0.7 * 0.75)
    logs = {"intent_urgency": -math.log(0.35), "business_type": -math.log(0.7), "emotion": 0.0, "customer_value": -math.log(0.75)}
    assert points == {name: round(exact * log / sum(logs.values()), 1) for name, log in logs.items()}


@light
@given(cases)
def test_bounded_and_the_points_add_up(case: Case) -> None:
    score = case.score()
    assert 0 <= score.score <= 100
    assert all(factor.points >= 0 for factor in score.factors)
    # Each is rounded to a tenth and the score to a whole point.
    assert abs(sum(factor.points for factor in score.factors) - score.score) <= 0.5 + 0.05 * len(score.factors)
    assert case.score() == score


@light
@given(cases, st.lists(st.sampled_from(WORSE), min_size=2, max_size=2))
def test_a_worse_emotion_never_lowers_it(case: Case, emotions: list[str]) -> None:
    calm, upset = sorted(emotions, key=WORSE.index)
    assert replace(case, emotion=calm).score().score <= replace(case, emotion=upset).score().score


@light
@given(cases)
def test_satisfied_counts_as_neutral(case: Case) -> None:
    assert replace(case, emotion="satisfied").score().score == replace(case, emotion="neutral").score().score


@light
@given(cases, st.lists(st.sampled_from(TIERS), min_size=2, max_size=2))
def test_a_higher_tier_never_lowers_it(case: Case, tiers: list[str]) -> None:
    lower, higher = sorted(tiers, key=TIERS.index)
    assert replace(case, tier=lower).score().score <= replace(case, tier=higher).score().score


@light
@given(cases, st.lists(st.integers(0, 60), min_size=2, max_size=2))
def test_more_orders_never_lower_it(case: Case, orders: list[int]) -> None:
    few, many = sorted(orders)
    assert replace(case, tier=None, orders=few).score().score <= replace(case, tier=None, orders=many).score().score


@light
@given(cases, st.lists(st.integers(1, 6), min_size=2, max_size=2))
def test_more_repeats_never_lower_it(case: Case, counts: list[int]) -> None:
    few, many = sorted(counts)
    assert replace(case, repetition=few).score().score <= replace(case, repetition=many).score().score


@light
@given(cases, st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_higher_risk_never_lowers_it(case: Case, risks: list[float]) -> None:
    low, high = sorted(risks)
    assert replace(case, risk=None).score().score <= replace(case, risk=low).score().score <= replace(case, risk=high).score().score


@light
@given(cases, st.lists(st.floats(0, 4000), min_size=2, max_size=2))
def test_a_longer_wait_never_lowers_it(case: Case, waits: list[float]) -> None:
    short, long = sorted(waits)
    assert (
        replace(case, waiting=None).score().score
        <= replace(case, waiting=short).score().score
        <= replace(case, waiting=long).score().score
    )


@light
@given(cases, st.sampled_from(CODES))
def test_a_further_intent_never_lowers_it(case: Case, code: str) -> None:
    more = (*case.intents, *([code] if code not in case.intents else []))
    assert case.score().score <= replace(case, intents=more).score().score


@light
@given(cases)
def test_a_defect_never_lowers_it(case: Case) -> None:
    assert replace(case, text="手机").score().score <= replace(case, text="手机碎屏").score().score


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({}, (0.15,)),
        ({"intents": ("account.login",)}, (0.40,)),
        ({"intents": ("payment.failure",)}, (0.80,)),
        ({"intents": ("aftersale.refund_status",)}, (0.65, 0.30)),
        ({"emotion": "confused"}, (0.15, 0.10)),
        ({"emotion": "anxious"}, (0.15, 0.40)),
        ({"emotion": "angry"}, (0.15, 0.50)),
        ({"emotion": "angry", "before": ("neutral",)}, (0.15, 0.50, 0.10)),
        ({"tier": "gold"}, (0.15, 0.35)),
        ({"tier": "platinum"}, (0.15, 0.45)),
        ({"repetition": 2}, (0.15, 0.15)),
        ({"repetition": 3}, (0.15, 0.30)),
        ({"risk": 0.5}, (0.15, 0.15)),
        ({"waiting": 59.0}, (0.15,)),
        ({"waiting": 60.0}, (0.15, 0.10)),
        ({"waiting": 300.0}, (0.15, 0.25)),
    ],
)  # fmt: skip
def test_each_factor_counts_as_the_pack_says(changes: dict[str, object], weights: Sequence[float]) -> None:
    room = math.prod(1 - weight for weight in weights)
    assert replace(Case(), **changes).score().score == round(100 * (1 - room))  # type: ignore[arg-type]


def test_all_at_once_stays_below_a_hundred() -> None:
    worst = Case(("payment.failure", "aftersale.return"), SEED, "angry", ("neutral",), "platinum", 99, 1.0, 9, 9999.0).score()
    assert (worst.score, worst.band) == (99, "critical")
    assert len(names(worst)) == 8


def test_missing_inputs_are_named_and_zero_is_not_missing() -> None:
    assert Case().score().inputs_missing == ("customer_tier", "order_risk", "waiting_seconds")
    known = Case(orders=0, risk=0.0, waiting=0.0).score()
    assert known.inputs_missing == ()
    assert {"customer_value", "order_risk"} <= set(names(known))
    assert known.score == Case().score().score


@pytest.mark.parametrize(
    ("customer", "tier"),
    [
        (Customer(), None), (Customer(orders=0), "regular"), (Customer(orders=2), "regular"), (Customer(orders=3), "silver"),
        (Customer(orders=10), "gold"), (Customer(orders=30), "platinum"), (Customer("regular", 99), "regular"),
    ],
)  # fmt: skip
def test_the_tier_given_goes_before_the_one_earned(customer: Customer, tier: str | None) -> None:
    assert customer_tier(customer, PACK) == tier


@pytest.mark.parametrize(
    ("intents", "text", "urgency"),
    [
        (("aftersale.return",), "退货", "medium"),
        (("aftersale.return",), "碎屏退货", "high"),
        (("logistics.not_received",), "碎屏", "critical"),  # there is nothing above critical
        (("promotion.coupon",), "券过期了", "low"),  # no goods, no defect
        (("invoice.request", "payment.failure"), "开票", "critical"),  # the most urgent counts, wherever it stands
    ],
)
def test_urgency(intents: tuple[str, ...], text: str, urgency: str) -> None:
    assert Case(intents, text).score().urgency == urgency


def test_a_pack_may_leave_defects_out() -> None:
    calm = replace(PACK, priority=replace(PACK.priority, defect_raises_urgency=False))
    assert Case(("aftersale.return",), "碎屏退货").score(calm).urgency == "medium"


@pytest.mark.parametrize(
    ("before", "now", "rising"),
    [
        ((), "angry", False),  # nothing to compare with
        (("neutral",), "angry", True),
        (("angry",), "angry", False),
        (("angry",), "neutral", False),
        (("neutral", "angry", "neutral"), "angry", False),
        (("angry", "neutral", "neutral", "neutral"), "angry", True),  # the last three count
        (("anxious",), "disappointed", False),
        (("disappointed",), "anxious", True),
    ],
)
def test_a_rising_emotion_counts(before: tuple[str, ...], now: str, rising: bool) -> None:
    assert ("emotion_rising" in names(Case(emotion=now, before=before).score())) is rising


@pytest.mark.parametrize(
    ("intents", "business"),
    [(("logistics.urge",), "logistics"), (("logistics.urge", "aftersale.return"), "aftersale"), (("order.cancel", "invoice.request"), "order")],
)  # fmt: skip
def test_business_type(intents: tuple[str, ...], business: str) -> None:
    assert Case(intents).score().business_type == business


@pytest.mark.parametrize(
    ("case", "band"),
    [
        (Case(), "low"), (Case(("account.login",)), "medium"), (Case(("payment.failure",)), "high"),
        (Case(("payment.failure",), emotion="angry"), "critical"),
    ],
)  # fmt: skip
def test_bands(case: Case, band: str) -> None:
    score = case.score()
    assert score.band == band
    lows = dict(PACK.priority.bands)
    assert score.score >= lows[band]
    assert all(score.score < low for name, low in PACK.priority.bands if low > lows[band])
