"""Training: the project's own pipeline on a set's training part, scored on its held-out part, beside simpler methods."""

from __future__ import annotations

import importlib.util
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.normalise import for_model
from data.types import LabelSet
from models.base_encoder import load_base_encoder
from models.calibration import wilson_interval
from models.inputs import message_text
from models.training import StepReport, predict
from pipelines import baseline
from pipelines.audit_labels import audit_settings
from pipelines.benchmark.sets import UNLABELLED, PublicSets, Row, sample
from pipelines.config import AuditConfig, BenchmarkConfig, Flagged, TrainConfig, TrainedSet, load_config
from pipelines.label_audit import audit, frozen_features
from pipelines.metrics import accuracy, bootstrap_interval, macro_f1
from pipelines.prepared import Message, Prepared
from pipelines.progress import progress_bar
from pipelines.train import as_sentence_transformer, build_network, model_inputs, train_model

TRAINED: tuple[TrainedSet, ...] = ("cic", "jddc", "ewect")
_HISTORY = 6  # turns kept before a message, as `prepare` keeps them
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 1.0)  # inverse regularisations among which the frozen baseline chooses on the dev split
_CONSTANT = "any"  # the one class of the head that a set has no labels for

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """One set as a problem of one label a text.

    Attributes:
        name: Of the set.
        target: Which head learns its labels; the other one gets a single constant class.
        labels: In order; position is the index in every prediction.
        messages: By split: `train`, `dev` and `test`.
        note: What to know before reading the figures.
    """

    name: TrainedSet
    target: Literal["intent", "emotion"]
    labels: tuple[str, ...]
    messages: dict[str, list[Message]]
    note: str

    def truth(self, split: str) -> Labels:
        """Returns the label indices of a split. Shape: (n,)."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        own = (row.intents[0] if self.target == "intent" else row.emotion for row in self.messages[split])
        return np.array([numbers[label] for label in own], np.int64)

    def texts(self, split: str) -> list[str]:
        """Returns the texts of a split."""
        return [row.text for row in self.messages[split]]

    def prepared(self) -> Prepared:
        """Returns the data as the training pipeline takes it, without a knowledge base and without out-of-scope texts."""
        constant = (_CONSTANT,)
        labels = LabelSet(self.labels, constant) if self.target == "intent" else LabelSet(constant, self.labels)
        return Prepared(labels, self.messages, [], {"train": [], "dev": [], "test": []}, {"train": [], "dev": [], "test": []})


def train_configs(config: BenchmarkConfig, names: Sequence[str]) -> dict[str, TrainConfig]:
    """Returns how each set is trained: the base configuration with the set's own settings over it.

    Raises:
        ConfigError: A setting is unknown; raised before anything is measured.
    """
    own: Mapping[str, dict[str, Any]] = {str(name): values for name, values in config.training.overrides.items()}
    epochs = [] if config.training.epochs is None else [f"training.epochs={config.training.epochs}"]
    found = {}
    for name in names:
        found[name] = load_config(TrainConfig, config.training.base, [*_flat(own.get(name, {})), *epochs])
        found[name].settings()
    return found


def build_task(name: TrainedSet, config: BenchmarkConfig, sets: PublicSets) -> Task:
    """Returns a set as a task; rows beyond the configured numbers are left out, drawn by the seed."""
    own, seed = config.training, config.seed
    splits, note = _cic(sets) if name == "cic" else _jddc(sets, seed) if name == "jddc" else _ewect(sets, own.ewect_rows, seed)
    limits = {"train": own.rows, "dev": own.dev_rows, "test": own.test_rows}
    rows = {split: sample(part, limits[split], seed) for split, part in splits.items()}
    target: Literal["intent", "emotion"] = "emotion" if name == "ewect" else "intent"
    messages = {split: [_message(row, target) for row in part] for split, part in rows.items()}
    labels = tuple(sorted({row.label for part in rows.values() for row in part}))
    return Task(name, target, labels, messages, note)


def measure_training(task: Task, config: BenchmarkConfig, settings: TrainConfig) -> dict[str, Any]:
    """Returns accuracy, macro-F1 and seconds of the pipeline and of each baseline on the same rows, and the gain over TF-IDF."""
    flagged = config.training.flagged.get(task.name)
    methods: dict[str, Callable[[], Labels]] = {
        "kefu": lambda: _kefu(task, settings, flagged),
        "tfidf": lambda: baseline.classify(task.texts("train"), task.truth("train").tolist(), task.texts("test")),
    }
    missing: dict[str, str] = {}
    for name in config.training.baselines:
        package, method = _BASELINES[name]
        reason = _unusable(package)
        if reason:
            missing[name] = reason
        else:
            methods[name] = _bind(method, task, settings)
    predicted: dict[str, Labels] = {}
    models: dict[str, dict[str, Any]] = {}
    for method_name, run in methods.items():
        started = time.monotonic()
        predicted[method_name] = run()
        models[method_name] = _scores(task.truth("test"), predicted[method_name]) | {
            "seconds": round(time.monotonic() - started, 1)
        }
    note = (
        f"{task.note}; kefu's training rows that the audit of labels flags: {flagged.replace('_', '-')}" if flagged else task.note
    )
    return {
        "target": task.target, "labels": len(task.labels), "note": note,
        **{f"n_{split}": len(rows) for split, rows in task.messages.items()},
        "models": models, "not_installed": missing, "gain": _gain(task, predicted, config),
        "turns": _by_turn(task, predicted), "settings": settings.model_dump(mode="json"),
    }  # fmt: skip


def _cic(sets: PublicSets) -> tuple[dict[str, list[Row]], str]:
    parts = {"train": "cic/train.jsonl", "dev": "cic/dev.jsonl", "test": "cic/clean_dev.jsonl"}
    note = "trained on train.jsonl, where about 18 % of the labels are wrong; scored on clean_dev.jsonl"
    return {split: sets.labelled(file) for split, file in parts.items()}, note


def _jddc(sets: PublicSets, seed: int) -> tuple[dict[str, list[Row]], str]:
    rows = [row for row in sets.turns() if row.label != UNLABELLED]
    names = sorted({row.dialogue for row in rows})
    random.Random(seed).shuffle(names)
    first, second = round(len(names) * 0.7), round(len(names) * 0.8)
    split = {name: "train" if place < first else "dev" if place < second else "test" for place, name in enumerate(names)}
    note = "dialogues split 70/10/20 by the seed; TF-IDF and the few-shot methods read the message alone, kefu its context as well"
    return {part: [row for row in rows if split[row.dialogue] == part] for part in ("train", "dev", "test")}, note


def _ewect(sets: PublicSets, count: int | None, seed: int) -> tuple[dict[str, list[Row]], str]:
    rows = sample(sets.labelled("ewect/train.jsonl"), count, seed)
    random.Random(seed).shuffle(rows)
    carved = max(1, len(rows) // 10)
    note = "the posts' own six emotions; scored on dev.jsonl, a tenth of the training rows serves as dev split"
    return {"train": rows[carved:], "dev": rows[:carved], "test": sets.labelled("ewect/dev.jsonl")}, note


def _message(row: Row, target: str) -> Message:
    intents, emotion = ((row.label,), _CONSTANT) if target == "intent" else ((_CONSTANT,), row.label)
    return Message(row.dialogue, row.text, row.history[-_HISTORY:], intents, emotion, (), "")


def _kefu(task: Task, settings: TrainConfig, flagged: Flagged | None) -> Labels:
    """The project's own training, and what its network with the n-grams predicts."""
    if flagged is not None:
        task = _audited(task, settings, flagged)
    with progress_bar(f"train {task.name}") as bar:

        def on_step(report: StepReport) -> None:
            bar.update(report.step, report.steps, f"epoch {report.epoch}  loss {sum(report.losses.values()):.3f}")

        trained = train_model(task.prepared(), settings, on_step=on_step)
    inputs = model_inputs(task.messages["test"], trained.input_format)
    _, intent, _, emotion, _ = predict(trained.model, trained.base.tokenizer, inputs, trained.lexicon)
    return np.asarray((intent if task.target == "intent" else emotion).argmax(1), np.int64)


