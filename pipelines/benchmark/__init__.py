"""benchmark: the current bundle and the training pipeline on public sets that lie in a folder of the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.errors import ConfigError
from models.bundle import Bundle, load_bundle
from pipelines.benchmark.sets import PublicSets, find_sets
from pipelines.benchmark.table import markdown, print_sheets, sheets
from pipelines.benchmark.training import TRAINED, build_task, measure_training, train_configs
from pipelines.benchmark.transfer import measure_transfer
from pipelines.config import BenchmarkConfig
from pipelines.prepared import Message, load_prepared
from pipelines.progress import console
from pipelines.tracking import Run
from pipelines.workspace import Workspace


def run(config: BenchmarkConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes results.json and benchmark.md into the folder, and prints the tables.

    Raises:
        ConfigError: The folder or a wanted set is missing, there is no bundle to measure, or a setting is unknown.
    """
    sets = find_sets(config.folder, config.sets)
    names = [name for name in TRAINED if name in sets] if config.training.enabled else []
    settings = train_configs(config, names)
    notes = _sample_notes(config)
    results: dict[str, Any] = {"bundle": None, "transfer": {}, "training": {}, "notes": notes}
    if config.transfer.enabled:
        bundle = _current_bundle(workspace, config.threads)
        results["bundle"] = bundle.manifest.bundle_version
        own = _own_test(workspace)
        if own is None and "oos" in sets:
            notes.append(
                "The workspace has no prepared data that this version reads, so out-of-scope texts are not set against its own messages."
            )
        results["transfer"] = measure_transfer(config, bundle, sets, own)
    for name in names:
        console.print(f"[bold]  {name}[/bold]")
        results["training"][name] = measure_training(build_task(name, config, sets), config, settings[name])
        tracker.metrics(headline(results))  # a full run takes an hour: what is measured is kept should it be stopped
    results |= {"sets": _state(sets), "config": config.model_dump(mode="json"), "headline": headline(results)}
    (folder / "results.json").write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    title = f"Public sets, bundle {results['bundle']}" if results["bundle"] else "Public sets"
    (folder / "benchmark.md").write_text(markdown(sheets(results, examples=False), title), encoding="utf-8")
    tracker.metrics(results["headline"])
    tracker.artifacts(folder / "results.json")
    tracker.artifacts(folder / "benchmark.md")
    print_sheets(sheets(results, examples=True), console)
    return {"headline": results["headline"]}


def headline(results: dict[str, Any]) -> dict[str, float]:
    """Returns the numbers that MLflow is given; parts that were not measured are absent."""
    numbers: dict[str, float] = {}
    transfer = results["transfer"]
    for name, part in transfer.get("intent", {}).items():
        numbers |= {
            f"{name}_{measure}": part[measure] for measure in ("accuracy", "macro", "coverage", "precision") if measure in part
        }
    for name, part in transfer.get("emotion", {}).items():
        numbers |= {f"{name}_{measure}": part[measure] for measure in ("accuracy", "macro_f1", "share") if measure in part}
    for name, part in transfer.get("retrieval", {}).items():
        numbers |= {f"{name}_{measure}": part[measure] for measure in ("map", "mrr", "spearman")}
    outside = transfer.get("out_of_scope", {})
    numbers |= {f"oos_auroc_{name}": part["auroc"] for name, part in outside.get("against", {}).items()}
    if outside:
        numbers["oos_recall"] = outside["recall"]
    for name, part in results["training"].items():
        for method, one in part["models"].items():
            numbers |= {f"trained_{name}_{method}_{measure}": one[measure] for measure in ("accuracy", "macro_f1", "seconds")}
        numbers |= {f"trained_{name}_gain_{measure}": one["gain"] for measure, one in part["gain"].items()}
    return {name: round(float(value), 4) for name, value in numbers.items()}


def _current_bundle(workspace: Workspace, threads: int) -> Bundle:
    if not workspace.current.is_file():
        raise ConfigError(
            f"{workspace.current} names no bundle to measure; run `python -m pipelines all`, or leave that part out with "
            "--set transfer.enabled=false"
        )
    return load_bundle(workspace.bundles / workspace.current.read_text(encoding="utf-8").strip(), threads=threads)


def _own_test(workspace: Workspace) -> list[Message] | None:
    """The shop's own test messages; None where `prepare` has not finished, or finished before it wrote its labels."""
    folder = workspace.step("prepare")
    whole = all((folder / name).is_file() for name in ("step.json", "labels.json"))
    return load_prepared(folder).messages["test"] if whole else None


def _state(sets: PublicSets) -> dict[str, Any]:
    return {
        "present": list(sets.present),
        "absent": {name: list(files) for name, files in sets.absent.items()},
        "left_out": sets.left_out,
    }


def _sample_notes(config: BenchmarkConfig) -> list[str]:
    own, parts = config.training, []
    if config.transfer.enabled and config.transfer.rows is not None:
        parts.append(f"transfer on at most {config.transfer.rows} rows a measurement")
    if own.enabled and (own.rows is not None or own.test_rows is not None):
        parts.append(f"training on at most {own.rows or 'all'} rows, scored on at most {own.test_rows or 'all'}")
    return [f"A sample, for a quick look only: {', '.join(parts)}."] if parts else []
