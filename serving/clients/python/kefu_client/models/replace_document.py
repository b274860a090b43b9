from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.entry_in import EntryIn


T = TypeVar("T", bound="ReplaceDocument")


@_attrs_define
class ReplaceDocument:
    """Body of PUT /admin/faq: what the knowledge base shall hold, and nothing else.

    Attributes:
        entries (list[EntryIn]): All that there shall be.
        dry_run (bool | Unset): Check, and say what would change. Default: False.
        base_version (None | str | Unset): The bundle that the change was made for; 409 if another is current.
        contacts (bool | Unset): Telephone numbers, e-mail and street addresses in the entries are the shop's own.
            Default: False.
        bundle (None | str | Unset): The same as base_version, under the name that GET gives it.
    """

    entries: list[EntryIn]
    dry_run: bool | Unset = False
    base_version: None | str | Unset = UNSET
    contacts: bool | Unset = False
    bundle: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        entries = []
        for entries_item_data in self.entries:
            entries_item = entries_item_data.to_dict()
            entries.append(entries_item)

        dry_run = self.dry_run

        base_version: None | str | Unset
        if isinstance(self.base_version, Unset):
            base_version = UNSET
        else:
            base_version = self.base_version

        contacts = self.contacts

        bundle: None | str | Unset
        if isinstance(self.bundle, Unset):
            bundle = UNSET
        else:
            bundle = self.bundle

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "entries": entries,
            }
        )
        if dry_run is not UNSET:
            field_dict["dry_run"] = dry_run
        if base_version is not UNSET:
            field_dict["base_version"] = base_version
        if contacts is not UNSET:
            field_dict["contacts"] = contacts
        if bundle is not UNSET:
            field_dict["bundle"] = bundle

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.entry_in import EntryIn  # noqa: PLC0415

        d = dict(src_dict)
        entries = []
        _entries = d.pop("entries")
        for entries_item_data in _entries:
            entries_item = EntryIn.from_dict(entries_item_data)

            entries.append(entries_item)

        dry_run = d.pop("dry_run", UNSET)

        def _parse_base_version(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        base_version = _parse_base_version(d.pop("base_version", UNSET))

        contacts = d.pop("contacts", UNSET)

        def _parse_bundle(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        bundle = _parse_bundle(d.pop("bundle", UNSET))

        replace_document = cls(
            entries=entries,
            dry_run=dry_run,
            base_version=base_version,
            contacts=contacts,
            bundle=bundle,
        )

        return replace_document
