from typing import Literal, cast

CustomerInTierType0 = Literal["gold", "platinum", "regular", "silver"]

CUSTOMER_IN_TIER_TYPE_0_VALUES: set[CustomerInTierType0] = {
    "gold",
    "platinum",
    "regular",
    "silver",
}


def check_customer_in_tier_type_0(value: str) -> CustomerInTierType0:
    """Takes any value: a newer service may know more of them."""
    return cast(CustomerInTierType0, value)
