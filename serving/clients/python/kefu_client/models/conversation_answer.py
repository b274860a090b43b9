from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.open_slots_out import OpenSlotsOut
    from ..models.turn_out import TurnOut


T = TypeVar("T", bound="ConversationAnswer")


@_attrs_define
class ConversationAnswer:
    """What is remembered of a conversation; an empty one where nothing is.

    Attributes:
        conversation_id (str): The conversation of the request.
        turn (int): How many messages of the customer's /chat has answered.
        turns (list[TurnOut]): The newest 30, oldest first.
        handed_off (bool): Whether a person has it, and the bot is silent.
        misses (int): Messages in a row that got nothing that helps.
        open_slots (None | OpenSlotsOut): The open question, if any.
        updated (None | str): When it last changed (ISO 8601, UTC); null where nothing is remembered.
    """

    conversation_id: str
    turn: int
    turns: list[TurnOut]
    handed_off: bool
    misses: int
    open_slots: None | OpenSlotsOut
    updated: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.open_slots_out import OpenSlotsOut  # noqa: PLC0415

        conversation_id = self.conversation_id

        turn = self.turn

        turns = []
        for turns_item_data in self.turns:
            turns_item = turns_item_data.to_dict()
            turns.append(turns_item)

        handed_off = self.handed_off

        misses = self.misses

        open_slots: dict[str, Any] | None
        if isinstance(self.open_slots, OpenSlotsOut):
            open_slots = self.open_slots.to_dict()
        else:
            open_slots = self.open_slots

        updated: None | str
        updated = self.updated

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "conversation_id": conversation_id,
                "turn": turn,
                "turns": turns,
                "handed_off": handed_off,
                "misses": misses,
                "open_slots": open_slots,
                "updated": updated,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.open_slots_out import OpenSlotsOut  # noqa: PLC0415
        from ..models.turn_out import TurnOut  # noqa: PLC0415

        d = dict(src_dict)
        conversation_id = d.pop("conversation_id")

        turn = d.pop("turn")

        turns = []
        _turns = d.pop("turns")
        for turns_item_data in _turns:
            turns_item = TurnOut.from_dict(turns_item_data)

            turns.append(turns_item)

        handed_off = d.pop("handed_off")

        misses = d.pop("misses")

        def _parse_open_slots(data: object) -> None | OpenSlotsOut:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                open_slots_type_0 = OpenSlotsOut.from_dict(data)

                return open_slots_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | OpenSlotsOut, data)

        open_slots = _parse_open_slots(d.pop("open_slots"))

        def _parse_updated(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        updated = _parse_updated(d.pop("updated"))

        conversation_answer = cls(
            conversation_id=conversation_id,
            turn=turn,
            turns=turns,
            handed_off=handed_off,
            misses=misses,
            open_slots=open_slots,
            updated=updated,
        )

        conversation_answer.additional_properties = d
        return conversation_answer

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
