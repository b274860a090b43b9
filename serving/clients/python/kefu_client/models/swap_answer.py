from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="SwapAnswer")


@_attrs_define
class SwapAnswer:
    """The bundle that is served now, and the one before.

    Attributes:
        bundle (str): Version of the bundle that is served now.
        previous (str): Version of the one before.
        live (bool | Unset): Whether this worker answers with it already. Default: True.
    """

    bundle: str
    previous: str
    live: bool | Unset = True
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        bundle = self.bundle

        previous = self.previous

        live = self.live

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "bundle": bundle,
                "previous": previous,
            }
        )
        if live is not UNSET:
            field_dict["live"] = live

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        bundle = d.pop("bundle")

        previous = d.pop("previous")

        live = d.pop("live", UNSET)

        swap_answer = cls(
            bundle=bundle,
            previous=previous,
            live=live,
        )

        swap_answer.additional_properties = d
        return swap_answer

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
