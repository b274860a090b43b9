"""calibrate: temperatures, FAQ fusion, out-of-scope rejection and thresholds, all from the dev split and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from data.errors import ConfigError
from models.calibration import (
    Calibration,
    Thresholds,
    fit_temperature,
    sigmoid,
    softmax,
    threshold_for_precision,
    threshold_for_recall,
)  # fmt: skip
from models.encoder import Encoded, OnnxEncoder
from models.rejection import Rejector
from models.retrieval import Candidates, FaqIndex, Fusion, Reading
from pipelines.config import CalibrateConfig
from pipelines.index import open_encoder
from pipelines.prepared import FaqQuery, Message, OutOfScopeText, Prepared, load_prepared
from pipelines.tracking import Run
from pipelines.workspace import Workspace

_MIN_DEV = 50
_OFFERED = 3  # suggestions that a customer is shown


def run(config: CalibrateConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes calibration.json and curves.json into the folder."""
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
    calibration = Calibration(
        intent_temperature=fit_temperature(encoded.intent, main),
        emotion_temperature=fit_temperature(encoded.emotion[felt], emotions),
        presence_scale=_fit_presence(encoded, dev, labels.intents),
    )
    provenance: dict[str, Any] = {}
    chosen: dict[str, float] = {}
    chosen |= _intent_thresholds(calibration, encoded, dev, main, labels.intents, config, provenance)
    chosen |= _emotion_thresholds(calibration, encoded, felt, emotions, labels.emotions, config, provenance)
    rejector, oos_threshold = _fit_rejector(encoder, encoded, prepared, labels.intents, config, provenance)
    calibration = replace(calibration, rejector=rejector)  # the fusion asks how likely a query is out of scope
    fusion, faq_thresholds = _fit_fusion(calibration, encoder, faq, prepared.queries["dev"], config, provenance)
    chosen |= faq_thresholds | oos_threshold | {"repeat": _repeat_threshold(faq, provenance)}
    calibration = replace(calibration, fusion=fusion, thresholds=Thresholds(**chosen), provenance=provenance)
    calibration.save(folder / "calibration.json")
    tracker.metrics({f"threshold_{name}": value for name, value in chosen.items()})
    tracker.metrics({"intent_temperature": calibration.intent_temperature, "emotion_temperature": calibration.emotion_temperature})
    tracker.table("thresholds", [{"threshold": name, "value": value, **provenance.get(name, {})} for name, value in chosen.items()])
    return {"thresholds": chosen, "provenance": provenance}


def faq_candidates(calibration: Calibration, encoder: OnnxEncoder, faq: FaqIndex, queries: Sequence[FaqQuery]) -> list[Candidates]:
    """Returns the candidates of each query, as serving would see them."""
    encoded = encoder.encode([query.text for query in queries])
    intents = softmax(encoded.intent, calibration.intent_temperature)
    slope, intercept = calibration.presence_scale
    presence = sigmoid(encoded.presence * slope + intercept)
    outside = calibration.rejector.probability(encoded.vector, encoded.intent, encoded.presence)
    return [
        faq.candidates(query.text, encoded.vector[row], Reading(intents[row], presence[row], float(outside[row])))
        for row, query in enumerate(queries)
    ]


