from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="BundleRequest")


@_attrs_define
class BundleRequest:
    """Body of POST /admin/bundles/current.

    Attributes:
        bundle (str): Version of the bundle to serve.
    """

    bundle: str

    def to_dict(self) -> dict[str, Any]:
        bundle = self.bundle

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "bundle": bundle,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        bundle = d.pop("bundle")

        bundle_request = cls(
            bundle=bundle,
        )

        return bundle_request
