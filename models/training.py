"""Trains the trunk on all tasks at once. Training code only (torch)."""

from __future__ import annotations

import copy
import functools
import math
import random
import timeit
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.inputs import TokenBatch, pad, tokenise
from models.lexical import Lexicon, pad_lexical
from models.network import CustomerServiceModel, Outputs, Pooled
from models.settings import TrainingSettings

_TOKEN_ROWS = 400  # some six thousand tokens: enough for their principal components
_PROBE_ROWS = 2500  # enough for a linear probe; more would only cost time
_WINDOW = 160  # batches that are sorted together
_ALIKE = 6  # messages that differ by fewer tokens count as of one length
_WORTH = 0.75  # bfloat16 must need so much of float32's time, for it rounds coarsely
_MAIN_SHARE = 0.7  # of the ranking target when a row carries several intents; the others share the rest

TokenRow = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One message to learn from.

    Attributes:
        message: As `inputs.message_text` made it.
        context: As `inputs.context_text` made it.
        intents: Indices, main one first; empty for out-of-scope rows.
        emotion: Index, or -1 where nobody labelled it.
        weight: How much the row counts, in [0, 1].
        emotion_votes: Indices that several readers gave it; each counts an equal share. Empty if `emotion` is all that is known.
    """

    message: str
    context: str
    intents: tuple[int, ...]
    emotion: int
    weight: float = 1.0
    emotion_votes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryQuestions:
    """The questions of one FAQ entry.

    Attributes:
        messages: As `inputs.message_text` made them.
        intent: Index of the entry's intent.
        neighbours: Indices of entries that are easily taken for this one.
    """

    messages: tuple[str, ...]
    intent: int
    neighbours: tuple[int, ...] = ()


@dataclass(slots=True)
class StepReport:
    """What a step did, for progress bars and tracking."""

    step: int
    steps: int
    epoch: int
    losses: dict[str, float] = field(default_factory=dict)


def fit(
    model: CustomerServiceModel,
    tokenizer: Tokenizer,
    rows: Sequence[TrainingRow],
    entries: Sequence[EntryQuestions],
    settings: TrainingSettings,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    evaluate: Callable[[int], float] | None = None,
) -> CustomerServiceModel:
    """Trains the model in place and returns it with the weights of its best epoch.

    Args:
        model: The network to train.
        tokenizer: Its tokenizer.
        rows: Labelled messages.
        entries: FAQ questions; may be empty.
        settings: See TrainingSettings.
        on_step: Called after every step.
        evaluate: Called after every epoch with its number; its score decides which epoch is kept. Without it, the last.
    """
    torch.manual_seed(settings.seed)
    generator = random.Random(settings.seed)
    model.freeze(layers=settings.frozen_layers, embeddings=settings.frozen_embeddings)
    questions = [TrainingRow(message, "", (entry.intent,), -1) for entry in entries for message in entry.messages]
    texts = _Texts(model, tokenizer, [*rows, *questions], settings)
    objective = _Objective(texts.rows, model.intent.out_features, settings)
    _start_tokens(model, texts, generator)
    if settings.probe_steps:
        _probe(model, texts, objective, settings, generator)
    if settings.start_share:
        texts.keep_what_is_said(len(rows), objective.prior)
    steps = round(settings.epochs * -(-len(rows) // settings.batch_size))
    optimizer, scheduler = _optimizer(model, settings, steps)
    entry_batches = _entry_batches(entries, len(rows), settings, generator)
    best_score, best_weights, step = -np.inf, None, 0
    for epoch in range(1, math.ceil(settings.epochs) + 1):
        model.train()
        for indices in length_buckets(texts.sizes[: len(rows)], settings.batch_size, generator)[: steps - step]:
            drawn = next(entry_batches) if step % settings.entries_every == 0 else ((), ())
            losses = _losses(model, texts, objective, indices, drawn, settings)
            torch.stack(list(losses.values())).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            if on_step is not None:
                on_step(StepReport(step, steps, epoch, {name: value.item() for name, value in losses.items()}))
        if evaluate is not None:
            score = evaluate(epoch)
            if score > best_score:
                best_score, best_weights = score, copy.deepcopy(model.state_dict())
    if best_weights is not None:
        model.load_state_dict(best_weights)
    return model.eval()


def predict(
    model: CustomerServiceModel,
    tokenizer: Tokenizer,
    rows: Sequence[tuple[str, str]],
    lexicon: Lexicon | None = None,
    *,
    batch_size: int = 64,
) -> list[NDArray[np.float32]]:
    """Returns the outputs of Outputs for (message, context) rows, in their order; without a lexicon, the encoder's alone.

    Each has shape (n, width), float32.
    """
    return [
        np.concatenate(arrays)
        for arrays in zip(*(row[:-1] for row in _each(model, tokenizer, rows, lexicon, batch_size)), strict=True)
    ]


def predict_tokens(
    model: CustomerServiceModel, tokenizer: Tokenizer, rows: Sequence[tuple[str, str]]
) -> list[NDArray[np.float32]]:  # fmt: skip
    """Returns the vectors of each message's own tokens, without its context's. Shapes: (length, width), float32."""
    return [row[-1] for row in _each(model, tokenizer, rows, None, 64)]


@torch.no_grad()
def _each(
    model: CustomerServiceModel, tokenizer: Tokenizer, rows: Sequence[tuple[str, str]], lexicon: Lexicon | None, batch_size: int
) -> list[tuple[NDArray[np.float32], ...]]:  # fmt: skip
    """The outputs row by row, each (1, width), and last the tokens of the message."""
    encoded = [tokenise(tokenizer, message, context) for message, context in rows]
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index][0]))
    found: list[tuple[NDArray[np.float32], ...]] = [()] * len(rows)
    model.eval()
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        ids, mask, types = _tensors(pad([encoded[index] for index in indices], pad_id=_pad_id(tokenizer)))
        if lexicon is None:
            pooled = model.pool(ids, mask, types)
            outputs: tuple[Tensor, ...] = (*model.heads(pooled.summary), pooled.tokens)
        else:
            ngrams, weights = pad_lexical([lexicon.encode(*rows[index]) for index in indices])
            outputs = model(ids, mask, types, torch.from_numpy(ngrams), torch.from_numpy(weights))
        *scores, tokens = (output.float().numpy() for output in outputs)
        own = ((mask == 1) & (types == 0)).sum(1).tolist()
        for place, index in enumerate(indices):
            found[index] = (*(score[place : place + 1] for score in scores), tokens[place][: own[place]])
    return found


def use_bfloat16(choice: str) -> bool:
    """Tells whether to train in bfloat16. `auto` tries: three times as fast here, half as fast there, and no flag of the processor tells."""
    return _bfloat16_is_faster() if choice == "auto" else choice == "always"


@functools.cache
def _bfloat16_is_faster() -> bool:
    """Multiplies matrices as large as a step's in both, some 20 ms in all."""
    seconds = {}
    for kind in (torch.float32, torch.bfloat16):
        left, right = torch.ones(768, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
        seconds[kind] = min(timeit.repeat(functools.partial(torch.mm, left, right), number=1, repeat=8))
    return seconds[torch.bfloat16] < _WORTH * seconds[torch.float32]


def length_buckets(sizes: Sequence[tuple[int, int]], batch_size: int, generator: random.Random) -> list[list[int]]:
    """Returns shuffled batches of indices whose sizes (of the message, of all) are alike, so that little is spent on padding."""
    order = list(range(len(sizes)))
    generator.shuffle(order)
    window = batch_size * _WINDOW
    batches = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window], key=lambda index: sizes[index])
        batches += [part[begin : begin + batch_size] for begin in range(0, len(part), batch_size)]
    generator.shuffle(batches)
    return batches


