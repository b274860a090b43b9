from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.entry_in import EntryIn


T = TypeVar("T", bound="UpsertDocument")


@_attrs_define
class UpsertDocument:
    """Body of POST /admin/faq: entries to add, or to put in the place of those with their ids.

    Attributes:
        dry_run (bool | Unset): Check, and say what would change. Default: False.
        base_version (None | str | Unset): The bundle that the change was made for; 409 if another is current.
        contacts (bool | Unset): Telephone numbers, e-mail and street addresses in the entries are the shop's own.
            Default: False.
        entries (list[EntryIn] | Unset): To add or to replace.
        delete (list[str] | Unset): Ids of entries to remove.
    """

    dry_run: bool | Unset = False
    base_version: None | str | Unset = UNSET
    contacts: bool | Unset = False
    entries: list[EntryIn] | Unset = UNSET
    delete: list[str] | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        dry_run = self.dry_run

        base_version: None | str | Unset
        if isinstance(self.base_version, Unset):
            base_version = UNSET
        else:
            base_version = self.base_version

        contacts = self.contacts

        entries: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.entries, Unset):
            entries = []
            for entries_item_data in self.entries:
                entries_item = entries_item_data.to_dict()
                entries.append(entries_item)

        delete: list[str] | Unset = UNSET
        if not isinstance(self.delete, Unset):
            delete = self.delete

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if dry_run is not UNSET:
            field_dict["dry_run"] = dry_run
        if base_version is not UNSET:
            field_dict["base_version"] = base_version
        if contacts is not UNSET:
            field_dict["contacts"] = contacts
        if entries is not UNSET:
            field_dict["entries"] = entries
        if delete is not UNSET:
            field_dict["delete"] = delete

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.entry_in import EntryIn  # noqa: PLC0415

        d = dict(src_dict)
        dry_run = d.pop("dry_run", UNSET)

        def _parse_base_version(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        base_version = _parse_base_version(d.pop("base_version", UNSET))

        contacts = d.pop("contacts", UNSET)

        _entries = d.pop("entries", UNSET)
        entries: list[EntryIn] | Unset = UNSET
        if _entries is not UNSET:
            entries = []
            for entries_item_data in _entries:
                entries_item = EntryIn.from_dict(entries_item_data)

                entries.append(entries_item)

        delete = cast(list[str], d.pop("delete", UNSET))

        upsert_document = cls(
            dry_run=dry_run,
            base_version=base_version,
            contacts=contacts,
            entries=entries,
            delete=delete,
        )

        return upsert_document
