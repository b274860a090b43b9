from typing import Literal, cast

ChatAnswerDecision = Literal["answer", "clarify", "fallback", "handoff", "silent", "suggest"]

CHAT_ANSWER_DECISION_VALUES: set[ChatAnswerDecision] = {
    "answer",
    "clarify",
    "fallback",
    "handoff",
    "silent",
    "suggest",
}


def check_chat_answer_decision(value: str) -> ChatAnswerDecision:
    """Takes any value: a newer service may know more of them."""
    return cast(ChatAnswerDecision, value)