def contrastive_loss(likeness: Tensor, owners: Sequence[int], temperature: float) -> Tensor:
    """Returns InfoNCE over questions that come in pairs of one entry: each finds its partner among all of the step.

    Args:
        likeness: Of each question with each other one, in [-1, 1], partners side by side. Shape: (2 n, 2 n), float32.
        owners: Entry of each question; questions of one's own entry are no negatives.
        temperature: Divides the likeness.

    Source: van den Oord et al. 2018; Henderson et al. 2017 (in-batch negatives).
    """
    count = len(owners)
    scores = likeness / temperature
    names = torch.tensor(list(owners))
    partners = torch.arange(count) ^ 1
    hidden = names[:, None] == names[None, :]
    hidden[torch.arange(count), partners] = False
    return nn.functional.cross_entropy(scores.masked_fill(hidden, -1e4), partners)


def token_likeness(tokens: Tensor, mask: Tensor) -> Tensor:
    """Returns how well each question's tokens find their like in each other question: the mean of each token's best cosine.

    Args:
        tokens: Unit vectors. Shape: (n, length, width), float32.
        mask: 1 where a token is. Shape: (n, length), int64.

    Source: Khattab and Zaharia 2020, ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction.
    """
    cosines = torch.einsum("qiw,pjw->qpij", tokens, tokens)
    best = cosines.masked_fill(mask[None, :, None, :] == 0, -1.0).amax(3)
    weights = mask / mask.sum(1, keepdim=True)
    return (best * weights[:, None, :]).sum(2)


