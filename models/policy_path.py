"""The way to a decision: the rules that were looked at, in order, and what each saw. The rules themselves are in policy.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.analysis import Analysis, Conversation, Decision
from models.policy import RULES, Case, Circumstances, Knowledge

Fact = str | float | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that was looked at.

    Attributes:
        rule: Its name in `policy.RULES`.
        fired: Whether it decided; only the last step did.
        because: What it saw: values, and what they were compared with.
        reason: The decision's reason if it decided, else None. Outside opening hours a handoff has another reason than its rule.
    """

    rule: str
    fired: bool
    because: dict[str, Fact]
    reason: str | None


def decide_with_path(
    analysis: Analysis, conversation: Conversation, circumstances: Circumstances, knowledge: Knowledge
) -> tuple[Decision, tuple[Step, ...]]:
    """Returns what `decide` returns, by the same rules, and the steps to it."""
    case, steps = Case(analysis, conversation, circumstances, knowledge), []
    for name, rule in RULES.items():
        decision = rule(case)
        steps.append(Step(name, decision is not None, FACTS[name](case), None if decision is None else decision.reason))
        if decision is not None:
            return decision, tuple(steps)
    raise AssertionError("the last rule always decides")


def _user_request(case: Case) -> dict[str, Fact]:
    wanted = (case.analysis.intent.name, *case.analysis.intents)
    return {
        "intents": tuple(dict.fromkeys(wanted)), "human_intent": case.pack.policy.human_intent,
        "human": case.human_share(), "human_share": case.pack.policy.human_share,
        "out_of_scope": case.analysis.out_of_scope, "out_of_scope_threshold": case.thresholds.out_of_scope,
    }  # fmt: skip


def _open(case: Case) -> dict[str, Fact]:
    opened = case.conversation.open_slots
    return {"open_clarification": None if opened is None else opened.intent}


def _nod(case: Case) -> dict[str, Fact]:
    return _open(case) | {"intent": case.analysis.intent.name}


def _slot_filled(case: Case) -> dict[str, Fact]:
    opened, slots = case.conversation.open_slots, case.continued_slots
    return _open(case) | {
        "asked": opened.missing[0] if opened is not None and opened.missing else None,
        "filled": () if slots is None else tuple(slots.filled),
    }


def _repeated_miss(case: Case) -> dict[str, Fact]:
    missed = case.would_miss()
    return {
        "would_miss": missed, "misses": case.conversation.misses + missed, "repeated_misses": case.pack.policy.repeated_misses,
    }  # fmt: skip


def _out_of_scope(case: Case) -> dict[str, Fact]:
    return {
        "out_of_scope": case.analysis.out_of_scope, "out_of_scope_threshold": case.thresholds.out_of_scope,
        "intent_confidence": case.analysis.intent.confidence, "certain_intent": case.thresholds.certain_intent, **_faq(case),
        "faq_direct": case.thresholds.faq_direct,
    }  # fmt: skip


def _missing_slots(case: Case) -> dict[str, Fact]:
    needed = case.needed_slots()
    return _intent(case) | {"missing_slots": () if needed is None else needed.missing}


def _intent(case: Case) -> dict[str, Fact]:
    return {
        "intent": case.analysis.intent.name, "intent_confidence": case.analysis.intent.confidence,
        "intent_threshold": case.thresholds.intent, "sure_of_intent": case.is_sure_of_intent(),
    }  # fmt: skip


def _faq(case: Case) -> dict[str, Fact]:
    best = case.best_hit()
    return {"faq_confidence": None if best is None else best.confidence}


def _calibrated(case: Case) -> bool | None:
    best = case.best_hit()
    return None if best is None else best.calibrated


FACTS: Mapping[str, Callable[[Case], dict[str, Fact]]] = {
    "handed_off": lambda case: {"handed_off": case.conversation.handed_off},
    "wordless": lambda case: {"kind": case.analysis.kind},
    "user_request": _user_request,
    "policy": lambda case: {"intents": case.analysis.intents, "handoff_intents": case.pack.policy.handoff_intents},
    "emotion": lambda case: {"angry": case.anger, "anger_handoff": case.thresholds.anger_handoff},
    "clarification_dropped": lambda case: _open(case) | {"give_up_word": case.give_up_word()},
    "nod": _nod,
    "slot_filled": _slot_filled,
    "number_alone": lambda case: (
        _faq(case) | {"number": case.is_number(), "before": case.conversation.past[-1].intent if case.conversation.past else None}
    ),
    "repeated_miss": _repeated_miss,
    "out_of_scope": _out_of_scope,
    "missing_slots": _missing_slots,
    "chitchat": lambda case: _intent(case) | {"sure_of_small_talk": case.is_sure_of_small_talk()},
    "faq_above_direct": lambda case: (
        _faq(case)
        | {"faq_direct": case.thresholds.faq_direct, "faq_calibrated": _calibrated(case)}
        | {"wants": tuple(hit.faq_id for hit in case.analysis.wants)}
    ),
    "faq_above_suggest": lambda case: _faq(case) | {"faq_suggest": case.thresholds.faq_suggest},
    "praise": lambda case: {"emotion": case.analysis.emotion.label, "emotion_confidence": case.analysis.emotion.confidence},
    "nothing_fits": lambda _: {},
}
