from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="BundleOut")


@_attrs_define
class BundleOut:
    """A bundle in the folder; `problem` says what is wrong with one that cannot be served.

    Attributes:
        bundle (str): Its version.
        created (str): When it was made (ISO 8601).
        entries (int | None): Entries of its knowledge base; null if they cannot be counted.
        parent (None | str): What its knowledge base was changed from; null for one that was trained.
        current (bool): Whether it is the one that `current` names.
        problem (None | str | Unset): Why it cannot be served; null if it can.
    """

    bundle: str
    created: str
    entries: int | None
    parent: None | str
    current: bool
    problem: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        bundle = self.bundle

        created = self.created

        entries: int | None
        entries = self.entries

        parent: None | str
        parent = self.parent

        current = self.current

        problem: None | str | Unset
        if isinstance(self.problem, Unset):
            problem = UNSET
        else:
            problem = self.problem

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "bundle": bundle,
                "created": created,
                "entries": entries,
                "parent": parent,
                "current": current,
            }
        )
        if problem is not UNSET:
            field_dict["problem"] = problem

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        bundle = d.pop("bundle")

        created = d.pop("created")

        def _parse_entries(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        entries = _parse_entries(d.pop("entries"))

        def _parse_parent(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        parent = _parse_parent(d.pop("parent"))

        current = d.pop("current")

        def _parse_problem(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        problem = _parse_problem(d.pop("problem", UNSET))

        bundle_out = cls(
            bundle=bundle,
            created=created,
            entries=entries,
            parent=parent,
            current=current,
            problem=problem,
        )

        bundle_out.additional_properties = d
        return bundle_out

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
