from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.decision_out_decision import (
    DecisionOutDecision,
    check_decision_out_decision,
)

if TYPE_CHECKING:
    from ..models.answer_out import AnswerOut
    from ..models.emotion_out import EmotionOut
    from ..models.handoff_out import HandoffOut
    from ..models.intent_out import IntentOut
    from ..models.model_out import ModelOut
    from ..models.priority_out import PriorityOut
    from ..models.suggestion_out import SuggestionOut


T = TypeVar("T", bound="DecisionOut")


@_attrs_define
class DecisionOut:
    """What kefu decided and why; fields as in the answer of POST /chat.

    Attributes:
        schema_version (str): Version of this schema, major.minor; a new minor only adds.
        request_id (str): Names this call; the header X-Request-ID and the log have it too.
        turn (int): Which of the customer's messages in this conversation this is.
        decision (DecisionOutDecision): What the reply does. silent: a person has the conversation, and the bot keeps
            quiet until it is released.
        decision_reason (str): Code of the rule that decided.
        intent (IntentOut): An intent with its calibrated probability.
        emotion (EmotionOut): The likeliest emotion, and whether someone should look at it.
        priority (PriorityOut): How soon someone should look at the message, 0 to 100, and why.
        answer (AnswerOut | None): What the knowledge base says, if an entry answers.
        suggestions (list[SuggestionOut]): Questions that the customer may have meant.
        missing_slots (list[str]): What is still to be asked, the one asked for first.
        handoff (HandoffOut | None): Set when a person takes over.
        model (ModelOut): What answered.
    """

    schema_version: str
    request_id: str
    turn: int
    decision: DecisionOutDecision
    decision_reason: str
    intent: IntentOut
    emotion: EmotionOut
    priority: PriorityOut
    answer: AnswerOut | None
    suggestions: list[SuggestionOut]
    missing_slots: list[str]
    handoff: HandoffOut | None
    model: ModelOut
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.answer_out import AnswerOut  # noqa: PLC0415
        from ..models.handoff_out import HandoffOut  # noqa: PLC0415

        schema_version = self.schema_version

        request_id = self.request_id

        turn = self.turn

        decision: str = self.decision

        decision_reason = self.decision_reason

        intent = self.intent.to_dict()

        emotion = self.emotion.to_dict()

        priority = self.priority.to_dict()

        answer: dict[str, Any] | None
        if isinstance(self.answer, AnswerOut):
            answer = self.answer.to_dict()
        else:
            answer = self.answer

        suggestions = []
        for suggestions_item_data in self.suggestions:
            suggestions_item = suggestions_item_data.to_dict()
            suggestions.append(suggestions_item)

        missing_slots = self.missing_slots

        handoff: dict[str, Any] | None
        if isinstance(self.handoff, HandoffOut):
            handoff = self.handoff.to_dict()
        else:
            handoff = self.handoff

        model = self.model.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "schema_version": schema_version,
                "request_id": request_id,
                "turn": turn,
                "decision": decision,
                "decision_reason": decision_reason,
                "intent": intent,
                "emotion": emotion,
                "priority": priority,
                "answer": answer,
                "suggestions": suggestions,
                "missing_slots": missing_slots,
                "handoff": handoff,
                "model": model,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.answer_out import AnswerOut  # noqa: PLC0415
        from ..models.emotion_out import EmotionOut  # noqa: PLC0415
        from ..models.handoff_out import HandoffOut  # noqa: PLC0415
        from ..models.intent_out import IntentOut  # noqa: PLC0415
        from ..models.model_out import ModelOut  # noqa: PLC0415
        from ..models.priority_out import PriorityOut  # noqa: PLC0415
        from ..models.suggestion_out import SuggestionOut  # noqa: PLC0415

        d = dict(src_dict)
        schema_version = d.pop("schema_version")

        request_id = d.pop("request_id")

        turn = d.pop("turn")

        decision = check_decision_out_decision(d.pop("decision"))

        decision_reason = d.pop("decision_reason")

        intent = IntentOut.from_dict(d.pop("intent"))

        emotion = EmotionOut.from_dict(d.pop("emotion"))

        priority = PriorityOut.from_dict(d.pop("priority"))

        def _parse_answer(data: object) -> AnswerOut | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                answer_type_0 = AnswerOut.from_dict(data)

                return answer_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(AnswerOut | None, data)

        answer = _parse_answer(d.pop("answer"))

        suggestions = []
        _suggestions = d.pop("suggestions")
        for suggestions_item_data in _suggestions:
            suggestions_item = SuggestionOut.from_dict(suggestions_item_data)

            suggestions.append(suggestions_item)

        missing_slots = cast(list[str], d.pop("missing_slots"))

        def _parse_handoff(data: object) -> HandoffOut | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                handoff_type_0 = HandoffOut.from_dict(data)

                return handoff_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(HandoffOut | None, data)

        handoff = _parse_handoff(d.pop("handoff"))

        model = ModelOut.from_dict(d.pop("model"))

        decision_out = cls(
            schema_version=schema_version,
            request_id=request_id,
            turn=turn,
            decision=decision,
            decision_reason=decision_reason,
            intent=intent,
            emotion=emotion,
            priority=priority,
            answer=answer,
            suggestions=suggestions,
            missing_slots=missing_slots,
            handoff=handoff,
            model=model,
        )

        decision_out.additional_properties = d
        return decision_out

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
