"""The one trunk with its heads. Training code only (torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from data.errors import ConfigError


class Outputs(NamedTuple):
    """What one pass gives, in the order of the ONNX graph's outputs.

    Attributes:
        vector: Retrieval vector of unit length. Shape: (n, hidden), float32.
        intent: Logits of the intent ranking. Shape: (n, intents), float32.
        presence: Independent logits of each intent being present. Shape: (n, intents), float32.
        emotion: Logits of the emotions. Shape: (n, emotions), float32.
    """

    vector: Tensor
    intent: Tensor
    presence: Tensor
    emotion: Tensor


class CustomerServiceModel(nn.Module):
    """Reads a message (segment 0) with its context (segment 1) and gives all outputs in one pass.

    Heads see the mean over the message's own tokens: context reaches them through attention, never instead of the words.
    """

    center: Tensor
    spread: Tensor

    def __init__(self, trunk: PreTrainedModel, *, intents: int, emotions: int, segments: int, dropout: float) -> None:
        super().__init__()
        hidden = int(trunk.config.hidden_size)
        self.trunk = trunk
        self.segments = segments
        self.dropout = nn.Dropout(dropout)
        self.intent = nn.Linear(hidden, intents)
        self.presence = nn.Linear(hidden, intents)
        self.emotion = nn.Linear(hidden, emotions)
        self.projection = nn.Linear(hidden, hidden, bias=False)
        # A row carries about one intent, so that presence starts at its prior instead of at one half.
        nn.init.constant_(self.presence.bias, -math.log(max(1, intents - 1)))
        # Mean-pooled vectors of e5 share one large component; heads learn several times faster without it.
        self.register_buffer("center", torch.zeros(hidden))
        self.register_buffer("spread", torch.ones(hidden))
        self.lexical = LexicalHead(1, intents, emotions)
        # Retrieval starts from what the base encoder already knows.
        nn.init.eye_(self.projection.weight)

    def pool(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Returns the mean over each message's own tokens. Shape: (n, hidden), float32."""
        arguments = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.segments > 1:
            arguments["token_type_ids"] = token_type_ids
        return _own_mean(self.trunk(**arguments)[0].float(), attention_mask, token_type_ids)

    def lower(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, *, layers: int) -> Tensor:
        """Returns the hidden states after the first layers. Shape: (n, length, hidden), float32."""
        embeddings, stack = self._stack()
        hidden: Tensor = embeddings(input_ids=input_ids, token_type_ids=token_type_ids if self.segments > 1 else None)
        mask = _additive(attention_mask)
        for layer in stack[:layers]:
            hidden = layer(hidden, mask)
        return hidden

    def upper(self, hidden: Tensor, attention_mask: Tensor, token_type_ids: Tensor, *, layers: int) -> Tensor:
        """Returns what `pool` would, given the hidden states that `lower` made with the same number of layers."""
        mask = _additive(attention_mask)
        for layer in self._stack()[1][layers:]:
            hidden = layer(hidden, mask)
        return _own_mean(hidden.float(), attention_mask, token_type_ids)

    def freeze(self, *, layers: int, embeddings: bool) -> None:
        """Keeps the first layers, and the word embeddings if asked or if there are frozen layers, as they are."""
        self.trunk.get_input_embeddings().weight.requires_grad = not embeddings
        if layers:
            below, stack = self._stack()
            for part in (below, *stack[:layers]):
                part.requires_grad_(False)

    def _stack(self) -> tuple[nn.Module, nn.ModuleList]:
        encoder = getattr(self.trunk, "encoder", None)
        if not hasattr(encoder, "layer") or not hasattr(self.trunk, "embeddings"):
            raise ConfigError(f"frozen_layers needs a BERT-like encoder, got {type(self.trunk).__name__}; set it to 0")
        return self.trunk.embeddings, encoder.layer  # type: ignore[union-attr, return-value]

    def heads(self, pooled: Tensor) -> Outputs:
        """Returns all outputs of pooled messages. Shape of the argument: (n, hidden), float32."""
        vector = nn.functional.normalize(self.projection(pooled), dim=-1)
        features = self.dropout((pooled - self.center) / self.spread)
        return Outputs(vector, self.intent(features), self.presence(features), self.emotion(features))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, ngram_ids: Tensor, ngram_weights: Tensor
    ) -> Outputs:
        """Returns all outputs: the encoder's, and the n-grams' on top of them.

        Args:
            input_ids: Shape: (n, length), int64.
            attention_mask: Shape: (n, length), int64.
            token_type_ids: Shape: (n, length), int64; 0 for the message, 1 for its context.
            ngram_ids: Shape: (n, m), int64; 0 is padding.
            ngram_weights: Shape: (n, m), float32.
        """
        vector, intent, presence, emotion = self.heads(self.pool(input_ids, attention_mask, token_type_ids))
        wide_intent, wide_presence, wide_emotion = self.lexical(ngram_ids, ngram_weights)
        return Outputs(vector, intent + wide_intent, presence + wide_presence, emotion + wide_emotion)


class LexicalHead(nn.Module):
    """Weighted sums of the rows of an n-gram matrix, as logits to be added to the encoder's; zero until it is fitted."""

    def __init__(self, rows: int, intents: int, emotions: int) -> None:
        super().__init__()
        self.intents = intents
        self.register_buffer("weights", torch.zeros(rows, intents + emotions))
        self.register_buffer("shares", torch.zeros(3))  # of the ranking, of presence, of emotion

    def set(self, weights: Tensor, shares: Sequence[float]) -> None:
        """Takes the fitted weights, shape (n-grams + 1, intents + emotions), and how much each output takes of them."""
        self.weights = weights
        self.shares = torch.tensor(list(shares), dtype=torch.float32)

    def forward(self, ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what to add to the ranking, presence and emotion logits."""
        sums = (nn.functional.embedding(ids, self.weights) * weights.unsqueeze(-1)).sum(1)
        intents, emotions = sums[:, : self.intents], sums[:, self.intents :]
        return intents * self.shares[0], intents * self.shares[1], emotions * self.shares[2]


def _own_mean(hidden: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
    own = (attention_mask * (1 - token_type_ids)).unsqueeze(-1).to(hidden.dtype)
    return (hidden * own).sum(1) / own.sum(1)


def _additive(attention_mask: Tensor) -> Tensor:
    """The mask as transformers' layers take it: 0 where a token is, a large negative number where none is."""
    return (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
