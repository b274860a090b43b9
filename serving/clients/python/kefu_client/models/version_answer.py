from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="VersionAnswer")


@_attrs_define
class VersionAnswer:
    """The answer of GET /version.

    Attributes:
        version (str): Version of kefu (not of Rasa).
        minimum_compatible_version (str): The oldest kefu whose bundles are served.
    """

    version: str
    minimum_compatible_version: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        version = self.version

        minimum_compatible_version = self.minimum_compatible_version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "version": version,
                "minimum_compatible_version": minimum_compatible_version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        version = d.pop("version")

        minimum_compatible_version = d.pop("minimum_compatible_version")

        version_answer = cls(
            version=version,
            minimum_compatible_version=minimum_compatible_version,
        )

        version_answer.additional_properties = d
        return version_answer

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
