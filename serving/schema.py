"""Requests and answers on the wire. Fields are only ever added; unknown fields in a request are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models.analyzer import MAX_CHARACTERS
from serving.conversations import MAX_REMEMBERED
from serving.feedback.record import NO_ENTRY, Source

SCHEMA_VERSION = "1.1"
MAX_MESSAGES = 256
MAX_HISTORY = 200
MAX_HISTORY_TEXT = 10_000
_FEEDBACK = ("helpful", "resolved", "intents", "emotion", "faq_id", "answer", "comment")  # one of them at least
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
Cosine = Annotated[float, Field(ge=-1, le=1, description="Cosine of two vectors, a raw similarity and no probability.")]
FaqId = Annotated[str, Field(description="The entry of the knowledge base.")]
Threshold = Annotated[float, Field(ge=-1, le=2)]  # just above 1 where nothing reached the target
DecisionName = Annotated[
    Literal["answer", "suggest", "clarify", "handoff", "fallback", "silent"],
    Field(description="What the reply does. silent: a person has the conversation, and the bot keeps quiet until it is released."),
]
Count = Annotated[int, Field(ge=0, le=10**9)]
SchemaVersion = Annotated[str, Field(description="Version of this schema, major.minor; a new minor only adds.")]
RequestId = Annotated[str, Field(description="Names this call; the header X-Request-ID and the log have it too.")]
Milliseconds = Annotated[float, Field(ge=0, le=10**9, description="Time that the answer took, in milliseconds.")]
Channel = Annotated[
    Annotated[str, Field(max_length=64)] | None, Field(description="Where the customer writes, such as app or web.")
]
WaitingSeconds = Annotated[float | None, Field(ge=0, le=10**8, description="How long the customer has waited for this answer.")]


class Incoming(BaseModel):
    """Part of a request: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class TurnIn(Incoming):
    """An earlier turn."""

    speaker: Annotated[Literal["user", "agent"], Field(description="user is the customer, agent the bot or a person of the shop.")]
    text: Annotated[str, Field(max_length=MAX_HISTORY_TEXT, description="What was said.")]


class CustomerIn(Incoming):
    """What the shop knows of the customer. Without a tier, the number of orders gives one."""

    tier: Annotated[Literal["regular", "silver", "gold", "platinum"] | None, Field(description="Level of membership.")] = None
    orders: Annotated[Count | None, Field(description="How many orders the customer has placed so far.")] = None


class OrderIn(Incoming):
    """What the shop knows of the order in question."""

    status: Annotated[
        Annotated[str, Field(max_length=64)] | None, Field(description="Where the order stands, in the shop's own words.")
    ] = None
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
    channel: Channel = None


class ChatRequest(MessageIn):
    """The body of POST /chat. `history`, if given, is read instead of the stored turns for this one message."""

    conversation_id: Annotated[Id, Field(description="Names the conversation; choose one that nobody can guess.")]
    message_id: Annotated[
        Id | None, Field(description="A retry with the same id gets the stored answer and is not counted again.")
    ] = None


class ExplainRequest(MessageIn):
    """The body of POST /explain. The state is the conversation's, as it is now, or else what `history` leads to."""

    conversation_id: Annotated[Id | None, Field(description="The conversation whose state is read; it is not changed.")] = None


class ScoreRequest(BaseModel):
    """The body of POST /score."""

    messages: Annotated[
        list[MessageIn],
        Field(min_length=1, max_length=MAX_MESSAGES, description="Messages that have nothing to do with each other."),
    ]


class ScoreEnvelope(Incoming):
    """What is checked of /score as a whole; each message is checked by itself, so that a bad one spoils no other."""

    messages: Annotated[list[Any], Field(min_length=1, max_length=MAX_MESSAGES)]


class ReleaseRequest(Incoming):
    """The body of POST /release."""

    conversation_id: Annotated[Id, Field(description="The conversation to give back.")]


class ReleaseAnswer(BaseModel):
    """Whether a conversation was with a person and is the bot's again."""

    conversation_id: Annotated[str, Field(description="The conversation of the request.")]
    released: Annotated[bool, Field(description="Whether a person had it until now.")]


