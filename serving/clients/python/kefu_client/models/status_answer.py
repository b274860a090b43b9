from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="StatusAnswer")


@_attrs_define
class StatusAnswer:
    """The answer of GET /status.

    Attributes:
        model_id (str): Version of the bundle that answers.
        model_file (str): Name of the bundle's directory.
        num_active_training_jobs (int): Always 0: training is not done here.
    """

    model_id: str
    model_file: str
    num_active_training_jobs: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        model_id = self.model_id

        model_file = self.model_file

        num_active_training_jobs = self.num_active_training_jobs

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "model_id": model_id,
                "model_file": model_file,
                "num_active_training_jobs": num_active_training_jobs,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        model_id = d.pop("model_id")

        model_file = d.pop("model_file")

        num_active_training_jobs = d.pop("num_active_training_jobs")

        status_answer = cls(
            model_id=model_id,
            model_file=model_file,
            num_active_training_jobs=num_active_training_jobs,
        )

        status_answer.additional_properties = d
        return status_answer

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
