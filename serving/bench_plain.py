"""The service without BentoML, for `serving.bench_load` to compare with: the same Engine behind a plain FastAPI route."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from fastapi import FastAPI, Response

from serving.bundles import load_brain
from serving.engine import Engine
from serving.schema import ChatRequest
from serving.settings import Settings
from serving.stores import open_store


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings.from_environment()
    app.state.engine = Engine(load_brain(settings), open_store(settings))
    app.state.thread = ThreadPoolExecutor(1)  # an Engine answers one message at a time
    gc.freeze()
    yield
    app.state.thread.shutdown()


app = FastAPI(lifespan=_lifespan)


@app.post("/chat")
async def chat(request: ChatRequest) -> Response:
    """Answers a message. No limits, keys, metrics or log lines."""
    work = partial(app.state.engine.chat, request, request_id=uuid4().hex, started=time.perf_counter())
    result = await asyncio.get_running_loop().run_in_executor(app.state.thread, work)
    return Response(result.body, media_type="application/json")


@app.get("/readyz")
async def ready() -> Response:
    """Tells that the bundle is loaded."""
    return Response()
