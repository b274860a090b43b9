from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.customer_in import CustomerIn
    from ..models.order_in import OrderIn
    from ..models.turn_in import TurnIn


T = TypeVar("T", bound="ExplainRequest")


@_attrs_define
class ExplainRequest:
    """The body of POST /explain. The state is the conversation's, as it is now, or else what `history` leads to.

    Attributes:
        text (str): The customer's words; emoji, a link or a card such as [商品卡片] are fine.
        history (list[TurnIn] | None | Unset): Turns before this message, oldest first.
        customer (CustomerIn | None | Unset):
        order (None | OrderIn | Unset):
        waiting_seconds (float | None | Unset): How long the customer has waited for this answer.
        channel (None | str | Unset): Where the customer writes, such as app or web.
        conversation_id (None | str | Unset): The conversation whose state is read; it is not changed.
    """

    text: str
    history: list[TurnIn] | None | Unset = UNSET
    customer: CustomerIn | None | Unset = UNSET
    order: None | OrderIn | Unset = UNSET
    waiting_seconds: float | None | Unset = UNSET
    channel: None | str | Unset = UNSET
    conversation_id: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.customer_in import CustomerIn  # noqa: PLC0415
        from ..models.order_in import OrderIn  # noqa: PLC0415

        text = self.text

        history: list[dict[str, Any]] | None | Unset
        if isinstance(self.history, Unset):
            history = UNSET
        elif isinstance(self.history, list):
            history = []
            for history_type_0_item_data in self.history:
                history_type_0_item = history_type_0_item_data.to_dict()
                history.append(history_type_0_item)

        else:
            history = self.history

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

        channel: None | str | Unset
        if isinstance(self.channel, Unset):
            channel = UNSET
        else:
            channel = self.channel

        conversation_id: None | str | Unset
        if isinstance(self.conversation_id, Unset):
            conversation_id = UNSET
        else:
            conversation_id = self.conversation_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "text": text,
            }
        )
        if history is not UNSET:
            field_dict["history"] = history
        if customer is not UNSET:
            field_dict["customer"] = customer
        if order is not UNSET:
            field_dict["order"] = order
        if waiting_seconds is not UNSET:
            field_dict["waiting_seconds"] = waiting_seconds
        if channel is not UNSET:
            field_dict["channel"] = channel
        if conversation_id is not UNSET:
            field_dict["conversation_id"] = conversation_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.customer_in import CustomerIn  # noqa: PLC0415
        from ..models.order_in import OrderIn  # noqa: PLC0415
        from ..models.turn_in import TurnIn  # noqa: PLC0415

        d = dict(src_dict)
        text = d.pop("text")

        def _parse_history(data: object) -> list[TurnIn] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                history_type_0 = []
                _history_type_0 = data
                for history_type_0_item_data in _history_type_0:
                    history_type_0_item = TurnIn.from_dict(history_type_0_item_data)

                    history_type_0.append(history_type_0_item)

                return history_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[TurnIn] | None | Unset, data)

        history = _parse_history(d.pop("history", UNSET))

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

        def _parse_channel(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        channel = _parse_channel(d.pop("channel", UNSET))

        def _parse_conversation_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        conversation_id = _parse_conversation_id(d.pop("conversation_id", UNSET))

        explain_request = cls(
            text=text,
            history=history,
            customer=customer,
            order=order,
            waiting_seconds=waiting_seconds,
            channel=channel,
            conversation_id=conversation_id,
        )

        explain_request.additional_properties = d
        return explain_request

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
