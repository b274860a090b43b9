"""From an analysis and a decision to the wire."""

from __future__ import annotations

from typing import Any

from models.analysis import Analysis, Decision
from models.bundle import Bundle
from models.policy import OUT_OF_HOURS, is_out_of_scope
from serving.schema import RANKED, ChatAnswer, Scores


def score_fields(
    analysis: Analysis, decision: Decision, bundle: Bundle, *, request_id: str, latency_ms: float
) -> dict[str, Any]:  # fmt: skip
    """Returns the fields that /chat and /score share."""
    thresholds = bundle.calibration.thresholds
    ranking = [_plain(intent) for intent in analysis.ranking[:RANKED]]
    alert, priority = decision.emotion, decision.priority
    return {
        "request_id": request_id,
        "text": analysis.text,
        "language": analysis.language,
        "intent": ranking[0],
        "intent_ranking": ranking,
        "intents": list(analysis.intents),
        "out_of_scope": {"is_oos": is_out_of_scope(analysis, thresholds), "confidence": analysis.out_of_scope},
        "entities": [_plain(entity) for entity in analysis.entities],
        "emotion": {
            "label": analysis.emotion.label, "title": analysis.emotion.title, "confidence": analysis.emotion.confidence,
            "scores": analysis.emotion.scores, "alert": alert.alert, "reason": alert.reason, "script_id": alert.script_id,
        },
        "priority": {
            "score": priority.score, "band": priority.band, "urgency": priority.urgency, "business_type": priority.business_type,
            "factors": [_plain(factor) for factor in priority.factors], "inputs_missing": list(priority.inputs_missing),
        },
        "repetition": decision.repetition,
        "thresholds": _plain(thresholds),
        "model": {
            "bundle": bundle.manifest.bundle_version, "run_id": bundle.manifest.run_ids.get("train", ""), "variant": "champion",
        },
        "degraded": list(analysis.degraded),
        "latency_ms": round(latency_ms, 1),
    }  # fmt: skip


def scores(analysis: Analysis, decision: Decision, bundle: Bundle, *, request_id: str, latency_ms: float) -> Scores:
    """Returns one result of /score."""
    return Scores.model_validate(score_fields(analysis, decision, bundle, request_id=request_id, latency_ms=latency_ms))


def chat_answer(
    analysis: Analysis, decision: Decision, bundle: Bundle, *, conversation_id: str, turn: int, request_id: str, latency_ms: float
) -> ChatAnswer:  # fmt: skip
    """Returns the answer of /chat."""
    entries = bundle.faq.by_id
    answer, handoff = decision.answer, decision.handoff
    return ChatAnswer.model_validate(
        score_fields(analysis, decision, bundle, request_id=request_id, latency_ms=latency_ms)
        | {
            "conversation_id": conversation_id,
            "turn": turn,
            "decision": decision.decision,
            "decision_reason": decision.reason,
            "reply": decision.reply,
            "answer": None if answer is None else _plain(answer) | {"steps": list(answer.steps)},
            "related": [{"faq_id": faq_id, "question": question} for faq_id, question in decision.related],
            # The entry's own question: the one indexed may be a customer's clumsy wording.
            "suggestions": [
                {"faq_id": hit.faq_id, "question": entries[hit.faq_id].question, "confidence": hit.confidence, "score": hit.score}
                for hit in decision.suggestions
            ],
            "missing_slots": list(decision.missing_slots),
            "handoff": None
            if handoff is None
            else {
                "reason": handoff.reason,
                "summary": handoff.summary,
                "out_of_hours": decision.reason == OUT_OF_HOURS,
            },
        }
    )


def _plain(value: Any) -> dict[str, Any]:
    """The fields of a slotted dataclass; `asdict` would copy each of them, at ten times the cost."""
    return {name: getattr(value, name) for name in value.__slots__}
