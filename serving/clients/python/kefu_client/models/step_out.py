from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.step_out_because import StepOutBecause


T = TypeVar("T", bound="StepOut")


@_attrs_define
class StepOut:
    """A rule of the policy that was looked at.

    Attributes:
        rule (str): Name of the rule.
        fired (bool): Whether it decided; only the last step did.
        because (StepOutBecause): What the rule saw and compared.
        reason (None | str): decision_reason, where the rule fired.
    """

    rule: str
    fired: bool
    because: StepOutBecause
    reason: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        rule = self.rule

        fired = self.fired

        because = self.because.to_dict()

        reason: None | str
        reason = self.reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "rule": rule,
                "fired": fired,
                "because": because,
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.step_out_because import StepOutBecause  # noqa: PLC0415

        d = dict(src_dict)
        rule = d.pop("rule")

        fired = d.pop("fired")

        because = StepOutBecause.from_dict(d.pop("because"))

        def _parse_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        reason = _parse_reason(d.pop("reason"))

        step_out = cls(
            rule=rule,
            fired=fired,
            because=because,
            reason=reason,
        )

        step_out.additional_properties = d
        return step_out

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