def _audited(task: Task, settings: TrainConfig, flagged: Flagged) -> Task:
    """The task once the audit of labels has gone over its training rows, as `audit-labels` does over a shop's own."""
    audit_config = AuditConfig(base_encoder=settings.base_encoder, cache=settings.cache, threads=settings.threads)
    base = load_base_encoder(audit_config.base_encoder, cache=audit_config.cache)
    base.tokenizer.enable_truncation(audit_config.input.max_tokens)
    rows, truth = task.messages["train"], task.truth("train")
    inputs = [message_text(row.text, audit_config.input.build()) for row in rows]
    found = audit(
        [text.removeprefix(audit_config.input.prefix) for text in inputs], truth.tolist(), [row.row_id or str(place) for place, row in enumerate(rows)],
        features=frozen_features(base, inputs, threads=settings.threads), settings=audit_settings(audit_config),
    )  # fmt: skip
    if flagged == "drop":
        kept = [row for row, doubtful in zip(rows, found.flagged, strict=True) if not doubtful]
    elif flagged == "down_weight":
        weights = found.weights(audit_config.flagged_weight)
        kept = [replace(row, weight=float(weight)) for row, weight in zip(rows, weights, strict=True)]
    else:
        names = [task.labels[number] for number in np.where(found.flagged, found.suggested, truth)]
        kept = [_relabelled(row, name, task.target) for row, name in zip(rows, names, strict=True)]
    return replace(task, messages=task.messages | {"train": kept})


