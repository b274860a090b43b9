"""Loading a base encoder from a folder, whole or without its top layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from data.errors import ConfigError
from models.base_encoder import BaseEncoder, load_base_encoder, save_warm_start, warm_heads, warm_start_notes
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


HEADS = {"intent.bias": torch.tensor([0.1, 0.2]), "spread": torch.tensor([1e-4])}


@pytest.fixture
def tuned(folder: Path, tmp_path: Path) -> tuple[BaseEncoder, Path]:
    """The encoder after some training of all but its words, and the file that keeps it."""
    base = load_base_encoder(str(folder), cache=tmp_path)
    words = base.trunk.get_input_embeddings().weight
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in base.trunk.parameters():
            if weight is not words:
                weight.add_(0.1 * torch.randn_like(weight))
    file = tmp_path / "deeper" / "tuned.safetensors"
    file.parent.mkdir()
    save_warm_start(base, file, heads=HEADS, labels="of a shop", notes={"rows": 7})
    assert warm_start_notes(file) == {"base_encoder": str(folder), "labels": "of a shop", "layers": 3, "rows": 7}
    return base, file


@pytest.mark.parametrize("layers", [3, 2])
def test_a_warm_start_takes_the_place_of_the_weights(
    folder: Path, tmp_path: Path, tuned: tuple[BaseEncoder, Path], layers: int
) -> None:
    base, file = tuned
    warm = load_base_encoder(str(folder), cache=tmp_path, layers=layers, warm_start=file)
    ids = torch.tensor([[0, 5, 6, 7, 2]])
    with torch.no_grad():
        expected = base.trunk.eval()(input_ids=ids, output_hidden_states=True).hidden_states[layers]
        assert torch.allclose(warm.trunk.eval()(input_ids=ids)[0], expected, atol=2e-2), "half precision"
        cold = load_base_encoder(str(folder), cache=tmp_path, layers=layers)
        assert not torch.allclose(cold.trunk.eval()(input_ids=ids)[0], expected, atol=2e-2)


def test_a_warm_start_of_another_encoder_or_of_fewer_layers_is_refused(
    folder: Path, tmp_path: Path, tuned: tuple[BaseEncoder, Path]
) -> None:
    base, file = tuned
    save_warm_start(
        BaseEncoder(base.trunk, base.tokenizer, "another", 2), tmp_path / "another.safetensors", heads={}, labels="", notes={}
    )
    with pytest.raises(ConfigError, match=r"of the encoder 'another', expected"):
        load_base_encoder(str(folder), cache=tmp_path, warm_start=tmp_path / "another.safetensors")
    lower = load_base_encoder(str(folder), cache=tmp_path, layers=2)
    save_warm_start(lower, file, heads={}, labels="", notes={})
    with pytest.raises(ConfigError, match=r"has nothing for encoder\.layer\.2"):
        load_base_encoder(str(folder), cache=tmp_path, warm_start=file)


def test_a_warm_start_that_is_not_there_or_damaged_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_base_encoder(str(folder), cache=tmp_path, warm_start=tmp_path / "nowhere.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="pipelines adapt"):
        load_base_encoder(str(folder), cache=tmp_path, warm_start=damaged)


def test_heads_are_kept_for_the_same_labels_upon_as_many_layers(
    folder: Path, tmp_path: Path, tuned: tuple[BaseEncoder, Path]
) -> None:
    base, file = tuned
    kept = warm_heads(file, base, labels="of a shop")
    assert kept.keys() == HEADS.keys()
    assert all(torch.equal(kept[name], weight) for name, weight in HEADS.items())
    assert warm_heads(file, base, labels="of another") == {}
    assert warm_heads(file, load_base_encoder(str(folder), cache=tmp_path, layers=2), labels="of a shop") == {}
