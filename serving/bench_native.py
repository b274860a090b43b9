"""BentoML's own batching, for `serving.bench_load` to compare with: the same Engine behind a batchable API, in place of our groups."""

from __future__ import annotations

import time
from typing import Annotated, Any
from uuid import uuid4

import bentoml
from bentoml.validators import ContentType
from pydantic import BaseModel, PlainSerializer, model_validator

from serving.bundles import load_brain, settle
from serving.engine import ChatCall, ChatResult, Engine
from serving.schema import ChatRequest
from serving.settings import Settings
from serving.stores import open_store
from serving.worker import GROUP

_DEADLINE = 10_000  # milliseconds; BentoML answers 503 to a message that it expects to wait longer


class Body(BaseModel):
    """One message, as the list of one that BentoML joins with others. A model, or its schema would be made anew at every request."""

    calls: list[ChatCall]

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, message: Any) -> dict[str, list[ChatCall]]:
        """Returns the fields of this model."""
        return {"calls": [ChatCall(ChatRequest.model_validate(message), uuid4().hex, time.perf_counter())]}


# What BentoML gives back to a request is a list of one; it is JSON already.
Answers = Annotated[list[str], PlainSerializer(lambda bodies: bodies[0]), ContentType("application/json")]
settings = Settings.from_environment()


@bentoml.service(workers=settings.workers, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Native:
    """POST /chat. No limits, keys, metrics or log lines."""

    def __init__(self) -> None:
        self._engine = Engine(load_brain(settings), open_store(settings))
        # A byte a batch, of all workers: how many messages it had.
        self._sizes = settings.state.with_suffix(".batches").open("ab", buffering=0)
        settle()

    # BentoML runs one batch at a time, on one thread.
    @bentoml.api(batchable=True, max_batch_size=GROUP, max_latency_ms=_DEADLINE, input_spec=Body)  # type: ignore[untyped-decorator]
    def chat(self, calls: list[ChatCall]) -> Answers:
        """Answers the messages that BentoML puts together."""
        self._sizes.write(bytes([len(calls)]))
        return [_body(result) for result in self._engine.chat_many(calls)]


def _body(result: ChatResult | Exception) -> str:
    if isinstance(result, Exception):
        raise result
    return result.body
