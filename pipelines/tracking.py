"""The only module that knows MLflow: one run a job, with its configuration, metrics, tables, plots and artefacts."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_EXPERIMENT = "kefu"
REGISTERED_MODEL = "kefu-bundle"


def tracking_uri(root: Path) -> str:
    """Returns where runs go: MLFLOW_TRACKING_URI, or SQLite beside the artefacts."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(root / 'mlflow.db').resolve().as_posix()}"


class Run:
    """An open MLflow run."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def metrics(self, values: Mapping[str, float], *, step: int | None = None) -> None:
        """Logs numbers, at a step if given."""
        import mlflow

        finite = {name: float(value) for name, value in values.items() if not math.isnan(value)}
        mlflow.log_metrics(finite, step=step, synchronous=step is None)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Logs rows as JSON, for reading in the MLflow page."""
        import mlflow

        mlflow.log_text(json.dumps(list(rows), ensure_ascii=False, indent=1, default=str), f"tables/{name}.json")

    def artifacts(self, folder: Path, *, to: str | None = None) -> None:
        """Logs a file or a folder of files."""
        import mlflow

        (mlflow.log_artifacts if folder.is_dir() else mlflow.log_artifact)(str(folder), to)


@contextmanager
def job_run(job: str, config: Mapping[str, Any], *, root: Path, tags: Mapping[str, str]) -> Iterator[Run]:
    """Opens one run for a job; it is marked failed if the job raises.

    Args:
        job: Name of the job.
        config: Resolved configuration; logged as YAML-like parameters and as a file.
        root: Folder of the artefacts, for the default store.
        tags: Commit, data hashes, seed.
    """
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    _open_store(root)
    with mlflow.start_run(run_name=job, tags={"job": job, **tags}) as active:
        mlflow.log_params({name: str(value)[:500] for name, value in _flat(config)})
        mlflow.log_dict(json.loads(json.dumps(config, default=str)), "config.json")
        yield Run(active.info.run_id)


def register_bundle(bundle: Path, *, alias: str | None) -> str:
    """Registers a bundle under the open run, as a model whose code lies beside it (no pickle); returns its version.

    Args:
        bundle: The bundle's directory.
        alias: Given to the version, such as `champion`; None gives none.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as place:
        info = mlflow.pyfunc.log_model(
            name="bundle",
            python_model="pipelines/pyfunc_model.py",
            artifacts={"bundle": str(bundle)},
            code_paths=[_sources(package, Path(place)) for package in ("data", "models")],
            pip_requirements=["onnxruntime", "tokenizers", "faiss-cpu", "jieba", "OpenCC", "pyyaml", "numpy"],
        )
    version = mlflow.register_model(info.model_uri, REGISTERED_MODEL)
    if alias is not None:
        mlflow.MlflowClient().set_registered_model_alias(REGISTERED_MODEL, alias, version.version)
    return str(version.version)


def _sources(package: str, place: Path) -> str:
    """Copies a package's modules, without the corpora and weights beside them, and returns where they are."""
    for file in Path(package).rglob("*.py"):
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place / file)
    return str(place / package)


def _open_store(root: Path) -> None:
    import mlflow

    root.mkdir(parents=True, exist_ok=True)
    uri = tracking_uri(root)
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name(_EXPERIMENT) is None:
        place = (root / "mlruns").resolve().as_uri() if uri.startswith("sqlite:") else None
        mlflow.create_experiment(_EXPERIMENT, artifact_location=place)
    mlflow.set_experiment(_EXPERIMENT)


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
