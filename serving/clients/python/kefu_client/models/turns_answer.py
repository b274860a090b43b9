from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="TurnsAnswer")


@_attrs_define
class TurnsAnswer:
    """How much of a conversation is remembered after turns were added.

    Attributes:
        conversation_id (str): The conversation of the request.
        remembered (int): Turns remembered now, the newest 30 at most.
        added (int): Turns of this request that were new.
    """

    conversation_id: str
    remembered: int
    added: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        conversation_id = self.conversation_id

        remembered = self.remembered

        added = self.added

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "conversation_id": conversation_id,
                "remembered": remembered,
                "added": added,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        conversation_id = d.pop("conversation_id")

        remembered = d.pop("remembered")

        added = d.pop("added")

        turns_answer = cls(
            conversation_id=conversation_id,
            remembered=remembered,
            added=added,
        )

        turns_answer.additional_properties = d
        return turns_answer

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
