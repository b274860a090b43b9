from typing import Literal, cast

DecisionOutDecision = Literal["answer", "clarify", "fallback", "handoff", "silent", "suggest"]

DECISION_OUT_DECISION_VALUES: set[DecisionOutDecision] = {
    "answer",
    "clarify",
    "fallback",
    "handoff",
    "silent",
    "suggest",
}


def check_decision_out_decision(value: str) -> DecisionOutDecision:
    """Takes any value: a newer service may know more of them."""
    return cast(DecisionOutDecision, value)
