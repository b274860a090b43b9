"""index: embeds the knowledge base with the exported graph and builds the FAISS and BM25 indexes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.types import FaqEntry
from models.encoder import Encoded, OnnxEncoder
from models.inputs import InputFormat
from models.interaction import Embedded, TokenStore
from models.retrieval import FaqIndex, Texts, answer_text
from pipelines.config import IndexConfig
from pipelines.prepared import load_prepared
from pipelines.tracking import Run
from pipelines.workspace import Workspace


def run(config: IndexConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes faq/ into the folder: questions and similar questions only, never answers."""
    prepared = load_prepared(workspace.require("prepare"))
    entries = prepared.entries
    encoder = open_encoder(workspace, threads=config.threads)
    unanswered = [query.text for query in prepared.queries["train"] if query.faq_id is None]
    index = FaqIndex.fit(entries, knowledge_texts(entries, unanswered, encoder), prepared.labels.intents)
    index.save(folder / "faq")
    tracker.metrics({"faq_entries": len(entries), "faq_vectors": len(index.questions), "faq_unanswered": len(unanswered)})
    return {"entries": len(entries), "vectors": len(index.questions), "unanswered": len(unanswered)}


def knowledge_texts(entries: Sequence[FaqEntry], unanswered: Sequence[str], encoder: OnnxEncoder) -> Texts:
    """Returns what the encoder makes of entries, and of questions that none of them answers."""
    questions, others = (
        _embedded(encoder.encode(texts)) for texts in ([text for entry in entries for text in entry.questions], unanswered)
    )
    return Texts(questions, TokenStore.of(encoder.encode([answer_text(entry) for entry in entries]).tokens), others)


def _embedded(encoded: Encoded) -> Embedded:
    return Embedded(encoded.vector.astype(np.float16), TokenStore.of(encoded.tokens))


def open_encoder(workspace: Workspace, *, threads: int) -> OnnxEncoder:
    """Returns the encoder that `export` wrote."""
    folder = workspace.require("export")
    input_format = InputFormat(**json.loads((folder / "input_format.json").read_text(encoding="utf-8")))
    return OnnxEncoder(folder / "model.onnx", folder / "tokenizer.json", folder / "lexicon.json", input_format, threads=threads)
