"""Where the jobs keep their artefacts, and how a step knows that its inputs did not change."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import ConfigError
from models.bundle import write_directory

STEPS = ("prepare", "train", "export", "index", "calibrate", "bundle", "evaluate", "promote")

# The code whose change makes a step's artefacts stale; changes of the policy, say, need no new training.
_CODE: dict[str, tuple[str, ...]] = {
    "prepare": ("data/*.py", "pipelines/prepare.py", "pipelines/corrections.py"),
    "train": ("models/base_encoder.py", "models/packed_e5.py", "models/network.py", "models/training.py", "models/settings.py", "models/inputs.py", "models/lexical.py",
              "models/lexical_training.py", "pipelines/train.py"),
    "export": ("models/export.py", "models/fusion.py", "models/encoder.py", "models/interaction.py", "pipelines/export.py"),
    "index": ("models/retrieval.py", "models/interaction.py", "models/matching.py", "models/lexical.py", "models/bm25.py", "pipelines/index.py",
              "pipelines/prepared.py"),
    "calibrate": ("models/retrieval.py", "models/interaction.py", "models/matching.py", "models/calibration.py", "models/rejection.py", "pipelines/calibrate.py"),
    "bundle": ("models/bundle.py", "models/domain.py", "pipelines/bundle.py"),
    "evaluate": ("models/*.py", "pipelines/evaluate.py", "pipelines/two_wants.py", "pipelines/baseline.py", "pipelines/metrics.py"),
    "promote": ("pipelines/promote.py",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of all artefacts."""

    root: Path = Path("artifacts")

    def step(self, name: str) -> Path:
        """Folder of a step's artefacts."""
        return self.root / "steps" / name

    @property
    def bundles(self) -> Path:
        """Folder of the published bundles and their `current` pointer."""
        return self.root / "bundles"

    @property
    def benchmark(self) -> Path:
        """Folder of the newest results on public sets."""
        return self.root / "benchmark"

    @property
    def adapt(self) -> Path:
        """Folder of the newest long training."""
        return self.root / "adapt"

    @property
    def audit(self) -> Path:
        """Folder of the newest review file of doubtful labels."""
        return self.root / "audit"

    @property
    def audit_benchmark(self) -> Path:
        """Folder of what the audit reached on a public set."""
        return self.root / "audit-benchmark"

    @property
    def current(self) -> Path:
        """Text file that names the bundle that is served."""
        return self.bundles / "current"

    def require(self, name: str) -> Path:
        """Returns a finished step's folder.

        Raises:
            ConfigError: The step has not finished.
        """
        folder = self.step(name)
        if not (folder / "step.json").exists():
            raise ConfigError(f"step {name!r} has not finished; run `python -m pipelines {name}` or `python -m pipelines all`")
        return folder

    def facts(self, name: str) -> dict[str, Any]:
        """Returns what a finished step wrote of itself."""
        value: dict[str, Any] = json.loads((self.require(name) / "step.json").read_text(encoding="utf-8"))
        return value

    def is_fresh(self, name: str, fingerprint: str) -> bool:
        """Tells whether a step has finished with just these inputs."""
        path = self.step(name) / "step.json"
        return path.exists() and json.loads(path.read_text(encoding="utf-8")).get("fingerprint") == fingerprint

    def write(self, name: str, fingerprint: str, fill: Callable[[Path], dict[str, Any]]) -> None:
        """Runs a step into a temporary folder and puts it in place whole; an interruption leaves the old one."""

        def filled(folder: Path) -> None:
            facts = fill(folder)
            text = json.dumps({"step": name, "fingerprint": fingerprint, **facts}, ensure_ascii=False, indent=1, default=str)
            (folder / "step.json").write_text(text, encoding="utf-8")

        replace_directory(self.step(name), filled)


def replace_directory(target: Path, fill: Callable[[Path], object]) -> None:
    """Makes a directory whole or leaves the old one, and clears away what a run that was killed left of it."""
    for leftover in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    write_directory(target, fill)


def fingerprint(step: str, config: dict[str, Any], inputs: Sequence[Path], upstream: Sequence[str]) -> str:
    """Returns a hash of everything that a step's result depends on: configuration, input files, code, earlier steps."""
    parts = [step, json.dumps(config, sort_keys=True, default=str), *upstream]
    for path in inputs:
        parts.append(f"{path}:{tree_hash(path)}")
    for pattern in _CODE[step]:
        parts += [code_hash(path) for path in sorted(Path().glob(pattern))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def tree_hash(path: Path) -> str:
    """Returns a hash of a file, or of all files under a folder."""
    if path.is_file():
        return file_hash(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    text = "\n".join(f"{file.relative_to(path).as_posix()}:{file_hash(file)}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()


def code_hash(path: Path) -> str:
    """Returns a hash of what a module says, whatever its layout and comments: reformatting needs no new training."""
    return hashlib.sha256(ast.dump(ast.parse(path.read_text(encoding="utf-8"))).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Returns the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git_commit() -> str:
    """Returns the commit of the code, with `+` if files were changed since; empty outside a repository."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, timeout=10)  # nosec B607
        status = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True, timeout=10)  # nosec B607
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit.stdout.strip() + ("+" if status.stdout.strip() else "")
