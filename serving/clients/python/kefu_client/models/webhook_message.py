from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.button_out import ButtonOut
    from ..models.decision_out import DecisionOut


T = TypeVar("T", bound="WebhookMessage")


@_attrs_define
class WebhookMessage:
    """One message of the bot.

    Attributes:
        recipient_id (str): The sender of the request.
        text (str): The whole text to show.
        custom (DecisionOut): What kefu decided and why; fields as in the answer of POST /chat.
        buttons (list[ButtonOut] | Unset): Questions to offer; absent when there are none.
    """

    recipient_id: str
    text: str
    custom: DecisionOut
    buttons: list[ButtonOut] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        recipient_id = self.recipient_id

        text = self.text

        custom = self.custom.to_dict()

        buttons: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.buttons, Unset):
            buttons = []
            for buttons_item_data in self.buttons:
                buttons_item = buttons_item_data.to_dict()
                buttons.append(buttons_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "recipient_id": recipient_id,
                "text": text,
                "custom": custom,
            }
        )
        if buttons is not UNSET:
            field_dict["buttons"] = buttons

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.button_out import ButtonOut  # noqa: PLC0415
        from ..models.decision_out import DecisionOut  # noqa: PLC0415

        d = dict(src_dict)
        recipient_id = d.pop("recipient_id")

        text = d.pop("text")

        custom = DecisionOut.from_dict(d.pop("custom"))

        _buttons = d.pop("buttons", UNSET)
        buttons: list[ButtonOut] | Unset = UNSET
        if _buttons is not UNSET:
            buttons = []
            for buttons_item_data in _buttons:
                buttons_item = ButtonOut.from_dict(buttons_item_data)

                buttons.append(buttons_item)

        webhook_message = cls(
            recipient_id=recipient_id,
            text=text,
            custom=custom,
            buttons=buttons,
        )

        webhook_message.additional_properties = d
        return webhook_message

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
