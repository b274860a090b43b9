"""evaluate: measures the candidate on the test split, through the same Analyzer that serves, beside the TF-IDF baseline."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers.evaluation import InformationRetrievalEvaluator

from models.analysis import Analysis
from models.analyzer import Analyzer
from models.bundle import Bundle, load_bundle, save_bundle
from models.calibration import (
    Calibration,
    Thresholds,
    ece_band,
    expected_calibration_error,
    threshold_for_precision,
    wilson_interval,
)
from models.encoder import Encoded
from models.inputs import context_text
from models.manifest import BundleManifest
from models.policy import is_out_of_scope
from models.retrieval import FaqIndex
from pipelines import baseline, plots
from pipelines.calibrate import rejection_signs
from pipelines.config import EvaluateConfig
from pipelines.metrics import accuracy, auroc, bootstrap_interval, confusion_matrix, macro_f1, per_class
from pipelines.model_card import write_model_card
from pipelines.prepared import FaqQuery, Message, OutOfScopeText, Prepared, load_prepared
from pipelines.progress import console
from pipelines.report import print_report
from pipelines.tracking import Run
from pipelines.two_wants import measure_two_wants
from pipelines.workspace import Workspace

_CHALLENGE = "challenge"
_OTHERS = 0.4  # unanswerable queries to each answerable one: the second mix that coverage is given for
_FEW_ALARMS = 0.05  # share of calm messages: the second point that anger is given for
_SLICE = 40  # rows below which a slice has no calibration worth printing
_SLICES: dict[str, Callable[[Message], bool]] = {
    "short (<= 6 characters)": lambda row: len(row.text) <= 6,
    "long (> 30 characters)": lambda row: len(row.text) > 30,
}


@dataclass(frozen=True)
class Case:
    """What a measurement needs."""

    config: EvaluateConfig
    bundle: Bundle
    analyzer: Analyzer
    prepared: Prepared
    folder: Path

    @cached_property
    def messages(self) -> list[Message]:
        """The test messages, without those that were written to be hard."""
        return [row for row in self.prepared.messages["test"] if _CHALLENGE not in row.tags]

    @cached_property
    def challenge(self) -> list[Message]:
        """Test messages written to be hard: calm ones with angry words, angry ones without; measured apart."""
        return [row for row in self.prepared.messages["test"] if _CHALLENGE in row.tags]


@dataclass(frozen=True)
class Asked:
    """The test queries as the analyzer answers them.

    Attributes:
        encoded: Their encoding; None without queries.
        ranked: Entries of each, best first.
        confidence: Of the best. Shape: (n,).
        right: Whether the best is right. Shape: (n,).
        kept: Whether it is taken for a shop's business. Shape: (n,).
        anger: Probability that its writer is angry. Shape: (n,).
    """

    encoded: Encoded | None
    ranked: list[list[str]]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    anger: NDArray[np.float64]


@dataclass(frozen=True)
class Outside:
    """The out-of-scope test texts as they are read.

    Attributes:
        rows: The texts with their kinds.
        encoded: Their encoding; None without texts.
        analyses: What was read in each; no FAQ is searched.
    """

    rows: list[OutOfScopeText]
    encoded: Encoded | None
    analyses: list[Analysis]


def run(config: EvaluateConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes results.json, plots and candidate/ (the bundle with its metrics and model card) into the folder."""
    candidate = workspace.require("bundle") / "candidate"
    bundle = load_bundle(candidate, threads=config.threads)
    case = Case(config, bundle, Analyzer(bundle), load_prepared(workspace.require("prepare")), folder)
    encoded = bundle.encoder.encode([row.text for row in case.messages], [row.history for row in case.messages])
    # What is measured on them needs no FAQ.
    analyses = case.analyzer.from_encoded([row.text for row in case.messages], encoded, top_k=0)
    others = _emotion_baseline(case)
    asked, outside = _ask_all(case), _read_outside(case)
    results: dict[str, Any] = {
        "intent": measure_intent(case, analyses),
        "emotion": measure_emotion(case, analyses, others),
        "single_moods": measure_single_moods(case, asked, outside),
        "challenge": measure_challenge(case, others),
        "context": measure_context(case, analyses),
        "faq": measure_faq(case, asked),
        "two_wants": measure_two_wants(case.analyzer, case.prepared.queries["test"], seed=config.seed),
        "out_of_scope": measure_out_of_scope(case, encoded, analyses, outside, asked),
        "calibration": measure_calibration(case, analyses, asked, outside.analyses),
    }
    results["headline"] = headline(results)
    results["gates"] = check_gates(results["headline"], config.gates)
    (folder / "results.json").write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    _publish(candidate, folder / "candidate", case, results)
    for name in ("intent", "emotion"):
        tracker.table(f"per_class_{name}", results[name]["per_class"])
    tracker.metrics(results["headline"])
    tracker.artifacts(folder / "results.json")
    tracker.artifacts(folder / "plots", to="plots")
    print_report(results, console)
    return {"headline": results["headline"], "gates": results["gates"]}


