"""promote: registers the candidate, and makes it the champion that serving follows if it passes its gates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from data.errors import GateError
from models.bundle import load_bundle, write_directory
from models.manifest import BundleManifest, read_manifest
from models.shelf import Shelf
from pipelines.config import PromoteConfig
from pipelines.progress import console
from pipelines.tracking import Run, register_bundle
from pipelines.workspace import Workspace

_PATIENCE = 120.0  # seconds; a running service may be embedding a changed knowledge base


def run(config: PromoteConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Publishes the evaluated bundle under artifacts/bundles and points `current` at it.

    Raises:
        GateError: A gate was missed, or recall on an intent or FAQ topic fell too far against the champion; the old one keeps serving.
    """
    evaluated = workspace.require("evaluate")
    results = json.loads((evaluated / "results.json").read_text(encoding="utf-8"))
    manifest = read_manifest(evaluated / "candidate")
    problems = [
        f"{gate['gate']} is {gate['reached']}, expected {gate['at_least']} or more"
        for gate in results["gates"]
        if not gate["passed"]
    ]
    problems += _regressions(results, _champion_results(workspace), config)
    version = register_bundle(evaluated / "candidate", alias=None if problems else "champion")
    tracker.metrics({**results["headline"], "promoted": 0.0 if problems else 1.0})
    if problems:
        raise GateError(
            f"bundle {manifest.bundle_version} (registered as version {version}) is not promoted: {'; '.join(problems)}; "
            "mend the data or the configuration, or lower the gate in configs/evaluate.yaml knowingly"
        )
    publish(evaluated / "candidate", manifest, workspace)
    shutil.copyfile(evaluated / "results.json", folder / "results.json")
    _forget_old(workspace, config.keep)
    console.print(f"  champion is now bundle {manifest.bundle_version} (registry version {version})")
    return {"bundle_version": manifest.bundle_version, "registry_version": version}


def publish(candidate: Path, manifest: BundleManifest, workspace: Workspace) -> None:
    """Copies a bundle among the published ones, verifies the copy, and moves the `current` pointer to it."""
    target = workspace.bundles / manifest.bundle_version

    def fill(folder: Path) -> None:
        shutil.copytree(candidate, folder, dirs_exist_ok=True)

    shelf = Shelf(workspace.bundles)
    workspace.bundles.mkdir(parents=True, exist_ok=True)
    with shelf.lock(seconds=_PATIENCE):
        if not target.exists():
            write_directory(target, fill)
        load_bundle(target)
        shelf.point_to(target)


def _champion_results(workspace: Workspace) -> dict[str, Any] | None:
    path = workspace.step("promote") / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _regressions(results: dict[str, Any], champion: dict[str, Any] | None, config: PromoteConfig) -> list[str]:
    """Intents and FAQ topics whose recall fell by more than the configured amount, on as many test rows as it takes to tell."""
    if champion is None:
        return []
    pairs = [("recall on intent", results["intent"]["per_class"], champion["intent"]["per_class"])]
    pairs.append(("FAQ Hit@1 on topic", results["faq"].get("per_topic", []), champion["faq"].get("per_topic", [])))
    problems = []
    for what, rows, old_rows in pairs:
        before = {row["label"]: row for row in old_rows}
        for row in rows:
            old = before.get(row["label"])
            if old is None or min(row["n"], old["n"]) < config.min_support:
                continue
            if old["recall"] - row["recall"] > config.max_recall_drop:
                problems.append(f"{what} {row['label']} fell from {old['recall']} to {row['recall']} (n={row['n']})")
    return problems


def _forget_old(workspace: Workspace, keep: int) -> None:
    """Removes all but the newest bundles that were promoted; those that a running service made are its own to forget."""
    shelf = Shelf(workspace.bundles)
    with shelf.lock(seconds=_PATIENCE):
        needed = {shelf.current(), shelf.previous()}
        found = shelf.bundles()
        folders = [path for path in workspace.bundles.iterdir() if path.is_dir() and not path.name.startswith(".")]
        promoted = [path for path in folders if not getattr(found.get(path), "parent", "")]
        for folder in sorted(promoted, key=lambda path: path.stat().st_mtime, reverse=True)[keep:]:
            if folder not in needed:
                shutil.rmtree(folder)
