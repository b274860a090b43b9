"""adapt: fine-tunes the trunk at length, so that `train` may start from it (its `warm_start`) and be done in minutes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.base_encoder import save_warm_start
from pipelines.config import AdaptConfig
from pipelines.prepared import load_prepared
from pipelines.tracking import Run
from pipelines.train import train_watched
from pipelines.workspace import Workspace


def run(config: AdaptConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes the file that the configuration names as `out`, and curves.json into the folder."""
    settings = config.build()
    prepared = load_prepared(workspace.require("prepare"))
    trained = train_watched(prepared, settings, tracker)
    notes = {
        "rows": str(len(prepared.messages["train"])),
        "prepared": workspace.facts("prepare")["fingerprint"],
        "training": json.dumps(settings.training),
    }
    save_warm_start(trained.base, config.out, notes=notes)
    (folder / "curves.json").write_text(json.dumps(trained.curves, indent=1), encoding="utf-8")
    tracker.artifacts(folder / "curves.json")
    return {"dev": trained.curves[-1] if trained.curves else {}}