class AgentTurnIn(Incoming):
    """A turn that the bot did not take part in."""

    speaker: Annotated[Literal["agent", "user"], Field(description="agent is the shop, user the customer.")]
    text: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS, description="What was said; personal data is masked.")]
    message_id: Annotated[
        Id | None, Field(description="A turn with the id of one that was added already, such as a retry's, is left out.")
    ] = None


class TurnsRequest(Incoming):
    """The body of POST /conversations/{conversation_id}/turns."""

    turns: Annotated[
        tuple[AgentTurnIn, ...],
        Field(min_length=1, max_length=MAX_REMEMBERED, description="Oldest first; they follow what is remembered."),
    ]


class TurnsAnswer(BaseModel):
    """How much of a conversation is remembered after turns were added."""

    conversation_id: Annotated[str, Field(description="The conversation of the request.")]
    remembered: Annotated[Count, Field(description=f"Turns remembered now, the newest {MAX_REMEMBERED} at most.")]
    added: Annotated[Count, Field(description="Turns of this request that were new.")]


class TurnOut(BaseModel):
    """A remembered turn, masked."""

    speaker: Annotated[Literal["user", "agent"], Field(description="user is the customer, agent the bot or a person of the shop.")]
    text: Annotated[str, Field(description="What was said, personal data masked.")]


class OpenSlotsOut(BaseModel):
    """A question of the bot's that is still open."""

    intent: Annotated[str, Field(description="What the customer wants.")]
    filled: Annotated[dict[str, str], Field(description="What the customer has said, by slot, masked.")]
    missing: Annotated[list[str], Field(description="Slots still to be filled, the one asked for first.")]


class ConversationAnswer(BaseModel):
    """What is remembered of a conversation; an empty one where nothing is."""

    conversation_id: Annotated[str, Field(description="The conversation of the request.")]
    turn: Annotated[Count, Field(description="How many messages of the customer's /chat has answered.")]
    turns: Annotated[list[TurnOut], Field(description=f"The newest {MAX_REMEMBERED}, oldest first.")]
    handed_off: Annotated[bool, Field(description="Whether a person has it, and the bot is silent.")]
    misses: Annotated[Count, Field(description="Messages in a row that got nothing that helps.")]
    open_slots: Annotated[OpenSlotsOut | None, Field(description="The open question, if any.")]
    updated: Annotated[str | None, Field(description="When it last changed (ISO 8601, UTC); null where nothing is remembered.")]


class DeleteAnswer(BaseModel):
    """Whether there was something to delete."""

    conversation_id: Annotated[str, Field(description="The conversation of the request.")]
    deleted: Annotated[bool, Field(description="Whether anything was stored.")]


class FeedbackRequest(Incoming):
    """The body of POST /feedback: the answer's request id, and at least one thing said of it. Null says nothing."""

    request_id: Annotated[Id, Field(max_length=64, description="The `request_id` of the answer of /chat.")]
    source: Annotated[Source, Field(description="Who says it; what it said of the answer before is replaced.")] = "customer"
    helpful: Annotated[bool | None, Field(strict=True, description="Whether the answer helped.")] = None
    resolved: Annotated[bool | None, Field(strict=True, description="Whether the customer's matter is settled.")] = None
    intents: Annotated[
        tuple[Id, ...] | None, Field(min_length=1, max_length=3, description="The right intents, the main one first.")
    ] = None
    emotion: Annotated[Id | None, Field(description="The right emotion.")] = None
    faq_id: Annotated[Id | None, Field(description=f'The entry that answers the message; "{NO_ENTRY}" if there is none.')] = None
    answer: Annotated[str | None, Field(max_length=5000, description="What the agent finally answered; stored masked.")] = None
    comment: Annotated[str | None, Field(max_length=5000, description="Anything else; stored masked.")] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in _FEEDBACK):
            raise PydanticCustomError("says_nothing", f"Input should have at least one of {', '.join(_FEEDBACK)}")
        return self