def measure_intent(case: Case, analyses: Sequence[Analysis]) -> dict[str, Any]:
    """The main intent, top-1, beside the baseline; per class, per slice, and the confusions that cost most."""
    names = case.bundle.labels.intents
    titles = [info.title for info in case.bundle.pack.intents]
    truth = np.array([names.index(row.intents[0]) for row in case.messages])
    predicted = np.array([names.index(analysis.intent.name) for analysis in analyses])
    texts, labels = _train_texts(case, names)
    other = baseline.classify(texts, labels, [row.text for row in case.messages])
    train = case.prepared.messages["train"]
    turns = [*_with_turns(case, train), *((text, "") for text in texts[len(train) :])]
    with_turns = baseline.classify_turns(turns, labels, _with_turns(case, case.messages))
    accepted = [analysis.intent.name in row.intents for analysis, row in zip(analyses, case.messages, strict=True)]
    found = np.array([[name in analysis.intents for name in names] for analysis in analyses])
    wanted = np.array([[name in row.intents for name in names] for row in case.messages])
    counts = confusion_matrix(truth, predicted, len(names))
    _draw(case, lambda folder: plots.confusion(counts, titles, folder / "intent_confusion.png", title="意图 intent"))
    return _compare(case, truth, predicted, other) | {
        "tfidf_with_turns_macro_f1": macro_f1(truth, with_turns),
        "accuracy_any_intent": float(np.mean(accepted)),
        "several_intents_micro_f1": float(2 * (found & wanted).sum() / (found.sum() + wanted.sum())),
        "per_class": per_class(truth, predicted, names, titles),
        "slices": _slices(case, truth, predicted, other),
        "confusions": _confusions(counts, names, case, truth, predicted),
    }


