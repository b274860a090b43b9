"""POST /chat and POST /score."""

from __future__ import annotations

import json
import logging

from starlette.responses import Response

from data.errors import KefuError
from serving.engine import ChatCall, ChatResult
from serving.errors import error_fields, http_error
from serving.logs import log_call, placed
from serving.operation import Call, Operation, json_response
from serving.schema import MAX_MESSAGES, ChatAnswer, ChatRequest, ScoreAnswer, ScoreEnvelope, ScoreRequest, Scores
from serving.scope import Scope

logger = logging.getLogger(__name__)

REPLAYED = {"Idempotent-Replayed": "true"}
_CHUNK = 4  # messages of /score done in one piece, so that a /chat need not wait for 256


async def chat(call: Call) -> Response:
    """Answers a message and remembers the conversation."""
    result = await reply(call, call.body)
    return json_response(result.body, headers=REPLAYED if result.answer is None else None)


async def reply(call: Call, message: ChatRequest, *, name: str = "chat") -> ChatResult:
    """Returns the answer to a message, counted and logged; `name` is the operation's."""
    services = call.services
    item = ChatCall(message, call.request_id, call.started)
    result: ChatResult = await services.queue.run_grouped(services.engine.chat_many, item)
    if result.answer is None:
        services.metrics.replay()
        log_call(name, call.request_id, call.started, conversation_id=message.conversation_id, replayed=True)
        return result
    services.metrics.chat(result.answer)
    facts = _facts(result.answer)
    log_call(name, call.request_id, call.started, characters=len(message.text), channel=message.channel, **facts)
    return result


async def score(call: Call) -> Response:
    """Scores every message, or says in its place why not."""
    messages, services = call.body.messages, call.services
    results: list[Scores | Exception] = []
    for first in range(0, len(messages), _CHUNK):
        chunk = messages[first : first + _CHUNK]
        results += await services.queue.run(services.engine.score, chunk, request_id=call.request_id)
    written = [_score_result(result, call) for result in results]
    errors = sum(isinstance(result, Exception) for result in results)
    log_call("score", call.request_id, call.started, messages=len(results), errors=errors)
    return json_response('{"results": [' + ", ".join(written) + "]}")


def _score_result(result: Scores | Exception, call: Call) -> str:
    metrics = call.services.metrics
    if isinstance(result, Scores):
        metrics.scores("score", result)
        return result.model_dump_json()
    row = http_error(result)
    metrics.error("score", row.name)
    if row.status >= 500:
        cause = result if isinstance(result, KefuError) else placed(result)
        logger.error("a message of score failed", exc_info=cause, extra={"fields": {"request_id": call.request_id}})
    return json.dumps({"error": error_fields(result, call.request_id)}, ensure_ascii=False)


def _facts(answer: ChatAnswer) -> dict[str, object]:
    return {
        "conversation_id": answer.conversation_id, "turn": answer.turn,
        "decision": answer.decision, "reason": answer.decision_reason,
        "intent": answer.intent.name, "confidence": answer.intent.confidence, "out_of_scope": answer.out_of_scope.is_oos,
        "emotion": answer.emotion.label, "alert": answer.emotion.reason, "priority": answer.priority.score,
        "faq_id": answer.answer.faq_id if answer.answer else None, "bundle": answer.model.bundle, "degraded": answer.degraded,
    }  # fmt: skip


OPERATIONS = (
    Operation(
        "chat", "POST", "/chat", Scope.CHAT, "What the customer wants and feels, how urgent it is, and what to reply",
        chat, request=ChatRequest, answer=ChatAnswer,
        example={
            "conversation_id": "c1", "message_id": "m7", "text": "怎么还不发货", "channel": "app",
            "customer": {"tier": "silver", "orders": 4}, "order": {"status": "paid", "risk": 0.2}, "waiting_seconds": 30,
        },
    ),
    Operation(
        "score", "POST", "/score", Scope.SCORE,
        f"The same without a reply, for 1 to {MAX_MESSAGES} messages; keeps no state. A bad message has an error in its place",
        score, request=ScoreEnvelope, documented=ScoreRequest, answer=ScoreAnswer, cost=lambda body: len(body.messages),
        example={"messages": [{"text": "怎么还不发货"}, {"text": "我要退货上周买的碎屏手机", "customer": {"tier": "silver"}}]},
    ),
)  # fmt: skip