class FeedbackAnswer(BaseModel):
    """That the feedback is on the disk."""

    request_id: Annotated[str, Field(description="The answer's, as it was sent.")]
    source: Annotated[Source, Field(description="Who said it.")]
    replaced: Annotated[bool, Field(description="Whether it took the place of what this source said before.")]
    created: Annotated[datetime, Field(description="When this source first said something of this answer.")]
    updated: Annotated[datetime, Field(description="When this was written.")]


class IntentOut(BaseModel):
    """An intent with its calibrated probability."""

    name: Annotated[str, Field(description="Code of the intent, domain.intent; the bundle's domain pack lists them.")]
    title: Annotated[str, Field(description="Its Chinese name, for people.")]
    confidence: Annotated[Probability, Field(description="Calibrated probability that this is what the customer mainly wants.")]


class OutOfScopeOut(BaseModel):
    """Whether the shop's bot has any business with the message. It never changes the ranking."""

    is_oos: Annotated[bool, Field(description="Whether it is out of scope.")]
    confidence: Annotated[Probability, Field(description="Calibrated probability that it is.")]


class EntityOut(BaseModel):
    """A stretch of `text`: text[start:end], counted in characters (code points)."""

    entity: Annotated[
        str, Field(description="order_id, tracking_no, phone, amount, date, product, defect, address, id_card or another kind.")
    ]
    value: Annotated[str, Field(description="What it says; a date as it was written.")]
    start: Annotated[Count, Field(description="Its first character in `text`.")]
    end: Annotated[Count, Field(description="The character after its last.")]
    sensitive: Annotated[bool, Field(description="Whether it is personal; such a value is masked already.")]


class EmotionOut(BaseModel):
    """The likeliest emotion, and whether someone should look at it."""

    label: Annotated[str, Field(description="neutral, satisfied, confused, anxious, disappointed or angry.")]
    title: Annotated[str, Field(description="Its Chinese name, for people.")]
    confidence: Annotated[Probability, Field(description="Calibrated probability of the label.")]
    scores: Annotated[dict[str, Probability], Field(description="The probability of each emotion; they add up to 1.")]
    alert: Annotated[bool, Field(description="Whether someone should look.")]
    reason: Annotated[str | None, Field(description="angry, anxious or repeated_question; null without an alert.")]
    script_id: Annotated[str | None, Field(description="The soothing words that the reply begins with; null if none.")]


class FactorOut(BaseModel):
    """One reason for the priority, with its share of the score."""

    name: Annotated[str, Field(description="intent_urgency, business_type, emotion, customer_value, order_risk and so on.")]
    value: Annotated[str, Field(description="What was found, such as high or silver.")]
    points: Annotated[float, Field(ge=0, le=100, description="Its share of the score.")]


class PriorityOut(BaseModel):
    """How soon someone should look at the message, 0 to 100, and why."""

    score: Annotated[int, Field(ge=0, le=100, description="100 is the most urgent.")]
    band: Annotated[str, Field(description="low, medium, high or critical; priority.yaml says from which score.")]
    urgency: Annotated[str, Field(description="Urgency of the most urgent intent: low, medium, high or critical.")]
    business_type: Annotated[
        str, Field(description="presale, aftersale and so on: the part of the business that the intent is of.")
    ]
    factors: Annotated[list[FactorOut], Field(description="Why; but for rounding, their points add up to the score.")]
    inputs_missing: Annotated[list[str], Field(description="What the request did not tell, and so could not count.")]


class ModelOut(BaseModel):
    """What answered."""

    bundle: Annotated[str, Field(description="Version of the bundle, a hash.")]
    run_id: Annotated[str, Field(description="The MLflow run that trained it.")]
    variant: Annotated[str, Field(description="champion, or the name of another bundle that is on trial.")]


