from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.faq_answer_entries_item import FaqAnswerEntriesItem


T = TypeVar("T", bound="FaqAnswer")


@_attrs_define
class FaqAnswer:
    """The published entries of the bundle that this worker answers with.

    Attributes:
        bundle (str): Version of the bundle.
        entries (list[FaqAnswerEntriesItem]): As in a knowledge base file; fields that are not set are left out.
    """

    bundle: str
    entries: list[FaqAnswerEntriesItem]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        bundle = self.bundle

        entries = []
        for entries_item_data in self.entries:
            entries_item = entries_item_data.to_dict()
            entries.append(entries_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "bundle": bundle,
                "entries": entries,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.faq_answer_entries_item import FaqAnswerEntriesItem  # noqa: PLC0415

        d = dict(src_dict)
        bundle = d.pop("bundle")

        entries = []
        _entries = d.pop("entries")
        for entries_item_data in _entries:
            entries_item = FaqAnswerEntriesItem.from_dict(entries_item_data)

            entries.append(entries_item)

        faq_answer = cls(
            bundle=bundle,
            entries=entries,
        )

        faq_answer.additional_properties = d
        return faq_answer

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
