"""Feeds a corrected review file back into the training rows. Dev and test rows are never touched."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from data.dedupe import dedupe_key
from data.errors import ConfigError
from data.review import DROP, ReviewRow, read_review

logger = logging.getLogger(__name__)

_COUNTS = ("corrected", "confirmed", "label_removed", "flagged_kept", "down_weighted", "dropped", "stale", "held_out")


def apply_review(
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    review: Sequence[ReviewRow],
    *,
    flagged: Literal["keep", "down_weight", "drop"],
    reasons: Sequence[str],
    flagged_weight: float,
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Returns (training rows after review, counts by `review_…` of what was done).

    A row that a person filled in gets their intents, or loses its label (`drop`); writing the given intents confirms them, and
    keeps the row at full weight. Of rows that are flagged and not filled in, `flagged` decides.

    Args:
        splits: Rows of each split as `prepare` makes them.
        review: What was read; of two rows on one message, the filled one counts, then the later.
        flagged: What becomes of flagged rows that nobody filled in.
        reasons: Reasons that count as flagged.
        flagged_weight: Their weight with `down_weight`, in [0, 1].
    """
    known = {row["id"]: (name, row["text"]) for name, rows in splits.items() for row in rows}
    counts: Counter[str] = Counter()
    verdicts: dict[str, ReviewRow] = {}
    for entry in review:
        name, text = known.get(entry.row_id, ("", ""))
        # Turn numbers may have moved since: the text must be the same too.
        if not name or dedupe_key(text) != dedupe_key(entry.text):
            counts["stale"] += 1
        elif name != "train":
            counts["held_out"] += 1
        elif entry.correct or entry.row_id not in verdicts:
            verdicts[entry.row_id] = entry
    kept = []
    for row in splits["train"]:
        changed, done = _judged(dict(row), verdicts.get(row["id"]), flagged, reasons, flagged_weight)
        counts[done] += 1
        kept += [changed] if changed is not None else []
    _warn(counts)
    return kept, {f"review_{name}": counts[name] for name in _COUNTS}


def refuse_filled_review(folder: Path) -> None:
    """Raises ConfigError if a review file in the folder holds corrections, which a new one would overwrite."""
    if not any(folder.glob("review.*")):
        return
    filled = [row for row in read_review(folder) if row.correct]
    if filled:
        raise ConfigError(
            f"{folder} holds {len(filled)} corrections, such as {filled[0].where}; copy the file elsewhere and name the copy as "
            "`review` in prepare.yaml, or pass --force to throw them away"
        )


def _judged(
    row: dict[str, Any], entry: ReviewRow | None, flagged: str, reasons: Sequence[str], flagged_weight: float
) -> tuple[dict[str, Any] | None, str]:
    """Returns (the row, None if it goes, and what was done to it)."""
    if entry is None:
        return row, "untouched"
    if entry.correct == (DROP,):
        return None, "label_removed"
    if entry.correct:
        done = "confirmed" if list(entry.correct) == list(row["intents"]) else "corrected"
        return {**row, "intents": list(entry.correct)}, done
    if not set(entry.reasons) & set(reasons):
        return row, "untouched"
    if flagged == "drop":
        return None, "dropped"
    if flagged == "down_weight":
        return {**row, "weight": flagged_weight}, "down_weighted"
    return row, "flagged_kept"


def _warn(counts: Mapping[str, int]) -> None:
    if counts["stale"]:
        logger.warning(
            "%d rows of the review file are no longer in the data (id gone, or another text under it) and were left out",
            counts["stale"],
        )
    if counts["held_out"]:
        logger.warning("%d rows of the review file are dev or test rows now, which are never changed", counts["held_out"])
