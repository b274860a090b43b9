from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.chat_answer_decision import ChatAnswerDecision, check_chat_answer_decision
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.answer_out import AnswerOut
    from ..models.chat_answer_thresholds import ChatAnswerThresholds
    from ..models.emotion_out import EmotionOut
    from ..models.entity_out import EntityOut
    from ..models.handoff_out import HandoffOut
    from ..models.intent_out import IntentOut
    from ..models.model_out import ModelOut
    from ..models.out_of_scope_out import OutOfScopeOut
    from ..models.priority_out import PriorityOut
    from ..models.related_out import RelatedOut
    from ..models.suggestion_out import SuggestionOut


T = TypeVar("T", bound="ChatAnswer")


@_attrs_define
class ChatAnswer:
    """The answer of POST /chat. Act on `decision`, never on words in `reply`.

    Attributes:
        request_id (str): Names this call; the header X-Request-ID and the log have it too.
        text (str): The message as it was read: cleaned, personal data masked.
        language (str): zh-Hans, zh-Hant, or und when there is nothing Chinese in it.
        intent (IntentOut): An intent with its calibrated probability.
        intent_ranking (list[IntentOut]): The likeliest 10, best first.
        intents (list[str]): Intents present in the message, likeliest first.
        out_of_scope (OutOfScopeOut): Whether the shop's bot has any business with the message. It never changes the
            ranking.
        entities (list[EntityOut]): Numbers, dates, goods, defects and personal data in `text`.
        emotion (EmotionOut): The likeliest emotion, and whether someone should look at it.
        priority (PriorityOut): How soon someone should look at the message, 0 to 100, and why.
        repetition (int): How many times in a row the customer said this; 1 the first time.
        thresholds (ChatAnswerThresholds): Where decisions change, as fitted with this bundle.
        model (ModelOut): What answered.
        degraded (list[str]): Parts that failed and were left out.
        latency_ms (float): Time that the answer took, in milliseconds.
        conversation_id (str): The conversation of the request.
        turn (int): Which of the customer's messages in this conversation this is.
        decision (ChatAnswerDecision): What the reply does. silent: a person has the conversation, and the bot keeps
            quiet until it is released.
        decision_reason (str): Code of the rule that decided, such as faq_above_direct.
        reply (str): The whole text to send; empty when silent.
        answer (AnswerOut | None): What the knowledge base says; null if no entry answers surely enough.
        related (list[RelatedOut]): Entries that customers with this question often need next.
        suggestions (list[SuggestionOut]): Questions that the customer may have meant, likeliest first.
        missing_slots (list[str]): What is still to be asked, the one asked for in `reply` first.
        handoff (HandoffOut | None): Set when a person takes over.
        schema_version (str | Unset): Version of this schema, major.minor; a new minor only adds. Default: '1.1'.
    """

    request_id: str
    text: str
    language: str
    intent: IntentOut
    intent_ranking: list[IntentOut]
    intents: list[str]
    out_of_scope: OutOfScopeOut
    entities: list[EntityOut]
    emotion: EmotionOut
    priority: PriorityOut
    repetition: int
    thresholds: ChatAnswerThresholds
    model: ModelOut
    degraded: list[str]
    latency_ms: float
    conversation_id: str
    turn: int
    decision: ChatAnswerDecision
    decision_reason: str
    reply: str
    answer: AnswerOut | None
    related: list[RelatedOut]
    suggestions: list[SuggestionOut]
    missing_slots: list[str]
    handoff: HandoffOut | None
    schema_version: str | Unset = "1.1"
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.answer_out import AnswerOut  # noqa: PLC0415
        from ..models.handoff_out import HandoffOut  # noqa: PLC0415

        request_id = self.request_id

        text = self.text

        language = self.language

        intent = self.intent.to_dict()

        intent_ranking = []
        for intent_ranking_item_data in self.intent_ranking:
            intent_ranking_item = intent_ranking_item_data.to_dict()
            intent_ranking.append(intent_ranking_item)

        intents = self.intents

        out_of_scope = self.out_of_scope.to_dict()

        entities = []
        for entities_item_data in self.entities:
            entities_item = entities_item_data.to_dict()
            entities.append(entities_item)

        emotion = self.emotion.to_dict()

        priority = self.priority.to_dict()

        repetition = self.repetition

        thresholds = self.thresholds.to_dict()

        model = self.model.to_dict()

        degraded = self.degraded

        latency_ms = self.latency_ms

        conversation_id = self.conversation_id

        turn = self.turn

        decision: str = self.decision

        decision_reason = self.decision_reason

        reply = self.reply

        answer: dict[str, Any] | None
        if isinstance(self.answer, AnswerOut):
            answer = self.answer.to_dict()
        else:
            answer = self.answer

        related = []
        for related_item_data in self.related:
            related_item = related_item_data.to_dict()
            related.append(related_item)

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

        schema_version = self.schema_version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "request_id": request_id,
                "text": text,
                "language": language,
                "intent": intent,
                "intent_ranking": intent_ranking,
                "intents": intents,
                "out_of_scope": out_of_scope,
                "entities": entities,
                "emotion": emotion,
                "priority": priority,
                "repetition": repetition,
                "thresholds": thresholds,
                "model": model,
                "degraded": degraded,
                "latency_ms": latency_ms,
                "conversation_id": conversation_id,
                "turn": turn,
                "decision": decision,
                "decision_reason": decision_reason,
                "reply": reply,
                "answer": answer,
                "related": related,
                "suggestions": suggestions,
                "missing_slots": missing_slots,
                "handoff": handoff,
            }
        )
        if schema_version is not UNSET:
            field_dict["schema_version"] = schema_version

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.answer_out import AnswerOut  # noqa: PLC0415
        from ..models.chat_answer_thresholds import ChatAnswerThresholds  # noqa: PLC0415
        from ..models.emotion_out import EmotionOut  # noqa: PLC0415
        from ..models.entity_out import EntityOut  # noqa: PLC0415
        from ..models.handoff_out import HandoffOut  # noqa: PLC0415
        from ..models.intent_out import IntentOut  # noqa: PLC0415
        from ..models.model_out import ModelOut  # noqa: PLC0415
        from ..models.out_of_scope_out import OutOfScopeOut  # noqa: PLC0415
        from ..models.priority_out import PriorityOut  # noqa: PLC0415
        from ..models.related_out import RelatedOut  # noqa: PLC0415
        from ..models.suggestion_out import SuggestionOut  # noqa: PLC0415

        d = dict(src_dict)
        request_id = d.pop("request_id")

        text = d.pop("text")

        language = d.pop("language")

        intent = IntentOut.from_dict(d.pop("intent"))

        intent_ranking = []
        _intent_ranking = d.pop("intent_ranking")
        for intent_ranking_item_data in _intent_ranking:
            intent_ranking_item = IntentOut.from_dict(intent_ranking_item_data)

            intent_ranking.append(intent_ranking_item)

        intents = cast(list[str], d.pop("intents"))

        out_of_scope = OutOfScopeOut.from_dict(d.pop("out_of_scope"))

        entities = []
        _entities = d.pop("entities")
        for entities_item_data in _entities:
            entities_item = EntityOut.from_dict(entities_item_data)

            entities.append(entities_item)

        emotion = EmotionOut.from_dict(d.pop("emotion"))

        priority = PriorityOut.from_dict(d.pop("priority"))

        repetition = d.pop("repetition")

        thresholds = ChatAnswerThresholds.from_dict(d.pop("thresholds"))

        model = ModelOut.from_dict(d.pop("model"))

        degraded = cast(list[str], d.pop("degraded"))

        latency_ms = d.pop("latency_ms")

        conversation_id = d.pop("conversation_id")

        turn = d.pop("turn")

        decision = check_chat_answer_decision(d.pop("decision"))

        decision_reason = d.pop("decision_reason")

        reply = d.pop("reply")

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

        related = []
        _related = d.pop("related")
        for related_item_data in _related:
            related_item = RelatedOut.from_dict(related_item_data)

            related.append(related_item)

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

        schema_version = d.pop("schema_version", UNSET)

        chat_answer = cls(
            request_id=request_id,
            text=text,
            language=language,
            intent=intent,
            intent_ranking=intent_ranking,
            intents=intents,
            out_of_scope=out_of_scope,
            entities=entities,
            emotion=emotion,
            priority=priority,
            repetition=repetition,
            thresholds=thresholds,
            model=model,
            degraded=degraded,
            latency_ms=latency_ms,
            conversation_id=conversation_id,
            turn=turn,
            decision=decision,
            decision_reason=decision_reason,
            reply=reply,
            answer=answer,
            related=related,
            suggestions=suggestions,
            missing_slots=missing_slots,
            handoff=handoff,
            schema_version=schema_version,
        )

        chat_answer.additional_properties = d
        return chat_answer

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
