"""bundle: puts graph, calibration, index and domain pack into one directory, the candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.bundle import load_bundle, save_bundle
from models.calibration import Calibration
from models.domain import load_domain
from models.manifest import file_hashes
from models.retrieval import FaqIndex
from pipelines.config import BundleConfig
from pipelines.index import open_encoder
from pipelines.tracking import Run
from pipelines.workspace import STEPS, Workspace, git_commit


def run(config: BundleConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes candidate/ into the folder and loads it once, so that a bad one never gets further."""
    labels = load_domain(config.domain).labels
    before = {name: workspace.facts(name) for name in STEPS[: STEPS.index("bundle")]}
    export = workspace.require("export")
    manifest = save_bundle(
        folder / "candidate",
        model=export / "model.onnx",
        tokenizer=export / "tokenizer.json",
        lexicon=export / "lexicon.json",
        domain=config.domain,
        faq=FaqIndex.load(workspace.require("index") / "faq", labels.intents),
        calibration=Calibration.load(workspace.require("calibrate") / "calibration.json"),
        input_format=open_encoder(workspace, threads=1).input_format,
        facts={
            "git_commit": git_commit(),
            "data_hashes": before["prepare"]["data_hashes"],
            "config_hash": before["train"]["config_hash"],
            "run_ids": {name: facts["run_id"] for name, facts in before.items()},
        },
        model_card="Not evaluated yet: `python -m pipelines evaluate` writes the measured model card.\n",
    )
    load_bundle(folder / "candidate")
    size = sum((folder / "candidate" / name).stat().st_size for name in file_hashes(folder / "candidate")) / 1e6
    tracker.metrics({"bundle_megabytes": size})
    return {"bundle_version": manifest.bundle_version, "megabytes": round(size, 1)}
