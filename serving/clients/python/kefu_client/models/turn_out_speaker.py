from typing import Literal, cast

TurnOutSpeaker = Literal["agent", "user"]

TURN_OUT_SPEAKER_VALUES: set[TurnOutSpeaker] = {
    "agent",
    "user",
}


def check_turn_out_speaker(value: str) -> TurnOutSpeaker:
    """Takes any value: a newer service may know more of them."""
    return cast(TurnOutSpeaker, value)
