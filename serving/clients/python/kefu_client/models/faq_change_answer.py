from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="FaqChangeAnswer")


@_attrs_define
class FaqChangeAnswer:
    """What a change of the knowledge base came to. `live`: this worker answers with `bundle`; the others will in a moment.

    Attributes:
        bundle (str): Version of the bundle with the change.
        previous (str): Version of the one before.
        entries (int): Published entries now.
        added (list[str]): Ids of new entries.
        changed (list[str]): Ids of entries that differ from before.
        removed (list[str]): Ids of entries that are gone.
        live (bool): Whether this worker answers with it already.
        dry_run (bool): Whether nothing was changed.
    """

    bundle: str
    previous: str
    entries: int
    added: list[str]
    changed: list[str]
    removed: list[str]
    live: bool
    dry_run: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        bundle = self.bundle

        previous = self.previous

        entries = self.entries

        added = self.added

        changed = self.changed

        removed = self.removed

        live = self.live

        dry_run = self.dry_run

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "bundle": bundle,
                "previous": previous,
                "entries": entries,
                "added": added,
                "changed": changed,
                "removed": removed,
                "live": live,
                "dry_run": dry_run,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        bundle = d.pop("bundle")

        previous = d.pop("previous")

        entries = d.pop("entries")

        added = cast(list[str], d.pop("added"))

        changed = cast(list[str], d.pop("changed"))

        removed = cast(list[str], d.pop("removed"))

        live = d.pop("live")

        dry_run = d.pop("dry_run")

        faq_change_answer = cls(
            bundle=bundle,
            previous=previous,
            entries=entries,
            added=added,
            changed=changed,
            removed=removed,
            live=live,
            dry_run=dry_run,
        )

        faq_change_answer.additional_properties = d
        return faq_change_answer

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
