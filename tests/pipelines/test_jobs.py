"""The jobs end to end on a small shop: artefacts, tracking, skipping, interruption, gates."""

from __future__ import annotations

import importlib
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from data.errors import ConfigError, GateError
from models.analyzer import Analyzer, Request
from models.bundle import load_bundle
from models.manifest import read_manifest
from pipelines import prepare, tracking
from pipelines.config import CONFIG_TYPES, CONFIGS, load_config
from pipelines.jobs import _execute, run_all, run_step
from pipelines.workspace import STEPS, Workspace
from tests.pipelines.conftest import SmallShop


def _champion(shop: SmallShop) -> Path:
    return shop.workspace.bundles / shop.workspace.current.read_text(encoding="utf-8").strip()


def _own(shop: SmallShop, step: str) -> list[str]:
    return [item.partition(".")[2] for item in shop.overrides if item.startswith(f"{step}.")]


def test_all_jobs_give_a_bundle_that_serves(trained_shop: SmallShop) -> None:
    bundle = load_bundle(_champion(trained_shop))
    analysis = Analyzer(bundle).analyze([Request("怎么还不发货")])[0]
    assert abs(sum(score.confidence for score in analysis.ranking) - 1) < 0.01
    assert set(bundle.manifest.run_ids) == set(STEPS[: STEPS.index("bundle")])
    assert "TF-IDF" in (bundle.root / "model_card.md").read_text(encoding="utf-8")


def test_every_job_logged_one_finished_run_with_its_configuration(trained_shop: SmallShop) -> None:
    mlflow.set_tracking_uri(tracking.tracking_uri(trained_shop.workspace.root))
    runs = mlflow.search_runs(experiment_names=["kefu"], output_format="list")
    jobs = [run.data.tags["job"] for run in runs if run.info.status == "FINISHED"]
    assert set(STEPS) <= set(jobs)
    train = next(run for run in runs if run.data.tags["job"] == "train")
    assert train.data.params["training.epochs"] == "1"
    assert "dev_intent_macro_f1" in train.data.metrics
    evaluated = next(run for run in runs if run.data.tags["job"] == "evaluate")
    assert {"intent_macro_f1", "emotion_macro_f1", "anger_recall", "faq_hit_at_1"} <= set(evaluated.data.metrics)


def test_the_registered_champion_scores_in_bulk(trained_shop: SmallShop) -> None:
    mlflow.set_tracking_uri(tracking.tracking_uri(trained_shop.workspace.root))
    import pandas as pd

    model = mlflow.pyfunc.load_model(f"models:/{tracking.REGISTERED_MODEL}@champion")
    frame = model.predict(pd.DataFrame({"text": ["怎么还不发货", "你好"]}))
    expected = Analyzer(load_bundle(_champion(trained_shop))).analyze([Request("怎么还不发货")])[0]
    assert next(iter(frame["intent"])) == expected.intent.name
    assert len(frame) == 2


def test_the_registered_champion_carries_code_and_neither_corpora_nor_training_weights(trained_shop: SmallShop) -> None:
    mlflow.set_tracking_uri(tracking.tracking_uri(trained_shop.workspace.root))
    model = Path(mlflow.artifacts.download_artifacts(f"models:/{tracking.REGISTERED_MODEL}@champion"))
    files = [file for file in (model / "code").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".py", ".pyc"}
    assert {"analyzer.py", "normalise.py"} <= {file.name for file in files}


def test_a_second_run_does_nothing(trained_shop: SmallShop) -> None:
    marks = {name: (trained_shop.workspace.step(name) / "step.json").stat().st_mtime_ns for name in STEPS}
    run_all(trained_shop.workspace, overrides=trained_shop.overrides)
    assert marks == {name: (trained_shop.workspace.step(name) / "step.json").stat().st_mtime_ns for name in STEPS}


def test_an_interrupted_job_leaves_the_old_artefacts(trained_shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained_shop.workspace.step("prepare")
    before = (folder / "report.json").read_text(encoding="utf-8")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_step("prepare", trained_shop.workspace, overrides=_own(trained_shop, "prepare"), force=True)
    assert (folder / "report.json").read_text(encoding="utf-8") == before
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_missed_gate_keeps_the_champion(trained_shop: SmallShop) -> None:
    champion = _champion(trained_shop)
    evaluate = [item for item in _own(trained_shop, "evaluate") if not item.startswith("gates")]
    run_step("evaluate", trained_shop.workspace, overrides=[*evaluate, "gates={intent_macro_f1: 1.01}"])
    with pytest.raises(GateError, match="intent_macro_f1"):
        run_step("promote", trained_shop.workspace)
    assert _champion(trained_shop) == champion
    run_step("evaluate", trained_shop.workspace, overrides=_own(trained_shop, "evaluate"))
    run_step("promote", trained_shop.workspace)


def test_a_job_without_its_inputs_says_which_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="python -m pipelines prepare"):
        run_step("train", Workspace(tmp_path))


def _threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()}


@pytest.mark.parametrize(
    ("job", "threads"), [("index", 1), ("calibrate", 1), ("evaluate", 1), ("export", 1), ("train", 2), ("bundle", 2)]
)
def test_small_products_are_made_by_one_thread_and_the_others_by_as_many_as_are_set(
    job: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    seen: list[set[int]] = []

    def run(*_: Any) -> dict[str, Any]:
        seen.append(_threads())
        return {}

    monkeypatch.setattr(importlib.import_module(f"pipelines.{job}"), "run", run)
    tracker = SimpleNamespace(run_id="one", metrics=lambda _: None)
    monkeypatch.setattr(tracking, "job_run", lambda *_, **__: nullcontext(tracker))
    config = load_config(CONFIG_TYPES[job], CONFIGS / f"{job}.yaml", [])
    with threadpool_limits(2):
        _execute(job, config, Workspace(tmp_path), {}, lambda fill: fill(tmp_path) and None)
        assert (seen, _threads()) == ([{threads}], {2}), "and afterwards as before"


def test_results_name_n_and_the_baseline(trained_shop: SmallShop) -> None:
    results = json.loads((trained_shop.workspace.step("evaluate") / "results.json").read_text(encoding="utf-8"))
    for name in ("intent", "emotion"):
        assert results[name]["n"] > 100
        assert 0 <= results[name]["tfidf_macro_f1"] <= 1
    reference, own = results["faq"]["reference"], results["faq"]
    assert 0 <= reference["hit_at_1"] <= 1
    assert own["n"] >= own["n_answerable"] > 0
    scope = results["calibration"]["out_of_scope"]
    assert results["out_of_scope"]["n_queries"] == own["n"] and 0 <= results["out_of_scope"]["queries_kept"] <= 1
    assert scope["n"] == results["intent"]["n"] + results["out_of_scope"]["n"] > results["intent"]["n"]
    plots = trained_shop.workspace.step("evaluate") / "plots"
    assert {"intent_confusion.png", "emotion_confusion.png", "reliability.png"} <= {path.name for path in plots.iterdir()}
    assert read_manifest(_champion(trained_shop)).metrics == results["headline"]
