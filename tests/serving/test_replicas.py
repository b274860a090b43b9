"""Two workers or replicas: the same view of a conversation, one answer to one message, and the same decisions as one alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from serving.bundles import Brain, load_brain
from serving.engine import ChatResult, Engine
from serving.schema import ChatRequest
from serving.settings import Settings
from tests.serving.conftest import OpenStore, running
from tests.serving.redis_server import PASSWORD, RedisServer

TEXTS = (
    "怎么开发票",
    "怎么查物流",
    "我要退货",
    "没收到货！",
    "转人工",
    "好的",
    "算了",
    "[图片]",
    "😡",
    "今天天气怎么样",
    "asdkjh",
    "13800138000",
)


@pytest.fixture(scope="module")
def brains(bundles: Path) -> tuple[Brain, Brain]:
    """A brain for each replica, as in two processes."""
    return load_brain(Settings(bundles=bundles)), load_brain(Settings(bundles=bundles))


@pytest.fixture
def replicas(brains: tuple[Brain, Brain], connect: OpenStore) -> tuple[Engine, Engine]:
    """Two engines that share nothing but the store."""
    return Engine(brains[0], connect()), Engine(brains[1], connect())


def chat(engine: Engine, name: str, text: str, message_id: str | None = None) -> ChatResult:
    request = ChatRequest(conversation_id=name, text=text, message_id=message_id)
    return engine.chat(request, request_id=uuid4().hex, started=time.perf_counter())


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Starts pieces of work in the same moment, a thread each, and returns what each returns."""
    barrier = Barrier(len(work))

    def start(piece: Callable[[], Any]) -> Any:
        barrier.wait(10)
        return piece()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(start, work))


def test_a_retry_at_the_other_replica_gets_the_stored_answer(replicas: tuple[Engine, Engine]) -> None:
    one, other = replicas
    first = chat(one, "c1", "怎么开发票", "m1")
    again = chat(other, "c1", "怎么开发票", "m1")
    assert first.answer is not None and again.answer is None and again.body == first.body
    assert one.desk.show("c1") == other.desk.show("c1") and other.desk.show("c1").turn == 1


def test_one_message_that_arrives_twice_at_once_is_answered_once(replicas: tuple[Engine, Engine]) -> None:
    for number in range(1, 21):
        results = at_once(*(partial(chat, engine, "c1", "怎么开发票", f"m{number}") for engine in replicas))
        assert results[0].body == results[1].body
        assert sorted(result.answer is None for result in results) == [False, True]
        assert replicas[0].desk.show("c1").turn == number


def test_messages_of_one_conversation_at_once_are_all_kept(replicas: tuple[Engine, Engine]) -> None:
    results = at_once(*(partial(chat, engine, "c1", text) for text in TEXTS[:4] for engine in replicas))
    assert sorted(result.answer.turn for result in results) == list(range(1, 9))
    told = [turn.text for turn in replicas[0].desk.show("c1").turns if turn.speaker == "user"]
    assert sorted(told) == sorted(chat(replicas[0], "other", text).answer.text for text in TEXTS[:4] for _ in replicas)  # type: ignore[union-attr]


def test_who_deletes_wins_over_who_read_before(replicas: tuple[Engine, Engine]) -> None:
    one, other = replicas
    for _ in range(10):
        chat(one, "c1", "怎么开发票")
        at_once(lambda: chat(one, "c1", "怎么查物流"), lambda: other.desk.delete("c1"))
        told = [turn.text for turn in other.desk.show("c1").turns]
        assert "怎么开发票" not in told
        other.desk.delete("c1")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=6))
def test_replayed_by_turns_through_two_replicas_the_decisions_are_the_same(
    replicas: tuple[Engine, Engine], texts: list[str]
) -> None:
    alone, shared = uuid4().hex, uuid4().hex
    for place, text in enumerate(texts):
        expected, found = outcome(replicas[0], alone, text), outcome(replicas[place % 2], shared, text)
        assert found == expected


def outcome(engine: Engine, name: str, text: str) -> object:
    try:
        answer = chat(engine, name, text).answer
    except InputError as error:
        return type(error)
    assert answer is not None
    return answer.model_dump(exclude={"request_id", "conversation_id", "latency_ms"})


# End to end -----------------------------------------------------------------------------------------------------------


def post(url: str, number: int, message_id: str) -> tuple[dict[str, Any], bool]:
    """One message over a connection of its own, so that any worker may take it."""
    body = {"conversation_id": f"c{number % 3}", "text": "怎么开发票", "message_id": message_id}
    for _ in range(40):
        response = httpx.post(f"{url}/chat", json=body, timeout=30)
        if response.status_code != 503:  # a slow machine sheds load, and the client comes again
            break
        time.sleep(0.25)
    assert response.status_code == 200, response.text
    return response.json(), "Idempotent-Replayed" in response.headers


def answered_once(urls: list[str]) -> None:
    """Each of 12 messages comes 4 times, over all servers at once: one answer each, and no turn is lost or counted twice."""
    jobs = [(urls[copy % len(urls)], number, f"m{number}") for number in range(12) for copy in range(4)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda job: post(*job), jobs))
    for number in range(12):
        copies = results[4 * number : 4 * number + 4]
        assert all(body == copies[0][0] for body, _ in copies)
        assert sorted(replayed for _, replayed in copies) == [False, True, True, True]
    for name in ("c0", "c1", "c2"):
        turns = {body["turn"] for body, _ in results if body["conversation_id"] == name}
        assert turns == {1, 2, 3, 4}
        assert httpx.get(f"{urls[-1]}/conversations/{name}", timeout=30).json()["turn"] == 4


def test_a_server_with_two_workers(bundles: Path, tmp_path: Path) -> None:
    with running(bundles, tmp_path, KEFU_WORKERS="2") as server:
        answered_once([server.url])


def test_two_servers_with_one_redis(bundles: Path, tmp_path: Path, redis_server: RedisServer) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    url = redis_server.emptied()
    with running(bundles, folders[0], KEFU_STATE_URL=url) as one, running(bundles, folders[1], KEFU_STATE_URL=url) as other:
        answered_once([one.url, other.url])
        redis_server.stop()
        body = {"conversation_id": "c9", "text": "怎么开发票"}
        away = one.client.post("/chat", json=body)
        assert away.status_code == 503 and away.headers["Retry-After"] == "1"
        redis_server.start()
        time.sleep(1.1)
        assert one.client.post("/chat", json=body).json()["turn"] == 1
        assert other.client.post("/chat", json=body).json()["turn"] == 2
        written = one.log.read_text() + other.log.read_text()
        assert PASSWORD not in written and url not in written
