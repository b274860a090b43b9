from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.customer_in import CustomerIn
    from ..models.order_in import OrderIn


T = TypeVar("T", bound="WebhookRequest")


@_attrs_define
class WebhookRequest:
    """The body of POST /webhooks/rest/webhook: Rasa's `sender` and `message`, and what /chat takes beside them.

    Attributes:
        sender (str): Names the conversation; choose one that nobody can guess.
        message (str): The customer's words, or the payload of a button.
        message_id (None | str | Unset): A retry with the same id gets the stored answer and is not counted again.
        input_channel (None | str | Unset): Where the customer writes, such as app or web.
        customer (CustomerIn | None | Unset): What the shop knows of the customer.
        order (None | OrderIn | Unset): What the shop knows of the order in question.
        waiting_seconds (float | None | Unset): How long the customer has waited for this answer.
    """

    sender: str
    message: str
    message_id: None | str | Unset = UNSET
    input_channel: None | str | Unset = UNSET
    customer: CustomerIn | None | Unset = UNSET
    order: None | OrderIn | Unset = UNSET
    waiting_seconds: float | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.customer_in import CustomerIn  # noqa: PLC0415
        from ..models.order_in import OrderIn  # noqa: PLC0415

        sender = self.sender

        message = self.message

        message_id: None | str | Unset
        if isinstance(self.message_id, Unset):
            message_id = UNSET
        else:
            message_id = self.message_id

        input_channel: None | str | Unset
        if isinstance(self.input_channel, Unset):
            input_channel = UNSET
        else:
            input_channel = self.input_channel

        customer: dict[str, Any] | None | Unset
        if isinstance(self.customer, Unset):
            customer = UNSET
        elif isinstance(self.customer, CustomerIn):
            customer = self.customer.to_dict()
        else:
            customer = self.customer

        order: dict[str, Any] | None | Unset
        if isinstance(self.order, Unset):
            order = UNSET
        elif isinstance(self.order, OrderIn):
            order = self.order.to_dict()
        else:
            order = self.order

        waiting_seconds: float | None | Unset
        if isinstance(self.waiting_seconds, Unset):
            waiting_seconds = UNSET
        else:
            waiting_seconds = self.waiting_seconds

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "sender": sender,
                "message": message,
            }
        )
        if message_id is not UNSET:
            field_dict["message_id"] = message_id
        if input_channel is not UNSET:
            field_dict["input_channel"] = input_channel
        if customer is not UNSET:
            field_dict["customer"] = customer
        if order is not UNSET:
            field_dict["order"] = order
        if waiting_seconds is not UNSET:
            field_dict["waiting_seconds"] = waiting_seconds

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.customer_in import CustomerIn  # noqa: PLC0415
        from ..models.order_in import OrderIn  # noqa: PLC0415

        d = dict(src_dict)
        sender = d.pop("sender")

        message = d.pop("message")

        def _parse_message_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message_id = _parse_message_id(d.pop("message_id", UNSET))

        def _parse_input_channel(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        input_channel = _parse_input_channel(d.pop("input_channel", UNSET))

        def _parse_customer(data: object) -> CustomerIn | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                customer_type_0 = CustomerIn.from_dict(data)

                return customer_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(CustomerIn | None | Unset, data)

        customer = _parse_customer(d.pop("customer", UNSET))

        def _parse_order(data: object) -> None | OrderIn | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                order_type_0 = OrderIn.from_dict(data)

                return order_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | OrderIn | Unset, data)

        order = _parse_order(d.pop("order", UNSET))

        def _parse_waiting_seconds(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        waiting_seconds = _parse_waiting_seconds(d.pop("waiting_seconds", UNSET))

        webhook_request = cls(
            sender=sender,
            message=message,
            message_id=message_id,
            input_channel=input_channel,
            customer=customer,
            order=order,
            waiting_seconds=waiting_seconds,
        )

        webhook_request.additional_properties = d
        return webhook_request

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
