from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="SuggestionOut")


@_attrs_define
class SuggestionOut:
    """A question that the customer may have meant.

    Attributes:
        faq_id (str): The entry of the knowledge base.
        question (str): Its question, as the knowledge base words it.
        confidence (float): Calibrated probability that its answer is the right one.
        score (float): Cosine of two vectors, a raw similarity and no probability.
    """

    faq_id: str
    question: str
    confidence: float
    score: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        faq_id = self.faq_id

        question = self.question

        confidence = self.confidence

        score = self.score

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "faq_id": faq_id,
                "question": question,
                "confidence": confidence,
                "score": score,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        faq_id = d.pop("faq_id")

        question = d.pop("question")

        confidence = d.pop("confidence")

        score = d.pop("score")

        suggestion_out = cls(
            faq_id=faq_id,
            question=question,
            confidence=confidence,
            score=score,
        )

        suggestion_out.additional_properties = d
        return suggestion_out

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
