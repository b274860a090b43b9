from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.feature_out import FeatureOut


T = TypeVar("T", bound="CandidateOut")


@_attrs_define
class CandidateOut:
    """An entry that may answer: confidence = 1 / (1 + exp(-(bias + all contributions))).

    Attributes:
        faq_id (str): The entry of the knowledge base.
        question (str): Its question, as the knowledge base words it.
        matched_question (str): The entry's indexed question nearest to the message.
        score (float): Cosine of two vectors, a raw similarity and no probability.
        confidence (float): Calibrated probability that its answer is the right one.
        usable (bool): Whether it may be sent today and in this channel.
        bias (float): Log-odds before any feature.
        features (list[FeatureOut]): What the confidence is made of.
    """

    faq_id: str
    question: str
    matched_question: str
    score: float
    confidence: float
    usable: bool
    bias: float
    features: list[FeatureOut]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        faq_id = self.faq_id

        question = self.question

        matched_question = self.matched_question

        score = self.score

        confidence = self.confidence

        usable = self.usable

        bias = self.bias

        features = []
        for features_item_data in self.features:
            features_item = features_item_data.to_dict()
            features.append(features_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "faq_id": faq_id,
                "question": question,
                "matched_question": matched_question,
                "score": score,
                "confidence": confidence,
                "usable": usable,
                "bias": bias,
                "features": features,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.feature_out import FeatureOut  # noqa: PLC0415

        d = dict(src_dict)
        faq_id = d.pop("faq_id")

        question = d.pop("question")

        matched_question = d.pop("matched_question")

        score = d.pop("score")

        confidence = d.pop("confidence")

        usable = d.pop("usable")

        bias = d.pop("bias")

        features = []
        _features = d.pop("features")
        for features_item_data in _features:
            features_item = FeatureOut.from_dict(features_item_data)

            features.append(features_item)

        candidate_out = cls(
            faq_id=faq_id,
            question=question,
            matched_question=matched_question,
            score=score,
            confidence=confidence,
            usable=usable,
            bias=bias,
            features=features,
        )

        candidate_out.additional_properties = d
        return candidate_out

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
