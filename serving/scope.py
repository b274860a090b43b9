"""What a key of the interface may do."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What a key of the interface may do."""

    CHAT = "chat"
    SCORE = "score"
    FEEDBACK = "feedback"
    ADMIN = "admin"
