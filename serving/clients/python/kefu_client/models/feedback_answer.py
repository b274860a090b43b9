from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.feedback_answer_source import (
    FeedbackAnswerSource,
    check_feedback_answer_source,
)

T = TypeVar("T", bound="FeedbackAnswer")


@_attrs_define
class FeedbackAnswer:
    """That the feedback is on the disk.

    Attributes:
        request_id (str): The answer's, as it was sent.
        source (FeedbackAnswerSource): Who said it.
        replaced (bool): Whether it took the place of what this source said before.
        created (datetime.datetime): When this source first said something of this answer.
        updated (datetime.datetime): When this was written.
    """

    request_id: str
    source: FeedbackAnswerSource
    replaced: bool
    created: datetime.datetime
    updated: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        request_id = self.request_id

        source: str = self.source

        replaced = self.replaced

        created = self.created.isoformat()

        updated = self.updated.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "request_id": request_id,
                "source": source,
                "replaced": replaced,
                "created": created,
                "updated": updated,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        request_id = d.pop("request_id")

        source = check_feedback_answer_source(d.pop("source"))

        replaced = d.pop("replaced")

        created = datetime.datetime.fromisoformat(d.pop("created"))

        updated = datetime.datetime.fromisoformat(d.pop("updated"))

        feedback_answer = cls(
            request_id=request_id,
            source=source,
            replaced=replaced,
            created=created,
            updated=updated,
        )

        feedback_answer.additional_properties = d
        return feedback_answer

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
