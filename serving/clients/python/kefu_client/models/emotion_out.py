from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.emotion_out_scores import EmotionOutScores


T = TypeVar("T", bound="EmotionOut")


@_attrs_define
class EmotionOut:
    """The likeliest emotion, and whether someone should look at it.

    Attributes:
        label (str): neutral, satisfied, confused, anxious, disappointed or angry.
        title (str): Its Chinese name, for people.
        confidence (float): Calibrated probability of the label.
        scores (EmotionOutScores): The probability of each emotion; they add up to 1.
        alert (bool): Whether someone should look.
        reason (None | str): angry, anxious or repeated_question; null without an alert.
        script_id (None | str): The soothing words that the reply begins with; null if none.
    """

    label: str
    title: str
    confidence: float
    scores: EmotionOutScores
    alert: bool
    reason: None | str
    script_id: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        label = self.label

        title = self.title

        confidence = self.confidence

        scores = self.scores.to_dict()

        alert = self.alert

        reason: None | str
        reason = self.reason

        script_id: None | str
        script_id = self.script_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "label": label,
                "title": title,
                "confidence": confidence,
                "scores": scores,
                "alert": alert,
                "reason": reason,
                "script_id": script_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.emotion_out_scores import EmotionOutScores  # noqa: PLC0415

        d = dict(src_dict)
        label = d.pop("label")

        title = d.pop("title")

        confidence = d.pop("confidence")

        scores = EmotionOutScores.from_dict(d.pop("scores"))

        alert = d.pop("alert")

        def _parse_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        reason = _parse_reason(d.pop("reason"))

        def _parse_script_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        script_id = _parse_script_id(d.pop("script_id"))

        emotion_out = cls(
            label=label,
            title=title,
            confidence=confidence,
            scores=scores,
            alert=alert,
            reason=reason,
            script_id=script_id,
        )

        emotion_out.additional_properties = d
        return emotion_out

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
