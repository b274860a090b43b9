"""`python -m pipelines <job>`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from data.errors import KefuError
from pipelines.config import QUICK
from pipelines.jobs import run_adapt, run_all, run_audit, run_benchmark, run_step
from pipelines.progress import console
from pipelines.workspace import STEPS, Workspace

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Jobs of kefu, from dialogue logs to a promoted bundle.",
)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file; configs/<job>.yaml by default")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: a.b=value")]
ForceOption = Annotated[bool, typer.Option("--force", help="Run even if the inputs did not change")]
WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="Folder of all artefacts")]

_HELP = {
    "prepare": "Read, mask, clean, deduplicate and split dialogues and knowledge base.",
    "train": "Fine-tune the encoder and its heads.",
    "export": "Export to ONNX and choose the quantisation by measurement.",
    "index": "Embed the knowledge base and build its indexes.",
    "calibrate": "Fit temperatures, fusion, rejection and thresholds on the dev split.",
    "bundle": "Put the parts together into a candidate bundle.",
    "evaluate": "Measure the candidate on the test split, beside TF-IDF.",
    "promote": "Register the candidate and let serving follow it if it passes its gates.",
}


def _command(name: str) -> None:
    @app.command(name, help=_HELP[name])
    def command(
        config: ConfigOption = None,
        overrides: SetOption = None,
        force: ForceOption = False,
        workspace: WorkspaceOption = Path("artifacts"),
    ) -> None:
        _guard(lambda: run_step(name, Workspace(workspace), config_path=config, overrides=overrides or (), force=force))


for _name in STEPS:
    _command(_name)


@app.command("all", help="Run every job in order; skip those whose inputs did not change.")
def run_everything(overrides: SetOption = None, force: ForceOption = False, workspace: WorkspaceOption = Path("artifacts")) -> None:
    """Chains the jobs; an override names its job first: --set train.training.epochs=5."""
    _guard(lambda: run_all(Workspace(workspace), overrides=overrides or (), force=force))


@app.command("benchmark", help="Measure on public sets in a folder of yours: --set folder=… (nothing is downloaded).")
def benchmark(
    config: ConfigOption = None,
    overrides: SetOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small samples and one epoch, some minutes")] = False,
    workspace: WorkspaceOption = Path("artifacts"),
) -> None:
    """Scores the current bundle and the training pipeline on public sets; stands beside the chain of jobs."""
    settings = [*(QUICK if quick else ()), *(overrides or ())]
    _guard(lambda: run_benchmark(Workspace(workspace), config_path=config, overrides=settings))


@app.command("audit-labels", help="Look for doubtful labels in the training split and write a review file for a person.")
def audit_labels(
    config: ConfigOption = None,
    overrides: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a review file that holds corrections")] = False,
    workspace: WorkspaceOption = Path("artifacts"),
) -> None:
    """Stands beside the chain of jobs; give the corrected file to `prepare` as its setting `review`."""
    _guard(lambda: run_audit(Workspace(workspace), config_path=config, overrides=overrides or (), force=force))


@app.command(
    "adapt", help="Fine-tune trunk and heads at length on what `prepare` left, as a file that `train` starts from (warm_start)."
)
def adapt(config: ConfigOption = None, overrides: SetOption = None, workspace: WorkspaceOption = Path("artifacts")) -> None:
    """Stands beside the chain of jobs: the shipped file was made so, and it need only be made anew for other corpora."""
    _guard(lambda: console.print(f"  wrote {run_adapt(Workspace(workspace), config_path=config, overrides=overrides or ())}"))


def _guard(work: object) -> None:
    """Turns our own errors into one red line and exit code 2; anything else keeps its traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        work()  # type: ignore[operator]
    except KefuError as error:
        console.print(f"[red]{type(error).__name__}: {error}[/red]", markup=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        console.print("[yellow]interrupted; nothing half-written was kept, run the same command to go on[/yellow]")
        raise typer.Exit(130) from error
