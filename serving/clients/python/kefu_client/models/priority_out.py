from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.factor_out import FactorOut


T = TypeVar("T", bound="PriorityOut")


@_attrs_define
class PriorityOut:
    """How soon someone should look at the message, 0 to 100, and why.

    Attributes:
        score (int): 100 is the most urgent.
        band (str): low, medium, high or critical; priority.yaml says from which score.
        urgency (str): Urgency of the most urgent intent: low, medium, high or critical.
        business_type (str): presale, aftersale and so on: the part of the business that the intent is of.
        factors (list[FactorOut]): Why; but for rounding, their points add up to the score.
        inputs_missing (list[str]): What the request did not tell, and so could not count.
    """

    score: int
    band: str
    urgency: str
    business_type: str
    factors: list[FactorOut]
    inputs_missing: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        score = self.score

        band = self.band

        urgency = self.urgency

        business_type = self.business_type

        factors = []
        for factors_item_data in self.factors:
            factors_item = factors_item_data.to_dict()
            factors.append(factors_item)

        inputs_missing = self.inputs_missing

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "score": score,
                "band": band,
                "urgency": urgency,
                "business_type": business_type,
                "factors": factors,
                "inputs_missing": inputs_missing,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.factor_out import FactorOut  # noqa: PLC0415

        d = dict(src_dict)
        score = d.pop("score")

        band = d.pop("band")

        urgency = d.pop("urgency")

        business_type = d.pop("business_type")

        factors = []
        _factors = d.pop("factors")
        for factors_item_data in _factors:
            factors_item = FactorOut.from_dict(factors_item_data)

            factors.append(factors_item)

        inputs_missing = cast(list[str], d.pop("inputs_missing"))

        priority_out = cls(
            score=score,
            band=band,
            urgency=urgency,
            business_type=business_type,
            factors=factors,
            inputs_missing=inputs_missing,
        )

        priority_out.additional_properties = d
        return priority_out

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
