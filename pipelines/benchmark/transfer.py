"""Transfer: the current bundle on words of real customers that it was never trained on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from data.types import Utterance
from models.analysis import Analysis
from models.analyzer import Analyzer, Request
from models.bundle import Bundle
from models.calibration import wilson_interval
from models.policy import is_out_of_scope
from pipelines.benchmark.sets import FILES, PublicSets, Ranking, Row, read_label_map, sample
from pipelines.config import BenchmarkConfig
from pipelines.metrics import auroc, macro_f1, per_class
from pipelines.prepared import Message
from pipelines.progress import progress_bar

_BATCH = 256
_MACRO_ROWS = 20  # a label with fewer rows says little, and would count as much as the others in a macro mean
_BROAD = 4  # a label that accepts so many codes is nearly always right, so accuracy is given without it as well
_PAIRS = 30
_EXAMPLES = 3

# How EWECT's six labels are read. The fit is loose: a post is no customer's message, and surprise is not always confusion.
# Source: SMP2020-EWECT, the evaluation of Weibo emotion classification.
EWECT_READ_AS = {
    "happy": "satisfied", "angry": "angry", "sad": "disappointed", "fear": "anxious", "surprise": "confused", "neutral": "neutral",
}  # fmt: skip
_DISSATISFIED = "买家表达不满/生气"
_QUESTION = "买家咨询"


@dataclass(frozen=True, slots=True)
class Score:
    """What is kept of an analysis: a whole one for each row of all sets would fill the memory.

    Attributes:
        intent: The likeliest.
        confidence: Its calibrated probability, in [0, 1].
        emotion: The likeliest.
        anger: Probability of `angry`, in [0, 1].
        out_of_scope: Calibrated probability, in [0, 1].
        rejected: Whether serving would reject the message.
        vector: Retrieval vector of unit length. Shape: (hidden,), float32.
    """

    intent: str
    confidence: float
    emotion: str
    anger: float
    out_of_scope: float
    rejected: bool
    vector: NDArray[np.float32]


class Scorer:
    """Analyses messages with a bundle; each distinct (text, history) is encoded once."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._analyzer = Analyzer(bundle)
        self._known: dict[tuple[str, tuple[Utterance, ...]], Score] = {}

    def texts(self, texts: Iterable[str]) -> list[Score]:
        """Returns the scores of texts on their own, in order."""
        return self.messages([(text, ()) for text in texts])

    def messages(self, messages: Sequence[tuple[str, tuple[Utterance, ...]]]) -> list[Score]:
        """Returns the scores of (text, turns before it), in order."""
        new = list(dict.fromkeys(message for message in messages if message not in self._known))
        with progress_bar("analyze") as bar:
            for start in range(0, len(new), _BATCH):
                batch = new[start : start + _BATCH]
                analyses = self._analyzer.analyze([Request(text, history) for text, history in batch], top_k=0)
                self._known |= {message: self._score(analysis) for message, analysis in zip(batch, analyses, strict=True)}
                bar.update(start + len(batch), len(new))
        return [self._known[message] for message in messages]

    def _score(self, analysis: Analysis) -> Score:
        return Score(
            analysis.intent.name, analysis.intent.confidence, analysis.emotion.label, analysis.emotion.scores.get("angry", 0.0),
            analysis.out_of_scope, is_out_of_scope(analysis, self.bundle.calibration.thresholds), analysis.vector.copy(),
        )  # fmt: skip


def measure_transfer(
    config: BenchmarkConfig, bundle: Bundle, sets: PublicSets, own: Sequence[Message] | None
) -> dict[str, dict[str, Any]]:
    """Returns what the bundle reaches on the sets that are there: `intent`, `emotion`, `retrieval` and `out_of_scope`.

    Args:
        config: See BenchmarkConfig.
        bundle: The bundle to measure.
        sets: The public sets.
        own: The shop's own test messages, None where the workspace has none.
    """
    scorer = Scorer(bundle)
    return {
        "intent": _intents(config, scorer, sets),
        "emotion": _emotions(config, scorer, sets),
        "retrieval": _retrieval(config, scorer, sets),
        "out_of_scope": _out_of_scope(config, scorer, sets, own),
    }


