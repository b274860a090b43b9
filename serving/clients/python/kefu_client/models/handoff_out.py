from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.handoff_out_reason import HandoffOutReason, check_handoff_out_reason
from ..types import UNSET, Unset

T = TypeVar("T", bound="HandoffOut")


@_attrs_define
class HandoffOut:
    """Why a person takes over, and what that person should know (masked).

    Attributes:
        reason (HandoffOutReason): The customer asked for a person, two misses in a row, anger, or the shop's rules.
        summary (str): For the agent: wants, mood, entities and what was tried.
        out_of_hours (bool | Unset): Nobody is there now: the reply says so, the message is kept, and the bot goes on.
            Default: False.
    """

    reason: HandoffOutReason
    summary: str
    out_of_hours: bool | Unset = False
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        reason: str = self.reason

        summary = self.summary

        out_of_hours = self.out_of_hours

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "reason": reason,
                "summary": summary,
            }
        )
        if out_of_hours is not UNSET:
            field_dict["out_of_hours"] = out_of_hours

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        reason = check_handoff_out_reason(d.pop("reason"))

        summary = d.pop("summary")

        out_of_hours = d.pop("out_of_hours", UNSET)

        handoff_out = cls(
            reason=reason,
            summary=summary,
            out_of_hours=out_of_hours,
        )

        handoff_out.additional_properties = d
        return handoff_out

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
