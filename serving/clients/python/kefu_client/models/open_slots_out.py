from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.open_slots_out_filled import OpenSlotsOutFilled


T = TypeVar("T", bound="OpenSlotsOut")


@_attrs_define
class OpenSlotsOut:
    """A question of the bot's that is still open.

    Attributes:
        intent (str): What the customer wants.
        filled (OpenSlotsOutFilled): What the customer has said, by slot, masked.
        missing (list[str]): Slots still to be filled, the one asked for first.
    """

    intent: str
    filled: OpenSlotsOutFilled
    missing: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        intent = self.intent

        filled = self.filled.to_dict()

        missing = self.missing

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "intent": intent,
                "filled": filled,
                "missing": missing,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.open_slots_out_filled import OpenSlotsOutFilled  # noqa: PLC0415

        d = dict(src_dict)
        intent = d.pop("intent")

        filled = OpenSlotsOutFilled.from_dict(d.pop("filled"))

        missing = cast(list[str], d.pop("missing"))

        open_slots_out = cls(
            intent=intent,
            filled=filled,
            missing=missing,
        )

        open_slots_out.additional_properties = d
        return open_slots_out

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
