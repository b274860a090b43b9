"""Plays the behaviour cases against a trained bundle: conversations in, expected decisions out.

`python -m tests.behaviour` prints how many hold, by file, and what each of the others expected and got. The cases are plain
YAML that a support manager can read and extend; cases/*.yaml say at their top what their keys mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from models.analysis import Analysis, Conversation, Customer, Decision, Order
from models.analyzer import Analyzer, Request
from models.bundle import Bundle
from models.policy import Circumstances, Knowledge, advance, decide, is_out_of_scope

CASES = Path(__file__).parent / "cases"
ORDERINGS = "orderings"


@dataclass(frozen=True)
class Turn:
    """What the bot made of one message.

    Attributes:
        analysis: What it understood.
        decision: What it did.
        priority_before: The score at the turn before; None at the first.
        out_of_scope: Whether the message counts as rejected.
    """

    analysis: Analysis
    decision: Decision
    priority_before: int | None
    out_of_scope: bool


@dataclass
class Report:
    """Which cases hold.

    Attributes:
        held: Names by file.
        failed: By file, name to what went wrong.
    """

    held: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, file: str, name: str, problem: str) -> None:
        """Counts a case; an empty problem means that it holds."""
        self.held.setdefault(file, [])
        self.failed.setdefault(file, {})
        if problem:
            self.failed[file][name] = problem
        else:
            self.held[file].append(name)

    def rate(self) -> float:
        """Returns the share of cases that hold, in [0, 1]."""
        held, failed = sum(map(len, self.held.values())), sum(map(len, self.failed.values()))
        return held / max(1, held + failed)

    def text(self) -> str:
        """Returns the report as lines for people."""
        lines = [f"{file:20} {len(self.held[file]):3} of {len(self.held[file]) + len(self.failed[file]):3}" for file in self.held]
        lines.append(
            f"{'all':20} {sum(map(len, self.held.values())):3} of {sum(map(len, [*self.held.values(), *self.failed.values()])):3}"
        )
        for file, problems in self.failed.items():
            lines += [f"{file}: {name}: {problem}" for name, problem in problems.items()]
        return "\n".join(lines)


def load_cases() -> dict[str, list[dict[str, Any]]]:
    """Returns the cases by file."""
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CASES.glob("*.yaml"))}


def run_cases(bundle: Bundle) -> Report:
    """Returns which cases hold with a bundle."""
    player, report = _Player(bundle), Report()
    for file, cases in load_cases().items():
        for case in cases:
            report.add(file, case["name"], player.compare(case) if file == ORDERINGS else player.play(case))
    return report


class _Player:
    def __init__(self, bundle: Bundle) -> None:
        self._analyzer = Analyzer(bundle)
        self._knowledge = Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds)

    def play(self, case: dict[str, Any]) -> str:
        """Returns what went wrong in a conversation; empty if nothing did."""
        conversation, before = Conversation(), None
        for number, step in enumerate(case["turns"], 1):
            turn = self._turn(step["customer"], conversation, case.get("shop_data", {}), before)
            problems = [
                f"{key} is {got!r}, expected {wanted!r}"
                for key, wanted in step.get("expect", {}).items()
                for holds, got in [_CHECKS[key](wanted, turn)] if not holds
            ]  # fmt: skip
            if problems:
                return f"turn {number} {step['customer']!r}: {'; '.join(problems)}"
            conversation, before = advance(conversation, turn.analysis, turn.decision), turn.decision.priority.score
        return ""

    def compare(self, case: dict[str, Any]) -> str:
        """Returns what is wrong with an ordering; empty if the higher one is higher."""
        higher, lower = (
            self._turn(case[side]["customer"], Conversation(), case[side].get("shop_data", {}), None).decision.priority.score
            for side in ("higher", "lower")
        )
        return "" if higher > lower else f"priority {higher} is not above {lower}"

    def _turn(self, text: str, conversation: Conversation, shop: dict[str, Any], before: int | None) -> Turn:
        analysis = self._analyzer.analyze([Request(text, conversation.context)])[0]
        circumstances = Circumstances(
            customer=Customer(shop.get("tier"), shop.get("orders")), order=Order(risk=shop.get("order_risk")),
            waiting_seconds=shop.get("waiting_seconds"),
        )  # fmt: skip
        decision = decide(analysis, conversation, circumstances, self._knowledge)
        return Turn(analysis, decision, before, is_out_of_scope(analysis, self._knowledge.thresholds))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _one_of(read: Callable[[Turn], Any]) -> Callable[[Any, Turn], tuple[bool, Any]]:
    return lambda wanted, turn: (read(turn) in _listed(wanted), read(turn))


def _holds_one(read: Callable[[Turn], str]) -> Callable[[Any, Turn], tuple[bool, Any]]:
    return lambda wanted, turn: (any(part in read(turn) for part in _listed(wanted)), read(turn))


def _faq(wanted: Any, turn: Turn) -> tuple[bool, Any]:
    """The entry that was sent, or that is among those offered."""
    sent = [turn.decision.answer.faq_id] if turn.decision.answer else [hit.faq_id for hit in turn.decision.suggestions]
    return any(name in _listed(wanted) for name in sent), sent


def _asks_for(wanted: Any, turn: Turn) -> tuple[bool, Any]:
    """If it asks, then only for these."""
    asked = turn.decision.missing_slots[:1]
    return all(name in _listed(wanted) for name in asked), asked


def _filled(wanted: Any, turn: Turn) -> tuple[bool, Any]:
    slots = turn.decision.open_slots
    summary = turn.decision.handoff.summary if turn.decision.handoff else ""
    known = slots.filled if slots else {}
    return all(str(text) in known.get(name, summary) for name, text in wanted.items()), known or summary


def _rises(wanted: Any, turn: Turn) -> tuple[bool, Any]:
    score, before = turn.decision.priority.score, turn.priority_before
    return (before is not None and score > before) is wanted, f"{before} → {score}"


def _summary(turn: Turn) -> str:
    return turn.decision.handoff.summary if turn.decision.handoff else ""


_CHECKS: dict[str, Callable[[Any, Turn], tuple[bool, Any]]] = {
    "intent": _one_of(lambda turn: turn.analysis.intent.name),
    "intents_include": lambda wanted, turn: (set(_listed(wanted)) <= set(turn.analysis.intents), turn.analysis.intents),
    "decision": _one_of(lambda turn: turn.decision.decision),
    "reason": _one_of(lambda turn: turn.decision.reason),
    "emotion": _one_of(lambda turn: turn.analysis.emotion.label),
    "alert": lambda wanted, turn: (turn.decision.emotion.alert is wanted, turn.decision.emotion.alert),
    "faq": _faq,
    "out_of_scope": lambda wanted, turn: (turn.out_of_scope is wanted, turn.out_of_scope),
    "asks_for": _asks_for,
    "filled": _filled,
    "reply_contains": _holds_one(lambda turn: turn.decision.reply),
    "priority_at_least": lambda wanted, turn: (turn.decision.priority.score >= wanted, turn.decision.priority.score),
    "priority_at_most": lambda wanted, turn: (turn.decision.priority.score <= wanted, turn.decision.priority.score),
    "priority_rises": _rises,
    "summary_contains": lambda wanted, turn: (all(str(part) in _summary(turn) for part in _listed(wanted)), _summary(turn)),
    "summary_lacks": lambda wanted, turn: (not any(str(part) in _summary(turn) for part in _listed(wanted)), _summary(turn)),
}
