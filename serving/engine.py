"""What the service does with a request, without HTTP: one thread at a time, one encoder pass a message, and one for each part where several ask for something."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from data.types import Speaker, Utterance
from models.analysis import Analysis, Conversation, Customer, Decision, Order
from models.analyzer import Request, check_text
from models.bundle import Bundle
from models.explain import Explanation, explaining, replay
from models.policy import Circumstances, advance, decide
from serving.answers import chat_answer, scores
from serving.bundles import Brain
from serving.conversations import ConversationStore, Remembered, StoredAnswer, fit_to, vector_space
from serving.desk import Desk
from serving.errors import StateError, field_error
from serving.logs import placed
from serving.schema import ChatAnswer, ChatRequest, ExplainRequest, MessageIn, Scores, TurnIn

logger = logging.getLogger(__name__)

_ATTEMPTS = 20  # another worker must win each of them, for one conversation, within milliseconds


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A finished /chat.

    Attributes:
        body: The answer as JSON.
        answer: The answer itself; None when it was stored before and is sent again.
    """

    body: str
    answer: ChatAnswer | None


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A call of /chat: the message, the name of the call, and `time.perf_counter()` when it came."""

    request: ChatRequest
    request_id: str
    started: float


class Engine:
    """Answers messages with the brain it holds, which may be replaced at any time, between two messages.

    Whoever replaces `brain` holds `replacing` from before they read what to replace it with, so that the newer of two wins.
    """

    def __init__(self, brain: Brain, store: ConversationStore, *, opening_hours: bool = False) -> None:
        self.brain = brain
        self.replacing = threading.Lock()
        self._store = store
        self.desk = Desk(store)
        self._opening_hours = opening_hours

    def chat(self, request: ChatRequest, *, request_id: str, started: float) -> ChatResult:
        """Returns the answer to a message and remembers the conversation.

        Args:
            request: The message.
            request_id: Names this call.
            started: `time.perf_counter()` when the request came.

        Raises:
            InputError: The text is empty or cannot be read.
            StateError: The conversation cannot be read or written.
        """
        for _ in range(_ATTEMPTS):
            brain = self.brain
            before = self._store.get(request.conversation_id)  # first, so that no answer can slip in after the next line
            if request.message_id is not None:
                stored = self._store.answered(request.conversation_id, request.message_id)
                if stored is not None:
                    return ChatResult(stored, None)
            conversation = fit_to(before, brain.bundle)
            analysis = brain.analyzer.analyze([Request(request.text, self._history(request, conversation))])[0]
            after, stored_answer, result = self._answer(
                brain, ChatCall(request, request_id, started), (before, conversation), analysis
            )
            if self._store.save(before, after, stored_answer):
                return result
        raise StateError("this conversation is changed by too many requests at once; send its messages one after another")

    def _history(self, request: ChatRequest, conversation: Conversation) -> tuple[Utterance, ...]:
        return conversation.context if request.history is None else _utterances(request.history)

    def _answer(
        self, brain: Brain, call: ChatCall, read: tuple[Remembered, Conversation], analysis: Analysis
    ) -> tuple[Remembered, StoredAnswer, ChatResult]:  # fmt: skip
        """Decides; returns what is to be remembered, and the answer once it is."""
        request, (before, conversation) = call.request, read
        decision = decide(analysis, conversation, self._circumstances(request, brain), brain.knowledge)
        turn = before.turn + 1
        answer = chat_answer(
            analysis, decision, brain.bundle, conversation_id=request.conversation_id, turn=turn, request_id=call.request_id,
            latency_ms=_milliseconds(call.started),
        )  # fmt: skip
        after = Remembered(advance(conversation, analysis, decision), turn, space=vector_space(brain.bundle))
        body = answer.model_dump_json()
        return after, StoredAnswer(call.request_id, body, request.message_id), ChatResult(body, answer)

    def chat_many(self, calls: Sequence[ChatCall]) -> list[ChatResult | Exception]:
        """Returns what `chat` would return or raise for each call, in order: read together, and written in one transaction."""
        results: dict[int, ChatResult] = {}
        try:
            results = self._together(calls)
        except StateError as error:  # the store is locked or gone: each by itself would wait as long again
            return [error] * len(calls)
        except Exception as error:  # each by itself tells which of them it is
            logger.debug("a batch of %d goes one by one", len(calls), exc_info=placed(error))
        return [results[place] if place in results else self._alone(call) for place, call in enumerate(calls)]

    def _alone(self, call: ChatCall) -> ChatResult | Exception:
        try:
            return self.chat(call.request, request_id=call.request_id, started=call.started)
        except Exception as error:  # one bad message must not cost the others their answers
            return error

    def _together(self, calls: Sequence[ChatCall]) -> dict[int, ChatResult]:
        """The calls that can be answered together, by place: of each conversation the first that is no retry."""
        brain, opened, names = self.brain, {}, set[str]()
        for place, call in enumerate(calls):
            name, message_id = call.request.conversation_id, call.request.message_id
            if name in names:
                continue
            names.add(name)
            before = self._store.get(name)  # first, so that no answer can slip in after the next line
            if message_id is not None and self._store.answered(name, message_id) is not None:
                continue
            opened[place] = (before, fit_to(before, brain.bundle))
        requests = [
            Request(check_text(calls[place].request.text), self._history(calls[place].request, conversation))
            for place, (_, conversation) in opened.items()
        ]
        analyses = brain.analyzer.analyze(requests)
        answers = [
            self._answer(brain, calls[place], read, analysis)
            for (place, read), analysis in zip(opened.items(), analyses, strict=True)
        ]
        with self._store.together():
            return {
                place: result
                for (place, (before, _)), (after, stored, result) in zip(opened.items(), answers, strict=True)
                if self._store.save(before, after, stored)
            }

    def score(self, messages: Sequence[object], *, request_id: str) -> list[Scores | Exception]:
        """Returns the scores of each message, in order, or the error in its place. Keeps no state."""
        return [self._score_one(message, request_id) for message in messages]

    def explain(self, request: ExplainRequest) -> Iterator[tuple[Explanation, Bundle]]:
        """Yields why a message would get its decision now, and the bundle that says so, in pieces: the last is whole. Changes nothing.

        Raises:
            InputError: The text is empty or cannot be read.
            StateError: The conversation cannot be read.
        """
        brain = self.brain
        circumstances = self._circumstances(request, brain)
        if request.conversation_id is None:
            history = _utterances(request.history or ())
            state, passes = replay(brain.analyzer, brain.knowledge, history, circumstances)
        else:
            state, passes = fit_to(self._store.get(request.conversation_id), brain.bundle), 0
            history = state.context if request.history is None else _utterances(request.history)
        for found in explaining(brain.analyzer, brain.knowledge, Request(request.text, history), state, circumstances):
            yield replace(found, passes=found.passes + passes), brain.bundle

    def past_answer(self, request_id: str) -> tuple[dict[str, Any], tuple[Utterance, ...]] | None:
        """Returns the answer (the fields of a ChatAnswer) to a call of /chat, and the turns before it as far as they are remembered.

        None where no such answer is stored any more.

        Raises:
            StateError: The conversation cannot be read.
        """
        body = self._store.answer_to(request_id)
        if body is None:
            return None
        answer: dict[str, Any] = json.loads(body)
        remembered = self._store.get(answer["conversation_id"])
        turns = remembered.conversation.turns
        asked = [place for place, turn in enumerate(turns) if turn.speaker is Speaker.USER]
        later = remembered.turn - int(answer["turn"])  # messages since; more turns, if an agent added the customer's
        fitting = [place for place in asked if turns[place].text == answer["text"]]
        place = asked[-1 - later] if later < len(asked) else None
        if place not in fitting and len(fitting) == 1:
            place = fitting[0]
        return answer, turns[:place] if place in fitting else ()

    def _score_one(self, message: object, request_id: str) -> Scores | Exception:
        started, brain = time.perf_counter(), self.brain
        try:
            request = MessageIn.model_validate(message)
            analysis = brain.analyzer.analyze([Request(request.text, _utterances(request.history or ()))], top_k=0)[0]
            decision: Decision = decide(analysis, Conversation(), self._circumstances(request, brain), brain.knowledge)
            return scores(analysis, decision, brain.bundle, request_id=request_id, latency_ms=_milliseconds(started))
        except ValidationError as error:
            return field_error(error)
        except Exception as error:  # one bad message must not cost the others their scores
            return error

    def _circumstances(self, request: MessageIn, brain: Brain) -> Circumstances:
        customer, order, now = request.customer, request.order, datetime.now(UTC)
        return Circumstances(
            customer=Customer() if customer is None else Customer(customer.tier, customer.orders),
            order=Order() if order is None else Order(order.status, order.risk),
            waiting_seconds=request.waiting_seconds,
            now=now if self._opening_hours else None,
            today=now.astimezone(ZoneInfo(brain.bundle.pack.policy.opening_hours["timezone"])).date(),  # the shop's
            channel=request.channel,
        )


def _utterances(turns: Sequence[TurnIn]) -> tuple[Utterance, ...]:
    return tuple(Utterance(Speaker(turn.speaker), turn.text) for turn in turns)


def _milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000