def is_right(faq: FaqIndex, query: FaqQuery, entries: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tells for each candidate entry whether it answers the query. Shape: (n,)."""
    return np.array([faq.entries[index].faq_id == query.faq_id for index in entries], np.bool_)


def _fit_presence(encoded: Encoded, dev: Sequence[Message], intents: Sequence[str]) -> tuple[float, float]:
    """Platt scaling of the presence logits over all (message, intent) pairs. Source: Platt 1999."""
    truth = np.array([[code in row.intents for code in intents] for row in dev])
    model = LogisticRegression(C=1e4).fit(encoded.presence.reshape(-1, 1), truth.ravel())
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _intent_thresholds(
    calibration: Calibration, encoded: Encoded, dev: Sequence[Message], main: NDArray[np.int64], intents: Sequence[str],
    config: CalibrateConfig, provenance: dict[str, Any],
) -> dict[str, float]:  # fmt: skip
    probability = softmax(encoded.intent, calibration.intent_temperature)
    right = probability.argmax(1) == main
    threshold, provenance["intent"] = threshold_for_precision(probability.max(1), right, config.intent_precision)
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
    alert, provenance["anger_alert"] = threshold_for_recall(angry, is_angry, config.anger_recall)
    handoff, provenance["anger_handoff"] = threshold_for_precision(angry, is_angry, config.anger_handoff_precision)
    anxiety, provenance["anxiety_alert"] = threshold_for_recall(anxious, is_anxious, config.anxiety_recall)
    # A person takes over only above the alert, however precise the model is lower down.
    return {"anger_alert": alert, "anger_handoff": max(handoff, alert + 1e-6), "anxiety_alert": anxiety}


def _fit_fusion(
    calibration: Calibration, encoder: OnnxEncoder, faq: FaqIndex, queries: Sequence[FaqQuery], config: CalibrateConfig,
    provenance: dict[str, Any],
) -> tuple[Fusion, dict[str, float]]:  # fmt: skip
    """Fusion is fitted on each query's candidates; its thresholds on out-of-fold confidences of each query's best one."""
    if sum(query.faq_id is not None for query in queries) < _MIN_DEV:
        provenance["faq_direct"] = {"target": config.direct_precision, "n": len(queries), "note": "defaults: too few dev queries"}
        return Fusion(), {}
    found = faq_candidates(calibration, encoder, faq, queries)
    right = [is_right(faq, query, candidates.entries) for query, candidates in zip(queries, found, strict=True)]
    folds = np.random.default_rng(config.seed).integers(0, 5, len(queries))
    best_confidence = np.zeros(len(queries))
    best_right, offered_right = np.zeros(len(queries), np.bool_), np.zeros(len(queries), np.bool_)
    for fold in range(5):
        fusion = _fusion_of(
            [found[row] for row in np.flatnonzero(folds != fold)], [right[row] for row in np.flatnonzero(folds != fold)]
        )
        for row in np.flatnonzero(folds == fold):
            confidence = fusion.probability(found[row].features)
            order = np.argsort(-confidence, kind="stable")
            best_confidence[row], best_right[row] = confidence[order[0]], right[row][order[0]]
            offered_right[row] = right[row][order[:_OFFERED]].any()
    direct, provenance["faq_direct"] = threshold_for_precision(best_confidence, best_right, config.direct_precision)
    # A suggestion is right if the entry is among those offered; only what is not answered directly is ever suggested.
    below = best_confidence < direct
    suggest, provenance["faq_suggest"] = threshold_for_precision(
        best_confidence[below], offered_right[below], config.suggest_precision
    )
    return _fusion_of(found, right), {"faq_direct": direct, "faq_suggest": min(suggest, direct)}


def _fusion_of(found: Sequence[Candidates], right: Sequence[NDArray[np.bool_]]) -> Fusion:
    features = np.concatenate([candidates.features for candidates in found])
    truth = np.concatenate(list(right))
    scale = features.std(0) + 1e-6
    model = LogisticRegression(C=10.0, max_iter=1000).fit(features / scale, truth)
    weights = model.coef_[0] / scale
    return Fusion(tuple(float(weight) for weight in weights), float(model.intercept_[0]))


def _fit_rejector(
    encoder: OnnxEncoder, encoded: Encoded, prepared: Prepared, intents: Sequence[str], config: CalibrateConfig,
    provenance: dict[str, Any],
) -> tuple[Rejector, dict[str, float]]:  # fmt: skip
    sample = _sample(prepared.messages["train"], intents, config.seed)
    vectors = [encoder.encode([row.text for row in own], [row.history for row in own]).vector for own in sample if own]
    base = Rejector(
        centroids=_rounded(np.concatenate([_centroids(part, config.seed) for part in vectors])),
        direction=_direction(encoder, np.concatenate(vectors), prepared.out_of_scope["train"]),
    )
    outside: list[OutOfScopeText] = prepared.out_of_scope["dev"]
    if len(outside) < _MIN_DEV:
        provenance["out_of_scope"] = {"n": len(outside), "note": "defaults: too few out-of-scope dev rows"}
        return base, {}
    other = encoder.encode([row.text for row in outside])
    features = np.concatenate([base.features(part.vector, part.intent, part.presence) for part in (encoded, other)])
    truth = np.concatenate([np.zeros(len(encoded.vector)), np.ones(len(outside))])
    mean, scale = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=10.0).fit((features - mean) / scale, truth)
    rejector = replace(
        base, weights=tuple(map(float, model.coef_[0])), bias=float(model.intercept_[0]), mean=tuple(map(float, mean)),
        scale=tuple(map(float, scale)),
    )  # fmt: skip
    inside = rejector.probability(encoded.vector, encoded.intent, encoded.presence)
    threshold = float(np.quantile(inside, config.in_scope_kept))
    rejected = rejector.probability(other.vector, other.intent, other.presence) >= threshold
    provenance["out_of_scope"] = {
        "target": config.in_scope_kept, "in_scope_kept": float((inside < threshold).mean()), "recall": float(rejected.mean()),
        "n": len(truth),
    }  # fmt: skip
    return rejector, {"out_of_scope": threshold}


def _sample(messages: Sequence[Message], intents: Sequence[str], seed: int, *, size: int = 60) -> list[list[Message]]:
    """Some training messages of each intent: enough to know where it lies, and cheap to encode."""
    generator = np.random.default_rng(seed)
    chosen = []
    for code in intents:
        own = [row for row in messages if row.intents[0] == code]
        chosen.append([own[index] for index in generator.permutation(len(own))[:size]])
    return chosen


def _centroids(vectors: NDArray[np.float32], seed: int, *, clusters: int = 4) -> NDArray[np.float32]:
    """Unit means of clusters of one intent's vectors: its ways to be said are not one heap."""
    found = KMeans(min(clusters, len(vectors)), n_init=2, random_state=seed).fit(vectors).cluster_centers_
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _direction(encoder: OnnxEncoder, inside: NDArray[np.float32], outside: Sequence[OutOfScopeText]) -> tuple[float, ...]:
    """The weights of a logistic regression between training vectors within and out of scope; empty without the latter."""
    if len(outside) < _MIN_DEV:
        return ()
    vectors = encoder.encode([row.text for row in outside]).vector
    truth = np.concatenate([np.zeros(len(inside)), np.ones(len(vectors))])
    # Weakly regularised it ranks a little better, but turns away with certainty what merely resembles an out-of-scope row.
    model = LogisticRegression(C=1.0, max_iter=500, class_weight="balanced").fit(np.concatenate([inside, vectors]), truth)
    return tuple(round(float(value), 5) for value in model.coef_[0])


def _rounded(rows: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), 5) for value in row) for row in rows)


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
