from typing import Literal, cast

FeedbackAnswerSource = Literal["agent", "customer"]

FEEDBACK_ANSWER_SOURCE_VALUES: set[FeedbackAnswerSource] = {
    "agent",
    "customer",
}


def check_feedback_answer_source(value: str) -> FeedbackAnswerSource:
    """Takes any value: a newer service may know more of them."""
    return cast(FeedbackAnswerSource, value)
