"""The one trunk with its heads. Training code only (torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from data.errors import ConfigError

BERT_LIKE = ("bert", "roberta", "xlm-roberta")  # their layers may be run one by one, and they may be had without a pooler
_SCORING = ("intent_weigher", "emotion_weigher", "intent", "presence", "emotion", "outside", "center", "spread")
_NEVER = -1e4  # added to the score of a token that is not to be looked at


class Pooled(NamedTuple):
    """What the trunk makes of n messages.

    Attributes:
        summary: The mean of each message's own tokens, and their weighted means for intent and emotion. Shape: (n, 3 hidden), float32.
        tokens: One vector of unit length for each of the message's own tokens, padded to the longest message. Shape: (n, longest,
            token_width), float32.
    """

    summary: Tensor
    tokens: Tensor


class Outputs(NamedTuple):
    """What the heads make of n messages, in the order of the ONNX graph's outputs.

    Attributes:
        vector: Retrieval vector of unit length. Shape: (n, hidden), float32.
        intent: Logits of the intent ranking. Shape: (n, intents), float32.
        presence: Independent logits of each intent being present. Shape: (n, intents), float32.
        emotion: Logits of the emotions. Shape: (n, emotions), float32.
        outside: Logit of being out of scope. Shape: (n,), float32.
    """

    vector: Tensor
    intent: Tensor
    presence: Tensor
    emotion: Tensor
    outside: Tensor


class CustomerServiceModel(nn.Module):
    """Reads a message (segment 0) with its context (segment 1) and gives all outputs in one pass.

    Heads see the message's own tokens only, as their mean and as a weighted mean of the words that matter to the task: context
    reaches them through attention, never instead of the words.
    """

    center: Tensor
    spread: Tensor

    def __init__(
        self, trunk: PreTrainedModel, *, intents: int, emotions: int, segments: int, dropout: float, token_width: int = 64
    ) -> None:
        super().__init__()
        hidden = int(trunk.config.hidden_size)
        self.trunk = trunk
        self.segments = segments
        self.dropout = nn.Dropout(dropout)
        self.intent = nn.Linear(2 * hidden, intents)
        self.presence = nn.Linear(2 * hidden, intents)
        self.emotion = nn.Linear(2 * hidden, emotions)
        self.outside = nn.Linear(2 * hidden, 1)
        # One angry word among twenty drowns in a mean. Starting from zero, both weigh all words alike.
        # Source: Lin et al. 2017, A Structured Self-Attentive Sentence Embedding.
        self.intent_weigher = nn.Linear(hidden, 1, bias=False)
        self.emotion_weigher = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.intent_weigher.weight)
        nn.init.zeros_(self.emotion_weigher.weight)
        self.projection = nn.Linear(hidden, hidden, bias=False)
        self.token_projection = nn.Linear(hidden, token_width)
        # A row carries about one intent, so that presence starts at its prior instead of at one half.
        nn.init.constant_(self.presence.bias, -math.log(max(1, intents - 1)))
        # Mean-pooled vectors of e5 share one large component; heads learn several times faster without it.
        self.register_buffer("center", torch.zeros(3 * hidden))
        self.register_buffer("spread", torch.ones(3 * hidden))
        self.lexical = LexicalHead(1, intents, emotions)
        # Retrieval starts from what the base encoder already knows.
        nn.init.eye_(self.projection.weight)

    def pool(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Pooled:
        """Returns the summaries of messages and the vectors of their tokens."""
        if not self._has_layers():
            return self._pooled(self.states(input_ids, attention_mask, token_type_ids), attention_mask, token_type_ids)
        below = max(0, len(self._stack()[1]) - 1)
        hidden = self.lower(input_ids, attention_mask, token_type_ids, layers=below)
        return self.upper(hidden, attention_mask, token_type_ids, layers=below)

    def states(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Returns what the trunk makes of each token. Shape: (n, length, hidden), float32."""
        arguments = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.segments > 1:
            arguments["token_type_ids"] = token_type_ids
        return self.trunk(**arguments)[0].float()  # type: ignore[no-any-return]

    @torch.no_grad()
    def start_tokens(self, states: Tensor) -> None:
        """Lets the vectors of tokens start as the principal components of some states, about their mean.

        Without its mean, which all tokens of e5 share, they tell words apart at once. Shape: (n, hidden), n at least token_width.
        """
        center = states.mean(0)
        directions = torch.linalg.svd(states - center, full_matrices=False)[2][: self.token_projection.out_features]
        self.token_projection.weight[: len(directions)] = directions
        self.token_projection.bias.copy_(-self.token_projection.weight @ center)

    def lower(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, *, layers: int) -> Tensor:
        """Returns the hidden states after the first layers. Shape: (n, length, hidden), float32."""
        embeddings, stack = self._stack()
        hidden: Tensor = embeddings(input_ids=input_ids, token_type_ids=token_type_ids if self.segments > 1 else None)
        mask = _additive(attention_mask)
        for layer in stack[:layers]:
            hidden = layer(hidden, mask)
        return hidden

    def upper(self, hidden: Tensor, attention_mask: Tensor, token_type_ids: Tensor, *, layers: int) -> Pooled:
        """Returns what `pool` would, given the hidden states that `lower` made with the same number of layers."""
        mask = _additive(attention_mask)
        above = self._stack()[1][layers:]
        for layer in above[:-1]:
            hidden = layer(hidden, mask)
        for layer in above[-1:]:
            hidden = _first_only(layer, hidden, mask, _longest_message(attention_mask, token_type_ids))
        return self._pooled(hidden.float(), attention_mask, token_type_ids)

    def freeze(self, *, layers: int, embeddings: bool) -> None:
        """Keeps the first layers, and the word embeddings if asked or if there are frozen layers, as they are."""
        self.trunk.get_input_embeddings().weight.requires_grad = not embeddings
        if layers:
            below, stack = self._stack()
            if layers > len(stack):
                raise ConfigError(
                    f"frozen_layers is {layers}, but the encoder has {len(stack)} layers; set it lower (0 freezes none)"
                )
            for part in (below, *stack[:layers]):
                part.requires_grad_(False)

    def head_weights(self) -> dict[str, Tensor]:
        """Returns what turns the trunk's states into scores of labels, by name; neither the projections of vectors nor the n-grams' part."""
        return {name: weight for name, weight in self.state_dict().items() if name.split(".")[0] in _SCORING}

    def _has_layers(self) -> bool:
        # Others have an `encoder.layer` too, but project their embeddings first (ELECTRA), or hand more than states from layer to layer.
        return self.trunk.config.model_type in BERT_LIKE

    def _stack(self) -> tuple[nn.Module, nn.ModuleList]:
        if not self._has_layers():
            raise ConfigError(f"frozen_layers needs a BERT-like encoder, got {type(self.trunk).__name__}; set it to 0")
        return self.trunk.embeddings, self.trunk.encoder.layer  # type: ignore[union-attr, return-value]

    def _pooled(self, hidden: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Pooled:
        longest = _longest_message(attention_mask, token_type_ids)
        hidden, own = hidden[:, :longest], (attention_mask * (1 - token_type_ids))[:, :longest].to(hidden.dtype)
        weights = [own / own.sum(1, keepdim=True)]
        for weigher in (self.intent_weigher, self.emotion_weigher):
            weights.append(torch.softmax(weigher(hidden).squeeze(-1) + (1.0 - own) * _NEVER, dim=1))
        summary = torch.cat([(hidden * weight.unsqueeze(-1)).sum(1) for weight in weights], dim=1)
        return Pooled(summary, nn.functional.normalize(self.token_projection(hidden), dim=-1))

    def heads(self, summary: Tensor) -> Outputs:
        """Returns the encoder's outputs of pooled messages. Shape of the argument: (n, 3 hidden), float32."""
        hidden = self.projection.in_features
        vector = nn.functional.normalize(self.projection(summary[:, :hidden]), dim=-1)
        mean, wanted, felt = self.dropout((summary - self.center) / self.spread).split(hidden, dim=1)
        wants, feels = torch.cat([mean, wanted], dim=1), torch.cat([mean, felt], dim=1)
        return Outputs(vector, self.intent(wants), self.presence(wants), self.emotion(feels), self.outside(wants).squeeze(-1))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, ngram_ids: Tensor, ngram_weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Returns all outputs: the encoder's with the n-grams' on top of them, and last the tokens of Pooled.

        Args:
            input_ids: Shape: (n, length), int64.
            attention_mask: Shape: (n, length), int64.
            token_type_ids: Shape: (n, length), int64; 0 for the message, 1 for its context.
            ngram_ids: Shape: (n, m), int64; 0 is padding.
            ngram_weights: Shape: (n, m), float32.
        """
        pooled = self.pool(input_ids, attention_mask, token_type_ids)
        vector, intent, presence, emotion, outside = self.heads(pooled.summary)
        wide_intent, wide_presence, wide_emotion = self.lexical(ngram_ids, ngram_weights)
        return vector, intent + wide_intent, presence + wide_presence, emotion + wide_emotion, outside, pooled.tokens


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


def _longest_message(attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
    """How many tokens the longest message has; they come before those of its context. A tensor, so that the ONNX graph counts too."""
    return (attention_mask * (1 - token_type_ids)).sum(1).max()


def _first_only(layer: nn.Module, hidden: Tensor, mask: Tensor, count: Tensor) -> Tensor:
    """Returns what a BERT-like layer makes of the first tokens, which look at all: the others' would be thrown away."""
    attention: Any = layer.attention
    seen = attention.self(hidden, mask)[0][:, :count]
    attended = attention.output(seen, hidden[:, :count])
    return layer.output(layer.intermediate(attended), attended)  # type: ignore[operator, no-any-return]


def _additive(attention_mask: Tensor) -> Tensor:
    """The mask as transformers' layers take it: 0 where a token is, a large negative number where none is."""
    return (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
