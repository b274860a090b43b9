"""The operations of the HTTP interface, a module a topic. The order is the order in the document."""

from __future__ import annotations

from serving.operation import Operation
from serving.operations import admin, chat, conversations, explain, feedback, rasa

OPERATIONS: tuple[Operation, ...] = (
    *chat.OPERATIONS,
    *conversations.OPERATIONS,
    *explain.OPERATIONS,
    *feedback.OPERATIONS,
    *rasa.OPERATIONS,
    *admin.OPERATIONS,
)
