from typing import Literal, cast

AgentTurnInSpeaker = Literal["agent", "user"]

AGENT_TURN_IN_SPEAKER_VALUES: set[AgentTurnInSpeaker] = {
    "agent",
    "user",
}


def check_agent_turn_in_speaker(value: str) -> AgentTurnInSpeaker:
    """Takes any value: a newer service may know more of them."""
    return cast(AgentTurnInSpeaker, value)
