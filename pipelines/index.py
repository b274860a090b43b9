"""index: embeds the questions of the knowledge base with the exported graph and builds the FAISS and BM25 indexes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.encoder import OnnxEncoder
from models.inputs import InputFormat
from models.retrieval import FaqIndex
from pipelines.config import IndexConfig
from pipelines.prepared import load_prepared
from pipelines.tracking import Run
from pipelines.workspace import Workspace


def run(config: IndexConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes faq/ into the folder: questions and similar questions only, never answers."""
    prepared = load_prepared(workspace.require("prepare"))
    entries = prepared.entries
    encoder = open_encoder(workspace, threads=config.threads)
    vectors = encoder.encode([question for entry in entries for question in entry.questions]).vector
    index = FaqIndex.fit(entries, vectors, prepared.labels.intents)
    index.save(folder / "faq")
    tracker.metrics({"faq_entries": len(entries), "faq_vectors": len(vectors)})
    return {"entries": len(entries), "vectors": len(vectors)}


def open_encoder(workspace: Workspace, *, threads: int) -> OnnxEncoder:
    """Returns the encoder that `export` wrote."""
    folder = workspace.require("export")
    input_format = InputFormat(**json.loads((folder / "input_format.json").read_text(encoding="utf-8")))
    return OnnxEncoder(folder / "model.onnx", folder / "tokenizer.json", folder / "lexicon.json", input_format, threads=threads)
