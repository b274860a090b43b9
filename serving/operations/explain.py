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
from serving.operation import Call, Operation, json_response
from serving.schema import (
    SCHEMA_VERSION,
    Cosine,
    Count,
    ExplainRequest,
    FaqId,
    IntentOut,
    Milliseconds,
    ModelOut,
    PriorityOut,
    Probability,
    RequestId,
    SchemaVersion,
    Threshold,
)
from serving.scope import Scope

_Int = Annotated[int, Field(ge=-(10**9), le=10**9)]
_Float = Annotated[float, Field(ge=-1e9, le=1e9)]


class WordOut(BaseModel):
    """A word of `text`: text[start:end], and how far the main intent's confidence falls without it."""

    text: Annotated[str, Field(description="The word.")]
    start: Annotated[Count, Field(description="Its first character in `text`.")]
    end: Annotated[Count, Field(description="The character after its last.")]
    influence: Annotated[float, Field(ge=-1, le=1, description="Confidence with it less confidence without it.")]


class NeighbourOut(BaseModel):
    """A question of the knowledge base near the message; `score` is their cosine."""

    faq_id: FaqId
    question: Annotated[str, Field(description="The indexed question.")]
    intent: Annotated[str, Field(description="Code of the entry's intent.")]
    score: Cosine


class FeatureOut(BaseModel):
    """A feature of a candidate, and what it adds to the log-odds of its confidence."""

    name: Annotated[str, Field(description="Name of the feature.")]
    value: Annotated[float, Field(ge=-1e6, le=1e6, description="What was measured.")]
    contribution: Annotated[float, Field(ge=-1e6, le=1e6, description="Value times weight.")]


class CandidateOut(BaseModel):
    """An entry that may answer: confidence = 1 / (1 + exp(-(bias + all contributions)))."""

    faq_id: FaqId
    question: Annotated[str, Field(description="Its question, as the knowledge base words it.")]
    matched_question: Annotated[str, Field(description="The entry's indexed question nearest to the message.")]
    score: Cosine
    confidence: Annotated[Probability, Field(description="Calibrated probability that its answer is the right one.")]
    usable: Annotated[bool, Field(description="Whether it may be sent today and in this channel.")]
    bias: Annotated[float, Field(ge=-1e6, le=1e6, description="Log-odds before any feature.")]
    features: Annotated[list[FeatureOut], Field(description="What the confidence is made of.")]


class ComparisonOut(BaseModel):
    """A threshold beside the value compared with it; null where there is none, such as no earlier message to repeat."""

    name: Annotated[str, Field(description="Name of the threshold.")]
    threshold: Annotated[Threshold, Field(description="Where the decision changes.")]
    value: Annotated[
        Annotated[float, Field(ge=-1, le=1)] | None, Field(description="What is compared with it; null where there is none.")
    ]
    reached: Annotated[bool, Field(description="Whether the value is at or above the threshold.")]


class StepOut(BaseModel):
    """A rule of the policy that was looked at."""

    rule: Annotated[str, Field(description="Name of the rule.")]
    fired: Annotated[bool, Field(description="Whether it decided; only the last step did.")]
    because: Annotated[
        dict[str, str | bool | _Int | _Float | list[str] | None], Field(description="What the rule saw and compared.")
    ]
    reason: Annotated[str | None, Field(description="decision_reason, where the rule fired.")]


class ExplainAnswer(BaseModel):
    """The answer of POST /explain."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    request_id: RequestId
    text: Annotated[str, Field(description="The message as it was read: cleaned, personal data masked.")]
    intent: IntentOut
    words: Annotated[list[WordOut], Field(description=f"At most {MAX_WORDS}, in order; neighbours go together in a long message.")]
    neighbours: Annotated[list[NeighbourOut], Field(description="The nearest questions of the knowledge base.")]
    candidates: Annotated[list[CandidateOut], Field(description="The three likeliest entries, best first.")]
    comparisons: Annotated[list[ComparisonOut], Field(description="The thresholds, each beside what it is compared with.")]
    priority: PriorityOut
    decision: Annotated[str, Field(description="What /chat would decide now.")]
    decision_reason: Annotated[str, Field(description="Code of the rule that decided.")]
    path: Annotated[list[StepOut], Field(description="Rules in the order of precedence, up to the one that decided.")]
    model: ModelOut
    degraded: Annotated[list[str], Field(description="Parts that failed and were left out.")]
    passes: Annotated[Count, Field(description="Encoder passes that this took.")]
    latency_ms: Milliseconds


async def explain(call: Call) -> Response:
    """Says why a message is read and decided as it is."""
    pieces, queue = call.services.engine.explain(call.body), call.services.queue
    found, bundle = await queue.run(pieces.__next__)
    while (more := await queue.run(next, pieces, None)) is not None:
        found, bundle = more
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