def measure_intent(
    scorer: Scorer, rows: Sequence[Row], accepted: Mapping[str, frozenset[str]], *, limit: int | None = None, seed: int = 13
) -> dict[str, Any]:
    """Returns top-1 accuracy over rows whose label accepts a code that the bundle knows; any accepted code counts.

    Args:
        scorer: The bundle.
        rows: Labelled texts, with their history where it is to be given.
        accepted: Label to codes.
        limit: At most so many of those rows, drawn by the seed; None takes all.
        seed: Draws them.
    """
    known = {label: codes & set(scorer.bundle.labels.intents) for label, codes in accepted.items()}
    mapped = [row for row in rows if known.get(row.label)]
    kept = sample(mapped, limit, seed)
    if not kept:
        return {"n": 0, "rows_without_code": len(rows)}
    scores = scorer.messages([(row.text, row.history) for row in kept])
    right = np.array([score.intent in known[row.label] for row, score in zip(kept, scores, strict=True)])
    confidence = np.array([score.confidence for score in scores])
    threshold = scorer.bundle.calibration.thresholds.intent
    sure = confidence >= threshold
    broad = sorted(label for label, codes in accepted.items() if len(codes) >= _BROAD)
    narrow = np.array([row.label not in broad for row in kept])
    by_label = {label: right[[row.label == label for row in kept]] for label in {row.label for row in kept}}
    counted = [float(part.mean()) for part in by_label.values() if len(part) >= _MACRO_ROWS]
    return {
        **share(right), "rows_without_code": len(rows) - len(mapped),
        "macro": float(np.mean(counted)) if counted else float("nan"), "macro_labels": len(counted),
        "broad_labels": broad, "without_broad": share(right[narrow]), "threshold": threshold,
        "coverage": float(sure.mean()), "precision": float(right[sure].mean()) if sure.any() else float("nan"), "n_sure": int(sure.sum()),
        "confusions": _confusions(kept, scores, right, known),
    }  # fmt: skip


def share(right: NDArray[np.bool_]) -> dict[str, Any]:
    """Returns n, the share of right rows (`accuracy`, in [0, 1], nan of none) and its 95 % Wilson interval."""
    value = float(right.mean()) if len(right) else float("nan")
    return {"n": len(right), "accuracy": value, "interval": wilson_interval(int(right.sum()), len(right))}


def rank(relevant: NDArray[np.float32], irrelevant: NDArray[np.float32]) -> tuple[float, float]:
    """Returns (average precision, reciprocal rank of the first relevant one), in (0, 1]; on a tie the irrelevant stands first.

    Args:
        relevant: Scores of what is to stand above. Shape: (n,).
        irrelevant: Scores of what is to stand below. Shape: (m,).
    """
    ordered = np.sort(relevant)[::-1]
    above = (irrelevant[None, :] >= ordered[:, None]).sum(1)
    places = np.arange(1, len(ordered) + 1)
    return float((places / (places + above)).mean()), float(1 / (1 + above[0]))


def _intents(config: BenchmarkConfig, scorer: Scorer, sets: PublicSets) -> dict[str, Any]:
    cases: dict[str, tuple[str, list[Row]]] = {}
    if "cic" in sets:
        cases["cic_clean_dev"] = ("cic", sets.labelled("cic/clean_dev.jsonl"))
    if "dialoguecse_jddc" in sets:
        cases["dialoguecse_jddc"] = ("jddc", sets.rankings("dialoguecse_jddc")[0])
    if "jddc" in sets:
        turns = sets.turns()
        cases["jddc_first_turns"] = ("jddc", [row for row in turns if not row.history])
        cases["jddc_all_turns"] = ("jddc", [_alone(row) for row in turns])
        cases["jddc_all_turns_with_history"] = ("jddc", turns)
    limit, seed = config.transfer.rows, config.seed
    return {
        name: measure_intent(scorer, rows, read_label_map(config.label_maps, source), limit=limit, seed=seed)
        for name, (source, rows) in cases.items()
    }


