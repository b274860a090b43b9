"""A shop so small that every job runs on it within seconds: some of the shipped corpora, and a tiny encoder without training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from pipelines.jobs import run_all
from pipelines.workspace import Workspace
from tests.tiny import tiny_tokenizer

CORPUS = Path("data/ecommerce")


@dataclass(frozen=True)
class SmallShop:
    """Where the data lies and how the jobs are told so."""

    root: Path
    overrides: tuple[str, ...]

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root / "artifacts")


def _head(source: Path, target: Path, count: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = source.read_text(encoding="utf-8").splitlines()
    target.write_text("\n".join(lines[:: max(1, len(lines) // count)][:count]) + "\n", encoding="utf-8")


def _tiny_encoder(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=256, pad_token_id=1,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}))


@pytest.fixture(scope="session")
def small_shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    root = tmp_path_factory.mktemp("shop")
    for name, count in (("fashion", 120), ("heldout_dev", 60), ("heldout_test", 60)):
        _head(CORPUS / f"dialogues/{name}.jsonl", root / f"dialogues/{name}.jsonl", count)
    _head(CORPUS / "out_of_scope.jsonl", root / "out_of_scope.jsonl", 600)
    _head(CORPUS / "faq_queries.jsonl", root / "faq_queries.jsonl", 240)
    _tiny_encoder(root / "encoder")
    overrides = (
        f"prepare.dialogues={root / 'dialogues'}", f"prepare.out_of_scope={root / 'out_of_scope.jsonl'}",
        f"prepare.faq_queries={root / 'faq_queries.jsonl'}", f"train.base_encoder={root / 'encoder'}", "train.training.epochs=1",
        "train.trunk_layers=null", "train.warm_start=null", "train.training.frozen_layers=1", "train.training.probe_steps=20", "export.dev_rows=50", "export.dev_queries=10",
        "evaluate.bootstrap=100", "evaluate.gates={}",
    )  # fmt: skip
    return SmallShop(root, overrides)


@pytest.fixture(scope="session")
def trained_shop(small_shop: SmallShop) -> SmallShop:
    """The small shop once all jobs have run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        run_all(small_shop.workspace, overrides=small_shop.overrides)
    return small_shop
