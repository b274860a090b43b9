from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.agent_turn_in_speaker import (
    AgentTurnInSpeaker,
    check_agent_turn_in_speaker,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="AgentTurnIn")


@_attrs_define
class AgentTurnIn:
    """A turn that the bot did not take part in.

    Attributes:
        speaker (AgentTurnInSpeaker): agent is the shop, user the customer.
        text (str): What was said; personal data is masked.
        message_id (None | str | Unset): A turn with the id of one that was added already, such as a retry's, is left
            out.
    """

    speaker: AgentTurnInSpeaker
    text: str
    message_id: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        speaker: str = self.speaker

        text = self.text

        message_id: None | str | Unset
        if isinstance(self.message_id, Unset):
            message_id = UNSET
        else:
            message_id = self.message_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "speaker": speaker,
                "text": text,
            }
        )
        if message_id is not UNSET:
            field_dict["message_id"] = message_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        speaker = check_agent_turn_in_speaker(d.pop("speaker"))

        text = d.pop("text")

        def _parse_message_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message_id = _parse_message_id(d.pop("message_id", UNSET))

        agent_turn_in = cls(
            speaker=speaker,
            text=text,
            message_id=message_id,
        )

        agent_turn_in.additional_properties = d
        return agent_turn_in

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
