"""POST /feedback: what customers and agents say of an answer."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from data.masking import mask_pii
from data.normalise import clean
from data.types import Utterance
from models.bundle import Bundle
from serving.errors import UnknownLabelError, UnknownRequestError
from serving.feedback.record import NO_ENTRY, Feedback
from serving.logs import log_call
from serving.operation import Call, Operation, json_response
from serving.schema import FeedbackAnswer, FeedbackRequest
from serving.scope import Scope

_HISTORY = 6  # turns before the message; training reads no more
_UNKNOWN = (
    "no answer with this request_id is stored: it never existed, or its conversation was deleted or forgotten; send the "
    "`request_id` of an answer of /chat, within KEFU_STATE_DAYS"
)


async def feedback(call: Call) -> Response:
    """Keeps what is said of an answer."""
    given, services = call.body, call.services
    found = await services.queue.run(services.engine.past_answer, given.request_id)
    if found is None:
        raise UnknownRequestError(_UNKNOWN)
    _check_labels(given, services.engine.brain.bundle)
    record = _record(given, *found)
    kept = await services.feedback.keep(record)
    if await services.queue.run(services.engine.past_answer, given.request_id) is None:  # its conversation was deleted meanwhile
        await services.feedback.withdraw(record)
        raise UnknownRequestError(_UNKNOWN)
    services.metrics.feedback(record.source, record.helpful, record.resolved, replaced=kept.replaced)
    log_call(
        "feedback", call.request_id, call.started, conversation_id=record.conversation_id, turn=record.turn, bundle=record.bundle,
        source=record.source, helpful=record.helpful, resolved=record.resolved, replaced=kept.replaced,
    )  # fmt: skip
    answer = FeedbackAnswer(
        request_id=record.request_id, source=record.source, replaced=kept.replaced, created=kept.created, updated=kept.updated
    )
    return json_response(answer.model_dump_json())


def _check_labels(given: FeedbackRequest, bundle: Bundle) -> None:
    labels = bundle.labels
    for code in given.intents or ():
        if code not in labels.intents:
            raise UnknownLabelError(
                f"intents: {code!r} is not one of this bundle's {len(labels.intents)} intents; take a name as in the `intent_ranking` "
                "of an answer, and leave intents out if none fits"
            )
    if given.emotion is not None and given.emotion not in labels.emotions:
        raise UnknownLabelError(f"emotion: {given.emotion!r} is not one of {', '.join(labels.emotions)}; correct it")
    if given.faq_id not in (None, NO_ENTRY) and given.faq_id not in bundle.faq.by_id:
        raise UnknownLabelError(
            f'faq_id: {given.faq_id!r} is not in this bundle\'s knowledge base; correct it, or send "{NO_ENTRY}" if no entry answers this'
        )


def _record(given: FeedbackRequest, answer: dict[str, Any], history: tuple[Utterance, ...]) -> Feedback:
    sent = answer["answer"]
    return Feedback(
        request_id=given.request_id, source=given.source, conversation_id=answer["conversation_id"], turn=answer["turn"],
        bundle=answer["model"]["bundle"], text=answer["text"],
        history=tuple((turn.speaker.value, _stored(turn.text)) for turn in history[-_HISTORY:]),
        predicted_intents=tuple(answer["intents"]), predicted_emotion=answer["emotion"]["label"],
        predicted_faq_id=None if sent is None else sent["faq_id"],
        decision=answer["decision"], decision_reason=answer["decision_reason"],
        helpful=given.helpful, resolved=given.resolved, intents=tuple(dict.fromkeys(given.intents or ())), emotion=given.emotion,
        faq_id=given.faq_id, answer=None if given.answer is None else _stored(given.answer),
        comment=None if given.comment is None else _stored(given.comment),
    )  # fmt: skip


def _stored(text: str) -> str:
    """The form that is written down: lines stay, personal data does not."""
    return mask_pii("\n".join(clean(line) for line in text.splitlines()))


OPERATIONS = (
    Operation(
        "feedback", "POST", "/feedback", Scope.FEEDBACK, "Keeps what a customer or an agent says of an answer, for the next training",
        feedback, request=FeedbackRequest, answer=FeedbackAnswer,
        example={
            "request_id": "bbd79843836b49d38d99902b25b09849", "source": "agent", "helpful": False, "intents": ["logistics.urge"], "emotion": "anxious",
            "faq_id": "none", "answer": "您的包裹已到转运中心,预计明天送达。", "resolved": True,
        },
        answer_example={
            "request_id": "bbd79843836b49d38d99902b25b09849", "source": "agent", "replaced": False,
            "created": "2026-11-22T06:30:00.123456Z", "updated": "2026-11-22T06:30:00.123456Z",
        },
    ),
)  # fmt: skip
