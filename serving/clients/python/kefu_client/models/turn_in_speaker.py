from typing import Literal, cast

TurnInSpeaker = Literal["agent", "user"]

TURN_IN_SPEAKER_VALUES: set[TurnInSpeaker] = {
    "agent",
    "user",
}


def check_turn_in_speaker(value: str) -> TurnInSpeaker:
    """Takes any value: a newer service may know more of them."""
    return cast(TurnInSpeaker, value)