def disagreement(logits: Tensor) -> Tensor:
    """Returns how far apart two readings of the same rows are under different dropout: the mean of both Kullback-Leibler divergences.

    Args:
        logits: The first reading of all rows, then the second. Shape: (2 n, classes), float32.

    Source: Liang et al. 2021, R-Drop: Regularized Dropout for Neural Networks.
    """
    first, second = logits.log_softmax(1).chunk(2)
    return ((first.exp() - second.exp()) * (first - second)).sum(1).mean() / 2


def _losses(
    model: CustomerServiceModel, texts: _Texts, objective: _Objective, indices: Sequence[int],
    drawn: tuple[Sequence[int], Sequence[int]], settings: TrainingSettings,
) -> dict[str, Tensor]:  # fmt: skip
    """The losses by task of some messages and of questions drawn as (indices, their entries)."""
    questions, owners = drawn
    seen = [*indices, *indices] if settings.consistency_weight else list(indices)
    pooled = texts.pool(seen)
    summary = pooled.summary
    if questions:
        asked = texts.pool(questions)
        summary = torch.cat([summary, asked.summary])
    outputs = model.heads(summary)
    losses = objective(outputs, [texts.rows[index] for index in (*seen, *questions)], texts.said(seen))
    if settings.consistency_weight:
        # Of all rows, labelled or not: what two readings of one text say should not depend on the dropout.
        apart = {name: disagreement(getattr(outputs, name)[: len(seen)]) for name in ("intent", "emotion")}
        losses["consistency"] = settings.consistency_weight * (apart["intent"] + settings.emotion_weight * apart["emotion"])
    if questions:
        vectors = outputs.vector[len(seen) :]
        losses["pairs"] = settings.pair_weight * contrastive_loss(vectors @ vectors.T, owners, settings.pair_temperature)
        likeness = token_likeness(asked.tokens, texts.mask(questions))
        losses["tokens"] = settings.token_weight * contrastive_loss(likeness, owners, settings.pair_temperature)
    return losses


