"""The stores of conversations, and which of them the settings ask for."""

from __future__ import annotations

from contextlib import closing

from serving.conversations import ConversationStore
from serving.settings import Settings
from serving.stores.sqlite import SqliteConversations


def open_store(settings: Settings) -> ConversationStore:
    """Returns the store that the settings ask for: Redis where there is a URL, else the SQLite file.

    Raises:
        StateError: The SQLite file cannot be opened. Redis is asked at the first use, or by `check`.
        ConfigError: The URL cannot be read.
    """
    if settings.state_url:
        from serving.stores.redis import RedisConversations

        return RedisConversations(settings.state_url, days=settings.state_days)
    return SqliteConversations(settings.state, days=settings.state_days)


def check_store(settings: Settings) -> None:
    """Raises StateError, or ConfigError, unless the store that the settings ask for can be used."""
    with closing(open_store(settings)) as store:
        store.check()


def purge_store(settings: Settings) -> None:
    """Deletes what has expired, over a connection of its own, beside the answers under way.

    Raises:
        StateError: The store cannot be used.
    """
    with closing(open_store(settings)) as store:
        store.purge()
