from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="NeighbourOut")


@_attrs_define
class NeighbourOut:
    """A question of the knowledge base near the message; `score` is their cosine.

    Attributes:
        faq_id (str): The entry of the knowledge base.
        question (str): The indexed question.
        intent (str): Code of the entry's intent.
        score (float): Cosine of two vectors, a raw similarity and no probability.
    """

    faq_id: str
    question: str
    intent: str
    score: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        faq_id = self.faq_id

        question = self.question

        intent = self.intent

        score = self.score

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "faq_id": faq_id,
                "question": question,
                "intent": intent,
                "score": score,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        faq_id = d.pop("faq_id")

        question = d.pop("question")

        intent = d.pop("intent")

        score = d.pop("score")

        neighbour_out = cls(
            faq_id=faq_id,
            question=question,
            intent=intent,
            score=score,
        )

        neighbour_out.additional_properties = d
        return neighbour_out

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
