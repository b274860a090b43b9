from typing import Literal, cast

FeedbackRequestSource = Literal["agent", "customer"]

FEEDBACK_REQUEST_SOURCE_VALUES: set[FeedbackRequestSource] = {
    "agent",
    "customer",
}


def check_feedback_request_source(value: str) -> FeedbackRequestSource:
    """Takes any value: a newer service may know more of them."""
    return cast(FeedbackRequestSource, value)