class _Texts:
    """All texts of a run, tokenised once; with frozen layers, their output is computed once as well."""

    def __init__(
        self, model: CustomerServiceModel, tokenizer: Tokenizer, rows: Sequence[TrainingRow], settings: TrainingSettings
    ) -> None:
        self.rows = list(rows)
        self.encoded: list[TokenRow] = [tokenise(tokenizer, row.message, row.context) for row in rows]
        self.lengths = [len(ids) for ids, _ in self.encoded]
        # By the message first: the last layer's work depends on it alone.
        self.sizes = [((len(types) - sum(types)) // _ALIKE, len(types)) for _, types in self.encoded]
        self._model = model
        self.pad_id = _pad_id(tokenizer)
        self._frozen_layers = settings.frozen_layers
        self._autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=use_bfloat16(settings.bfloat16))
        self._states = self._freeze() if self._frozen_layers else []
        self._said: Tensor | None = None

    def mask(self, indices: Sequence[int]) -> Tensor:
        """Returns 1 where some texts have a token. Shape: (n, length), int64."""
        return torch.from_numpy(pad([self.encoded[index] for index in indices], pad_id=self.pad_id).mask)

    def pool(self, indices: Sequence[int]) -> Pooled:
        """Returns what the trunk makes of some texts."""
        ids, mask, types = _tensors(pad([self.encoded[index] for index in indices], pad_id=self.pad_id))
        with self._autocast:
            if not self._frozen_layers:
                return self._model.pool(ids, mask, types)
            hidden = nn.utils.rnn.pad_sequence([self._states[index] for index in indices], batch_first=True).float()
            return self._model.upper(hidden, mask, types, layers=self._frozen_layers)

    def by_length(self, size: int = 64) -> list[list[int]]:
        """Returns batches of indices, shortest texts first."""
        order = sorted(range(len(self.encoded)), key=lambda index: self.lengths[index])
        return [order[start : start + size] for start in range(0, len(order), size)]

    @torch.no_grad()
    def keep_what_is_said(self, count: int, prior: Tensor) -> None:
        """Notes what the network says now of the intents of the first texts, as the loss reads it: with the prior."""
        self._model.eval()
        self._said = torch.empty(count, self._model.intent.out_features)
        for indices in self.by_length():
            own = [index for index in indices if index < count]
            if own:
                self._said[own] = (self._model.heads(self.pool(own).summary).intent + prior).softmax(1)

    def said(self, indices: Sequence[int]) -> Tensor | None:
        """Returns the probabilities noted of each intent; None if nothing was noted. Shape: (n, intents), float32."""
        return None if self._said is None else self._said[indices]

    @torch.no_grad()
    def _freeze(self) -> list[Tensor]:
        self._model.eval()
        states: list[Tensor] = [torch.empty(0)] * len(self.encoded)
        for indices in self.by_length():
            ids, mask, types = _tensors(pad([self.encoded[index] for index in indices], pad_id=self.pad_id))
            with self._autocast:
                hidden = self._model.lower(ids, mask, types, layers=self._frozen_layers)
            for index, state in zip(indices, hidden, strict=True):
                states[index] = state[: self.lengths[index]].half()
        return states


class _Objective:
    """The losses of labelled rows."""

    def __init__(self, rows: Sequence[TrainingRow], intents: int, settings: TrainingSettings) -> None:
        counts = np.bincount([row.intents[0] for row in rows if row.intents], minlength=intents) + 1
        # Source: Menon et al. 2021, Long-tail learning via logit adjustment.
        self.prior = torch.tensor(settings.logit_adjustment * np.log(counts / counts.sum()), dtype=torch.float32)
        self.intents = intents
        self.settings = settings

    def __call__(self, outputs: Outputs, rows: Sequence[TrainingRow], said: Tensor | None = None) -> dict[str, Tensor]:
        ranking, presence = self._targets(rows)
        weights = torch.tensor([row.weight for row in rows])
        emotions = self._emotions(rows, outputs.emotion.shape[1])
        if said is not None:
            # Source: Li and Hoiem 2016, Learning without Forgetting; Furlanello et al. 2018, Born-Again Neural Networks.
            own = ranking[: len(said)]
            # Where the start contradicts the labels, it was wrong or they are new to it: they alone count.
            agrees = own.gather(1, said.argmax(1, keepdim=True)) > 0
            ranking[: len(said)] = torch.where(agrees, torch.lerp(own, said, self.settings.start_share), own)
        beyond = torch.tensor([float(not row.intents) for row in rows])
        in_scope = weights * (1 - beyond)
        felt = weights * emotions.sum(1)
        smoothing = self.settings.label_smoothing
        present = nn.functional.binary_cross_entropy_with_logits(outputs.presence, presence, reduction="none").sum(1)
        ranked = nn.functional.cross_entropy(outputs.intent + self.prior, ranking, label_smoothing=smoothing, reduction="none")
        emotion = nn.functional.cross_entropy(outputs.emotion, emotions, label_smoothing=smoothing, reduction="none")
        outside = nn.functional.binary_cross_entropy_with_logits(outputs.outside, beyond, reduction="none")
        return {
            "outside": self.settings.outside_weight * (outside * weights).sum() / weights.sum().clamp_min(1e-6),
            "presence": self.settings.presence_weight * (present * weights).sum() / weights.sum().clamp_min(1e-6),
            "intent": (ranked * in_scope).sum() / in_scope.sum().clamp_min(1e-6),
            "emotion": self.settings.emotion_weight * (emotion * felt).sum() / felt.sum().clamp_min(1e-6),
        }

    @staticmethod
    def _emotions(rows: Sequence[TrainingRow], count: int) -> Tensor:
        """The share of its readers that took each row for each emotion; zeros where nobody did. Shape: (n, count), float32.

        Source: Peterson et al. 2019, Human Uncertainty Makes Classification More Robust.
        """
        shares = torch.zeros(len(rows), count)
        for number, row in enumerate(rows):
            votes = row.emotion_votes or ((row.emotion,) if row.emotion >= 0 else ())
            for emotion in votes:
                shares[number, emotion] += 1 / len(votes)
        return shares

    def _targets(self, rows: Sequence[TrainingRow]) -> tuple[Tensor, Tensor]:
        ranking = torch.zeros(len(rows), self.intents)
        presence = torch.zeros(len(rows), self.intents)
        for number, row in enumerate(rows):
            others = len(row.intents) - 1
            for place, intent in enumerate(row.intents):
                presence[number, intent] = 1.0
                ranking[number, intent] = 1.0 if not others else _MAIN_SHARE if place == 0 else (1 - _MAIN_SHARE) / others
        return ranking, presence


@torch.no_grad()
def _start_tokens(model: CustomerServiceModel, texts: _Texts, generator: random.Random) -> None:
    model.eval()
    sample = generator.sample(range(len(texts.rows)), min(_TOKEN_ROWS, len(texts.rows)))
    sample.sort(key=lambda index: texts.lengths[index])
    states = []
    for start in range(0, len(sample), 64):
        ids, mask, types = _tensors(pad([texts.encoded[index] for index in sample[start : start + 64]], pad_id=texts.pad_id))
        states.append(model.states(ids, mask, types)[mask == 1])
    model.start_tokens(torch.cat(states))


def _probe(
    model: CustomerServiceModel, texts: _Texts, objective: _Objective, settings: TrainingSettings, generator: random.Random
) -> None:
    """Trains the heads alone on frozen features first, so that fine-tuning does not start by undoing random heads.

    Source: Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution.
    """
    model.eval()
    sample = sorted(
        generator.sample(range(len(texts.rows)), min(_PROBE_ROWS, len(texts.rows))), key=lambda index: texts.lengths[index]
    )
    with torch.no_grad():
        features = torch.cat([texts.pool(sample[start : start + 64]).summary for start in range(0, len(sample), 64)])
    model.center.copy_(features.mean(0))
    model.spread.copy_(features.std(0).clamp_min(1e-4))
    heads = [weight for head in (model.intent, model.presence, model.emotion, model.outside) for weight in head.parameters()]
    optimizer = torch.optim.AdamW(heads, lr=2e-3, weight_decay=0.1)
    model.train()
    for _ in range(settings.probe_steps):
        chosen = generator.sample(range(len(sample)), min(256, len(sample)))
        losses = objective(model.heads(features[chosen]), [texts.rows[sample[place]] for place in chosen])
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _optimizer(
    model: CustomerServiceModel, settings: TrainingSettings, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    trunk = [weight for weight in model.trunk.parameters() if weight.requires_grad]
    heads = [weight for name, weight in model.named_parameters() if not name.startswith("trunk.")]
    groups = [{"params": trunk, "lr": settings.learning_rate}, {"params": heads, "lr": settings.head_learning_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=True)
    warm = max(1, int(steps * settings.warmup))

    def rate(step: int) -> float:
        return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def _entry_batches(
    entries: Sequence[EntryQuestions], offset: int, settings: TrainingSettings, generator: random.Random
) -> Iterator[tuple[list[int], list[int]]]:
    """Yields (indices of questions, their entries): two questions an entry, entries with those easily taken for them."""
    starts = np.cumsum([offset, *(len(entry.messages) for entry in entries)])
    usable = [number for number, entry in enumerate(entries) if len(entry.messages) > 1]
    if not usable or not settings.entries_per_step:
        while True:
            yield [], []
    queue: list[int] = []
    while True:
        drawn: list[int] = []
        while len(drawn) < min(settings.entries_per_step, len(usable)):
            if not queue:
                queue = generator.sample(usable, len(usable))
            entry = queue.pop()
            near = [name for name in entries[entry].neighbours if len(entries[name].messages) > 1]
            picked = generator.sample(near, min(settings.neighbours_per_entry, len(near)))
            drawn += [name for name in (entry, *picked) if name not in drawn]
        indices, owners = [], []
        for entry in drawn:
            for place in generator.sample(range(len(entries[entry].messages)), 2):
                indices.append(int(starts[entry]) + place)
                owners.append(entry)
        yield indices, owners


def _tensors(batch: TokenBatch) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(batch.ids), torch.from_numpy(batch.mask), torch.from_numpy(batch.types)


def _pad_id(tokenizer: Tokenizer) -> int:
    found = (tokenizer.token_to_id(name) for name in ("<pad>", "[PAD]"))
    return int(next((number for number in found if number is not None), 0))
