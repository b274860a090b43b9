"""Where operations hand feedback in: a thread of its own, so that no disk and no database holds up an answer to a customer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from serving.errors import FeedbackError
from serving.feedback.record import Feedback, Kept
from serving.settings import Settings
from serving.worker import WorkQueue

if TYPE_CHECKING:
    from serving.feedback.store import FeedbackStore

logger = logging.getLogger(__name__)

_R = TypeVar("_R")
_LIMIT = 256  # pieces of feedback that may wait
_PAUSE = 1.0  # seconds after a failure in which nothing is tried, so that those who wait need not wait one by one


class FeedbackDesk:
    """The feedback store of a worker, without a thread's or a library's cost until somebody uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue = WorkQueue(limit=_LIMIT, threaded=True)
        self._store: FeedbackStore | None = None
        self._failed = 0.0

    async def keep(self, given: Feedback) -> Kept:
        """Returns once the record is on the disk.

        Raises:
            FeedbackError: It could not be written; nothing was kept.
            OverloadedError: Too much waits already.
        """
        return await self._queue.run(self._work, lambda store: store.keep(given))

    async def forget(self, conversation_id: str) -> int:
        """Deletes all feedback of a conversation; returns how many records there were.

        Raises:
            FeedbackError: The database cannot be reached or written.
            OverloadedError: Too much waits already.
        """
        return await self._queue.run(self._work, lambda store: store.forget(conversation_id))

    async def withdraw(self, given: Feedback) -> None:
        """Deletes a record, as if it had never been kept. Errors as of `keep`."""
        await self._queue.run(self._work, lambda store: store.withdraw(given.request_id, given.source))

    async def close(self) -> None:
        """Waits for what is being written."""
        await self._queue.close()
        if self._store is not None:
            self._store.close()

    def _work(self, work: Callable[[FeedbackStore], _R]) -> _R:
        if time.monotonic() < self._failed + _PAUSE:
            raise FeedbackError("the feedback store failed a moment ago, and this was not kept; send it again")
        if self._store is None:
            from serving.feedback.store import FeedbackStore  # SQLAlchemy: 20 MB that only feedback needs

            self._store = FeedbackStore(self._settings.feedback, days=self._settings.feedback_days)
        try:
            return work(self._store)
        except FeedbackError:
            self._failed = time.monotonic()
            raise


def prepare_feedback(settings: Settings) -> None:
    """Makes or changes the tables before workers start. A database that is away is reported and tried again when it is needed.

    Raises:
        ConfigError: KEFU_FEEDBACK is neither a path nor a URL of PostgreSQL.
    """
    from serving.feedback.store import FeedbackStore

    store = FeedbackStore(settings.feedback, days=settings.feedback_days)
    try:
        store.upgrade()
    except FeedbackError as error:
        logger.error("POST /feedback answers 503 until its database can be used: %s (%s)", error, error.__cause__)
    finally:
        store.close()


def check_target(settings: Settings) -> None:
    """Raises ConfigError if KEFU_FEEDBACK is a URL that cannot be read. Connects to nothing."""
    if "://" in settings.feedback:
        from serving.feedback.database import Database

        Database(settings.feedback).close()
