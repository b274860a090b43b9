"""Rasa's HTTP interface, as routers and chat widgets speak it: the NLU parse, the REST channel, version and status.

The fields that Rasa has are where Rasa has them; whatever else kefu says stands beside them. Errors are kefu's own.

Source: Rasa 3 (rasa/server.py, rasa/core/channels/rest.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, RootModel
from starlette.responses import Response

from serving import VERSION
from serving.logs import log_call
from serving.operation import Call, Operation, json_response
from serving.operations.chat import REPLAYED, reply
from serving.schema import (
    AnswerOut,
    Channel,
    ChatAnswer,
    ChatRequest,
    Count,
    CustomerIn,
    DecisionName,
    EmotionOut,
    HandoffOut,
    Id,
    Incoming,
    IntentOut,
    MessageIn,
    ModelOut,
    OrderIn,
    PriorityOut,
    RelatedOut,
    RequestId,
    SchemaVersion,
    Scores,
    SuggestionOut,
    Text,
    WaitingSeconds,
)
from serving.scope import Scope


class ParseRequest(MessageIn):
    """The body of POST /model/parse: Rasa's two fields, and what /score takes beside them."""

    message_id: Annotated[Id | None, Field(description="Comes back in the answer.")] = None


class ParseAnswer(Scores):
    """The answer of POST /model/parse: `text`, `intent`, `entities` and `intent_ranking` as Rasa has them, and kefu's own fields."""

    message_id: Annotated[str | None, Field(description="The message_id of the request.")]


class WebhookRequest(Incoming):
    """The body of POST /webhooks/rest/webhook: Rasa's `sender` and `message`, and what /chat takes beside them."""

    sender: Annotated[Id, Field(description="Names the conversation; choose one that nobody can guess.")]
    message: Annotated[Text, Field(description="The customer's words, or the payload of a button.")]
    message_id: Annotated[
        Id | None, Field(description="A retry with the same id gets the stored answer and is not counted again.")
    ] = None
    input_channel: Channel = None
    customer: Annotated[CustomerIn | None, Field(description="What the shop knows of the customer.")] = None
    order: Annotated[OrderIn | None, Field(description="What the shop knows of the order in question.")] = None
    waiting_seconds: WaitingSeconds = None


class ButtonOut(BaseModel):
    """A question to offer as a button."""

    title: Annotated[str, Field(description="What stands on the button.")]
    payload: Annotated[str, Field(description="What to send as `message` when it is pressed.")]


class DecisionOut(BaseModel):
    """What kefu decided and why; fields as in the answer of POST /chat."""

    schema_version: SchemaVersion
    request_id: RequestId
    turn: Annotated[Count, Field(ge=1, description="Which of the customer's messages in this conversation this is.")]
    decision: DecisionName
    decision_reason: Annotated[str, Field(description="Code of the rule that decided.")]
    intent: IntentOut
    emotion: EmotionOut
    priority: PriorityOut
    answer: Annotated[AnswerOut | None, Field(description="What the knowledge base says, if an entry answers.")]
    suggestions: Annotated[list[SuggestionOut], Field(description="Questions that the customer may have meant.")]
    missing_slots: Annotated[list[str], Field(description="What is still to be asked, the one asked for first.")]
    handoff: Annotated[HandoffOut | None, Field(description="Set when a person takes over.")]
    model: ModelOut


class WebhookMessage(BaseModel):
    """One message of the bot."""

    recipient_id: Annotated[str, Field(description="The sender of the request.")]
    text: Annotated[str, Field(description="The whole text to show.")]
    buttons: Annotated[list[ButtonOut], Field(description="Questions to offer; absent when there are none.")] = []
    custom: Annotated[DecisionOut, Field(description="The decision, for programs; widgets ignore it.")]


class WebhookAnswer(RootModel[list[WebhookMessage]]):
    """The answer of POST /webhooks/rest/webhook: one message, or none while a person has the conversation."""


class ChannelHealth(BaseModel):
    """The answer of GET /webhooks/rest/."""

    status: Annotated[Literal["ok"], Field(description="Always ok: a channel that cannot answer does not say so.")]


