"""What is chosen on the dev split, and what cannot be learnt there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.analyzer import Analyzer
from models.bundle import load_bundle
from models.calibration import wilson_interval
from models.matching import FEATURES
from models.policy import is_out_of_scope
from models.retrieval import Candidates
from pipelines.calibrate import _fusion_of
from pipelines.config import CalibrateConfig, load_config
from pipelines.prepared import load_prepared
from tests.pipelines.conftest import SmallShop

EXACT = FEATURES.index("exact")


def test_asking_to_the_letter_counts_though_no_dev_query_does() -> None:
    generator = np.random.default_rng(0)
    found, right = [], []
    for _ in range(60):
        features = generator.normal(size=(4, len(FEATURES))).astype(np.float32)
        features[:, EXACT] = 0.0
        right.append(features[:, 0] > 1)
        found.append(Candidates(np.arange(4), np.arange(4), features))
    fusion = _fusion_of(found, right)
    wrong = next(row for own, truth in zip(found, right, strict=True) for row in own.features[~truth])
    asked = wrong.copy()
    asked[EXACT] = 1.0
    before, after = fusion.probability(np.stack([wrong, asked]))
    assert after / (1 - after) > 20 * before / (1 - before)


def test_certain_intents_let_no_more_strangers_in_than_was_said_and_customers_stay(trained_shop: SmallShop) -> None:
    bundle = load_bundle(trained_shop.workspace.bundles / trained_shop.workspace.current.read_text(encoding="utf-8").strip())
    prepared, thresholds, provenance = (
        load_prepared(trained_shop.workspace.require("prepare")), bundle.calibration.thresholds, bundle.calibration.provenance,
    )  # fmt: skip
    outside, dev = [row.text for row in prepared.out_of_scope["dev"]], prepared.messages["dev"]
    analyzer = Analyzer(bundle)
    strangers = analyzer.from_encoded(outside, bundle.encoder.encode(outside), top_k=0)
    texts = [row.text for row in dev]
    customers = analyzer.from_encoded(texts, bundle.encoder.encode(texts, [row.history for row in dev]), top_k=0)
    assert provenance["certain_intent"]["n"] == len(strangers) >= 50
    certain = np.mean([found.intent.confidence >= thresholds.certain_intent for found in strangers])
    assert 0 < certain <= provenance["certain_intent"]["target"] + 1 / len(strangers)
    kept = np.mean([not is_out_of_scope(found, thresholds) for found in customers])
    assert abs(kept - provenance["out_of_scope"]["in_scope_kept"]) < 0.005
    assert kept >= provenance["out_of_scope"]["target"] - 1 / len(customers)


def test_the_anger_alert_keeps_to_its_false_alarms_where_the_recall_would_cost_more(trained_shop: SmallShop) -> None:
    bundle = load_bundle(trained_shop.workspace.bundles / trained_shop.workspace.current.read_text(encoding="utf-8").strip())
    config = load_config(CalibrateConfig, Path("configs/calibrate.yaml"))
    dev = [row for row in load_prepared(trained_shop.workspace.require("prepare")).messages["dev"] if row.emotion]
    texts, analyzer = [row.text for row in dev], Analyzer(bundle)
    found = analyzer.from_encoded(texts, bundle.encoder.encode(texts, [row.history for row in dev]), top_k=0)
    raised = np.array([one.emotion.scores["angry"] >= bundle.calibration.thresholds.anger_alert for one in found])
    angry = np.array([row.emotion == "angry" for row in dev])
    facts = bundle.calibration.provenance["anger_alert"]
    calm = int((~angry).sum())
    surely = wilson_interval(max(0, int(raised[~angry].sum()) - 1), calm, z=config.false_alarms_z)[1]
    assert config.false_alarms_z > 1 and surely <= config.anger_false_alarms, "but for the rounding of a score"
    assert abs(raised[angry].mean() - facts["recall"]) <= 1 / angry.sum()
    assert facts["target"] == config.anger_recall > facts["recall"], "so small a shop cannot have both"