def _emotions(config: BenchmarkConfig, scorer: Scorer, sets: PublicSets) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "ewect" in sets:
        found["ewect_dev"] = _read_posts(scorer, sample(sets.labelled("ewect/dev.jsonl"), config.transfer.rows, config.seed))
    if "cic" in sets:
        rows = sets.labelled("cic/train.jsonl") + sets.labelled("cic/dev.jsonl")
        cross = [row for row in rows if row.label == _DISSATISFIED]
        calm = [row for row in rows if row.label.startswith(_QUESTION)]
        found["cic_dissatisfied"] = _read_as(scorer, sample(cross, config.transfer.rows, config.seed), {"angry", "disappointed"})
        found["cic_calm_questions"] = _read_as(scorer, sample(calm, config.transfer.rows, config.seed), {"angry"})
    return found


def _read_posts(scorer: Scorer, rows: Sequence[Row]) -> dict[str, Any]:
    names = scorer.bundle.labels.emotions
    kept = [row for row in rows if EWECT_READ_AS.get(row.label) in names]
    if not kept:
        return {"n": 0, "read_as": EWECT_READ_AS}
    truth = np.array([names.index(EWECT_READ_AS[row.label]) for row in kept])
    predicted = np.array([names.index(score.emotion) for score in scorer.texts(row.text for row in kept)])
    titles = [info.title for info in scorer.bundle.pack.emotions]
    return {
        **share(truth == predicted), "macro_f1": macro_f1(truth, predicted), "read_as": EWECT_READ_AS,
        "majority": float(np.bincount(truth).max() / len(truth)), "per_class": per_class(truth, predicted, names, titles),
    }  # fmt: skip


def _read_as(scorer: Scorer, rows: Sequence[Row], emotions: set[str]) -> dict[str, Any]:
    """The share of rows that are read as one of some emotions; what the share means is the caller's matter."""
    scores = scorer.texts(row.text for row in rows)
    found = share(np.array([score.emotion in emotions for score in scores], bool))
    alert = scorer.bundle.calibration.thresholds.anger_alert
    return {
        "n": found["n"], "read_as": sorted(emotions), "share": found["accuracy"], "interval": found["interval"],
        "anger_alert_share": float(np.mean([score.anger >= alert for score in scores])) if scores else float("nan"),
        "emotions": dict(Counter(score.emotion for score in scores).most_common()),
    }  # fmt: skip


def _retrieval(config: BenchmarkConfig, scorer: Scorer, sets: PublicSets) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("dialoguecse_jddc", "dialoguecse_ecd"):
        if name not in sets:
            continue
        rows, rankings = sets.rankings(name)
        pairs = sample(sets.pairs(name), config.transfer.rows, config.seed)
        found[name] = _rank_all(scorer, rows, sample(rankings, config.transfer.rows, config.seed)) | _correlate(scorer, pairs)
    return found


def _rank_all(scorer: Scorer, rows: Sequence[Row], rankings: Sequence[Ranking]) -> dict[str, Any]:
    needed = sorted({index for one in rankings for index in (one.row, *one.relevant, *one.irrelevant)})
    scores = scorer.texts(rows[index].text for index in needed)
    vectors = {index: score.vector for index, score in zip(needed, scores, strict=True)}

    def cosines(own: int, others: Sequence[int]) -> NDArray[np.float32]:
        return np.stack([vectors[index] for index in others]) @ vectors[own]

    ranked = [rank(cosines(one.row, one.relevant), cosines(one.row, one.irrelevant)) for one in rankings]
    precision, reciprocal = np.array(ranked).T if ranked else np.full((2, 1), np.nan)
    return {"n": len(rankings), "map": float(precision.mean()), "mrr": float(reciprocal.mean())}


