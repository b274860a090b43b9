"""The domain pack: intents, emotions, priority, policy, slots and scripts, as YAML that a shop can edit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from data.errors import ConfigError
from data.types import LabelSet

FILES = ("intents.yaml", "emotions.yaml", "priority.yaml", "policy.yaml", "slots.yaml", "scripts.yaml")
URGENCIES = ("low", "medium", "high", "critical")
TIERS = ("regular", "silver", "gold", "platinum")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML has it: a tenth of the time
# The replies that models/policy.py may need, each with the places it fills.
_REPLIES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("suggest", "fallback", "out_of_scope", "handoff", "image", "link", "emoji", "praise", "number"), ()),
    "given_up": (), "several": ("wants",), "handoff_closed": ("from", "to"), "slots_done": ("slots",), "recommendation_done": ("slots",), "also": ("question",),
    "fallback_about": ("want",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class IntentInfo:
    """What the pack says of an intent."""

    code: str
    title: str
    urgency: str
    definition: str

    @property
    def domain(self) -> str:
        """The part before the dot."""
        return self.code.partition(".")[0]


@dataclass(frozen=True, slots=True)
class EmotionInfo:
    """What the pack says of an emotion; severity orders emotions for the priority."""

    code: str
    title: str
    severity: int


@dataclass(frozen=True, slots=True)
class PriorityRules:
    """Weights in [0, 1] of each factor; see configs/domain/priority.yaml."""

    urgency: dict[str, float]
    aftersale: float
    emotion: dict[str, float]
    emotion_rising: float
    tier: dict[str, float]
    repetition: dict[str, float]
    order_risk: float
    waiting: tuple[tuple[float, float], ...]
    bands: tuple[tuple[str, float], ...]
    defect_raises_urgency: bool
    aftersale_domains: tuple[str, ...]
    tier_by_orders: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """See configs/domain/policy.yaml."""

    handoff_intents: tuple[str, ...]
    human_intent: str
    repeated_misses: int
    suggestions: int
    related: int
    opening_hours: dict[str, str]
    silent_after_handoff: bool
    give_up: tuple[str, ...] = ()
    human_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Slot:
    """How a slot is asked for and filled.

    Attributes:
        name: Its code.
        question: How the customer is asked.
        entity: An entity that fills it, or None.
        words: Words that fill it wherever they stand.
        indifferent: Words that fill it only as the reply to its question (都行, 没有).
        pattern: Fills it as the reply to its question where it matches.
        free: Whether a longer reply is taken as it is.
    """

    name: str
    question: str
    entity: str | None
    words: tuple[str, ...]
    indifferent: tuple[str, ...]
    pattern: re.Pattern[str] | None
    free: bool


@dataclass(frozen=True, slots=True)
class SlotRule:
    """The slots that an intent needs, if the message names one of the words (always, when there are none).

    They are asked for always, only without an entry that surely answers, or only if nothing else fits, not even a suggestion.
    """

    intent: str
    words: tuple[str, ...]
    slots: tuple[str, ...]
    only_without_answer: bool = False
    only_if_nothing_fits: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A soothing text with its id."""

    script_id: str
    text: str


@dataclass(frozen=True)
class DomainPack:
    """Everything of a shop's domain that is data and not code."""

    intents: tuple[IntentInfo, ...]
    emotions: tuple[EmotionInfo, ...]
    priority: PriorityRules
    policy: PolicyRules
    slots: dict[str, Slot]
    slot_rules: tuple[SlotRule, ...]
    scripts: dict[str, dict[str, Script]]
    replies: dict[str, str]

    @property
    def labels(self) -> LabelSet:
        """The label order of every model."""
        return LabelSet(tuple(info.code for info in self.intents), tuple(info.code for info in self.emotions))

    def intent(self, code: str) -> IntentInfo:
        """Returns what the pack says of an intent."""
        return next(info for info in self.intents if info.code == code)

    def emotion(self, code: str) -> EmotionInfo:
        """Returns what the pack says of an emotion."""
        return next(info for info in self.emotions if info.code == code)

    def soothing_script(self, emotion: str, intent: str) -> Script | None:
        """Returns the script for an emotion in an intent's domain, or None if the emotion needs none."""
        by_domain = self.scripts.get(emotion, {})
        return by_domain.get(intent) or by_domain.get(intent.partition(".")[0]) or by_domain.get("default")


def load_domain(folder: Path) -> DomainPack:
    """Returns the domain pack of a folder, checked.

    Raises:
        ConfigError: A file is missing or malformed, a code is used twice, or a rule contradicts another.
    """
    raw = {name.removesuffix(".yaml"): _load(folder / name) for name in FILES}
    try:
        pack = DomainPack(
            intents=tuple(
                IntentInfo(row["code"], row["name"], row["urgency"], row["definition"]) for row in raw["intents"]["intents"]
            ),
            emotions=tuple(EmotionInfo(row["code"], row["name"], int(row["severity"])) for row in raw["emotions"]["emotions"]),
            priority=_priority(raw["priority"]),
            policy=PolicyRules(
                **raw["policy"]
                | {"handoff_intents": tuple(raw["policy"]["handoff_intents"]), "give_up": _lower(raw["policy"].get("give_up", ()))}
            ),
            slots={name: _slot(name, row) for name, row in raw["slots"]["slots"].items()},
            slot_rules=tuple(rule for intent, row in raw["slots"]["intents"].items() for rule in _slot_rules(intent, row)),
            scripts={
                emotion: {domain: Script(row["id"], row["text"]) for domain, row in rows.items()}
                for emotion, rows in raw["scripts"]["soothe"].items()
            },
            replies=raw["scripts"]["replies"],
        )
        _check(pack, folder)
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise ConfigError(
            f"the domain pack in {folder} is malformed ({type(error).__name__}: {error}); compare configs/domain"
        ) from error
    return pack


