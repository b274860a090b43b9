"""POST /explain: why a message is read and decided as it is. Changes nothing."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from models.explain import MAX_WORDS, Explanation
from serving.answers import score_fields
from serving.logs import log_call
from serving.operation import Call, Operation, Scope, json_response
from serving.schema import SCHEMA_VERSION, ExplainRequest, IntentOut, ModelOut, PriorityOut, Probability


class WordOut(BaseModel):
    """A word of `text`: text[start:end], and how far the main intent's confidence falls without it."""

    text: str
    start: int
    end: int
    influence: Annotated[float, Field(ge=-1, le=1)]


class NeighbourOut(BaseModel):
    """A question of the knowledge base near the message; `score` is their cosine."""

    faq_id: str
    question: str
    intent: str
    score: float


class FeatureOut(BaseModel):
    """A feature of a candidate, and what it adds to the log-odds of its confidence."""

    name: str
    value: float
    contribution: float


class CandidateOut(BaseModel):
    """An entry that may answer: confidence = 1 / (1 + exp(-(bias + all contributions)))."""

    faq_id: str
    question: str
    matched_question: Annotated[str, Field(description="The entry's indexed question nearest to the message.")]
    score: float
    confidence: Probability
    usable: Annotated[bool, Field(description="Whether it may be sent today and in this channel.")]
    bias: float
    features: list[FeatureOut]


class ComparisonOut(BaseModel):
    """A threshold beside the value compared with it; null where there is none, such as no earlier message to repeat."""

    name: str
    threshold: float
    value: float | None
    reached: bool


class StepOut(BaseModel):
    """A rule of the policy that was looked at."""

    rule: str
    fired: Annotated[bool, Field(description="Whether it decided; only the last step did.")]
    because: Annotated[dict[str, str | bool | int | float | list[str] | None], Field(description="What the rule saw and compared.")]
    reason: Annotated[str | None, Field(description="decision_reason, where the rule fired.")]


class ExplainAnswer(BaseModel):
    """The answer of POST /explain."""

    schema_version: str = SCHEMA_VERSION
    request_id: str
    text: Annotated[str, Field(description="The message as it was read: cleaned, personal data masked.")]
    intent: IntentOut
    words: Annotated[list[WordOut], Field(description=f"At most {MAX_WORDS}, in order; neighbours go together in a long message.")]
    neighbours: Annotated[list[NeighbourOut], Field(description="The nearest questions of the knowledge base.")]
    candidates: Annotated[list[CandidateOut], Field(description="The three likeliest entries, best first.")]
    comparisons: list[ComparisonOut]
    priority: PriorityOut
    decision: str
    decision_reason: str
    path: Annotated[list[StepOut], Field(description="Rules in the order of precedence, up to the one that decided.")]
    model: ModelOut
    degraded: list[str]
    passes: Annotated[int, Field(description="Encoder passes that this took.")]
    latency_ms: float


async def explain(call: Call) -> Response:
    """Says why a message is read and decided as it is."""
    found, bundle = await call.services.thread.run(call.services.engine.explain, call.body)
    elapsed = (time.perf_counter() - call.started) * 1000
    fields = score_fields(found.analysis, found.decision, bundle, request_id=call.request_id, latency_ms=elapsed)
    answer = ExplainAnswer.model_validate(fields | _reasons(found))
    log_call("explain", call.request_id, call.started, decision=answer.decision, reason=answer.decision_reason, passes=found.passes)
    return json_response(answer.model_dump_json())


def _reasons(found: Explanation) -> dict[str, Any]:
    names = ("words", "neighbours", "candidates", "comparisons")
    return {name: [asdict(part) for part in getattr(found, name)] for name in names} | {
        "decision": found.decision.decision, "decision_reason": found.decision.reason, "passes": found.passes,
        "path": [
            {"rule": step.rule, "fired": step.fired, "reason": step.reason, "because": {k: _fact(v) for k, v in step.because.items()}}
            for step in found.path
        ],
    }  # fmt: skip


def _fact(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else list(value) if isinstance(value, tuple) else value


OPERATIONS = (
    Operation(
        "explain", "POST", "/explain", Scope.SCORE,
        "Why a message is read and decided as it is: words, FAQ candidates, thresholds, the rules looked at. Changes nothing",
        explain, request=ExplainRequest, answer=ExplainAnswer,
        example={"text": "怎么还不发货", "history": [{"speaker": "user", "text": "在吗"}], "customer": {"tier": "silver"}},
    ),
)  # fmt: skip