class VersionAnswer(BaseModel):
    """The answer of GET /version."""

    version: Annotated[str, Field(description="Version of kefu (not of Rasa).")]
    minimum_compatible_version: Annotated[str, Field(description="The oldest kefu whose bundles are served.")]


class StatusAnswer(BaseModel):
    """The answer of GET /status."""

    model_id: Annotated[str, Field(description="Version of the bundle that answers.")]
    model_file: Annotated[str, Field(description="Name of the bundle's directory.")]
    num_active_training_jobs: Annotated[int, Field(ge=0, le=0, description="Always 0: training is not done here.")]


async def parse(call: Call) -> Response:
    """Returns what a message says, and keeps nothing of it."""
    services, message = call.services, call.body
    (result,) = await services.queue.run(services.engine.score, [message], request_id=call.request_id)
    if isinstance(result, Exception):
        raise result
    services.metrics.scores("parse", result)
    log_call("parse", call.request_id, call.started, characters=len(message.text))
    answer = ParseAnswer.model_validate(result.model_dump() | {"message_id": message.message_id})
    return json_response(answer.model_dump_json())


async def webhook(call: Call) -> Response:
    """Answers a message as Rasa's REST channel does, and remembers the conversation under the sender's name."""
    given: WebhookRequest = call.body
    message = ChatRequest(
        conversation_id=given.sender, text=given.message, message_id=given.message_id, channel=given.input_channel,
        customer=given.customer, order=given.order, waiting_seconds=given.waiting_seconds,
    )  # fmt: skip
    result = await reply(call, message, name="webhook")
    said = result.answer or ChatAnswer.model_validate_json(result.body)
    headers = REPLAYED if result.answer is None else None
    return json_response(_messages(said).model_dump_json(exclude_unset=True), headers=headers)


def _messages(said: ChatAnswer) -> WebhookAnswer:
    if not said.reply:
        return WebhookAnswer([])
    fields: dict[str, Any] = {"recipient_id": said.conversation_id, "text": said.reply, "custom": said.model_dump()}
    offered: tuple[SuggestionOut | RelatedOut, ...] = (*said.suggestions, *said.related)
    if offered:
        fields["buttons"] = [{"title": entry.question, "payload": entry.question} for entry in offered]
    return WebhookAnswer.model_validate([fields])


async def channel_health(_: Call) -> Response:
    """Says that the channel is there."""
    return json_response(ChannelHealth(status="ok").model_dump_json())


async def version(_: Call) -> Response:
    """Says which kefu this is."""
    return json_response(VersionAnswer(version=VERSION, minimum_compatible_version=VERSION).model_dump_json())


async def status(call: Call) -> Response:
    """Says which bundle answers."""
    bundle = call.services.engine.brain.bundle
    answer = StatusAnswer(model_id=bundle.manifest.bundle_version, model_file=bundle.root.name, num_active_training_jobs=0)
    return json_response(answer.model_dump_json())


OPERATIONS = (
    Operation(
        "parse", "POST", "/model/parse", Scope.SCORE, "What one message says, in the shape of Rasa's NLU; keeps no state",
        parse, request=ParseRequest, answer=ParseAnswer, example={"text": "怎么还不发货", "message_id": "m7"},
    ),
    Operation(
        "webhook", "POST", "/webhooks/rest/webhook", Scope.CHAT,
        "The bot's reply as Rasa's REST channel gives it: a list of messages, empty while a person has the conversation",
        webhook, request=WebhookRequest, answer=WebhookAnswer, example={"sender": "c2", "message": "运费谁出"},
    ),
    Operation(
        "webhook_health", "GET", "/webhooks/rest/", None, "Whether the REST channel is there", channel_health, answer=ChannelHealth
    ),
    Operation("version", "GET", "/version", None, "The version of kefu", version, answer=VersionAnswer),
    Operation("status", "GET", "/status", Scope.SCORE, "The bundle that answers", status, answer=StatusAnswer),
)  # fmt: skip
