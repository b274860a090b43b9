from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="AnswerOut")


@_attrs_define
class AnswerOut:
    """The knowledge base's answer. `confidence` is a probability, `score` a raw similarity.

    Attributes:
        text (str): The entry's answer.
        steps (list[str]): What to do, one thing after another; empty if it takes no steps.
        faq_id (str): The entry of the knowledge base.
        matched_question (str): The indexed question nearest to the message.
        confidence (float): Calibrated probability that this answers the message.
        score (float): Cosine of two vectors, a raw similarity and no probability.
    """

    text: str
    steps: list[str]
    faq_id: str
    matched_question: str
    confidence: float
    score: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        text = self.text

        steps = self.steps

        faq_id = self.faq_id

        matched_question = self.matched_question

        confidence = self.confidence

        score = self.score

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "text": text,
                "steps": steps,
                "faq_id": faq_id,
                "matched_question": matched_question,
                "confidence": confidence,
                "score": score,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        text = d.pop("text")

        steps = cast(list[str], d.pop("steps"))

        faq_id = d.pop("faq_id")

        matched_question = d.pop("matched_question")

        confidence = d.pop("confidence")

        score = d.pop("score")

        answer_out = cls(
            text=text,
            steps=steps,
            faq_id=faq_id,
            matched_question=matched_question,
            confidence=confidence,
            score=score,
        )

        answer_out.additional_properties = d
        return answer_out

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
