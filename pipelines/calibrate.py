"""calibrate: temperatures, FAQ fusion, out-of-scope rejection and thresholds, all from the dev split.

Of the train split the fusion and the rejector also learn from what no entry answers and what is out of scope; no threshold does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from data.errors import ConfigError
from models.calibration import (
    Calibration,
    Thresholds,
    alarm_curve,
    fit_temperature,
    precision_curve,
    sigmoid,
    softmax,
    threshold_for_precision,
    threshold_for_recall,
)  # fmt: skip
from models.encoder import Encoded, OnnxEncoder
from models.matching import FEATURES, Fusion
from models.rejection import BUCKETS, Rejector, pack_words, word_buckets
from models.retrieval import Candidates, FaqIndex, Reading
from pipelines.config import CalibrateConfig
from pipelines.index import open_encoder
from pipelines.prepared import FaqQuery, Message, OutOfScopeText, Prepared, load_prepared
from pipelines.tracking import Run
from pipelines.workspace import Workspace

_MIN_DEV = 50
_FOLDS = 5
_EXACT = 4.0  # log-odds for an entry one of whose questions was asked to the letter
_WORDY = 400  # training messages of an intent whose words the rejector learns from
_OFFERED = 3  # suggestions that a customer is shown


def run(config: CalibrateConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes calibration.json into the folder."""
    prepared = load_prepared(workspace.require("prepare"))
    dev = prepared.messages["dev"]
    if len(dev) < _MIN_DEV:
        raise ConfigError(f"the dev split holds {len(dev)} turns, expected {_MIN_DEV} or more; add dialogues or raise its fraction")
    labels = prepared.labels
    encoder = open_encoder(workspace, threads=config.threads)
    faq = FaqIndex.load(workspace.require("index") / "faq", labels.intents)
    encoded = encoder.encode([row.text for row in dev], [row.history for row in dev])
    main = np.array([labels.intents.index(row.intents[0]) for row in dev])
    felt = np.array([bool(row.emotion) for row in dev])
    emotions = np.array([labels.emotions.index(row.emotion) for row in dev if row.emotion])
    temperature = fit_temperature(encoded.intent, main)
    ranking = softmax(encoded.intent, temperature)
    calibration = Calibration(
        intent_temperature=temperature,
        intent_first=_fit_first(ranking.max(axis=1).astype(np.float64), ranking.argmax(axis=1) == main),
        emotion_temperature=fit_temperature(encoded.emotion[felt], emotions),
        presence_scale=_fit_presence(encoded, dev, labels.intents),
    )
    provenance: dict[str, Any] = {}
    chosen: dict[str, float] = {}
    chosen |= _intent_thresholds(calibration, encoded, dev, main, labels.intents, config, provenance)
    chosen |= _emotion_thresholds(calibration, encoded, felt, emotions, labels.emotions, config, provenance)
    rejector, oos_threshold = _fit_rejector(calibration, encoder, faq, encoded, prepared, labels.intents, config, provenance)
    calibration = replace(calibration, rejector=rejector)
    fusion, faq_thresholds = _fit_fusion(calibration, encoder, faq, prepared, config, provenance)
    chosen |= faq_thresholds | oos_threshold | {"repeat": _repeat_threshold(faq, provenance)}
    calibration = replace(calibration, fusion=fusion, thresholds=Thresholds(**chosen), provenance=provenance)
    calibration.save(folder / "calibration.json")
    tracker.metrics({f"threshold_{name}": value for name, value in chosen.items()})
    tracker.metrics({"intent_temperature": calibration.intent_temperature, "emotion_temperature": calibration.emotion_temperature})
    facts = {name: _numbers(provenance.get(name, {})) for name in chosen}
    tracker.table("thresholds", [{"threshold": name, "value": value, **facts[name]} for name, value in chosen.items()])
    return {"thresholds": chosen, "provenance": provenance}


def faq_candidates(
    calibration: Calibration, encoder: OnnxEncoder, faq: FaqIndex, queries: Sequence[FaqQuery], *, itself: bool = True
) -> list[Candidates]:
    """Returns the candidates of each query, as serving would see them; without `itself` as if the query were not in the index."""
    encoded = encoder.encode([query.text for query in queries])
    intents = calibration.intent_probabilities(encoded.intent)
    slope, intercept = calibration.presence_scale
    presence = sigmoid(encoded.presence * slope + intercept)
    readings = [
        Reading(intents[row], presence[row], 0.0, encoded.tokens[row]) for row in range(len(queries))
    ]  # no search asks for scope
    return [
        faq.candidates(query.text, encoded.vector[row], readings[row], itself=itself) for row, query in enumerate(queries)
    ]  # fmt: skip


