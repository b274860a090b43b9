"""adapt: fine-tunes the network at length, so that `train` may start from it (its `warm_start`) and be done in minutes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from data.errors import ConfigError
from models.base_encoder import save_warm_start, warm_start_notes
from pipelines.config import AdaptConfig
from pipelines.prepared import load_prepared
from pipelines.tracking import Run
from pipelines.train import train_watched
from pipelines.workspace import Workspace


def run(config: AdaptConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes the file that the configuration names as `out`, and curves.json into the folder.

    Raises:
        ConfigError: `out` cannot be written.
    """
    settings = config.build()
    # Before the long training, so that nothing is lost at its end.
    try:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        writable = not config.out.is_dir() and os.access(config.out.parent, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError(f"out is {config.out}, expected a file in a folder that can be written; set it otherwise")
    before = None if config.start is None else warm_start_notes(config.start)  # it may be the file that is written anew
    prepared = load_prepared(workspace.require("prepare"))
    trained = train_watched(prepared, settings, tracker)
    notes = {"rows": len(prepared.messages["train"]), "training": settings.training, "start": before}
    heads, labels = trained.model.head_weights(), prepared.labels.fingerprint
    save_warm_start(trained.base, config.out, heads=heads, labels=labels, notes=notes)
    (folder / "curves.json").write_text(json.dumps(trained.curves, indent=1), encoding="utf-8")
    tracker.artifacts(folder / "curves.json")
    return {"dev": trained.curves[-1] if trained.curves else {}}
