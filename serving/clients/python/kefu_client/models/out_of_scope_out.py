from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="OutOfScopeOut")


@_attrs_define
class OutOfScopeOut:
    """Whether the shop's bot has any business with the message. It never changes the ranking.

    Attributes:
        is_oos (bool): Whether it is out of scope.
        confidence (float): Calibrated probability that it is.
    """

    is_oos: bool
    confidence: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        is_oos = self.is_oos

        confidence = self.confidence

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "is_oos": is_oos,
                "confidence": confidence,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        is_oos = d.pop("is_oos")

        confidence = d.pop("confidence")

        out_of_scope_out = cls(
            is_oos=is_oos,
            confidence=confidence,
        )

        out_of_scope_out.additional_properties = d
        return out_of_scope_out

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
