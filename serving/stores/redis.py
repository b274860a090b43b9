"""Conversations in Redis: one server that the workers of many machines share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from data.errors import ConfigError
from models.analysis import Conversation
from serving.conversations import MAX_ANSWERS, Remembered, StoredAnswer, from_json, new_version, to_json
from serving.errors import StateError

logger = logging.getLogger(__name__)

_R = TypeVar("_R")
_DAY = 86_400_000.0  # milliseconds
_CONNECT_SECONDS, _ANSWER_SECONDS = 0.5, 1.0
_REST_SECONDS = 1.0  # after a failure nobody waits for Redis so long, or every message in the queue would wait in turn

# Keys: state, answers (a sorted set of "request\nmessage" by turn), messages (message to request), answer.
# A version found that is the new one already is this very save, sent twice because its reply was lost.
_SAVE = """
local state, answers, messages, answer = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local expected, new, lifetime, turn = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local request, message, body, prefix, kept = ARGV[8], ARGV[9], ARGV[10], ARGV[11], tonumber(ARGV[12])
local found = redis.call('HGET', state, 'version') or '0'
if found == new then return 1 end
if found ~= expected then return 0 end
redis.call('HSET', state, 'version', new, 'turn', ARGV[4], 'space', ARGV[5], 'state', ARGV[6], 'updated', ARGV[7])
redis.call('PEXPIRE', state, lifetime)
if request == '' then return 1 end
redis.call('SET', answer, body, 'PX', lifetime)
redis.call('ZADD', answers, turn, request .. '\\n' .. message)
if message ~= '' then redis.call('HSET', messages, message, request) end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', answers, '-inf', turn - kept)) do
    local old_request, old_message = string.match(name, '^(.-)\\n(.*)$')
    redis.call('DEL', prefix .. old_request)
    if redis.call('HGET', messages, old_message) == old_request then redis.call('HDEL', messages, old_message) end
    redis.call('ZREM', answers, name)
end
redis.call('PEXPIRE', answers, lifetime)
redis.call('PEXPIRE', messages, lifetime)
return 1
"""
_DELETE = """
local found = redis.call('EXISTS', KEYS[1], KEYS[2])
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    redis.call('DEL', ARGV[1] .. string.match(name, '^(.-)\\n'))
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return found
"""
_ANSWER = "kefu:answer:"


class RedisConversations:
    """The store of many machines. It connects at the first use, and anew by itself after Redis was away."""

    def __init__(self, url: str, *, days: float) -> None:
        """Reads the URL.

        Args:
            url: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database number where they are needed.
            days: Age in days at which a conversation, and a stored answer, is forgotten.

        Raises:
            ConfigError: The URL cannot be read.
        """
        self._lifetime = max(1, round(days * _DAY))
        self._rests_until = 0.0
        try:
            self._redis = redis.Redis.from_url(
                url, decode_responses=True, protocol=2, retry=Retry(NoBackoff(), 0), socket_connect_timeout=_CONNECT_SECONDS,
                socket_timeout=_ANSWER_SECONDS, socket_keepalive=True,
            )  # fmt: skip
        except (ValueError, TypeError):  # its words may hold a part of the password
            raise ConfigError(
                "KEFU_STATE_URL cannot be read, expected redis://user:password@host:6379/0 (rediss:// with TLS); "
                "write characters of the password such as / and @ as %2F and %40"
            ) from None
        self._save, self._delete = self._redis.register_script(_SAVE), self._redis.register_script(_DELETE)

    def check(self) -> None:
        """Raises StateError unless Redis can be written."""
        self._ask(lambda: self._redis.set("kefu:check", "1", px=1000))

    def get(self, conversation_id: str) -> Remembered:
        """Returns what is remembered of a conversation that has not expired."""
        found = self._ask(lambda: cast("dict[str, str]", self._redis.hgetall(f"kefu:state:{conversation_id}")))
        if not found:
            return Remembered(Conversation(conversation_id))
        try:
            conversation = from_json(found["state"], conversation_id)
        except (ValueError, KeyError, TypeError):
            logger.exception("a stored state could not be read, the conversation begins anew")
            conversation = Conversation(conversation_id)
        return Remembered(conversation, int(found["turn"]), int(found["version"]), found["space"], float(found["updated"]))

    def answered(self, conversation_id: str, message_id: str) -> str | None:
        """Returns the stored answer to a message, or None."""
        request_id = self._ask(lambda: cast("str | None", self._redis.hget(f"kefu:messages:{conversation_id}", message_id)))
        return None if request_id is None else self.answer_to(request_id)

    def answer_to(self, request_id: str) -> str | None:
        """Returns the answer (a ChatAnswer as JSON) that a call of /chat was given, or None where there is none any more."""
        return self._ask(lambda: cast("str | None", self._redis.get(_ANSWER + request_id)))

    def save(self, before: Remembered, after: Remembered, answer: StoredAnswer | None = None) -> bool:
        """Writes state and answer together, if the stored version is still `before.version`; returns whether it was."""
        given = answer or StoredAnswer("", "")
        keys = [*_keys(before.conversation.conversation_id), _ANSWER + given.request_id]
        state: list[str | int | float] = [after.turn, after.space, to_json(after.conversation), time.time()]
        kept: list[str | int | float] = [given.request_id, given.message_id or "", given.body, _ANSWER, MAX_ANSWERS]
        arguments = [before.version, new_version(), self._lifetime, *state, *kept]
        return bool(self._ask(lambda: self._save(keys=keys, args=arguments)))

    def together(self) -> AbstractContextManager[None]:
        """Redis commits nothing: each save is whole by itself."""
        return nullcontext()

    def delete(self, conversation_id: str) -> bool:
        """Deletes state and answers of a conversation; returns whether there was something."""
        return bool(self._ask(lambda: self._delete(keys=_keys(conversation_id), args=[_ANSWER])))

    def purge(self) -> None:
        """Does nothing: Redis deletes what has expired."""

    def tidy(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def _ask(self, work: Callable[[], _R]) -> _R:
        if time.monotonic() < self._rests_until:
            raise StateError("the conversation store cannot be reached; try again in a second")
        try:
            return work()
        except redis.RedisError as error:  # its words may hold what was sent, the password too; its name says enough
            self._rests_until = time.monotonic() + _REST_SECONDS
            cause = type(error).__name__
            raise StateError(f"the conversation store cannot be used (Redis: {cause}); try again in a second") from None


def _keys(conversation_id: str) -> list[Any]:
    return [f"kefu:{kind}:{conversation_id}" for kind in ("state", "answers", "messages")]
