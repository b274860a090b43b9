"""What governs a training run; apart from the loop, so that reading a configuration loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What governs a run.

    Attributes:
        epochs: Passes over the messages; the last one may be a part.
        batch_size: Messages a step.
        entries_per_step: FAQ entries of which two questions each join a step; 0 trains no retrieval.
        entries_every: They join one step in so many: a question learns most among many others, and all steps would cost too much.
        neighbours_per_entry: How many of those entries are hard negatives of each one drawn.
        learning_rate: Peak rate of the trunk.
        head_learning_rate: Peak rate of the heads.
        weight_decay: AdamW's decay.
        warmup: Share of steps with a rising rate, in [0, 1].
        dropout: In front of the heads, in [0, 1).
        trunk_dropout: Inside the trunk, in [0, 1); drawing its masks costs a sixth of a step, and over few epochs it only slows learning.
        consistency_weight: Weight of the loss that makes two readings of a row, under different dropout, agree on intent and on emotion (which
            counts `emotion_weight` times); a step takes twice as long, and nothing is gained without dropout. 0 reads once.
        start_share: Share of a message's target intents that is what the network said of it at the start, in [0, 1), where that names one of
            its labels: a well-trained start is kept from growing too sure. A fresh one has nothing to say. FAQ questions keep their labels.
        presence_weight: Weight of the presence loss.
        emotion_weight: Weight of the emotion loss.
        outside_weight: Weight of the loss of being out of scope.
        pair_weight: Weight of the contrastive loss.
        token_weight: Weight of the contrastive loss word by word.
        pair_temperature: Temperature of the contrastive loss.
        label_smoothing: Mass given to the other labels, in [0, 1).
        logit_adjustment: Strength of the prior correction for rare classes; 0 turns it off.
        probe_steps: Steps of the heads alone on frozen features before fine-tuning; 0 skips it, and so do heads that a warm start brings.
        frozen_embeddings: Whether the word embeddings stay as they are (faster, and they keep what they know).
        frozen_layers: How many of the lowest layers stay as they are; their output is computed once (memory: 1.5 kB a token).
        bfloat16: `always`, `never`, or `auto`: where this processor multiplies it much faster, tried at the start.
        seed: Seeds shuffling and dropout.
    """

    epochs: float = 4
    batch_size: int = 16
    entries_per_step: int = 6
    entries_every: int = 1
    neighbours_per_entry: int = 1
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    dropout: float = 0.1
    trunk_dropout: float = 0.0
    consistency_weight: float = 0.0
    start_share: float = 0.0
    presence_weight: float = 0.2
    emotion_weight: float = 1.0
    outside_weight: float = 1.0
    pair_weight: float = 0.5
    token_weight: float = 0.5
    pair_temperature: float = 0.05
    label_smoothing: float = 0.05
    logit_adjustment: float = 0.0
    probe_steps: int = 400
    frozen_embeddings: bool = True
    frozen_layers: int = 0
    bfloat16: Literal["auto", "always", "never"] = "auto"
    seed: int = 13
