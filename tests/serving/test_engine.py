"""The flow of a message without HTTP: handoff and release, conflicts, opening hours, failures inside."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from models.analysis import Conversation, OpenSlots, PastMessage
from models.calibration import Calibration, Thresholds
from models.domain import TIERS
from serving import engine as engine_module
from serving.bundles import load_brain
from serving.conversations import Remembered, StoredAnswer
from serving.engine import ChatCall, ChatResult, Engine
from serving.errors import OverloadedError, StateError
from serving.schema import ChatAnswer, ChatRequest, CustomerIn, Scores
from serving.settings import Settings
from serving.stores.sqlite import SqliteConversations
from serving.worker import GROUP, WorkQueue


def chat(engine: Engine, text: str, name: str = "c1", message_id: str | None = None) -> ChatAnswer | None:
    request = ChatRequest(conversation_id=name, text=text, message_id=message_id)
    return engine.chat(request, request_id="r", started=time.perf_counter()).answer


@pytest.fixture
def angry(recalibrated: Callable[[Calibration], Path], tmp_path: Path) -> Engine:
    """To this engine every message is angry enough for a person."""
    path = recalibrated(Calibration(thresholds=Thresholds(anger_alert=0.0, anger_handoff=0.0)))
    return Engine(load_brain(Settings(bundle=path)), SqliteConversations(tmp_path / "state.db", days=1))


def test_handoff_then_silence_then_release(angry: Engine) -> None:
    first = chat(angry, "你们就是骗子")
    assert first is not None and first.decision == "handoff" and first.emotion.reason == "angry"
    assert first.handoff is not None and first.handoff.reason == "emotion" and "骗子" in first.handoff.summary
    second = chat(angry, "人呢")
    assert second is not None and (second.decision, second.reply, second.turn) == ("silent", "", 2)
    assert angry.desk.release("c1") and not angry.desk.release("c1") and not angry.desk.release("never seen")
    third = chat(angry, "人呢")
    assert third is not None and (third.decision, third.turn) == ("handoff", 3)


def test_what_was_answered_is_found_by_its_request(engine: Engine) -> None:
    request = ChatRequest(conversation_id="c1", text="怎么开发票，我的电话13800138000")
    result = engine.chat(request, request_id="r9", started=time.perf_counter())
    assert engine._store.answer_to("r9") == result.body and "13800138000" not in result.body


def test_opening_hours_count_only_when_switched_on(angry: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Night:
        now = staticmethod(lambda _: datetime(2026, 1, 1, 20, tzinfo=UTC))  # 04:00 in Shanghai

    monkeypatch.setattr(engine_module, "datetime", Night)
    open_all_day = chat(angry, "你们就是骗子", "day")
    assert open_all_day is not None and open_all_day.decision_reason == "emotion"
    with_hours = Engine(angry.brain, angry._store, opening_hours=True)
    closed = chat(with_hours, "你们就是骗子", "night")
    assert closed is not None and closed.decision_reason == "outside_opening_hours"


def test_a_conflict_is_tried_again_with_the_newer_state(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    chat(engine, "怎么开发票")
    real = engine._store.save
    stolen: list[bool] = []

    def save(before: Remembered, after: Remembered, given: StoredAnswer) -> bool:
        if not stolen:  # another worker was faster
            stolen.append(real(before, Remembered(before.conversation, before.turn + 1, space=before.space)))
        return real(before, after, given)

    monkeypatch.setattr(engine._store, "save", save)
    answer = chat(engine, "怎么开发票", message_id="m")
    assert stolen == [True] and answer is not None and answer.turn == 3


def test_a_conversation_under_siege_gives_up_with_words(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._store, "save", lambda *_, **__: False)
    with pytest.raises(StateError, match="one after another"):
        chat(engine, "怎么开发票")


def test_turn_goes_on_counting_after_the_memory_is_full(engine: Engine) -> None:
    turns = [answer.turn for _ in range(35) if (answer := chat(engine, "怎么开发票")) is not None]
    assert turns == list(range(1, 36))


def test_scores_survive_a_failure_inside(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = engine.brain.analyzer.analyze

    def analyze(requests: list[object], *, top_k: int) -> object:
        if requests[0].text == "怎么查物流":  # type: ignore[attr-defined]
            raise RuntimeError("a fault of ours")
        return real(requests, top_k=top_k)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.brain.analyzer, "analyze", analyze)
    one, two, three = engine.score([{"text": "怎么开发票"}, {"text": "怎么查物流"}, {"text": ""}], request_id="r")
    assert isinstance(one, Scores) and isinstance(two, RuntimeError) and isinstance(three, InputError)


def test_a_faq_that_fails_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.brain.bundle.faq, "search", lambda *_, **__: 1 / 0)
    answer = chat(engine, "怎么开发票")
    assert answer is not None and answer.degraded == ["faq"] and answer.answer is None


GONE = OpenSlots("gone.intent", ("gone_slot",), {})


def test_state_of_another_bundle_is_answered(engine: Engine) -> None:
    other = Conversation("c1", past=(PastMessage("gone.intent", "rage", (0.5,) * 7, answered=True),), open_slots=GONE)
    assert engine._store.save(engine._store.get("c1"), Remembered(other, 1, space="another model"))
    answer = chat(engine, "怎么开发票")
    assert answer is not None and (answer.turn, answer.repetition) == (2, 1)
    assert answer.decision != "silent"


def test_tiers_of_wire_and_domain_agree() -> None:
    for tier in TIERS:
        assert CustomerIn.model_validate({"tier": tier}).tier == tier


@pytest.mark.parametrize("threaded", [False, True])
def test_work_beyond_the_limit_is_refused_at_once(threaded: bool) -> None:
    async def flood() -> list[object]:
        queue = WorkQueue(limit=2, threaded=threaded)
        results = await asyncio.gather(*(queue.run(time.sleep, 0.05) for _ in range(5)), return_exceptions=True)
        again = await queue.run(lambda: "free again")
        await queue.close()
        return [*results, again]

    *results, again = asyncio.run(flood())
    assert [type(result) for result in results] == [type(None)] * 2 + [OverloadedError] * 3 and again == "free again"


@pytest.mark.parametrize("threaded", [False, True])
def test_work_that_would_wait_too_long_is_refused_at_once(threaded: bool) -> None:
    async def flood() -> list[object]:
        queue = WorkQueue(limit=100, max_wait=0.15, threaded=threaded)
        await queue.run(time.sleep, 0.05)  # now it knows how long a piece takes
        results = await asyncio.gather(*(queue.run(time.sleep, 0.05) for _ in range(9)), return_exceptions=True)
        again = await queue.run(lambda: "free again")
        await queue.close()
        return [*results, again]

    *results, again = asyncio.run(flood())
    kinds = [type(result) for result in results]
    served = kinds.count(type(None))
    assert 1 <= served <= 3 and kinds == [type(None)] * served + [OverloadedError] * (9 - served) and again == "free again"


def calls(*messages: tuple[str, str, str | None]) -> list[ChatCall]:
    return [
        ChatCall(ChatRequest(conversation_id=name, text=text, message_id=message_id), f"r{number}", time.perf_counter())
        for number, (name, text, message_id) in enumerate(messages)
    ]


def told(result: ChatResult | Exception) -> dict[str, object]:
    assert isinstance(result, ChatResult)
    return json.loads(result.body) | {"latency_ms": 0, "request_id": "", "conversation_id": ""}


def test_what_is_answered_together_is_answered_as_alone(engine: Engine) -> None:
    texts = ["怎么查物流", "你们就是骗子", "今天天气怎么样", "衣服有点大想退，运费谁出", "👍"]
    together = engine.chat_many(calls(*((f"t{number}", text, None) for number, text in enumerate(texts))))
    for number, text in enumerate(texts):
        (alone,) = engine.chat_many(calls((f"a{number}", text, None)))
        assert told(together[number]) == told(alone)
        stored = engine._store.get(f"t{number}").conversation
        assert stored.turns == engine._store.get(f"a{number}").conversation.turns


def test_one_bad_message_costs_the_others_nothing(engine: Engine) -> None:
    good, bad, other = engine.chat_many(calls(("c1", "怎么查物流", None), ("c2", " ", None), ("c3", "怎么开发票", None)))
    assert isinstance(bad, InputError)
    assert told(good)["turn"] == told(other)["turn"] == 1
    assert engine._store.get("c1").turn == 1 and engine._store.get("c2").turn == 0


def test_messages_of_one_conversation_keep_their_order(engine: Engine) -> None:
    results = engine.chat_many(calls(("c1", "怎么查物流", None), ("c1", "怎么开发票", None), ("c1", "谢谢", None)))
    assert [told(result)["turn"] for result in results] == [1, 2, 3]
    assert [turn.text for turn in engine._store.get("c1").conversation.turns[::2]] == ["怎么查物流", "怎么开发票", "谢谢"]


def test_copies_of_a_message_get_one_answer(engine: Engine) -> None:
    first, again = engine.chat_many(calls(("c1", "怎么查物流", "m1"), ("c1", "怎么查物流", "m1")))
    assert isinstance(first, ChatResult) and isinstance(again, ChatResult)
    assert first.body == again.body and again.answer is None and engine._store.get("c1").turn == 1


def test_a_conversation_that_changes_meanwhile_is_answered_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    decide, met = engine_module.decide, []

    def interrupted(*arguments: Any) -> Any:
        if not met:
            met.append(True)
            chat(engine, "怎么开发票", "c1")  # another worker, in between
        return decide(*arguments)

    monkeypatch.setattr(engine_module, "decide", interrupted)
    results = engine.chat_many(calls(("c1", "怎么查物流", None), ("c2", "怎么查物流", None)))
    assert [told(result)["turn"] for result in results] == [2, 1]


def test_a_store_that_fails_fails_each_of_them(engine: Engine) -> None:
    engine._store.close()
    results = engine.chat_many(calls(("c1", "怎么查物流", None), ("c2", "怎么查物流", None)))
    assert all(isinstance(result, Exception) for result in results)


def test_a_batch_that_fails_logs_no_word_of_the_customer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def decide(analysis: Any, *_: object) -> None:
        raise KeyError(analysis.text)

    monkeypatch.setattr(engine_module, "decide", decide)
    with caplog.at_level("DEBUG", "serving.engine"):
        engine.chat_many(calls(("c1", "我叫王小明", None), ("c2", "我叫王小明", None)))
    assert "a batch of 2" in caplog.text and "KeyError" in caplog.text
    assert "王小明" not in caplog.text


@pytest.mark.parametrize("threaded", [False, True])
def test_what_waits_is_done_in_one_go_and_in_order(threaded: bool) -> None:
    groups: list[list[int]] = []

    def work(items: list[int]) -> list[int | Exception]:
        groups.append(items)
        time.sleep(0.02)
        return [ValueError(item) if item == 3 else item * 10 for item in items]

    async def ask() -> list[Any]:
        queue = WorkQueue(limit=100, threaded=threaded)
        found = await asyncio.gather(*(queue.run_grouped(work, item) for item in range(40)), return_exceptions=True)
        assert queue.waiting == 0
        await queue.close()
        return found

    found = asyncio.run(ask())
    assert [item for group in groups for item in group] == list(range(40))
    assert max(map(len, groups)) == GROUP and len(groups[-1]) == 1
    assert isinstance(found.pop(3), ValueError) and found == [item * 10 for item in range(40) if item != 3]


@pytest.mark.parametrize("threaded", [False, True])
def test_grouped_work_is_refused_when_too_much_waits(threaded: bool) -> None:
    async def ask() -> list[Any]:
        queue = WorkQueue(limit=2, threaded=threaded)
        asked = (queue.run_grouped(lambda items: [time.sleep(0.05)] * len(items), item) for item in range(5))
        found = await asyncio.gather(*asked, return_exceptions=True)
        await queue.close()
        return found

    assert sum(isinstance(result, OverloadedError) for result in asyncio.run(ask())) == 3


def test_work_that_cannot_be_delivered_is_an_error_and_holds_nobody_up() -> None:
    async def ask() -> list[Any]:
        queue = WorkQueue(limit=9)
        wrong = queue.run_grouped(lambda _: [], 1)
        right = queue.run(lambda: 2)
        found = await asyncio.gather(wrong, right, return_exceptions=True)
        await queue.close()
        return found

    wrong, right = asyncio.run(ask())
    assert isinstance(wrong, RuntimeError) and right == 2


@pytest.mark.parametrize("threaded", [False, True])
def test_closing_waits_for_all_that_was_taken_on(threaded: bool) -> None:
    async def ask() -> list[Any]:
        queue = WorkQueue(limit=9, threaded=threaded)
        asked = [asyncio.ensure_future(queue.run(lambda number=number: number)) for number in range(3)]
        await asyncio.sleep(0)
        await queue.close()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [0, 1, 2]


def test_a_store_that_is_locked_is_tried_once_for_a_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def locked(name: str) -> None:
        tries.append(name)
        raise StateError("locked")

    monkeypatch.setattr(engine._store, "get", locked)
    results = engine.chat_many(calls(*((f"c{number}", "怎么查物流", None) for number in range(8))))
    assert len(results) == 8 and all(isinstance(result, StateError) for result in results) and len(tries) == 1
