from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..models.entry_in_status import EntryInStatus, check_entry_in_status
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.entry_in_facets import EntryInFacets


T = TypeVar("T", bound="EntryIn")


@_attrs_define
class EntryIn:
    """An entry, as in a knowledge base file.

    Attributes:
        id (str): Names the entry; related entries, feedback and answers use it.
        question (str): As a customer would ask.
        answer (str): What the bot replies.
        intent (str): Code of an intent of the bundle.
        similar_questions (list[str] | Unset): Other wordings; all are searched.
        steps (list[str] | Unset): What to do, one thing after another.
        facets (EntryInFacets | Unset): Anything else to tell entries apart by.
        product (None | str | Unset): The product that it is about.
        scene (None | str | Unset): The situation that it is about.
        related (list[str] | Unset): Ids of entries that customers often need next.
        required_slots (list[str] | Unset): What must be known before it is answered.
        channels (list[str] | Unset): Where it may be sent; everywhere if empty.
        valid_from (None | str | Unset): The first day of it, such as 2026-11-01.
        valid_to (None | str | Unset): The last day of it.
        status (EntryInStatus | Unset): Only published entries are answered with. Default: 'published'.
    """

    id: str
    question: str
    answer: str
    intent: str
    similar_questions: list[str] | Unset = UNSET
    steps: list[str] | Unset = UNSET
    facets: EntryInFacets | Unset = UNSET
    product: None | str | Unset = UNSET
    scene: None | str | Unset = UNSET
    related: list[str] | Unset = UNSET
    required_slots: list[str] | Unset = UNSET
    channels: list[str] | Unset = UNSET
    valid_from: None | str | Unset = UNSET
    valid_to: None | str | Unset = UNSET
    status: EntryInStatus | Unset = "published"

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        question = self.question

        answer = self.answer

        intent = self.intent

        similar_questions: list[str] | Unset = UNSET
        if not isinstance(self.similar_questions, Unset):
            similar_questions = self.similar_questions

        steps: list[str] | Unset = UNSET
        if not isinstance(self.steps, Unset):
            steps = self.steps

        facets: dict[str, Any] | Unset = UNSET
        if not isinstance(self.facets, Unset):
            facets = self.facets.to_dict()

        product: None | str | Unset
        if isinstance(self.product, Unset):
            product = UNSET
        else:
            product = self.product

        scene: None | str | Unset
        if isinstance(self.scene, Unset):
            scene = UNSET
        else:
            scene = self.scene

        related: list[str] | Unset = UNSET
        if not isinstance(self.related, Unset):
            related = self.related

        required_slots: list[str] | Unset = UNSET
        if not isinstance(self.required_slots, Unset):
            required_slots = self.required_slots

        channels: list[str] | Unset = UNSET
        if not isinstance(self.channels, Unset):
            channels = self.channels

        valid_from: None | str | Unset
        if isinstance(self.valid_from, Unset):
            valid_from = UNSET
        else:
            valid_from = self.valid_from

        valid_to: None | str | Unset
        if isinstance(self.valid_to, Unset):
            valid_to = UNSET
        else:
            valid_to = self.valid_to

        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "question": question,
                "answer": answer,
                "intent": intent,
            }
        )
        if similar_questions is not UNSET:
            field_dict["similar_questions"] = similar_questions
        if steps is not UNSET:
            field_dict["steps"] = steps
        if facets is not UNSET:
            field_dict["facets"] = facets
        if product is not UNSET:
            field_dict["product"] = product
        if scene is not UNSET:
            field_dict["scene"] = scene
        if related is not UNSET:
            field_dict["related"] = related
        if required_slots is not UNSET:
            field_dict["required_slots"] = required_slots
        if channels is not UNSET:
            field_dict["channels"] = channels
        if valid_from is not UNSET:
            field_dict["valid_from"] = valid_from
        if valid_to is not UNSET:
            field_dict["valid_to"] = valid_to
        if status is not UNSET:
            field_dict["status"] = status

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.entry_in_facets import EntryInFacets  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("id")

        question = d.pop("question")

        answer = d.pop("answer")

        intent = d.pop("intent")

        similar_questions = cast(list[str], d.pop("similar_questions", UNSET))

        steps = cast(list[str], d.pop("steps", UNSET))

        _facets = d.pop("facets", UNSET)
        facets: EntryInFacets | Unset
        if isinstance(_facets, Unset):
            facets = UNSET
        else:
            facets = EntryInFacets.from_dict(_facets)

        def _parse_product(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        product = _parse_product(d.pop("product", UNSET))

        def _parse_scene(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        scene = _parse_scene(d.pop("scene", UNSET))

        related = cast(list[str], d.pop("related", UNSET))

        required_slots = cast(list[str], d.pop("required_slots", UNSET))

        channels = cast(list[str], d.pop("channels", UNSET))

        def _parse_valid_from(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        valid_from = _parse_valid_from(d.pop("valid_from", UNSET))

        def _parse_valid_to(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        valid_to = _parse_valid_to(d.pop("valid_to", UNSET))

        _status = d.pop("status", UNSET)
        status: EntryInStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = check_entry_in_status(_status)

        entry_in = cls(
            id=id,
            question=question,
            answer=answer,
            intent=intent,
            similar_questions=similar_questions,
            steps=steps,
            facets=facets,
            product=product,
            scene=scene,
            related=related,
            required_slots=required_slots,
            channels=channels,
            valid_from=valid_from,
            valid_to=valid_to,
            status=status,
        )

        return entry_in