def _relabelled(row: Message, name: str, target: str) -> Message:
    return replace(row, intents=(name,)) if target == "intent" else replace(row, emotion=name)


def _frozen(task: Task, settings: TrainConfig) -> Labels:
    """Logistic regression over the base encoder's mean-pooled features, of the same input as the network's."""
    input_format = settings.input.build()
    torch.set_num_threads(settings.threads)
    base = load_base_encoder(settings.base_encoder, cache=settings.cache)
    base.tokenizer.enable_truncation(input_format.max_tokens, strategy="longest_first")
    # The projection of an untrained network is the identity, so its vectors are the pooled features at unit length.
    network = build_network(base, task.prepared().labels, settings.settings())
    features = {
        split: predict(network, base.tokenizer, model_inputs(task.messages[split], input_format))[0]
        for split in ("train", "dev", "test")
    }

    def fitted(strength: float) -> Any:
        regression = LogisticRegression(C=strength, max_iter=300)
        return make_pipeline(StandardScaler(), regression).fit(features["train"], task.truth("train"))

    # With labels as noisy as CIC's the usual strength learns the noise: 0.46 against 0.80.
    best = max((fitted(strength) for strength in _STRENGTHS), key=lambda model: model.score(features["dev"], task.truth("dev")))
    return np.asarray(best.predict(features["test"]), np.int64)


def _fasttext(task: Task, settings: TrainConfig) -> Labels:
    """Source: Joulin et al. 2017, Bag of Tricks for Efficient Text Classification; over characters, which need no segmenter."""
    fasttext = importlib.import_module("fasttext")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        lines = zip(task.truth("train"), task.texts("train"), strict=True)
        file.write_text("".join(f"__label__{label} {_spaced(text)}\n" for label, text in lines), encoding="utf-8")
        model = fasttext.train_supervised(
            str(file), epoch=25, lr=0.5, dim=100, wordNgrams=3, minCount=1, thread=settings.threads,
            seed=settings.settings().seed, verbose=0,
        )  # fmt: skip
    found = model.predict([_spaced(text) for text in task.texts("test")])[0]
    return np.array([int(labels[0].removeprefix("__label__")) for labels in found], np.int64)


