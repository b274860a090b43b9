from typing import Literal, cast

EntryInStatus = Literal["draft", "published", "retired"]

ENTRY_IN_STATUS_VALUES: set[EntryInStatus] = {
    "draft",
    "published",
    "retired",
}


def check_entry_in_status(value: str) -> EntryInStatus:
    """Takes any value: a newer service may know more of them."""
    return cast(EntryInStatus, value)
