"""What agents and operators do with a conversation."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.responses import Response

from serving.errors import field_error
from serving.logs import log_call
from serving.operation import Call, Operation, json_response
from serving.schema import (
    ConversationAnswer,
    DeleteAnswer,
    ReleaseAnswer,
    ReleaseRequest,
    TurnsAnswer,
    TurnsRequest,
)  # fmt: skip
from serving.scope import Scope


async def release(call: Call) -> Response:
    """Gives a conversation that was handed to a person back to the bot."""
    name, services = call.body.conversation_id if call.body else _named(call), call.services
    released = await services.queue.run(services.engine.desk.release, name)
    log_call("release", call.request_id, call.started, conversation_id=name, released=released)
    return json_response(ReleaseAnswer(conversation_id=name, released=released).model_dump_json())


async def add_turns(call: Call) -> Response:
    """Adds what an agent and the customer said beside the bot."""
    name, services = _named(call), call.services
    answer = await services.queue.run(services.engine.desk.add_turns, name, call.body.turns)
    log_call("add_turns", call.request_id, call.started, conversation_id=name, added=answer.added)
    return json_response(answer.model_dump_json())


async def show(call: Call) -> Response:
    """Shows what is remembered of a conversation."""
    name, services = _named(call), call.services
    found = await services.queue.run(services.engine.desk.show, name)
    log_call("show_conversation", call.request_id, call.started, conversation_id=name, turn=found.turn)
    return json_response(found.model_dump_json())


async def delete(call: Call) -> Response:
    """Deletes a conversation, and what was said of it."""
    name, services = _named(call), call.services
    deleted = await services.queue.run(services.engine.desk.delete, name)
    # Second: feedback that comes in between finds no answer any more. Where it fails, the request can be sent again.
    said = await services.feedback.forget(name)
    log_call("delete_conversation", call.request_id, call.started, conversation_id=name, deleted=deleted, feedback=said)
    return json_response(DeleteAnswer(conversation_id=name, deleted=deleted or said > 0).model_dump_json())


def _named(call: Call) -> str:
    try:
        return ReleaseRequest.model_validate(call.path).conversation_id
    except ValidationError as error:
        raise field_error(error) from error


# The shop's own frontend server holds the chat key, and agents work through it: whoever may chat may do all of these.
OPERATIONS = (
    Operation(
        "release", "POST", "/release", Scope.CHAT, "Gives a conversation that was handed to a person back to the bot",
        release, request=ReleaseRequest, answer=ReleaseAnswer, example={"conversation_id": "c1"},
    ),
    Operation(
        "release_conversation", "POST", "/conversations/{conversation_id}/release", Scope.CHAT,
        "The same as /release, with the conversation in the path", release, answer=ReleaseAnswer,
        answer_example={"conversation_id": "c1", "released": True},
    ),
    Operation(
        "add_turns", "POST", "/conversations/{conversation_id}/turns", Scope.CHAT,
        "Adds what an agent and the customer said beside the bot, which then reads it as history",
        add_turns, request=TurnsRequest, answer=TurnsAnswer,
        example={"turns": [{"speaker": "agent", "text": "您好，我是人工客服小李，已经帮您催仓库了", "message_id": "a1"}]},
        answer_example={"conversation_id": "c1", "remembered": 5, "added": 1},
    ),
    Operation(
        "show_conversation", "GET", "/conversations/{conversation_id}", Scope.CHAT,
        "What is remembered of a conversation, masked; an empty one where nothing is", show, answer=ConversationAnswer,
        answer_example={
            "conversation_id": "c1", "turn": 1, "turns": [{"speaker": "user", "text": "我要投诉，打[phone]"}], "handed_off": True,
            "misses": 0, "open_slots": None, "updated": "2026-11-22T14:30:00.250000+00:00",
        },
    ),
    Operation(
        "delete_conversation", "DELETE", "/conversations/{conversation_id}", Scope.CHAT,
        "Deletes a conversation with its stored answers and feedback", delete, answer=DeleteAnswer,
        answer_example={"conversation_id": "c1", "deleted": True},
    ),
)  # fmt: skip