def is_right(faq: FaqIndex, query: FaqQuery, entries: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tells for each candidate entry whether it answers the query. Shape: (n,)."""
    return np.array([query.is_answered_by(faq.entries[index].faq_id) for index in entries], np.bool_)


def _numbers(facts: dict[str, Any]) -> dict[str, Any]:
    """Without the curves, which are no cell of a table."""
    return {name: value for name, value in facts.items() if not isinstance(value, list | dict)}


def _fit_first(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of the first place's logit, from whether it was right. Source: Gupta and Ramdas 2022; Platt 1999."""
    if right.all() or not right.any():
        return 1.0, 0.0
    model = LogisticRegression(C=1e4).fit(_logit(confidence).reshape(-1, 1), right)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(probability, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _fit_presence(encoded: Encoded, dev: Sequence[Message], intents: Sequence[str]) -> tuple[float, float]:
    """Platt scaling of the presence logits over all (message, intent) pairs. Source: Platt 1999."""
    truth = np.array([[code in row.intents for code in intents] for row in dev])
    model = LogisticRegression(C=1e4).fit(encoded.presence.reshape(-1, 1), truth.ravel())
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _intent_thresholds(
    calibration: Calibration, encoded: Encoded, dev: Sequence[Message], main: NDArray[np.int64], intents: Sequence[str],
    config: CalibrateConfig, provenance: dict[str, Any],
) -> dict[str, float]:  # fmt: skip
    probability = calibration.intent_probabilities(encoded.intent)
    right = probability.argmax(1) == main
    threshold, provenance["intent"] = threshold_for_precision(probability.max(1), right, config.intent_precision)
    provenance["intent"]["curve"] = precision_curve(probability.max(1), right)
    ordered = np.sort(probability, axis=1)
    margin, provenance["intent_margin"] = threshold_for_precision(ordered[:, -1] - ordered[:, -2], right, config.intent_precision)
    slope, intercept = calibration.presence_scale
    presence = sigmoid(encoded.presence * slope + intercept)
    truth = np.array([[code in row.intents for code in intents] for row in dev])
    grid = np.arange(0.05, 0.95, 0.05)
    scores = [_micro_f1(presence >= value, truth) for value in grid]
    best = int(np.argmax(scores))
    provenance["presence"] = {"target": "micro-F1", "micro_f1": scores[best], "n": len(dev)}
    return {"intent": threshold, "intent_margin": margin, "presence": float(grid[best])}


def _micro_f1(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (predicted & truth).sum() / max(1, predicted.sum() + truth.sum()))


def _emotion_thresholds(
    calibration: Calibration, encoded: Encoded, felt: NDArray[np.bool_], emotions: NDArray[np.int64], names: Sequence[str],
    config: CalibrateConfig, provenance: dict[str, Any],
) -> dict[str, float]:  # fmt: skip
    probability = softmax(encoded.emotion[felt], calibration.emotion_temperature)
    angry, anxious = probability[:, names.index("angry")], probability[:, names.index("anxious")]
    is_angry, is_anxious = emotions == names.index("angry"), emotions == names.index("anxious")
    alert, provenance["anger_alert"] = threshold_for_recall(
        angry, is_angry, config.anger_recall, most_false_alarms=config.anger_false_alarms, z=config.false_alarms_z
    )
    handoff, provenance["anger_handoff"] = threshold_for_precision(angry, is_angry, config.anger_handoff_precision)
    anxiety, provenance["anxiety_alert"] = threshold_for_recall(anxious, is_anxious, config.anxiety_recall)
    provenance["anger_alert"]["curve"] = provenance["anger_handoff"]["curve"] = alarm_curve(angry, is_angry)
    provenance["anxiety_alert"]["curve"] = alarm_curve(anxious, is_anxious)
    # A person takes over only above the alert, however precise the model is lower down.
    return {"anger_alert": alert, "anger_handoff": max(handoff, alert + 1e-6), "anxiety_alert": anxiety}


def _fit_fusion(
    calibration: Calibration, encoder: OnnxEncoder, faq: FaqIndex, prepared: Prepared, config: CalibrateConfig, provenance: dict[str, Any],
) -> tuple[Fusion, dict[str, float]]:  # fmt: skip
    """Fusion is fitted on the candidates of dev queries; its thresholds on out-of-fold confidences of each dev query's best.

    Train queries that no entry answers help to fit it. Those that one answers would not: the encoder has learnt them beside it.
    """
    queries = prepared.queries["dev"]
    if sum(query.faq_id is not None for query in queries) < _MIN_DEV:
        provenance["faq_direct"] = {"target": config.direct_precision, "n": len(queries), "note": "defaults: too few dev queries"}
        return Fusion(), {}
    found, right = _judged_candidates(calibration, encoder, faq, queries)
    known, known_right = _judged_candidates(
        calibration, encoder, faq, [query for query in prepared.queries["train"] if query.faq_id is None], itself=False
    )
    folds = np.random.default_rng(config.seed).integers(0, _FOLDS, len(queries))
    best_confidence = np.zeros(len(queries))
    best_right, offered_right = np.zeros(len(queries), np.bool_), np.zeros(len(queries), np.bool_)
    for fold in range(_FOLDS):
        others = np.flatnonzero(folds != fold)
        fusion = _fusion_of([*known, *(found[row] for row in others)], [*known_right, *(right[row] for row in others)])
        for row in np.flatnonzero(folds == fold):
            confidence = fusion.probability(found[row].features)
            order = np.argsort(-confidence, kind="stable")
            best_confidence[row], best_right[row] = confidence[order[0]], right[row][order[0]]
            offered_right[row] = right[row][order[:_OFFERED]].any()
    # Sure of a candidate is not yet sure of the best of many: the same scaling is applied to the fusion that is kept.
    slope, intercept = _fit_first(best_confidence, best_right)
    best_confidence = sigmoid(slope * _logit(best_confidence) + intercept).astype(np.float64)
    direct, provenance["faq_direct"] = threshold_for_precision(
        best_confidence, best_right, config.direct_precision, z=config.precision_z
    )
    provenance["faq_direct"]["curve"] = precision_curve(best_confidence, best_right)
    # A suggestion is right if the entry is among those offered; only what is not answered directly is ever suggested.
    below = best_confidence < direct
    suggest, provenance["faq_suggest"] = threshold_for_precision(
        best_confidence[below], offered_right[below], config.suggest_precision, z=config.precision_z
    )
    provenance["faq_suggest"]["curve"] = precision_curve(best_confidence[below], offered_right[below])
    whole = _fusion_of([*known, *found], [*known_right, *right])
    scaled = Fusion(tuple(slope * weight for weight in whole.weights), slope * whole.bias + intercept)
    return scaled, {"faq_direct": direct, "faq_suggest": min(suggest, direct)}


def _judged_candidates(
    calibration: Calibration, encoder: OnnxEncoder, faq: FaqIndex, queries: Sequence[FaqQuery], *, itself: bool = True
) -> tuple[list[Candidates], list[NDArray[np.bool_]]]:
    found = faq_candidates(calibration, encoder, faq, queries, itself=itself)
    return found, [is_right(faq, query, candidates.entries) for query, candidates in zip(queries, found, strict=True)]


def _fusion_of(found: Sequence[Candidates], right: Sequence[NDArray[np.bool_]]) -> Fusion:
    features = np.concatenate([candidates.features for candidates in found])
    truth = np.concatenate(list(right))
    scale = features.std(0) + 1e-6
    model = LogisticRegression(C=0.3, max_iter=2000).fit(features / scale, truth)
    weights = model.coef_[0] / scale
    # No dev query is a question of the knowledge base to the letter (prepare sees to it), so this one cannot be learnt.
    weights[FEATURES.index("exact")] = _EXACT
    return Fusion(tuple(float(weight) for weight in weights), float(model.intercept_[0]))


def _fit_rejector(
    calibration: Calibration, encoder: OnnxEncoder, faq: FaqIndex, encoded: Encoded, prepared: Prepared, intents: Sequence[str],
    config: CalibrateConfig, provenance: dict[str, Any],
) -> tuple[Rejector, dict[str, float]]:  # fmt: skip
    base = _base_rejector(faq, prepared, intents, config.seed)
    outside: list[OutOfScopeText] = prepared.out_of_scope["dev"]
    if len(outside) < _MIN_DEV:
        provenance["out_of_scope"] = {"n": len(outside), "note": "defaults: too few out-of-scope dev rows"}
        return base, {}
    other, other_texts = encoder.encode([row.text for row in outside]), [row.text for row in outside]
    texts = [row.text for row in prepared.messages["dev"]]
    queries = [query.text for query in prepared.queries["dev"]]  # what a shop is asked, whether or not an entry answers it
    inside, beyond = base.features(encoded, texts), base.features(other, other_texts)
    asked = base.features(encoder.encode(queries), queries)
    features = np.concatenate([inside, asked, beyond])
    truth = np.concatenate([np.zeros(len(inside) + len(asked)), np.ones(len(beyond))])
    mean, scale = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=10.0).fit((features - mean) / scale, truth)
    rejector = replace(
        base, weights=tuple(map(float, model.coef_[0])), bias=float(model.intercept_[0]), mean=tuple(map(float, mean)),
        scale=tuple(map(float, scale)),
    )  # fmt: skip
    kept = rejector.probability(encoded, texts)
    outer = rejector.probability(other, other_texts)
    sure, too_sure = (calibration.intent_probabilities(part.intent).max(axis=1) for part in (encoded, other))
    certain = float(np.quantile(too_sure, 1 - config.certain_leak))
    # Messages of a certain intent are served in any case: the threshold need only spare the others.
    doubtful = np.where(sure >= certain, 0.0, kept)
    threshold = float(np.quantile(doubtful, config.in_scope_kept))
    provenance["out_of_scope"] = {
        "threshold_for_95_percent": float(np.quantile(doubtful, 0.95)),  # the usual point of comparison, whatever is served
        "target": config.in_scope_kept, "in_scope_kept": float(((kept < threshold) | (sure >= certain)).mean()),
        "recall": float(((outer >= threshold) & (too_sure < certain)).mean()), "n": len(kept) + len(outer),
        "curve": alarm_curve(np.concatenate([kept, outer]), np.arange(len(kept) + len(outer)) >= len(kept)),
        "signs": _sign_thresholds(calibration, encoded, inside, config.in_scope_kept),
    }  # fmt: skip
    provenance["certain_intent"] = {"target": config.certain_leak, "n": len(outside)}
    return rejector, {"out_of_scope": threshold, "certain_intent": certain}


def _base_rejector(faq: FaqIndex, prepared: Prepared, intents: Sequence[str], seed: int) -> Rejector:
    """What the words of the training split say of out of scope.

    The questions of the knowledge base stand beside the messages within scope: they name products that no dialogue does.
    """
    outside = prepared.out_of_scope["train"]
    if len(outside) < _MIN_DEV:
        return Rejector()
    inside = [row.text for row in _sample(prepared.messages["train"], intents, seed, size=_WORDY)]
    inside += [*faq.questions, *(query.text for query in prepared.queries["train"] if query.faq_id is None)]
    truth = np.concatenate([np.zeros(len(inside)), np.ones(len(outside))])
    hashed = _hashed([*inside, *(row.text for row in outside)])
    words = LogisticRegression(C=100.0, max_iter=2000, class_weight="balanced").fit(hashed, truth).coef_[0]
    return Rejector(words=pack_words(words))


def _sign_thresholds(
    calibration: Calibration, encoded: Encoded, inside: NDArray[np.float64], kept: float
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Where each sign alone would keep the same share in scope: what `evaluate` compares the whole with."""
    columns = rejection_signs(inside, calibration.intent_probabilities(encoded.intent))
    return {name: {"threshold": float(np.quantile(values, kept))} for name, values in columns.items()}


def rejection_signs(features: NDArray[np.float64], intents: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Returns each known method of rejection by itself, higher where a message looks more out of scope. Shapes: (n,).

    Args:
        features: Of `Rejector.features`. Shape: (n, 4).
        intents: The calibrated ranking. Shape: (n, intents).

    Source: Hendrycks and Gimpel 2017 (highest probability); the others as in `Rejector`.
    """
    presence, energy, words, head = features.T
    highest = intents.max(axis=1).astype(np.float64)
    return {
        "highest probability": -highest, "energy": -energy, "presence": -presence,
        "trained words": words, "trained head": head,
    }  # fmt: skip


def _sample(messages: Sequence[Message], intents: Sequence[str], seed: int, *, size: int) -> list[Message]:
    """Some training messages of each intent: enough to know where it lies, and cheap to encode."""
    generator = np.random.default_rng(seed)
    chosen: list[Message] = []
    for code in intents:
        own = [row for row in messages if row.intents[0] == code]
        chosen += [own[index] for index in generator.permutation(len(own))[:size]]
    return chosen


def _hashed(texts: Sequence[str]) -> csr_matrix:
    """N-grams of each text as `Rejector` weighs them. Shape: (n, BUCKETS)."""
    places = [word_buckets(text) for text in texts]
    counts = [len(own) for own in places]
    values = np.concatenate([np.full(count, 1 / np.sqrt(max(1, count))) for count in counts])
    rows = np.repeat(np.arange(len(texts)), counts)
    return csr_matrix((values, (rows, np.concatenate(places))), shape=(len(texts), BUCKETS))


def _repeat_threshold(faq: FaqIndex, provenance: dict[str, Any]) -> float:
    """Cosine that halves paraphrases and strangers best: two questions of one entry against neighbours of another."""
    generator = np.random.default_rng(0)
    owner = faq.owner
    same = [(row, row + 1) for row in range(len(owner) - 1) if owner[row] == owner[row + 1]]
    other = generator.integers(0, len(owner), (4 * len(same), 2))
    other = other[owner[other[:, 0]] != owner[other[:, 1]]]
    near, far = faq.cosines(np.array(same)), faq.cosines(other)
    grid = np.linspace(0.3, 0.95, 66)
    gain = [(near >= value).mean() - (far >= value).mean() for value in grid]
    best = int(np.argmax(gain))
    provenance["repeat"] = {"target": "Youden's J", "paraphrases_found": float((near >= grid[best]).mean()), "n": len(same)}
    return float(grid[best])
