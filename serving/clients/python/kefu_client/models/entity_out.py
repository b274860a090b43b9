from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="EntityOut")


@_attrs_define
class EntityOut:
    """A stretch of `text`: text[start:end], counted in characters (code points).

    Attributes:
        entity (str): order_id, tracking_no, phone, amount, date, product, defect, address, id_card or another kind.
        value (str): What it says; a date as it was written.
        start (int): Its first character in `text`.
        end (int): The character after its last.
        sensitive (bool): Whether it is personal; such a value is masked already.
    """

    entity: str
    value: str
    start: int
    end: int
    sensitive: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        entity = self.entity

        value = self.value

        start = self.start

        end = self.end

        sensitive = self.sensitive

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "entity": entity,
                "value": value,
                "start": start,
                "end": end,
                "sensitive": sensitive,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        entity = d.pop("entity")

        value = d.pop("value")

        start = d.pop("start")

        end = d.pop("end")

        sensitive = d.pop("sensitive")

        entity_out = cls(
            entity=entity,
            value=value,
            start=start,
            end=end,
            sensitive=sensitive,
        )

        entity_out.additional_properties = d
        return entity_out

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