def _setfit(shots: int) -> Callable[[Task, TrainConfig], Labels]:
    def method(task: Task, settings: TrainConfig) -> Labels:
        """Source: Tunstall et al. 2022, Efficient Few-Shot Learning Without Prompts; on some rows a label."""
        setfit, datasets = importlib.import_module("setfit"), importlib.import_module("datasets")
        base = load_base_encoder(settings.base_encoder, cache=settings.cache)
        body = as_sentence_transformer(base)
        model = setfit.SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=1000))
        chosen, truth = _few(task.truth("train"), shots, settings.settings().seed), task.truth("train")
        texts = task.texts("train")
        rows = {"text": [for_model(texts[index]) for index in chosen], "label": truth[chosen].tolist()}
        with tempfile.TemporaryDirectory() as folder:
            arguments = setfit.TrainingArguments(
                output_dir=folder, batch_size=_SETFIT_BATCH, seed=settings.settings().seed,
                max_steps=min(_SETFIT_STEPS, 1 + len(chosen) ** 2 // (2 * _SETFIT_BATCH)),
                report_to="none", save_strategy="no", show_progress_bar=False,
            )  # fmt: skip
            setfit.Trainer(model=model, args=arguments, train_dataset=datasets.Dataset.from_dict(rows)).train()
        return np.asarray(model.predict([for_model(text) for text in task.texts("test")]), np.int64)

    return method


_SETFIT_BATCH = 16
_SETFIT_STEPS = 500  # all pairs of 64 texts a label would be millions

_BASELINES: dict[str, tuple[str | None, Callable[[Task, TrainConfig], Labels]]] = {
    "frozen": (None, _frozen), "fasttext": ("fasttext", _fasttext), "setfit-8": ("setfit", _setfit(8)),
    "setfit-64": ("setfit", _setfit(64)),
}  # fmt: skip


def _unusable(package: str | None) -> str:
    """Why an optional package cannot be used; empty if it can, or if none is needed."""
    if package is None:
        return ""
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    try:
        importlib.import_module(package)
    except ImportError as error:  # installed, but made for other versions of what it needs
        return f"{package} is installed but cannot be imported ({error})"
    return ""


def _bind(method: Callable[[Task, TrainConfig], Labels], task: Task, settings: TrainConfig) -> Callable[[], Labels]:
    return lambda: method(task, settings)


def _scores(truth: Labels, predicted: Labels) -> dict[str, Any]:
    right = truth == predicted
    return {
        "n": len(truth), "accuracy": accuracy(truth, predicted), "interval": wilson_interval(int(right.sum()), len(truth)),
        "macro_f1": macro_f1(truth, predicted),
    }  # fmt: skip


def _gain(task: Task, predicted: Mapping[str, Labels], config: BenchmarkConfig) -> dict[str, dict[str, Any]]:
    """What kefu gains over TF-IDF, with paired bootstrap intervals; where there are dialogues, whole ones are resampled."""
    truth, own, other = task.truth("test"), predicted["kefu"], predicted["tfidf"]
    dialogues = [row.row_id for row in task.messages["test"]]
    groups = np.unique(dialogues, return_inverse=True)[1] if any(dialogues) else None

    def gain(measure: Callable[[Labels, Labels], float]) -> dict[str, Any]:
        def difference(rows: Labels) -> float:
            return measure(truth[rows], own[rows]) - measure(truth[rows], other[rows])

        interval = bootstrap_interval(difference, len(truth), draws=config.bootstrap, seed=config.seed, groups=groups)
        return {"gain": difference(np.arange(len(truth))), "interval": interval}

    return {"accuracy": gain(accuracy), "macro_f1": gain(macro_f1)}


def _by_turn(task: Task, predicted: Mapping[str, Labels]) -> dict[str, Any]:
    """Accuracy on first and on later turns, where there are any: many later ones inherit their label from the turns before."""
    later = np.array([bool(row.history) for row in task.messages["test"]])
    if not later.any():
        return {}
    truth = task.truth("test")
    return {
        name: {"n": int(rows.sum())} | {method: accuracy(truth[rows], labels[rows]) for method, labels in predicted.items()}
        for name, rows in (("first", ~later), ("later", later)) if rows.any()
    }  # fmt: skip


def _few(truth: Labels, shots: int, seed: int) -> list[int]:
    """Returns the indices of at most so many rows of each label, drawn by the seed."""
    by_label: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(truth.tolist()):
        by_label[label].append(index)
    return [index for _, indices in sorted(by_label.items()) for index in sample(indices, shots, seed)]


def _spaced(text: str) -> str:
    return " ".join(for_model(text).replace(" ", "_"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested settings as the overrides that `load_config` takes; values as YAML, for they are read as YAML again."""
    found: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}={yaml.safe_dump(value)}")
    return found
