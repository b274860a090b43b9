"""A network of a few thousand weights over single characters, for tests of training, export and the network itself."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig, BertModel

from models.lexical import Lexicon
from models.network import CustomerServiceModel
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PAIRS = [
    ("怎么退货", ""),
    ("快递到哪了", "客:退货"),
    ("退", ""),
    ("我要退货退款快一点好不好", "服:您好 客:怎么退货"),
    ("发票", ""),
    ("hello", ""),
]
LEXICON = Lexicon.fit(PAIRS, min_count=1)


def network(
    *, seed: int = 0, layers: int = 2, intents: int = 3, emotions: int = 2, segments: int = 2, dropout: float = 0.0
) -> CustomerServiceModel:
    """Returns an untrained network whose scores differ from text to text, in evaluation mode."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=TOKENIZER.get_vocab_size(), hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128, pad_token_id=1, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        type_vocab_size=max(1, segments),
    )  # fmt: skip
    trunk: Any = BertModel(config, add_pooling_layer=False)
    model = CustomerServiceModel(trunk, intents=intents, emotions=emotions, segments=segments, dropout=dropout)
    with torch.no_grad():
        # The position counts less than the character, as in a trained encoder.
        trunk.embeddings.position_embeddings.weight.mul_(0.1)
        model.intent.weight.mul_(8)
    return model.eval()
