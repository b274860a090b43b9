"""export: torch to ONNX, parity checked, quantisation chosen by measurement on the dev split."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from models.encoder import OnnxEncoder
from models.export import check_parity, choose_variant, export_onnx, variant_rows
from models.interaction import TokenStore
from models.lexical import Lexicon
from pipelines.config import ExportConfig
from pipelines.prepared import Prepared, load_prepared
from pipelines.tracking import Run
from pipelines.train import dev_scores, load_trained, model_inputs
from pipelines.workspace import Workspace

_NEAR = 8  # as many as the index takes of each engine


def run(config: ExportConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes model.onnx, tokenizer.json, input_format.json and variants.json into the folder."""
    trained = workspace.require("train")
    model, input_format = load_trained(trained)
    prepared = load_prepared(workspace.require("prepare"))
    labels = prepared.labels
    for name in ("tokenizer.json", "lexicon.json", "input_format.json"):
        shutil.copyfile(trained / name, folder / name)
    dev = prepared.messages["dev"][: config.dev_rows]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fp32 = Path(scratch) / "fp32.onnx"
        export_onnx(model, fp32)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(input_format.max_tokens, strategy="longest_first")
        encoder = OnnxEncoder(fp32, folder / "tokenizer.json", folder / "lexicon.json", input_format, threads=config.threads)
        pairs = model_inputs(dev[:64], input_format) or [(f"{input_format.prefix}你好", "")]
        difference = check_parity(model, tokenizer, Lexicon.load(folder / "lexicon.json"), encoder, pairs)

        def measure(candidate: OnnxEncoder) -> dict[str, float]:
            encoded = candidate.encode([row.text for row in dev], [row.history for row in dev])
            scores = dev_scores(encoded.intent, encoded.emotion, dev, labels) if dev else {}
            kept = {name: value for name, value in scores.items() if name.endswith("macro_f1")}
            return kept | _retrieval_quality(candidate, prepared, config.dev_queries)

        chosen, variants = choose_variant(
            fp32, folder / "tokenizer.json", folder / "lexicon.json", input_format, workplace=Path(scratch), measure=measure, tolerance=config.tolerance,
            threads=config.threads,
        )  # fmt: skip
        shutil.move(str(chosen), folder / "model.onnx")
    rows = variant_rows(variants)
    (folder / "variants.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    tracker.table("variants", rows)
    tracker.metrics(
        {
            "parity_difference": difference,
            "chosen_milliseconds": variants[0].milliseconds,
            "chosen_megabytes": variants[0].megabytes,
        }
    )
    return {"chosen": variants[0].name, "parity_difference": difference, "variants": rows}


def _retrieval_quality(encoder: OnnxEncoder, prepared: Prepared, limit: int) -> dict[str, float]:
    """Of dev queries: whether the likest question word by word is a right one, and whether one of the eight nearest vectors is."""
    queries = [query for query in prepared.queries["dev"] if query.faq_id is not None][:limit]
    if not queries:
        return {}
    # Every sixth question is enough to compare graphs, at a sixth of the cost of the whole index.
    questions = [(question, entry.faq_id) for entry in prepared.entries for question in entry.questions][::6]
    corpus, asked = encoder.encode([question for question, _ in questions]), encoder.encode([query.text for query in queries])
    tokens, every = TokenStore.of(corpus.tokens), np.arange(len(questions))
    near = np.argsort(-(asked.vector @ corpus.vector.T), axis=1)[:, :_NEAR]
    likest, found = [], []
    for row, query in enumerate(queries):
        compared = tokens.compare(asked.tokens[row], every)
        likest.append(query.is_answered_by(questions[int((compared.found.mean(axis=0) + compared.back).argmax())][1]))
        found.append(any(query.is_answered_by(questions[place][1]) for place in near[row]))
    return {"token_hit_at_1": float(np.mean(likest)), "vector_hit_at_8": float(np.mean(found))}
