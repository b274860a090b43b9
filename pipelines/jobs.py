"""Runs a job: skips it when its inputs did not change, logs one MLflow run, and puts its folder in place whole."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from models.domain import load_domain
from pipelines.config import CONFIG_TYPES, CONFIGS, AdaptConfig, AuditConfig, PrepareConfig, config_hash, load_config
from pipelines.corrections import refuse_filled_review
from pipelines.progress import console
from pipelines.workspace import STEPS, Workspace, fingerprint, git_commit, replace_directory

# What each step reads of the steps before it.
_UPSTREAM: dict[str, tuple[str, ...]] = {
    "prepare": (), "train": ("prepare",), "export": ("train", "prepare"), "index": ("export", "prepare"),
    "calibrate": ("index", "export", "prepare"), "bundle": ("calibrate", "index", "export"), "evaluate": ("bundle", "prepare"),
    "promote": ("evaluate",),
}  # fmt: skip
# Their products are so small that a second thread for one of them costs ten times what it gains.
_SMALL_PRODUCTS = {"export", "index", "calibrate", "evaluate"}


def run_step(
    name: str, workspace: Workspace, *, config_path: Path | None = None, overrides: Sequence[str] = (), force: bool = False
) -> bool:
    """Runs one step; returns False if it was fresh and nothing was done.

    Raises:
        KefuError: As the job says.
    """
    config = load_config(CONFIG_TYPES[name], config_path or CONFIGS / f"{name}.yaml", list(overrides))
    values = config.model_dump(mode="json")
    upstream = [workspace.facts(step)["fingerprint"] for step in _UPSTREAM[name]]
    mark = fingerprint(name, values, _inputs(name, config), upstream + _labels(config))
    if workspace.is_fresh(name, mark) and not force:
        console.print(f"[dim]{name}: inputs did not change, skipped[/dim]")
        return False
    _execute(name, config, workspace, {"fingerprint": mark}, lambda fill: workspace.write(name, mark, fill))
    return True


def run_benchmark(workspace: Workspace, *, config_path: Path | None = None, overrides: Sequence[str] = ()) -> None:
    """Runs the benchmark: it stands beside the chain of steps, and always measures anew.

    Raises:
        KefuError: As the job says.
    """
    config = load_config(CONFIG_TYPES["benchmark"], config_path or CONFIGS / "benchmark.yaml", list(overrides))
    _execute("benchmark", config, workspace, {}, lambda fill: replace_directory(workspace.benchmark, fill))


def run_adapt(workspace: Workspace, *, config_path: Path | None = None, overrides: Sequence[str] = ()) -> Path:
    """Fine-tunes trunk and heads at length, beside the chain of steps, and returns the file that `train` may start from.

    Raises:
        KefuError: As the job says.
    """
    config = load_config(AdaptConfig, config_path or CONFIGS / "adapt.yaml", list(overrides))
    _execute("adapt", config, workspace, {}, lambda fill: replace_directory(workspace.adapt, fill))
    return config.out


def run_all(workspace: Workspace, *, overrides: Sequence[str] = (), force: bool = False) -> None:
    """Runs every step in order; an override `train.training.epochs=5` names its step first."""
    for name in STEPS:
        own = [item.partition(".")[2] for item in overrides if item.partition(".")[0] == name]
        run_step(name, workspace, overrides=own, force=force)


def _execute(
    name: str,
    config: BaseModel,
    workspace: Workspace,
    tags: dict[str, str],
    write: Callable[[Callable[[Path], dict[str, Any]]], None],
) -> None:
    """Opens the MLflow run and lets `write` put in place the folder that the job fills."""
    console.print(f"[bold]{name}[/bold]")
    started = time.monotonic()
    job = importlib.import_module(f"pipelines.{name}")
    from pipelines.tracking import job_run

    values = config.model_dump(mode="json")
    own = {"git_commit": git_commit(), "config_hash": config_hash(config), "seed": str(values.get("seed", ""))}
    with job_run(name, values, root=workspace.root, tags=own | tags) as tracker:

        def fill(folder: Path) -> dict[str, Any]:
            with threadpool_limits(1 if name in _SMALL_PRODUCTS else None):
                facts: dict[str, Any] = job.run(config, folder, workspace, tracker)
            tracker.metrics({"seconds": time.monotonic() - started})
            return {"run_id": tracker.run_id, "config_hash": config_hash(config), "config": values, **facts}

        write(fill)
    console.print(f"[green]{name}: done in {time.monotonic() - started:.0f} s[/green]")


def _inputs(step: str, config: BaseModel) -> list[Path]:
    """The files that a configuration names; the cache and the like are no inputs."""
    ignored = {"cache", "domain"} if step == "prepare" else {"cache"}
    return [value for name, value in config if isinstance(value, Path) and name not in ignored]


def _labels(config: BaseModel) -> list[str]:
    """What `prepare` takes of the domain pack: with other urgencies or slots the same data are prepared, and nothing is trained anew."""
    if not isinstance(config, PrepareConfig):
        return []
    labels = load_domain(config.domain).labels
    return [*labels.intents, *labels.emotions]


def run_audit(workspace: Workspace, *, config_path: Path | None = None, overrides: Sequence[str] = (), force: bool = False) -> Path:
    """Looks for doubtful labels, beside the chain of steps, and returns the folder of what it found.

    Args:
        workspace: Where `prepare` has finished.
        config_path: configs/audit-labels.yaml by default.
        overrides: `a.b=value` each.
        force: Replace a review file that a person has filled in.

    Raises:
        ConfigError: `prepare` has not finished, or the review file in the folder holds corrections.
        KefuError: As the job says.
    """
    config = load_config(AuditConfig, config_path or CONFIGS / "audit-labels.yaml", list(overrides))
    folder = workspace.audit if config.benchmark is None else workspace.audit_benchmark
    if config.benchmark is None:
        workspace.require("prepare")
        if not force:
            refuse_filled_review(folder)
    _execute("audit_labels", config, workspace, {}, lambda fill: replace_directory(folder, fill))
    return folder
