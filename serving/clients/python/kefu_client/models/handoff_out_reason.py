from typing import Literal, cast

HandoffOutReason = Literal["emotion", "policy", "repeated_miss", "user_request"]

HANDOFF_OUT_REASON_VALUES: set[HandoffOutReason] = {
    "emotion",
    "policy",
    "repeated_miss",
    "user_request",
}


def check_handoff_out_reason(value: str) -> HandoffOutReason:
    """Takes any value: a newer service may know more of them."""
    return cast(HandoffOutReason, value)