def _load(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - the safe loader, in C # nosec B506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); a domain pack holds {', '.join(FILES)}") from error


def _priority(raw: dict[str, Any]) -> PriorityRules:
    return PriorityRules(
        **raw
        | {
            "waiting": tuple((float(row["seconds"]), float(row["weight"])) for row in raw["waiting"]),
            "bands": tuple((name, float(low)) for name, low in raw["bands"].items()),
            "aftersale_domains": tuple(raw["aftersale_domains"]),
            "tier_by_orders": tuple((int(row["orders"]), row["tier"]) for row in raw["tier_by_orders"]),
        }
    )


def _slot(name: str, row: dict[str, Any]) -> Slot:
    pattern = re.compile(row["pattern"]) if row.get("pattern") else None
    return Slot(
        name,
        row["question"],
        row.get("entity"),
        _lower(row.get("words", ())),
        _lower(row.get("indifferent", ())),
        pattern,
        bool(row.get("free")),
    )


def _slot_rules(intent: str, row: dict[str, Any]) -> list[SlotRule]:
    return [
        SlotRule(
            intent, _lower(part.get("words", ())), tuple(part["slots"]),
            *(bool(part.get(name, row.get(name))) for name in ("only_without_answer", "only_if_nothing_fits")),
        )
        for part in row.get("products", [row])
    ]  # fmt: skip


def _lower(words: Iterable[object]) -> tuple[str, ...]:
    """Words as they are looked for: in the lower-cased message."""
    return tuple(str(word).lower() for word in words)


def _check(pack: DomainPack, folder: Path) -> None:
    codes = [*pack.labels.intents, *pack.labels.emotions]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    problems = [f"codes used twice: {twice}"] if twice else []
    intents = {info.code for info in pack.intents}
    used = {rule.intent for rule in pack.slot_rules} | set(pack.policy.handoff_intents) | {pack.policy.human_intent}
    problems += [f"intent {code!r} is used but not listed in intents.yaml" for code in sorted(used - intents)]
    problems += [
        f"{info.code}: urgency {info.urgency!r} is not one of {URGENCIES}" for info in pack.intents if info.urgency not in URGENCIES
    ]
    problems += [
        f"slot {slot!r} is needed but not described" for rule in pack.slot_rules for slot in rule.slots if slot not in pack.slots
    ]
    problems += _not_rising("urgency", [pack.priority.urgency.get(name, -1) for name in URGENCIES])
    problems += _not_rising("tier", [pack.priority.tier.get(name, -1) for name in TIERS])
    by_severity = sorted(pack.emotions, key=lambda info: info.severity)
    problems += _not_rising("emotion", [pack.priority.emotion.get(info.code, -1) for info in by_severity])
    problems += _not_rising("waiting", [weight for _, weight in pack.priority.waiting])
    problems += _not_rising("repetition", [pack.priority.repetition.get(name, -1) for name in ("second", "third")])
    for name in ("aftersale", "emotion_rising", "order_risk"):
        problems += _not_rising(name, [getattr(pack.priority, name)])
    lows = [low for _, low in pack.priority.bands]
    problems += [] if lows[:1] == [0] and lows == sorted(lows) else [f"priority bands begin at {lows}, expected 0 and rising"]
    earned = pack.priority.tier_by_orders
    rises = list(earned) == sorted(earned) and [tier for tier in TIERS if tier in dict(earned).values()] == [
        tier for _, tier in earned
    ]
    problems += [] if rises else [f"tier_by_orders is {earned}, expected rising numbers for rising ones of {TIERS}"]
    share = pack.policy.human_share
    problems += [] if 0 <= share <= 1 else [f"human_share is {share}, expected a number in [0, 1]"]
    problems += [f"scripts soothe {code!r}, which is not in emotions.yaml" for code in sorted(set(pack.scripts) - set(codes))]
    problems += _unfit_replies(pack.replies) + _unfit_hours(pack.policy.opening_hours)
    if problems:
        raise ConfigError(f"the domain pack in {folder} contradicts itself: {'; '.join(problems)}; correct it")


def _not_rising(name: str, weights: list[float]) -> list[str]:
    fine = all(0 <= weight < 1 for weight in weights) and weights == sorted(weights)
    return [] if fine else [f"priority weights of {name} are {weights}, expected rising values in [0, 1)"]


def _unfit_replies(replies: dict[str, str]) -> list[str]:
    problems = [f"scripts.yaml lacks the reply {name!r}" for name in _REPLIES if name not in replies]
    for name in _REPLIES.keys() & replies.keys():
        try:
            if _REPLIES[name]:
                replies[name].format(**dict.fromkeys(_REPLIES[name], ""))
        except (KeyError, IndexError, ValueError):
            problems.append(f"reply {name!r} has other places than {_REPLIES[name]}")
    return problems


def _unfit_hours(hours: dict[str, str]) -> list[str]:
    try:
        time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"]), ZoneInfo(hours["timezone"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        return [f'opening_hours are {hours} ({error}), expected from and to such as "09:00", and a timezone']
    return []
