"""train: fine-tunes the trunk and its heads on all tasks at once."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from safetensors.torch import save_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives
from sklearn.metrics import f1_score

from data.types import FaqEntry, LabelSet
from models.base_encoder import BaseEncoder, load_base_encoder, warm_heads
from models.inputs import InputFormat, context_text, message_text
from models.lexical import Lexicon
from models.lexical_training import best_share, fit_weights, matrix
from models.network import BERT_LIKE, CustomerServiceModel, LexicalHead
from models.settings import TrainingSettings
from models.training import EntryQuestions, StepReport, TrainingRow, fit, predict, use_bfloat16
from pipelines.config import TrainConfig
from pipelines.prepared import Message, Prepared, load_prepared
from pipelines.progress import progress_bar
from pipelines.tracking import Run
from pipelines.workspace import Workspace

_LOG_EVERY = 10  # steps between two points of the loss curves
_MINED = 3  # confusable entries kept for each entry


@dataclass(frozen=True)
class Trained:
    """A trained network with what it needs to read text, its scores on the dev split after each epoch, and whether its heads started warm."""

    model: CustomerServiceModel
    base: BaseEncoder
    lexicon: Lexicon
    input_format: InputFormat
    curves: list[dict[str, float]]
    warm_heads: bool = False


def run(config: TrainConfig, folder: Path, workspace: Workspace, tracker: Run) -> dict[str, Any]:
    """Writes model.safetensors, network.json, tokenizer.json, lexicon.json, input_format.json and curves.json into the folder."""
    prepared = load_prepared(workspace.require("prepare"))
    labels, settings = prepared.labels, config.settings()
    trained = train_watched(prepared, config, tracker)
    save_model(trained.model, str(folder / "model.safetensors"))
    trained.lexicon.save(folder / "lexicon.json")
    trained.base.trunk.config.save_pretrained(folder / "trunk")
    trained.base.tokenizer.save(str(folder / "tokenizer.json"))
    shape = {
        "intents": len(labels.intents),
        "emotions": len(labels.emotions),
        "segments": trained.base.segments,
        "dropout": settings.dropout,
    }
    (folder / "network.json").write_text(json.dumps(shape), encoding="utf-8")
    (folder / "input_format.json").write_text(json.dumps(asdict(trained.input_format)), encoding="utf-8")
    (folder / "curves.json").write_text(json.dumps(trained.curves, indent=1), encoding="utf-8")
    tracker.artifacts(folder / "curves.json")
    rows = len(prepared.messages["train"]) + len(prepared.out_of_scope["train"])
    return {
        "label_fingerprint": labels.fingerprint,
        "rows": rows,
        "bfloat16": use_bfloat16(settings.bfloat16),
        "warm_heads": trained.warm_heads,
        "dev": trained.curves[-1] if trained.curves else {},
    }


def train_watched(prepared: Prepared, config: TrainConfig, tracker: Run) -> Trained:
    """Trains as `train_model` does, with a progress bar, the losses and the scores on the dev split in the run."""

    def on_epoch(scores: dict[str, float]) -> None:
        tracker.metrics({f"dev_{name}": value for name, value in scores.items() if name != "epoch"}, step=int(scores["epoch"]))
        logging.getLogger(__name__).info("%s", scores)

    with progress_bar("train") as bar:

        def on_step(report: StepReport) -> None:
            bar.update(report.step, report.steps, f"epoch {report.epoch}  loss {sum(report.losses.values()):.3f}")
            if report.step % _LOG_EVERY == 0:
                tracker.metrics({f"loss_{name}": value for name, value in report.losses.items()}, step=report.step)

        return train_model(prepared, config, on_step=on_step, on_epoch=on_epoch)


def train_model(
    prepared: Prepared,
    config: TrainConfig,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Trained:
    """Trains on prepared data: the encoder with its heads, then the wide part, with its share chosen on the dev split.

    Args:
        prepared: Labels and data; the dev split may be empty, then the last epoch is kept.
        config: See TrainConfig.
        on_step: Called after every step.
        on_epoch: Called with the number of an epoch and scores on the dev split: with early stopping after each epoch (the encoder
            alone), and at the end (with the wide part).
    """
    labels, settings, input_format = prepared.labels, config.settings(), config.input.build()
    torch.set_num_threads(config.threads)
    torch.manual_seed(settings.seed)  # for the first weights of new heads
    base = load_base_encoder(config.base_encoder, cache=config.cache, layers=config.trunk_layers, warm_start=config.warm_start)
    base.tokenizer.enable_truncation(input_format.max_tokens, strategy="longest_first")
    model = build_network(base, labels, settings)
    warm = config.warm_start is not None and start_heads(model, base, config.warm_start, labels)
    # Fresh heads know nothing yet that would be worth keeping to.
    settings = replace(settings, probe_steps=0) if warm else replace(settings, start_share=0.0)
    rows = training_rows(prepared, input_format)
    entries = entry_questions(prepared.entries, base, labels, input_format)
    dev = prepared.messages["dev"]
    dev_pairs = model_inputs(dev, input_format)
    curves: list[dict[str, float]] = []

    def evaluate(epoch: int) -> float:
        outputs = predict(model, base.tokenizer, dev_pairs)
        scores = dev_scores(outputs[1], outputs[3], dev, labels)
        curves.append({"epoch": epoch, **scores})
        if on_epoch is not None:
            on_epoch(curves[-1])
        return scores["intent_macro_f1"] + scores["emotion_macro_f1"]

    fit(
        model,
        base.tokenizer,
        rows,
        entries,
        settings,
        on_step=on_step,
        evaluate=evaluate if dev and config.early_stopping else None,
    )
    lexicon, scores = fit_lexical(model, base, rows, entries, dev, dev_pairs, labels, min_count=config.ngram_min_count)
    if scores:
        curves.append({"epoch": settings.epochs, **scores})
        if on_epoch is not None:
            on_epoch(curves[-1])
    return Trained(model, base, lexicon, input_format, curves, warm)


def build_network(base: BaseEncoder, labels: LabelSet, settings: TrainingSettings) -> CustomerServiceModel:
    """Returns an untrained network over a base encoder."""
    for module in base.trunk.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = settings.trunk_dropout
    # Half the time of a step went into the backward pass of torch's fused attention, whose kernel is slow on short rows.
    base.trunk.set_attn_implementation("eager")
    return CustomerServiceModel(
        base.trunk, intents=len(labels.intents), emotions=len(labels.emotions), segments=base.segments, dropout=settings.dropout
    )


def start_heads(model: CustomerServiceModel, base: BaseEncoder, warm_start: Path, labels: LabelSet) -> bool:
    """Gives a network the heads of a warm start if all are there and fit, and tells whether."""
    heads = warm_heads(warm_start, base, labels=labels.fingerprint)
    # Some heads of the file beside others that nothing has trained would be worse than none.
    if heads.keys() != model.head_weights().keys():
        return False
    model.load_state_dict(heads, strict=False)
    return True


def fit_lexical(
    model: CustomerServiceModel, base: BaseEncoder, rows: Sequence[TrainingRow], entries: Sequence[EntryQuestions],
    dev: Sequence[Message], dev_pairs: Sequence[tuple[str, str]], labels: LabelSet, *, min_count: int,
) -> tuple[Lexicon, dict[str, float]]:  # fmt: skip
    """Fits the network's wide part on the training rows, and its share of each output on the dev split.

    Returns:
        The n-grams, and the whole network's scores on the dev split with the shares; empty without one.
    """
    pairs = [(row.message, row.context) for row in rows] + [(text, "") for entry in entries for text in entry.messages]
    carried = [row.intents for row in rows] + [(entry.intent,) for entry in entries for _ in entry.messages]
    lexicon = Lexicon.fit(pairs, min_count=min_count)
    intents = np.array([[label in own for label in range(len(labels.intents))] for own in carried])
    counts = np.array([row.weight for row in rows] + [1.0] * (len(pairs) - len(rows)))
    felt = [number for number, row in enumerate(rows) if row.emotion >= 0]
    emotions = np.array([[label == rows[number].emotion for label in range(len(labels.emotions))] for number in felt])
    features = matrix(lexicon, pairs)
    weights = [
        fit_weights(features, intents, row_weights=counts),
        fit_weights(features[felt], emotions, row_weights=counts[felt]),
    ]
    both = np.concatenate(weights, axis=1)
    shares, scores = {"intent": 6.0, "presence": 6.0, "emotion": 3.0}, {}
    if dev:
        deep = predict(model, base.tokenizer, dev_pairs)
        wide: NDArray[np.float32] = np.asarray(matrix(lexicon, dev_pairs) @ both, np.float32)
        count = len(labels.intents)
        shares["intent"] = best_share(deep[1], wide[:, :count], np.array([labels.intents.index(row.intents[0]) for row in dev]))
        shares["presence"] = shares["intent"]
        known = [number for number, row in enumerate(dev) if row.emotion]
        truth = np.array([labels.emotions.index(dev[number].emotion) for number in known])
        shares["emotion"] = best_share(deep[3][known], wide[known, count:], truth)
        intents_said = (deep[1] + shares["intent"] * wide[:, :count]).astype(np.float32)
        emotions_said = (deep[3] + shares["emotion"] * wide[:, count:]).astype(np.float32)
        scores = dev_scores(intents_said, emotions_said, dev, labels) | {f"share_{name}": value for name, value in shares.items()}
    model.lexical.set(torch.from_numpy(both), list(shares.values()))
    return lexicon, scores


def model_inputs(messages: Sequence[Message], input_format: InputFormat) -> list[tuple[str, str]]:
    """Returns (message, context) pairs as the network reads them."""
    return [(message_text(row.text, input_format), context_text(row.text, row.history, input_format)) for row in messages]


def training_rows(prepared: Prepared, input_format: InputFormat) -> list[TrainingRow]:
    """Returns what the training loop learns from: labelled messages, queries and out-of-scope texts.

    A query that an entry answers is learnt as its question; it is among these as well if its emotion is known.
    """
    labels = prepared.labels
    intent_of = {entry.faq_id: entry.intent for entry in prepared.entries}
    messages, out_of_scope = prepared.messages["train"], prepared.out_of_scope["train"]
    rows = [
        TrainingRow(
            text, context, tuple(labels.intents.index(code) for code in row.intents),
            labels.emotions.index(row.emotion) if row.emotion else -1, row.weight, tuple(map(labels.emotions.index, row.emotion_votes)),
        )
        for (text, context), row in zip(model_inputs(messages, input_format), messages, strict=True)
    ]  # fmt: skip
    # What no entry answers lies just inside what a shop is asked, where out of scope begins.
    for query in prepared.queries["train"]:
        intent = query.intent if query.faq_id is None else intent_of.get(query.faq_id)
        if intent in labels.intents and (query.faq_id is None or query.emotion):
            rows.append(_single(query.text, (labels.intents.index(intent),), query.emotion, labels, input_format))
    return rows + [_single(row.text, (), row.emotion, labels, input_format) for row in out_of_scope]


def _single(text: str, intents: tuple[int, ...], emotion: str, labels: LabelSet, input_format: InputFormat) -> TrainingRow:
    """A message without turns before it, whose emotion may be unknown."""
    return TrainingRow(message_text(text, input_format), "", intents, labels.emotions.index(emotion) if emotion else -1)


def entry_questions(
    entries: Sequence[FaqEntry], base: BaseEncoder, labels: LabelSet, input_format: InputFormat
) -> list[EntryQuestions]:
    """Returns the questions of each entry with the entries that the base encoder takes for it (mined hard negatives)."""
    texts = [tuple(message_text(question, input_format) for question in entry.questions) for entry in entries]
    neighbours = mine_neighbours(texts, base) if len(entries) > _MINED + 1 else [()] * len(entries)
    return [
        EntryQuestions(messages, labels.intents.index(entry.intent), near)
        for messages, entry, near in zip(texts, entries, neighbours, strict=True)
    ]


def mine_neighbours(texts: Sequence[Sequence[str]], base: BaseEncoder) -> list[tuple[int, ...]]:
    """Returns for each entry the entries whose standard question is nearest to one of its own, by the base encoder."""
    owner = {messages[0]: number for number, messages in reversed(list(enumerate(texts)))}
    pairs = [(messages[place], messages[0]) for messages in texts for place in range(1, min(2, len(messages)))]
    if not pairs:
        return [()] * len(texts)
    dataset = Dataset.from_dict({"anchor": [anchor for anchor, _ in pairs], "positive": [positive for _, positive in pairs]})
    with redirect_stderr(io.StringIO()):  # its bars cannot be turned off
        mined = mine_hard_negatives(
            dataset, as_sentence_transformer(base), corpus=[messages[0] for messages in texts], num_negatives=2, range_max=4,
            sampling_strategy="top", output_format="triplet", verbose=False,
        )  # fmt: skip
    found: list[dict[int, None]] = [{} for _ in texts]
    for row in mined:
        entry, near = owner[row["positive"]], owner[row["negative"]]
        if entry != near:
            found[entry][near] = None
    return [tuple(near)[:_MINED] for near in found]


def as_sentence_transformer(base: BaseEncoder) -> SentenceTransformer:
    """Returns the base encoder with mean pooling as sentence-transformers knows it; it shares the weights."""
    return SentenceTransformer(modules=[_TrunkModule(base)], device="cpu")


class _TrunkModule(torch.nn.Module):
    """The trunk as the one module of a SentenceTransformer."""

    def __init__(self, base: BaseEncoder) -> None:
        super().__init__()
        self.trunk = base.trunk
        self._tokenizer = base.tokenizer
        self.max_seq_length = 192
        self.modalities = ["text"]

    def tokenize(self, texts: list[str], **_: object) -> dict[str, torch.Tensor]:
        encodings = [self._tokenizer.encode(text) for text in texts]
        ids = [torch.tensor(encoding.ids) for encoding in encodings]
        mask = [torch.ones(len(encoding.ids), dtype=torch.int64) for encoding in encodings]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=1)
        return {"input_ids": padded, "attention_mask": torch.nn.utils.rnn.pad_sequence(mask, batch_first=True)}

    preprocess = tokenize

    def forward(self, features: dict[str, torch.Tensor], **_: object) -> dict[str, torch.Tensor]:
        hidden = self.trunk(input_ids=features["input_ids"], attention_mask=features["attention_mask"])[0]
        mask = features["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        vectors = (hidden * mask).sum(1) / mask.sum(1)
        return {**features, "sentence_embedding": torch.nn.functional.normalize(vectors, dim=-1)}


def dev_scores(
    intent_logits: NDArray[np.float32], emotion_logits: NDArray[np.float32], messages: Sequence[Message], labels: LabelSet
) -> dict[str, float]:
    """Returns accuracy and macro-F1 of intent (main one) and emotion, in [0, 1]."""
    intents = [labels.intents.index(row.intents[0]) for row in messages]
    felt = [number for number, row in enumerate(messages) if row.emotion]
    emotions = [labels.emotions.index(messages[number].emotion) for number in felt]
    predicted, predicted_emotion = intent_logits.argmax(1), emotion_logits[felt].argmax(1)
    return {
        "intent_accuracy": float(np.mean(predicted == intents)),
        "intent_macro_f1": float(f1_score(intents, predicted, average="macro", zero_division=0)),
        "emotion_accuracy": float(np.mean(predicted_emotion == emotions)),
        "emotion_macro_f1": float(f1_score(emotions, predicted_emotion, average="macro", zero_division=0)),
    }


def load_trained(folder: Path) -> tuple[CustomerServiceModel, InputFormat]:
    """Returns the network that `train` saved, in evaluation mode, and how to feed it."""
    from safetensors.torch import load_model
    from transformers import AutoConfig, AutoModel

    shape = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    config = AutoConfig.from_pretrained(folder / "trunk")  # a local folder # nosec B615
    options = {"add_pooling_layer": False} if config.model_type in BERT_LIKE else {}
    rows = len(Lexicon.load(folder / "lexicon.json").idf)
    model = CustomerServiceModel(AutoModel.from_config(config, **options), **shape)
    model.lexical = LexicalHead(rows, shape["intents"], shape["emotions"])
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), InputFormat(**json.loads((folder / "input_format.json").read_text(encoding="utf-8")))
