"""Loading a base encoder from a folder, whole or without its top layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from data.errors import ConfigError
from models.base_encoder import load_base_encoder
from tests.tiny import tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved encoder of three layers."""
    path = tmp_path_factory.mktemp("encoder")
    tokenizer = tiny_tokenizer()
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    (path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}))
    return path


def test_without_its_top_layers_an_encoder_gives_what_lay_below_them(folder: Path, tmp_path: Path) -> None:
    ids = torch.tensor([[0, 5, 6, 7, 2]])
    whole, lower = load_base_encoder(str(folder), cache=tmp_path), load_base_encoder(str(folder), cache=tmp_path, layers=2)
    with torch.no_grad():
        below = whole.trunk.eval()(input_ids=ids, output_hidden_states=True).hidden_states[2]
        assert torch.allclose(lower.trunk.eval()(input_ids=ids)[0], below, atol=1e-6)
    assert whole.trunk.config.num_hidden_layers == 3
    assert lower.trunk.config.num_hidden_layers == 2, "what is saved must say how many layers there are"


@pytest.mark.parametrize("layers", [0, 4])
def test_layers_that_are_not_there_are_refused(folder: Path, tmp_path: Path, layers: int) -> None:
    with pytest.raises(ConfigError, match=rf"trunk_layers is {layers}, expected 1 to .*\(3\)"):
        load_base_encoder(str(folder), cache=tmp_path, layers=layers)


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_base_encoder(str(tmp_path / "nowhere"), cache=tmp_path)
