from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.feedback_request_source import (
    FeedbackRequestSource,
    check_feedback_request_source,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="FeedbackRequest")


@_attrs_define
class FeedbackRequest:
    """The body of POST /feedback: the answer's request id, and at least one thing said of it. Null says nothing.

    Attributes:
        request_id (str): The `request_id` of the answer of /chat.
        source (FeedbackRequestSource | Unset): Who says it; what it said of the answer before is replaced. Default:
            'customer'.
        helpful (bool | None | Unset): Whether the answer helped.
        resolved (bool | None | Unset): Whether the customer's matter is settled.
        intents (list[str] | None | Unset): The right intents, the main one first.
        emotion (None | str | Unset): The right emotion.
        faq_id (None | str | Unset): The entry that answers the message; "none" if there is none.
        answer (None | str | Unset): What the agent finally answered; stored masked.
        comment (None | str | Unset): Anything else; stored masked.
    """

    request_id: str
    source: FeedbackRequestSource | Unset = "customer"
    helpful: bool | None | Unset = UNSET
    resolved: bool | None | Unset = UNSET
    intents: list[str] | None | Unset = UNSET
    emotion: None | str | Unset = UNSET
    faq_id: None | str | Unset = UNSET
    answer: None | str | Unset = UNSET
    comment: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        request_id = self.request_id

        source: str | Unset = UNSET
        if not isinstance(self.source, Unset):
            source = self.source

        helpful: bool | None | Unset
        if isinstance(self.helpful, Unset):
            helpful = UNSET
        else:
            helpful = self.helpful

        resolved: bool | None | Unset
        if isinstance(self.resolved, Unset):
            resolved = UNSET
        else:
            resolved = self.resolved

        intents: list[str] | None | Unset
        if isinstance(self.intents, Unset):
            intents = UNSET
        elif isinstance(self.intents, list):
            intents = self.intents

        else:
            intents = self.intents

        emotion: None | str | Unset
        if isinstance(self.emotion, Unset):
            emotion = UNSET
        else:
            emotion = self.emotion

        faq_id: None | str | Unset
        if isinstance(self.faq_id, Unset):
            faq_id = UNSET
        else:
            faq_id = self.faq_id

        answer: None | str | Unset
        if isinstance(self.answer, Unset):
            answer = UNSET
        else:
            answer = self.answer

        comment: None | str | Unset
        if isinstance(self.comment, Unset):
            comment = UNSET
        else:
            comment = self.comment

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "request_id": request_id,
            }
        )
        if source is not UNSET:
            field_dict["source"] = source
        if helpful is not UNSET:
            field_dict["helpful"] = helpful
        if resolved is not UNSET:
            field_dict["resolved"] = resolved
        if intents is not UNSET:
            field_dict["intents"] = intents
        if emotion is not UNSET:
            field_dict["emotion"] = emotion
        if faq_id is not UNSET:
            field_dict["faq_id"] = faq_id
        if answer is not UNSET:
            field_dict["answer"] = answer
        if comment is not UNSET:
            field_dict["comment"] = comment

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        request_id = d.pop("request_id")

        _source = d.pop("source", UNSET)
        source: FeedbackRequestSource | Unset
        if isinstance(_source, Unset):
            source = UNSET
        else:
            source = check_feedback_request_source(_source)

        def _parse_helpful(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        helpful = _parse_helpful(d.pop("helpful", UNSET))

        def _parse_resolved(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        resolved = _parse_resolved(d.pop("resolved", UNSET))

        def _parse_intents(data: object) -> list[str] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                intents_type_0 = cast(list[str], data)

                return intents_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None | Unset, data)

        intents = _parse_intents(d.pop("intents", UNSET))

        def _parse_emotion(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        emotion = _parse_emotion(d.pop("emotion", UNSET))

        def _parse_faq_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        faq_id = _parse_faq_id(d.pop("faq_id", UNSET))

        def _parse_answer(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        answer = _parse_answer(d.pop("answer", UNSET))

        def _parse_comment(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        comment = _parse_comment(d.pop("comment", UNSET))

        feedback_request = cls(
            request_id=request_id,
            source=source,
            helpful=helpful,
            resolved=resolved,
            intents=intents,
            emotion=emotion,
            faq_id=faq_id,
            answer=answer,
            comment=comment,
        )

        feedback_request.additional_properties = d
        return feedback_request

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