class Scores(BaseModel):
    """What /chat and /score both say of a message."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    request_id: RequestId
    text: Annotated[str, Field(description="The message as it was read: cleaned, personal data masked.")]
    language: Annotated[str, Field(description="zh-Hans, zh-Hant, or und when there is nothing Chinese in it.")]
    intent: IntentOut
    intent_ranking: Annotated[list[IntentOut], Field(description=f"The likeliest {RANKED}, best first.")]
    intents: Annotated[list[str], Field(description="Intents present in the message, likeliest first.")]
    out_of_scope: OutOfScopeOut
    entities: Annotated[list[EntityOut], Field(description="Numbers, dates, goods, defects and personal data in `text`.")]
    emotion: EmotionOut
    priority: PriorityOut
    repetition: Annotated[Count, Field(ge=1, description="How many times in a row the customer said this; 1 the first time.")]
    thresholds: Annotated[dict[str, Threshold], Field(description="Where decisions change, as fitted with this bundle.")]
    model: ModelOut
    degraded: Annotated[list[str], Field(description="Parts that failed and were left out.")]
    latency_ms: Milliseconds


class AnswerOut(BaseModel):
    """The knowledge base's answer. `confidence` is a probability, `score` a raw similarity."""

    text: Annotated[str, Field(description="The entry's answer.")]
    steps: Annotated[list[str], Field(description="What to do, one thing after another; empty if it takes no steps.")]
    faq_id: FaqId
    matched_question: Annotated[str, Field(description="The indexed question nearest to the message.")]
    confidence: Annotated[Probability, Field(description="Calibrated probability that this answers the message.")]
    score: Cosine


class RelatedOut(BaseModel):
    """An entry that customers with this question often need next."""

    faq_id: FaqId
    question: Annotated[str, Field(description="Its question, as the knowledge base words it.")]


class SuggestionOut(BaseModel):
    """A question that the customer may have meant."""

    faq_id: FaqId
    question: Annotated[str, Field(description="Its question, as the knowledge base words it.")]
    confidence: Annotated[Probability, Field(description="Calibrated probability that its answer is the right one.")]
    score: Cosine


class HandoffOut(BaseModel):
    """Why a person takes over, and what that person should know (masked)."""

    reason: Annotated[
        Literal["user_request", "repeated_miss", "emotion", "policy"],
        Field(description="The customer asked for a person, two misses in a row, anger, or the shop's rules."),
    ]
    summary: Annotated[str, Field(description="For the agent: wants, mood, entities and what was tried.")]
    out_of_hours: Annotated[
        bool, Field(description="Nobody is there now: the reply says so, the message is kept, and the bot goes on.")
    ] = False


class ChatAnswer(Scores):
    """The answer of POST /chat. Act on `decision`, never on words in `reply`."""

    conversation_id: Annotated[str, Field(description="The conversation of the request.")]
    turn: Annotated[Count, Field(ge=1, description="Which of the customer's messages in this conversation this is.")]
    decision: DecisionName
    decision_reason: Annotated[str, Field(description="Code of the rule that decided, such as faq_above_direct.")]
    reply: Annotated[str, Field(description="The whole text to send; empty when silent.")]
    answer: Annotated[AnswerOut | None, Field(description="What the knowledge base says; null if no entry answers surely enough.")]
    related: Annotated[list[RelatedOut], Field(description="Entries that customers with this question often need next.")]
    suggestions: Annotated[list[SuggestionOut], Field(description="Questions that the customer may have meant, likeliest first.")]
    missing_slots: Annotated[list[str], Field(description="What is still to be asked, the one asked for in `reply` first.")]
    handoff: Annotated[HandoffOut | None, Field(description="Set when a person takes over.")]


class ErrorFields(BaseModel):
    """What went wrong: `type` for programs, `message` for people."""

    type: Annotated[str, Field(description="A code that does not change, such as invalid_request.")]
    message: Annotated[str, Field(description="What, got, expected, and what to do.")]


class ErrorBody(BaseModel):
    """The body of every answer that is not 2xx, and of a /score result whose message could not be read."""

    error: ErrorFields


class ScoreAnswer(BaseModel):
    """The answer of POST /score: one result a message, in order."""

    results: Annotated[list[Scores | ErrorBody], Field(description="One a message, in order.")]
