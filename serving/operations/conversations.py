"""What agents and operators do with a conversation."""

from __future__ import annotations

from starlette.responses import Response

from serving.logs import log_call
from serving.operation import Call, Operation, Scope, json_response
from serving.schema import ReleaseAnswer, ReleaseRequest


async def release(call: Call) -> Response:
    """Gives a conversation that was handed to a person back to the bot."""
    name, services = call.body.conversation_id, call.services
    released = await services.thread.run(services.engine.release, name)
    log_call("release", call.request_id, call.started, conversation_id=name, released=released)
    return json_response(ReleaseAnswer(conversation_id=name, released=released).model_dump_json())


OPERATIONS = (
    Operation(
        "release", "POST", "/release", Scope.CHAT, "Gives a conversation that was handed to a person back to the bot",
        release, request=ReleaseRequest, answer=ReleaseAnswer, example={"conversation_id": "c1"},
    ),
)  # fmt: skip
