"""How often both of two queries in one message are answered."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from models.analysis import Conversation, Decision
from models.analyzer import Analyzer, Request
from models.calibration import wilson_interval
from models.policy import Circumstances, Knowledge, decide
from pipelines.prepared import FaqQuery

_PAIRS = 200
_LONGEST = 16  # characters: two queries as people put into one line
_PIECES = re.compile(r"[^\w%+.-].*\w")  # signs or blanks between words
_AT_ONCE = 50


def measure_two_wants(analyzer: Analyzer, queries: Sequence[FaqQuery], *, seed: int) -> dict[str, Any]:
    """Returns how many pairs of answerable queries, put side by side in one message, get both answers, one, or a wrong one.

    Args:
        analyzer: Of the bundle to measure.
        queries: Of the test split.
        seed: Decides which queries are paired; their entries have different intents.
    """
    bundle = analyzer.bundle
    pairs = paired(queries, {entry.faq_id: entry.intent for entry in bundle.faq.entries}, seed=seed)
    knowledge = Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds)
    counts = {"both": 0, "one": 0, "wrong": 0}
    for start in range(0, len(pairs), _AT_ONCE):
        part = pairs[start : start + _AT_ONCE]
        analyses = analyzer.analyze([Request(f"{first.text} {second.text}") for first, second in part])
        for pair, analysis in zip(part, analyses, strict=True):
            for name in outcomes(pair, decide(analysis, Conversation(), Circumstances(), knowledge)):
                counts[name] += 1
    shares = {name: count / max(1, len(pairs)) for name, count in counts.items()}
    return {"n": len(pairs), **shares, "intervals": {name: wilson_interval(count, len(pairs)) for name, count in counts.items()}}


def paired(queries: Sequence[FaqQuery], intents: dict[str, str], *, seed: int) -> list[tuple[FaqQuery, FaqQuery]]:
    """Returns pairs of short answerable queries, each of one piece, with different intents; no query is in two."""
    short = [
        query for query in queries if query.faq_id is not None and len(query.text) <= _LONGEST and not _PIECES.search(query.text)
    ]
    random.Random(seed).shuffle(short)
    pairs = zip(short[::2], short[1::2], strict=False)
    return [pair for pair in pairs if len({intents[str(query.faq_id)] for query in pair}) == 2][:_PAIRS]


def outcomes(pair: tuple[FaqQuery, FaqQuery], decision: Decision) -> list[str]:
    """Returns `both` or `one` if so many are answered, and `wrong` if an answer is sent that is right for neither."""
    sent = [answer.faq_id for answer in (decision.answer, decision.second_answer) if answer is not None]
    answered = sum(any(query.is_answered_by(name) for name in sent) for query in pair)
    wrong = [name for name in sent if not any(query.is_answered_by(name) for query in pair)]
    return [["one", "both"][answered - 1]] * bool(answered) + ["wrong"] * bool(wrong)
