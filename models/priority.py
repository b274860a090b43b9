"""Priority 0-100: deterministic, bounded, monotone, every factor with its points, every missing input named."""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.analysis import Analysis, Conversation, Customer, Order, PriorityFactor, PriorityScore
from models.domain import URGENCIES, DomainPack
from models.entities import has_defect


def score_priority(
    analysis: Analysis, conversation: Conversation, customer: Customer, order: Order, pack: DomainPack, *,
    repetition: int, waiting_seconds: float | None,
) -> PriorityScore:  # fmt: skip
    """Returns the priority of a message: 100 * (1 - product of (1 - weight)) over its factors.

    Args:
        analysis: What the message says.
        conversation: The state before it.
        customer: What the shop knows of the customer.
        order: What it knows of the order.
        pack: Weights and rules.
        repetition: How many times in a row the customer said this, from 1.
        waiting_seconds: How long the customer has waited, or None.
    """
    rules = pack.priority
    intents = analysis.intents or (analysis.intent.name,)
    urgency = _urgency(analysis, intents, pack)
    business = _business_type(intents)
    weights = [("intent_urgency", urgency, rules.urgency[urgency])]
    if any(intent.partition(".")[0] in rules.aftersale_domains for intent in intents):
        weights.append(("business_type", "aftersale", rules.aftersale))
    emotion = analysis.emotion.label
    weights.append(("emotion", emotion, rules.emotion[emotion]))
    if conversation.past and _severity(pack, emotion) > max(_severity(pack, past.emotion) for past in conversation.past[-3:]):
        weights.append(("emotion_rising", emotion, rules.emotion_rising))
    tier = customer_tier(customer, pack)
    if tier is not None:
        weights.append(("customer_value", tier, rules.tier[tier]))
    if repetition >= 2:
        name = "third" if repetition >= 3 else "second"
        weights.append(("repetition", str(repetition), rules.repetition[name]))
    if order.risk is not None:
        weights.append(("order_risk", f"{order.risk:g}", rules.order_risk * order.risk))
    waited = [weight for seconds, weight in rules.waiting if (waiting_seconds or 0) >= seconds]
    if waited:
        weights.append(("waiting", f"{waiting_seconds:g}s", max(waited)))
    missing = [
        name
        for name, value in (("customer_tier", tier), ("order_risk", order.risk), ("waiting_seconds", waiting_seconds))
        if value is None
    ]
    score, factors = _combine(weights)
    band = next(name for name, low in reversed(rules.bands) if score >= low)
    return PriorityScore(score, band, urgency, business, factors, tuple(missing))


def customer_tier(customer: Customer, pack: DomainPack) -> str | None:
    """Returns the tier given, or the one that the number of orders earns, or None if neither is known."""
    if customer.tier is not None:
        return customer.tier
    if customer.orders is None:
        return None
    earned = [tier for orders, tier in pack.priority.tier_by_orders if customer.orders >= orders]
    return earned[-1] if earned else "regular"


def _urgency(analysis: Analysis, intents: Sequence[str], pack: DomainPack) -> str:
    """The most urgent of the intents; a defect raises it one step."""
    level = max(URGENCIES.index(pack.intent(intent).urgency) for intent in intents)
    if pack.priority.defect_raises_urgency and has_defect(analysis.entities) and _is_about_goods(intents):
        level = min(level + 1, len(URGENCIES) - 1)
    return URGENCIES[level]


def _is_about_goods(intents: Sequence[str]) -> bool:
    return any(intent.partition(".")[0] in {"aftersale", "logistics", "order", "service"} for intent in intents)


def _business_type(intents: Sequence[str]) -> str:
    domains = [intent.partition(".")[0] for intent in intents]
    return "aftersale" if "aftersale" in domains else domains[0]


def _severity(pack: DomainPack, emotion: str) -> int:
    return pack.emotion(emotion).severity


def _combine(weights: Sequence[tuple[str, str, float]]) -> tuple[int, tuple[PriorityFactor, ...]]:
    """Each factor's points are its share of the logarithm, so that they add up to the score."""
    logs = [-math.log1p(-min(weight, 0.999)) for _, _, weight in weights]
    exact = 100 * -math.expm1(-sum(logs))
    total = sum(logs) or 1.0
    factors = tuple(
        PriorityFactor(name, value, round(exact * log / total, 1)) for (name, value, _), log in zip(weights, logs, strict=True)
    )
    return round(exact), factors