def _correlate(scorer: Scorer, pairs: Sequence[tuple[str, str, float]]) -> dict[str, Any]:
    left, right = scorer.texts(pair[0] for pair in pairs), scorer.texts(pair[1] for pair in pairs)
    cosines = [float(one.vector @ other.vector) for one, other in zip(left, right, strict=True)]
    correlation = float(spearmanr(cosines, [pair[2] for pair in pairs]).statistic) if len(pairs) > 1 else float("nan")
    return {"n_pairs": len(pairs), "spearman": correlation}


def _out_of_scope(config: BenchmarkConfig, scorer: Scorer, sets: PublicSets, own: Sequence[Message] | None) -> dict[str, Any]:
    if "oos" not in sets:
        return {}
    rows = sample(sets.labelled(FILES["oos"][0]), config.transfer.rows, config.seed)
    outside = scorer.texts(row.text for row in rows)
    inside: dict[str, list[tuple[str, tuple[Utterance, ...]]]] = {
        "public": [(row.text, ()) for row in _in_scope(config, sets)],
        "own_test": [(message.text, message.history) for message in own or ()],
    }
    threshold = scorer.bundle.calibration.thresholds.out_of_scope
    against = {
        name: _apart(scorer.messages(sample(messages, config.transfer.rows, config.seed)), outside, threshold)
        for name, messages in inside.items() if messages
    }  # fmt: skip
    groups: dict[str, list[Score]] = defaultdict(list)
    for row, score in zip(rows, outside, strict=True):
        groups[row.label].append(score)
    return {
        "n": len(rows), "threshold": threshold, **_recall(outside, threshold), "against": against,
        "labels": {label: {"n": len(scores), **_recall(scores, threshold)} for label, scores in sorted(groups.items())},
    }  # fmt: skip


def _in_scope(config: BenchmarkConfig, sets: PublicSets) -> list[Row]:
    """What customers of public sets ask a shop: CIC's clean rows, and JDDC's first turns where an intent code fits."""
    rows = sets.labelled("cic/clean_dev.jsonl") if "cic" in sets else []
    if "jddc" in sets:
        accepted = read_label_map(config.label_maps, "jddc")
        rows += [row for row in sets.turns() if not row.history and row.label in accepted]
    return rows


def _apart(inside: Sequence[Score], outside: Sequence[Score], threshold: float) -> dict[str, Any]:
    kept, far = (np.array([score.out_of_scope for score in scores]) for scores in (inside, outside))
    return {
        "n": len(inside), "auroc": auroc(kept, far), "above_threshold": float((kept >= threshold).mean()),
        "rejected": float(np.mean([score.rejected for score in inside])),
    }  # fmt: skip


def _recall(scores: Sequence[Score], threshold: float) -> dict[str, Any]:
    found = share(np.array([score.out_of_scope >= threshold for score in scores], bool))
    return {
        "recall": found["accuracy"], "interval": found["interval"], "rejected": float(np.mean([score.rejected for score in scores]))
    }  # fmt: skip


def _confusions(
    rows: Sequence[Row], scores: Sequence[Score], right: NDArray[np.bool_], accepted: Mapping[str, frozenset[str] | set[str]]
) -> list[dict[str, Any]]:
    """The (label, predicted code) pairs that are wrong most often, with some texts of each."""
    wrong: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row, score, is_right in zip(rows, scores, right, strict=True):
        if not is_right:
            wrong[row.label, score.intent].append(row.text)
    most = sorted(wrong.items(), key=lambda item: (-len(item[1]), item[0]))[:_PAIRS]
    return [
        {
            "label": label, "accepted": sorted(accepted[label]), "predicted": predicted, "n": len(texts),
            "examples": list(dict.fromkeys(texts))[:_EXAMPLES],
        }
        for (label, predicted), texts in most
    ]  # fmt: skip


def _alone(row: Row) -> Row:
    return Row(row.text, row.label, (), row.dialogue)