def measure_emotion(case: Case, analyses: Sequence[Analysis], others: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """The emotion, top-1, and anger at its alert threshold, beside the baseline (its scores by row id)."""
    case, analyses = _with_emotion(case, analyses)
    names = case.bundle.labels.emotions
    titles = [info.title for info in case.bundle.pack.emotions]
    truth = np.array([names.index(row.emotion) for row in case.messages])
    predicted = np.array([names.index(analysis.emotion.label) for analysis in analyses])
    other_scores = np.stack([others[row.row_id] for row in case.messages])
    other = other_scores.argmax(1)
    with_turns = baseline.classify_turns(*_train_moods(case), _with_turns(case, case.messages))
    counts = confusion_matrix(truth, predicted, len(names))
    _draw(case, lambda folder: plots.confusion(counts, titles, folder / "emotion_confusion.png", title="情绪 emotion"))
    is_angry = truth == names.index("angry")
    alert = case.bundle.calibration.thresholds.anger_alert
    anger = _anger(analyses)
    alarmed = anger >= alert
    baseline_scores = other_scores[:, names.index("angry")]
    return _compare(case, truth, predicted, other) | {
        "tfidf_with_turns_macro_f1": macro_f1(truth, with_turns),
        "per_class": per_class(truth, predicted, names, titles),
        "slices": _slices(case, truth, predicted, other),
        "anger": _alarm(is_angry, alarmed) | {"threshold": alert},
        # The baseline at the same false alarms: how much anger does it find?
        "anger_baseline": _alarm(is_angry, _loudest(baseline_scores, is_angry, alarmed[~is_angry].mean())),
        "anger_few_alarms": _alarm(is_angry, _loudest(anger, is_angry, _FEW_ALARMS)),
        "anger_few_alarms_baseline": _alarm(is_angry, _loudest(baseline_scores, is_angry, _FEW_ALARMS)),
    }


def measure_single_moods(case: Case, asked: Asked, outside: Outside) -> dict[str, dict[str, Any]]:
    """Anger at its alert among single messages: what customers ask the knowledge base, and what is no shop's business."""
    alert = case.bundle.calibration.thresholds.anger_alert
    kinds: dict[str, tuple[Sequence[FaqQuery | OutOfScopeText], NDArray[np.float64]]] = {
        "faq_queries": (case.prepared.queries["test"], asked.anger),
        "out_of_scope": (outside.rows, _anger(outside.analyses)),
    }
    found = {}
    for name, (rows, anger) in kinds.items():
        felt = np.array([bool(row.emotion) for row in rows], np.bool_)
        if felt.any():
            is_angry = np.array([row.emotion == "angry" for row in rows])[felt]
            found[name] = {"n_all": int(felt.sum())} | _alarm(is_angry, anger[felt] >= alert)
    return found


def _loudest(scores: NDArray[np.float64], is_angry: NDArray[np.bool_], false_alarms: float) -> NDArray[np.bool_]:
    """The rows over the score that this share of the calm rows reaches: a point read off the test split, to compare by."""
    return np.asarray(scores >= np.quantile(scores[~is_angry], 1 - false_alarms))


def measure_challenge(case: Case, others: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Emotion and intent on the messages written to be hard, by what makes them so, beside the baseline."""
    rows = case.challenge
    if not rows:
        return {"n": 0}
    texts = [row.text for row in rows]
    analyses = case.analyzer.from_encoded(texts, case.bundle.encoder.encode(texts, [row.history for row in rows]), top_k=0)
    found = np.array([analysis.emotion.label for analysis in analyses])
    other_found = np.array([case.bundle.labels.emotions[others[row.row_id].argmax()] for row in rows])
    truth = np.array([row.emotion for row in rows])
    right_intent = np.array([analysis.intent.name == row.intents[0] for analysis, row in zip(analyses, rows, strict=True)])
    tags = [
        tag for tag in ("calm_with_angry_words", "angry_without_angry_words", "sarcasm") if any(tag in row.tags for row in rows)
    ]
    kinds = {tag: np.array([tag in row.tags for row in rows]) for tag in tags}
    return {
        "n": len(rows), "emotion_accuracy": float(np.mean(found == truth)), "tfidf_emotion_accuracy": float(np.mean(other_found == truth)),
        "kinds": {
            tag: {
                "n": int(own.sum()), "emotion_accuracy": float(np.mean((found == truth)[own])),
                "interval": wilson_interval(int((found == truth)[own].sum()), int(own.sum())),
                "tfidf_emotion_accuracy": float(np.mean((other_found == truth)[own])),
                "called_angry": float(np.mean(found[own] == "angry")), "tfidf_called_angry": float(np.mean(other_found[own] == "angry")),
                "intent_accuracy": float(np.mean(right_intent[own])),
            }
            for tag, own in kinds.items()
        },
    }  # fmt: skip


def measure_context(case: Case, analyses: Sequence[Analysis]) -> dict[str, Any]:
    """What the turns before a message bring, on the turns whose label needs them."""
    rows = [number for number, row in enumerate(case.messages) if "contextual" in row.tags]
    if not rows:
        return {"n": 0}
    texts = [case.messages[number].text for number in rows]
    blind = case.analyzer.from_encoded(texts, case.bundle.encoder.encode(texts), top_k=0)
    truth = [case.messages[number].intents[0] for number in rows]
    return {
        "n": len(rows),
        "accuracy_with_context": float(
            np.mean([analyses[number].intent.name == want for number, want in zip(rows, truth, strict=True)])
        ),
        "accuracy_without_context": float(
            np.mean([analysis.intent.name == want for analysis, want in zip(blind, truth, strict=True)])
        ),
    }


def measure_faq(case: Case, asked: Asked) -> dict[str, Any]:
    """Hit@1, MRR@10 and coverage at the target precision, over answerable queries and with unanswerable ones among them."""
    queries = case.prepared.queries["test"]
    answerable = [query for query in queries if query.faq_id is not None]
    if not answerable or asked.encoded is None:
        return {"n": 0}
    bundle, thresholds = case.bundle, case.bundle.calibration.thresholds
    encoded, ranked, confidence, right = asked.encoded, asked.ranked, asked.confidence, asked.right
    is_answerable = np.array([query.faq_id is not None for query in queries])
    order, other_scores = baseline.rank_entries(bundle.faq.entries, [query.text for query in queries])
    ids = [entry.faq_id for entry in bundle.faq.entries]
    other_right = np.array([query.is_answered_by(ids[order[row, 0]]) for row, query in enumerate(queries)])
    other_ranked = [[ids[index] for index in order[row, :10]] for row in range(len(queries))]
    sent = confidence >= thresholds.faq_direct
    offered = confidence >= thresholds.faq_suggest
    shown = np.array([any(map(query.is_answered_by, ranked[row][:3])) for row, query in enumerate(queries)])
    curves = [("kefu", confidence, right), ("TF-IDF", other_scores, other_right)]
    answered = [("kefu, answerable ones", confidence[is_answerable], right[is_answerable])]
    _draw(case, lambda folder: plots.risk_coverage([*curves, *answered], folder / "faq_risk_coverage.png"))
    hit, other_hit = right[is_answerable], other_right[is_answerable]
    return {
        "n": len(queries), "n_answerable": len(answerable), "entries": len(ids),
        "hit_at_1": float(hit.mean()), "hit_at_1_interval": wilson_interval(int(hit.sum()), len(hit)),
        "mrr_at_10": _mrr(ranked, queries), "tfidf_hit_at_1": float(other_hit.mean()),
        "tfidf_hit_at_1_interval": wilson_interval(int(other_hit.sum()), len(other_hit)), "tfidf_mrr_at_10": _mrr(other_ranked, queries),
        "threshold_direct": thresholds.faq_direct,
        "precision_when_answered": float(right[sent].mean()) if sent.any() else float("nan"),
        "precision_interval": wilson_interval(int(right[sent].sum()), int(sent.sum())),
        "coverage_answerable": float(sent[is_answerable].mean()), "n_answered": int(sent.sum()),
        "answered_wrongly_of_unanswerable": float(sent[~is_answerable].mean()) if (~is_answerable).any() else float("nan"),
        "suggest_or_answer_answerable": float(offered[is_answerable].mean()),
        "right_among_three_when_suggested": float(shown[offered & ~sent & is_answerable].mean()) if (offered & ~sent & is_answerable).any() else float("nan"),
        "coverage_at_95_answerable_only": _coverage_at(confidence[is_answerable], hit),
        "coverage_at_95_all": _coverage_at(confidence, right),
        "coverage_at_95_all_of_answerable": _covered_answerable(confidence, right, is_answerable),
        "coverage_at_95_all_of_answerable_interval": _covered_interval(case, confidence, right, is_answerable, None),
        "coverage_at_95_with_fewer": _covered_answerable(confidence, right, is_answerable, others=_OTHERS),
        "coverage_at_95_with_fewer_interval": _covered_interval(case, confidence, right, is_answerable, _OTHERS),
        "coverage_at_95_interval": _coverage_interval(case, confidence[is_answerable], hit),
        "tfidf_coverage_at_95_answerable_only": _coverage_at(other_scores[is_answerable], other_hit),
        "per_topic": _per_topic(case, answerable, hit),
        "origins": _per_origin(queries, confidence, right),
        "reference": _reference_retrieval(case, answerable, encoded.vector[is_answerable]),
    }  # fmt: skip


def _query_origins(queries: Sequence[FaqQuery]) -> dict[str, list[int]]:
    """The rows of each origin that queries name, if they name several that are large enough."""
    counts = Counter(query.origin for query in queries)
    large = sorted(name for name, count in counts.items() if name and count >= _SLICE)
    rows = {f"origin {name}": [row for row, query in enumerate(queries) if query.origin == name] for name in large}
    return rows if len(rows) > 1 else {}


def _per_origin(
    queries: Sequence[FaqQuery], confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> list[dict[str, Any]]:  # fmt: skip
    """Hit@1 and coverage of each origin; no coverage where it has not both answerable and unanswerable queries."""
    found = []
    for name, rows in _query_origins(queries).items():
        answerable = np.array([queries[row].faq_id is not None for row in rows])
        hits, count = int(right[rows][answerable].sum()), int(answerable.sum())
        mixed = 0 < count < len(rows)
        covered = _covered_answerable(confidence[rows], right[rows], answerable, others=_OTHERS) if mixed else float("nan")
        found.append(
            {
                "origin": name, "n": len(rows), "n_answerable": count, "hit_at_1": hits / count if count else float("nan"),
                "hit_at_1_interval": wilson_interval(hits, count), "coverage_at_95_with_fewer": covered,
            }
        )  # fmt: skip
    return found


def _per_topic(case: Case, answerable: Sequence[FaqQuery], hit: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The share of queries of each topic (the intent of the right entry) that find their entry first."""
    intents = {entry.faq_id: entry.intent for entry in case.bundle.faq.entries}
    topics = np.array([intents[query.faq_id or ""] for query in answerable])
    return [
        {"label": str(topic), "n": int((topics == topic).sum()), "recall": round(float(hit[topics == topic].mean()), 3)}
        for topic in sorted(set(topics))
    ]


def measure_out_of_scope(
    case: Case, encoded: Encoded, analyses: Sequence[Analysis], outside: Outside, asked: Asked
) -> dict[str, Any]:
    """Rejection at its threshold, by kind of out-of-scope text, beside what each of its signs would reach alone."""
    if outside.encoded is None:
        return {"n": 0}
    inside_scores = np.array([analysis.out_of_scope for analysis in analyses])
    scores = np.array([analysis.out_of_scope for analysis in outside.analyses])
    thresholds = case.bundle.calibration.thresholds
    fitted = case.bundle.calibration.provenance.get("out_of_scope", {})
    stricter = float(fitted.get("threshold_for_95_percent", thresholds.out_of_scope))
    kinds = np.array([row.kind for row in outside.rows])
    return {
        "n": len(outside.rows), "threshold": thresholds.out_of_scope, "auroc": auroc(inside_scores, scores),
        "queries_kept": float(asked.kept.mean()) if len(asked.kept) else float("nan"), "n_queries": len(asked.kept),
        **_rejected(analyses, outside.analyses, kinds, thresholds),
        "at_95": _rejected(analyses, outside.analyses, kinds, replace(thresholds, out_of_scope=stricter)),
        "signs": _signs_alone(case, encoded, (outside.encoded, [row.text for row in outside.rows]), kinds),
    }  # fmt: skip


def _rejected(
    inside: Sequence[Analysis], outside: Sequence[Analysis], kinds: NDArray[np.str_], thresholds: Thresholds
) -> dict[str, Any]:
    """The share of messages kept in scope, and for each kind of out-of-scope text the share that is not."""
    kept = np.array([not is_out_of_scope(analysis, thresholds) for analysis in inside])
    rejected = np.array([is_out_of_scope(analysis, thresholds) for analysis in outside])
    scores = [np.array([analysis.out_of_scope for analysis in part]) for part in (inside, outside)]
    return {
        "in_scope_kept": float(kept.mean()),
        "kinds": {
            str(kind): {
                "n": int((kinds == kind).sum()), "recall": float(rejected[kinds == kind].mean()),
                "interval": wilson_interval(int(rejected[kinds == kind].sum()), int((kinds == kind).sum())),
                "auroc": auroc(scores[0], scores[1][kinds == kind]),
            }
            for kind in sorted(set(kinds))
        },
    }  # fmt: skip


def _signs_alone(case: Case, inside: Encoded, outside: tuple[Encoded, list[str]], kinds: NDArray[np.str_]) -> list[dict[str, Any]]:
    """Each known method of rejection by itself, at the threshold that keeps the same share of the dev split in scope."""
    calibration = case.bundle.calibration
    chosen = calibration.provenance.get("out_of_scope", {}).get("signs", {})

    def signs(encoded: Encoded, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        features = calibration.rejector.features(encoded, texts)
        return rejection_signs(features, calibration.intent_probabilities(encoded.intent))

    within, beyond = signs(inside, [row.text for row in case.messages]), signs(*outside)
    return [
        {
            "sign": name, "auroc": auroc(within[name], beyond[name]),
            "in_scope_kept": float((within[name] < chosen[name]["threshold"]).mean()),
            "recall": {str(kind): float((beyond[name][kinds == kind] >= chosen[name]["threshold"]).mean()) for kind in sorted(set(kinds))},
        }
        for name in within if name in chosen
    ]  # fmt: skip


def measure_calibration(
    case: Case, analyses: Sequence[Analysis], asked: Asked, outside: Sequence[Analysis]
) -> dict[str, Any]:  # fmt: skip
    """ECE of intent, emotion, FAQ match and out of scope with the band of a perfectly calibrated model, overall and by slice."""
    felt_case, felt = _with_emotion(case, analyses)
    top = {
        "intent": (case, [(found.intent.name, found.intent.confidence) for found in analyses], [row.intents[0] for row in case.messages]),
        "emotion": (
            felt_case, [(found.emotion.label, found.emotion.confidence) for found in felt], [row.emotion for row in felt_case.messages],
        ),
    }  # fmt: skip
    panels, results = [], {}
    for name, (own, predictions, truth) in top.items():
        confidence = np.array([score for _, score in predictions])
        right = np.array([label for label, _ in predictions]) == np.array(truth)
        results[name] = _calibration_row(confidence, right)
        results[name]["slices"] = {
            label: _calibration_row(confidence[rows], right[rows])
            for label, rows in _slice_rows(own).items()
            if len(rows) >= _SLICE
        }
        panels.append((name, confidence, right, results[name]["ece"]))
    alone = {
        "faq": (asked.confidence, asked.right, _query_origins(case.prepared.queries["test"])),
        "out_of_scope": (*_scope_truth(analyses, outside), {}),
    }  # fmt: skip
    for name, (confidence, right, parts) in alone.items():
        if len(right):
            slices = {label: _calibration_row(confidence[rows], right[rows]) for label, rows in parts.items()}
            results[name] = _calibration_row(confidence, right) | {"slices": slices}
            panels.append((name, confidence, right, results[name]["ece"]))
    _draw(case, lambda folder: plots.risk_coverage([panel[:3] for panel in panels[:2]], folder / "risk_coverage.png"))
    _draw(case, lambda folder: plots.reliability(panels, folder / "reliability.png"))
    return results


def _scope_truth(analyses: Sequence[Analysis], outside: Sequence[Analysis]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns the out-of-scope probability of every test message, in scope or not, and whether it is out of scope."""
    scores = np.array([analysis.out_of_scope for analysis in [*analyses, *outside]])
    return scores, np.arange(len(scores)) >= len(analyses)


def headline(results: dict[str, Any]) -> dict[str, float]:
    """Returns the numbers that gates and the model registry look at."""
    intent, emotion, faq = results["intent"], results["emotion"], results["faq"]
    numbers = {
        "intent_accuracy": intent["accuracy"], "intent_macro_f1": intent["macro_f1"],
        "intent_macro_f1_lead": intent["macro_f1"] - intent["tfidf_macro_f1"], "emotion_accuracy": emotion["accuracy"],
        "emotion_macro_f1": emotion["macro_f1"], "emotion_macro_f1_lead": emotion["macro_f1"] - emotion["tfidf_macro_f1"],
        "anger_recall": emotion["anger"]["recall"], "anger_precision": emotion["anger"]["precision"],
        "intent_ece": results["calibration"]["intent"]["ece"], "emotion_ece": results["calibration"]["emotion"]["ece"],
    }  # fmt: skip
    if faq["n"]:
        numbers |= {
            "faq_hit_at_1": faq["hit_at_1"], "faq_mrr_at_10": faq["mrr_at_10"],
            "faq_coverage_at_95": faq["coverage_at_95_answerable_only"], "faq_precision_when_answered": faq["precision_when_answered"],
        }  # fmt: skip
    if results["out_of_scope"]["n"]:
        numbers["out_of_scope_auroc"] = results["out_of_scope"]["auroc"]
    return {name: round(float(value), 4) for name, value in numbers.items()}


def check_gates(numbers: dict[str, float], gates: dict[str, float]) -> list[dict[str, Any]]:
    """Returns each gate with what was reached; a number that is missing fails its gate."""
    return [
        {"gate": name, "at_least": least, "reached": numbers.get(name), "passed": numbers.get(name, float("-inf")) >= least}
        for name, least in gates.items()
    ]


def _emotion_baseline(case: Case) -> dict[str, NDArray[np.float64]]:
    """Returns the baseline's score of each emotion for every test message, by row id."""
    test = [row for row in case.prepared.messages["test"] if row.emotion]
    train, felt = _train_moods(case)
    classes = len(case.bundle.labels.emotions)
    found = baseline.scores([text for text, _ in train], felt, [row.text for row in test], classes=classes)
    return {row.row_id: own for row, own in zip(test, found, strict=True)}


def _train_moods(case: Case) -> tuple[list[tuple[str, str]], list[int]]:
    """All that emotions are learnt from, messages with the turns before them and single texts, and the emotions."""
    names, prepared = case.bundle.labels.emotions, case.prepared
    rows = [row for row in prepared.messages["train"] if row.emotion]
    both: list[FaqQuery | OutOfScopeText] = [*prepared.queries["train"], *prepared.out_of_scope["train"]]
    single = [row for row in both if row.emotion]
    texts = [*_with_turns(case, rows), *((row.text, "") for row in single)]
    return texts, [names.index(emotion) for emotion in [row.emotion for row in rows] + [row.emotion for row in single]]


def _with_turns(case: Case, rows: Sequence[Message]) -> list[tuple[str, str]]:
    """Messages with the turns before them, as much as the model reads of them."""
    return [(row.text, context_text(row.text, row.history, case.bundle.encoder.input_format)) for row in rows]


def _with_emotion(case: Case, analyses: Sequence[Analysis]) -> tuple[Case, list[Analysis]]:
    """The case and the analyses of those messages whose emotion somebody labelled."""
    rows = [number for number, row in enumerate(case.messages) if row.emotion]
    messages = case.prepared.messages | {"test": [case.messages[number] for number in rows]}
    return replace(case, prepared=replace(case.prepared, messages=messages)), [analyses[number] for number in rows]


def _publish(candidate: Path, target: Path, case: Case, results: dict[str, Any]) -> None:
    """Writes the candidate anew with its measured model card; the model's files are the same bytes."""
    manifest: BundleManifest = case.bundle.manifest
    save_bundle(
        target, model=candidate / "model.onnx", tokenizer=candidate / "tokenizer.json",
        lexicon=candidate / "lexicon.json", domain=candidate / "domain",
        faq=FaqIndex.load(candidate / "faq", case.bundle.labels.intents), calibration=Calibration.load(candidate / "calibration.json"),
        input_format=case.bundle.encoder.input_format, model_card=write_model_card(case.prepared, results, case.bundle),
        facts={
            "git_commit": manifest.git_commit, "data_hashes": manifest.data_hashes, "config_hash": manifest.config_hash,
            "run_ids": manifest.run_ids, "metrics": results["headline"],
        },
    )  # fmt: skip
    shutil.copyfile(target / "model_card.md", case.folder / "model_card.md")


def _train_texts(case: Case, names: Sequence[str]) -> tuple[list[str], list[int]]:
    """What the model learnt intents from, for the baseline to learn from as well: turns and FAQ questions."""
    train = case.prepared.messages["train"]
    texts = [row.text for row in train] + [question for entry in case.prepared.entries for question in entry.questions]
    labels = [names.index(row.intents[0]) for row in train]
    return texts, labels + [names.index(entry.intent) for entry in case.prepared.entries for _ in entry.questions]


def _compare(case: Case, truth: NDArray[np.int64], predicted: NDArray[np.int64], other: NDArray[np.int64]) -> dict[str, Any]:
    """Model and baseline with intervals, and the paired bootstrap of the lead; whole dialogues are resampled."""
    names = [row.row_id.partition("/")[0] for row in case.messages]
    groups = np.unique(names, return_inverse=True)[1]
    draws, seed = case.config.bootstrap, case.config.seed

    def interval(labels: NDArray[np.int64]) -> tuple[float, float]:
        return bootstrap_interval(
            lambda rows: macro_f1(truth[rows], labels[rows]), len(truth), draws=draws // 4, seed=seed, groups=groups
        )

    lead = bootstrap_interval(
        lambda rows: macro_f1(truth[rows], predicted[rows]) - macro_f1(truth[rows], other[rows]), len(truth), draws=draws // 2,
        seed=seed, groups=groups,
    )  # fmt: skip
    return {
        "n": len(truth), "accuracy": accuracy(truth, predicted), "macro_f1": macro_f1(truth, predicted),
        "macro_f1_interval": interval(predicted), "tfidf_accuracy": accuracy(truth, other), "tfidf_macro_f1": macro_f1(truth, other),
        "tfidf_macro_f1_interval": interval(other), "macro_f1_lead_interval": lead,
    }  # fmt: skip


def _slice_rows(case: Case) -> dict[str, list[int]]:
    tags = sorted({tag for row in case.messages for tag in row.tags})
    slices = {tag: [number for number, row in enumerate(case.messages) if tag in row.tags] for tag in tags}
    slices |= {name: [number for number, row in enumerate(case.messages) if holds(row)] for name, holds in _SLICES.items()}
    for name in _origins(case):
        slices[f"origin {name}"] = [number for number, row in enumerate(case.messages) if _origin(row) == name]
    slices["first turn"] = [number for number, row in enumerate(case.messages) if not row.history]
    slices["later turn"] = [number for number, row in enumerate(case.messages) if row.history]
    return {name: rows for name, rows in slices.items() if rows}


def _origins(case: Case) -> list[str]:
    """Where the test dialogues come from, if from several places that are large enough: one may be much harder than another."""
    counts = Counter(_origin(row) for row in case.prepared.messages["test"] if _CHALLENGE not in row.tags)
    large = sorted(name for name, count in counts.items() if name and count >= _SLICE)
    return large if len(large) > 1 else []


def _origin(row: Message) -> str:
    """What the dialogue's id says before its number: `march` of march-0017."""
    return row.row_id.rpartition("/")[0].rpartition("-")[0]


def _slices(case: Case, truth: NDArray[np.int64], predicted: NDArray[np.int64], other: NDArray[np.int64]) -> list[dict[str, Any]]:
    return [
        {
            "slice": name, "n": len(rows), "accuracy": accuracy(truth[rows], predicted[rows]),
            "interval": wilson_interval(int((truth[rows] == predicted[rows]).sum()), len(rows)), "tfidf_accuracy": accuracy(truth[rows], other[rows]),
        }
        for name, rows in _slice_rows(case).items()
    ]  # fmt: skip


def _confusions(
    counts: NDArray[np.int64], names: Sequence[str], case: Case, truth: NDArray[np.int64], predicted: NDArray[np.int64]
) -> list[dict[str, Any]]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    worst = np.argsort(-wrong, axis=None, kind="stable")[:15]
    pairs = [np.unravel_index(place, wrong.shape) for place in worst]
    return [
        {
            "truth": names[row], "predicted": names[column], "n": int(wrong[row, column]),
            "examples": [case.messages[index].text for index in np.flatnonzero((truth == row) & (predicted == column))[:3]],
        }
        for row, column in pairs
    ]  # fmt: skip


def _alarm(positive: NDArray[np.bool_], alarmed: NDArray[np.bool_]) -> dict[str, Any]:
    hits, recall_n, alarms = int((positive & alarmed).sum()), int(positive.sum()), int(alarmed.sum())
    precision, recall = hits / max(1, alarms), hits / max(1, recall_n)
    return {
        "n": recall_n, "recall": recall, "recall_interval": wilson_interval(hits, recall_n), "precision": precision,
        "precision_interval": wilson_interval(hits, alarms), "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "false_alarms": float(alarmed[~positive].mean()),
    }  # fmt: skip


def _read_outside(case: Case) -> Outside:
    rows = case.prepared.out_of_scope["test"]
    texts = [row.text for row in rows]
    encoded = case.bundle.encoder.encode(texts) if texts else None
    return Outside(rows, encoded, [] if encoded is None else case.analyzer.from_encoded(texts, encoded, top_k=0))


def _ask_all(case: Case) -> Asked:
    """Asks every test query once, through the analyzer that serves."""
    queries = case.prepared.queries["test"]
    if not queries:
        return Asked(None, [], np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.bool_), np.zeros(0))
    texts = [query.text for query in queries]
    encoded = case.bundle.encoder.encode(texts)
    found = case.analyzer.from_encoded(texts, encoded, top_k=10)
    ranked = [[hit.faq_id for hit in analysis.hits] for analysis in found]
    confidence = np.array([analysis.hits[0].confidence if analysis.hits else 0.0 for analysis in found])
    right = np.array([bool(ids) and query.is_answered_by(ids[0]) for ids, query in zip(ranked, queries, strict=True)])
    kept = np.array([not is_out_of_scope(analysis, case.bundle.calibration.thresholds) for analysis in found])
    return Asked(encoded, ranked, confidence, right, kept, _anger(found))


def _anger(analyses: Sequence[Analysis]) -> NDArray[np.float64]:
    return np.array([analysis.emotion.scores["angry"] for analysis in analyses])


def _mrr(ranked: Sequence[Sequence[str]], queries: Sequence[FaqQuery]) -> float:
    values = [
        next((1 / place for place, own in enumerate(ids, 1) if query.is_answered_by(own)), 0.0)
        for ids, query in zip(ranked, queries, strict=True) if query.faq_id is not None
    ]  # fmt: skip
    return float(np.mean(values))


def _coverage_at(confidence: NDArray[np.float64], right: NDArray[np.bool_], target: float = 0.95) -> float:
    return float(threshold_for_precision(confidence, right, target)[1]["coverage"])


def _covered_answerable(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], answerable: NDArray[np.bool_], *, others: float | None = None
) -> float:
    """The share of answerable queries answered where answers are 95 % right over all queries, unanswerable ones among them.

    Args:
        confidence: Of each query's best entry. Shape: (n,).
        right: Whether that entry answers. Shape: (n,).
        answerable: Whether any does. Shape: (n,).
        others: So many unanswerable queries to each answerable one, by weight; as many as there are if not given.
    """
    if not answerable.any():
        return 0.0
    order = np.argsort(-confidence, kind="stable")
    own = 1.0 if others is None else others * answerable.sum() / max(1, (~answerable).sum())
    weights = np.where(answerable, 1.0, own)[order]
    precision = np.cumsum(weights * right[order]) / np.cumsum(weights)
    ends = np.append(np.diff(confidence[order]) != 0, True)  # a threshold takes all of equal confidence or none
    good = np.flatnonzero((precision >= 0.95) & ends)
    return float(answerable[order][: good[-1] + 1].sum() / answerable.sum()) if len(good) else 0.0


def _coverage_interval(case: Case, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    return bootstrap_interval(
        lambda rows: _coverage_at(confidence[rows], right[rows]), len(right), draws=200, seed=case.config.seed
    )


def _covered_interval(
    case: Case, confidence: NDArray[np.float64], right: NDArray[np.bool_], answerable: NDArray[np.bool_], others: float | None
) -> tuple[float, float]:
    return bootstrap_interval(
        lambda rows: _covered_answerable(confidence[rows], right[rows], answerable[rows], others=others),
        len(right), draws=200, seed=case.config.seed,
    )  # fmt: skip


def _reference_retrieval(case: Case, queries: Sequence[FaqQuery], vectors: NDArray[np.float32]) -> dict[str, float]:
    """The vectors alone, by the evaluator of sentence-transformers: an independent check of our own counting."""
    entries = case.bundle.faq.entries
    owner = {f"{number}-{place}": entry for number, entry in enumerate(entries) for place in range(len(entry.questions))}
    relevant: dict[str, set[str]] = {}
    for name, entry in owner.items():
        relevant.setdefault(entry.faq_id, set()).add(name)
    evaluator = InformationRetrievalEvaluator(
        queries={str(number): query.text for number, query in enumerate(queries)},
        corpus={name: name for name in owner},
        relevant_docs={
            str(number): set().union(*(relevant[own] for own in (query.faq_id or "", *query.also)))
            for number, query in enumerate(queries)
        },
        accuracy_at_k=[1, 5], mrr_at_k=[10], precision_recall_at_k=[1], ndcg_at_k=[10], map_at_k=[10], write_csv=False,
    )  # fmt: skip
    names = list(owner)
    scores = vectors @ case.bundle.faq.vectors.T
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    results = [
        [{"corpus_id": names[index], "score": float(scores[row, index])} for index in nearest[row]] for row in range(len(queries))
    ]
    found = evaluator.compute_metrics(results)
    return {
        "hit_at_1": float(found["accuracy@k"][1]),
        "mrr_at_10": float(found["mrr@k"][10]),
        "ndcg_at_10": float(found["ndcg@k"][10]),
    }


def _calibration_row(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = ece_band(confidence, draws=200)
    error = expected_calibration_error(confidence, right)
    return {
        "n": len(right),
        "ece": error,
        "perfect_band": (low, high),
        "mean_confidence": float(confidence.mean()),
        "accuracy": float(right.mean()),
    }


def _draw(case: Case, draw: Any) -> None:
    folder = case.folder / "plots"
    folder.mkdir(exist_ok=True)
    draw(folder)
