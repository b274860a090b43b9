from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.turn_out_speaker import TurnOutSpeaker, check_turn_out_speaker

T = TypeVar("T", bound="TurnOut")


@_attrs_define
class TurnOut:
    """A remembered turn, masked.

    Attributes:
        speaker (TurnOutSpeaker): user is the customer, agent the bot or a person of the shop.
        text (str): What was said, personal data masked.
    """

    speaker: TurnOutSpeaker
    text: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        speaker: str = self.speaker

        text = self.text

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "speaker": speaker,
                "text": text,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        speaker = check_turn_out_speaker(d.pop("speaker"))

        text = d.pop("text")

        turn_out = cls(
            speaker=speaker,
            text=text,
        )

        turn_out.additional_properties = d
        return turn_out

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
