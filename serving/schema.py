"""Requests and answers on the wire. Fields are only ever added; unknown fields in a request are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from models.analyzer import MAX_CHARACTERS

SCHEMA_VERSION = "1.0"
MAX_MESSAGES = 256
MAX_HISTORY = 200
MAX_HISTORY_TEXT = 10_000
RANKED = 10  # intents shown in the ranking


def _whole(text: str) -> str:
    """Refuses half a surrogate pair; pydantic itself looks only at strings whose length it counts."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PydanticCustomError("string_unicode", "Input should hold whole characters") from error
    return text


Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
# The analyzer checks the length, so that its own error names the limit; the schema only tells of it.
Text = Annotated[str, AfterValidator(_whole), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_CHARACTERS})]
Probability = Annotated[float, Field(ge=0, le=1)]
WaitingSeconds = Annotated[float | None, Field(ge=0, le=10**8, description="How long the customer has waited for this answer.")]


class Incoming(BaseModel):
    """Part of a request: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class TurnIn(Incoming):
    """An earlier turn."""

    speaker: Literal["user", "agent"]
    text: Annotated[str, Field(max_length=MAX_HISTORY_TEXT)]


class CustomerIn(Incoming):
    """What the shop knows of the customer. Without a tier, the number of orders gives one."""

    tier: Literal["regular", "silver", "gold", "platinum"] | None = None
    orders: Annotated[int, Field(ge=0, le=10**9)] | None = None


class OrderIn(Incoming):
    """What the shop knows of the order in question."""

    status: Annotated[str, Field(max_length=64)] | None = None
    risk: Annotated[Probability | None, Field(description="Risk of losing this order or customer, 0 to 1.")] = None


class MessageIn(Incoming):
    """A customer's message with what is known around it. Only `text` is required."""

    text: Annotated[Text, Field(description="The customer's words; emoji, a link or a card such as [商品卡片] are fine.")]
    history: Annotated[
        tuple[TurnIn, ...] | None,
        Field(max_length=MAX_HISTORY, description="Turns before this message, oldest first."),
    ] = None
    customer: CustomerIn | None = None
    order: OrderIn | None = None
    waiting_seconds: WaitingSeconds = None
    channel: Annotated[str, Field(max_length=64)] | None = None


class ChatRequest(MessageIn):
    """The body of POST /chat. `history`, if given, is read instead of the stored turns for this one message."""

    conversation_id: Annotated[Id, Field(description="Names the conversation; choose one that nobody can guess.")]
    message_id: Annotated[
        Id | None, Field(description="A retry with the same id gets the stored answer and is not counted again.")
    ] = None


class ExplainRequest(MessageIn):
    """The body of POST /explain. The state is the conversation's, as it is now, or else what `history` leads to."""

    conversation_id: Id | None = None


class ScoreRequest(BaseModel):
    """The body of POST /score."""

    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=MAX_MESSAGES)]


class ScoreEnvelope(Incoming):
    """What is checked of /score as a whole; each message is checked by itself, so that a bad one spoils no other."""

    messages: Annotated[list[Any], Field(min_length=1, max_length=MAX_MESSAGES)]


class ReleaseRequest(Incoming):
    """The body of POST /release."""

    conversation_id: Id


class ReleaseAnswer(BaseModel):
    """Whether a conversation was with a person and is the bot's again."""

    conversation_id: str
    released: bool


class IntentOut(BaseModel):
    """An intent with its calibrated probability."""

    name: str
    title: str
    confidence: Probability


class OutOfScopeOut(BaseModel):
    """Whether the shop's bot has any business with the message. It never changes the ranking."""

    is_oos: bool
    confidence: Probability


class EntityOut(BaseModel):
    """A stretch of `text`: text[start:end], counted in characters (code points)."""

    entity: str
    value: str
    start: int
    end: int
    sensitive: bool


class EmotionOut(BaseModel):
    """The likeliest emotion, and whether someone should look at it."""

    label: str
    title: str
    confidence: Probability
    scores: dict[str, float]
    alert: bool
    reason: Annotated[str | None, Field(description="angry, anxious or repeated_question; null without an alert.")]
    script_id: str | None


class FactorOut(BaseModel):
    """One reason for the priority, with its share of the score."""

    name: str
    value: str
    points: float


class PriorityOut(BaseModel):
    """How soon someone should look at the message, 0 to 100, and why."""

    score: Annotated[int, Field(ge=0, le=100)]
    band: str
    urgency: str
    business_type: str
    factors: list[FactorOut]
    inputs_missing: list[str]


class ModelOut(BaseModel):
    """What answered."""

    bundle: str
    run_id: str
    variant: str


class Scores(BaseModel):
    """What /chat and /score both say of a message."""

    schema_version: str = SCHEMA_VERSION
    request_id: str
    text: Annotated[str, Field(description="The message as it was read: cleaned, personal data masked.")]
    language: str
    intent: IntentOut
    intent_ranking: Annotated[list[IntentOut], Field(description=f"The likeliest {RANKED}, best first.")]
    intents: Annotated[list[str], Field(description="Intents present in the message, likeliest first.")]
    out_of_scope: OutOfScopeOut
    entities: list[EntityOut]
    emotion: EmotionOut
    priority: PriorityOut
    repetition: Annotated[int, Field(description="How many times in a row the customer said this; 1 the first time.")]
    thresholds: dict[str, float]
    model: ModelOut
    degraded: Annotated[list[str], Field(description="Parts that failed and were left out.")]
    latency_ms: float


class AnswerOut(BaseModel):
    """The knowledge base's answer. `confidence` is a probability, `score` a raw similarity."""

    text: str
    steps: list[str]
    faq_id: str
    matched_question: str
    confidence: Probability
    score: float


class RelatedOut(BaseModel):
    """An entry that customers with this question often need next."""

    faq_id: str
    question: str


class SuggestionOut(BaseModel):
    """A question that the customer may have meant."""

    faq_id: str
    question: str
    confidence: Probability
    score: float


class HandoffOut(BaseModel):
    """Why a person takes over, and what that person should know (masked)."""

    reason: Literal["user_request", "repeated_miss", "emotion", "policy"]
    summary: str


class ChatAnswer(Scores):
    """The answer of POST /chat. Act on `decision`, never on words in `reply`."""

    conversation_id: str
    turn: Annotated[int, Field(ge=1)]
    decision: Annotated[
        Literal["answer", "suggest", "clarify", "handoff", "fallback", "silent"],
        Field(description="silent: a person has the conversation, and the bot keeps quiet until it is released."),
    ]
    decision_reason: str
    reply: Annotated[str, Field(description="The whole text to send; empty when silent.")]
    answer: AnswerOut | None
    related: list[RelatedOut]
    suggestions: list[SuggestionOut]
    missing_slots: list[str]
    handoff: HandoffOut | None


class ErrorFields(BaseModel):
    """What went wrong: `type` for programs, `message` for people."""

    type: str
    message: str


class ErrorBody(BaseModel):
    """The body of every answer that is not 2xx, and of a /score result whose message could not be read."""

    error: ErrorFields


class ScoreAnswer(BaseModel):
    """The answer of POST /score: one result a message, in order."""

    results: list[Scores | ErrorBody]
