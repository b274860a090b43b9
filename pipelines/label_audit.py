"""Finds rows whose labels are doubtful: out-of-fold probabilities, confident learning, conflicting copies, outliers.

Arrays in, arrays out: no files, no tracking, so that any job can ask for the weights of its training rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import LinearSVC

from data.dedupe import dedupe_key, near_duplicate_pairs
from data.errors import DataError, ShapeError
from data.review import CONFLICT, LABEL_ERROR, OUTLIER
from models.base_encoder import BaseEncoder
from models.calibration import fit_temperature, softmax
from models.lexical import Lexicon
from models.lexical_training import best_share, matrix

Filter = Literal["prune_by_noise_rate", "prune_by_class", "both", "confident_learning"]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ABSENT = -20.0  # log-probability of a label that a fold's training part does not hold
_SHARE_ROWS = 2000  # enough to choose one number; more would only cost time
_BATCH = 64


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How rows are judged.

    Attributes:
        folds: Parts of the cross-validation; fewer if there are fewer groups.
        seed: Shuffles the groups.
        filter_by: Rule of cleanlab that turns probabilities into flags.
        min_class_rows: Labels with fewer rows are neither flagged nor suggested: there is too little to judge them by.
        near_duplicate: Jaccard similarity of character bigrams from which two texts say the same, in [0, 1].
        neighbours: How many nearest rows tell how far a row is from everything.
        doubt: A row is flagged only where its label is less likely than this share of chance (1 / labels). Confident learning
            alone takes every error of a weak classifier for one of the labels: with 12 % of the shipped labels planted wrong it
            flags 34 % of the rows and is right about 28 % of them; with 0.5, 9 % and 66 %.
        outlier_share: Share of rows, the farthest from all others, that are shown as outliers, in [0, 1].
    """

    folds: int = 5
    seed: int = 13
    filter_by: Filter = "prune_by_noise_rate"
    min_class_rows: int = 5
    near_duplicate: float = 0.9
    neighbours: int = 5
    doubt: float = 0.5
    outlier_share: float = 0.01


@dataclass(frozen=True)
class Audit:
    """What was found about n rows.

    Attributes:
        classes: Labels that occur, ascending; the columns of `probabilities`. Shape: (c,), int64.
        probabilities: Out-of-fold. Shape: (n, c), float64, rows sum to 1.
        quality: Out-of-fold probability of the given labels. Shape: (n,), float64, in [0, 1].
        suggested: The label that the audit finds likelier than the given one; of a row without doubt, the likeliest. Shape: (n,), int64.
        label_error: Flagged by confident learning. Shape: (n,), bool.
        conflict: A copy carries another label, and this row's is not the majority's. Shape: (n,), bool.
        outlier: Among the farthest from every other row. Shape: (n,), bool.
        nearness: Mean cosine to the nearest other rows. Shape: (n,), float64, in [-1, 1].
    """

    classes: Labels
    probabilities: NDArray[np.float64]
    quality: NDArray[np.float64]
    suggested: Labels
    label_error: Mask
    conflict: Mask
    outlier: Mask
    nearness: NDArray[np.float64]

    @property
    def flagged(self) -> Mask:
        """Rows whose label is in doubt. Shape: (n,). Outliers are not: a rare wording is no wrong label."""
        return self.label_error | self.conflict

    def weights(self, flagged_weight: float) -> NDArray[np.float32]:
        """Returns a training weight for each row: `flagged_weight` where flagged, else 1. Shape: (n,), float32."""
        return np.where(self.flagged, flagged_weight, 1.0).astype(np.float32)

    def reasons(self, row: int) -> tuple[str, ...]:
        """Returns why a row is doubtful; empty if it is not."""
        found = ((LABEL_ERROR, self.label_error), (CONFLICT, self.conflict), (OUTLIER, self.outlier))
        return tuple(name for name, mask in found if mask[row])


def audit(
    texts: Sequence[str],
    labels: Sequence[int],
    groups: Sequence[str],
    *,
    features: NDArray[np.float32],
    contexts: Sequence[str] | None = None,
    context_features: NDArray[np.float32] | None = None,
    other_labels: Sequence[Sequence[int]] | None = None,
    settings: AuditSettings | None = None,
) -> Audit:
    """Returns what is doubtful about the labels of n rows.

    A linear SVM over character n-grams and a logistic regression over the encoder's features score each row from the other
    folds; their mix and its temperature are the two numbers that fit the given labels best.

    Args:
        texts: Messages as the encoder reads them, but without its prefix, which would make all of them look alike.
        labels: Main label of each row, any integers.
        groups: Rows of one group (a dialogue) are never on both sides of a fold.
        features: Frozen vectors of the texts, see `frozen_features`. Shape: (n, hidden), float32.
        contexts: The turns before each text, empty where they do not matter; None if there are none at all.
        context_features: Their vectors, zero where empty. Shape: (n, hidden), float32.
        other_labels: Further labels of each row: it is right if the classifiers say any of its labels.
        settings: See AuditSettings.

    Raises:
        ShapeError: The arrays are not of one length.
        DataError: There are fewer than two groups, or fewer than two labels with `min_class_rows` rows.

    Source: Northcutt et al. 2021, Confident Learning: Estimating Uncertainty in Dataset Labels.
    """
    settings = settings or AuditSettings()
    contexts = contexts if contexts is not None else [""] * len(texts)
    others = other_labels if other_labels is not None else [()] * len(texts)
    _check_lengths(len(texts), labels=labels, groups=groups, features=features, contexts=contexts, other_labels=others)
    classes, given = np.unique(np.asarray(labels, np.int64), return_inverse=True)
    common = np.bincount(given) >= settings.min_class_rows
    if common.sum() < 2 or len(set(groups)) < 2:
        raise DataError(
            f"{int(common.sum())} labels have {settings.min_class_rows} rows or more, in {len(set(groups))} dialogues; "
            "an audit needs two of each: label more rows, or lower min_class_rows"
        )
    dense = features if context_features is None else np.hstack([features, context_features])
    probabilities = out_of_fold(list(zip(texts, contexts, strict=True)), given, groups, dense, settings)
    numbers = {int(label): number for number, label in enumerate(classes)}
    carried = [{int(own), *(numbers[label] for label in more if label in numbers)} for own, more in zip(given, others, strict=True)]
    label_error, quality, likelier = _doubts(probabilities, given, carried, common, settings)
    conflict, majority = _conflicts(texts, contexts, given, carried, settings.near_duplicate)
    suggested = np.where(majority >= 0, majority, likelier)
    nearness, outlier = _outliers(features, settings)
    return Audit(classes, probabilities, quality, classes[suggested], label_error, conflict, outlier, nearness)


def frozen_features(base: BaseEncoder, texts: Sequence[str], *, threads: int = 2) -> NDArray[np.float32]:
    """Returns the mean of the base encoder's last hidden states for each text. Shape: (n, hidden), float32; zero if it is empty.

    Args:
        base: The encoder, as it was before any training.
        texts: As `models.inputs.message_text` made them; each distinct one is encoded once.
        threads: Cores to use.
    """
    torch.set_num_threads(threads)
    distinct = sorted({text for text in texts if text}, key=lambda text: (len(text), text))
    numbers = {text: number for number, text in enumerate(distinct, start=1)}
    parts = [np.zeros((1, base.trunk.config.hidden_size), np.float32)]
    parts += [_encode(base, distinct[start : start + _BATCH]) for start in range(0, len(distinct), _BATCH)]
    return np.concatenate(parts)[[numbers.get(text, 0) for text in texts]]


def out_of_fold(
    rows: Sequence[tuple[str, str]], given: Labels, groups: Sequence[str], features: NDArray[np.float32], settings: AuditSettings
) -> NDArray[np.float64]:
    """Returns the probabilities of each row by classifiers that saw none of its group. Shape: (n, classes), float64.

    Args:
        rows: (message, context).
        given: Labels from 0. Shape: (n,).
        groups: Group of each row.
        features: Shape: (n, hidden), float32.
        settings: See AuditSettings.
    """
    owners = np.unique(np.asarray(groups), return_inverse=True)[1]
    grams = matrix(Lexicon.fit(rows), rows)
    dense = _standardised(features)
    deep, wide = (np.zeros((len(rows), int(given.max()) + 1), np.float32) for _ in range(2))
    folds = StratifiedGroupKFold(min(settings.folds, int(owners.max()) + 1), shuffle=True, random_state=settings.seed)
    for train, held in folds.split(grams, given, owners):
        wide[held] = _svm_scores(grams[train], given[train], grams[held], wide.shape[1])
        deep[held] = _regression_scores(dense[train], given[train], dense[held], deep.shape[1])
    sample = np.random.default_rng(settings.seed).permutation(len(rows))[:_SHARE_ROWS]
    logits = deep + best_share(deep[sample], wide[sample], given[sample]) * wide
    probabilities = np.asarray(softmax(logits, fit_temperature(logits[sample], given[sample])), np.float64)
    return np.asarray(probabilities / probabilities.sum(1, keepdims=True), np.float64)


def _check_lengths(count: int, **arrays: Sequence[Any] | NDArray[Any]) -> None:
    for name, array in arrays.items():
        if len(array) != count:
            raise ShapeError(f"{name} has {len(array)} rows, expected {count}, one for each text; pass them together")


@torch.no_grad()
def _encode(base: BaseEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    encodings = [base.tokenizer.encode(text) for text in texts]
    length = max(len(encoding.ids) for encoding in encodings)
    ids, mask = (torch.zeros(len(texts), length, dtype=torch.int64) for _ in range(2))
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
        mask[row, : len(encoding.ids)] = 1
    hidden = base.trunk.eval()(input_ids=ids, attention_mask=mask)[0]
    pooled = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
    return np.asarray(pooled.numpy(), np.float32)


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    # The encoder's vectors lie in a narrow cone; without this a regression would see little but their common direction.
    return np.asarray((features - features.mean(0)) / np.maximum(features.std(0), 1e-6), np.float32)


def _svm_scores(train: csr_matrix, labels: Labels, held: csr_matrix, count: int) -> NDArray[np.float32]:
    """Returns margins by label. Shape: (held rows, count); the lowest where training rows lack the label."""
    known = np.unique(labels)
    if len(known) == 1:
        return np.zeros((held.shape[0], count), np.float32)
    # Column 0 of the n-grams is 1 in every row: the intercept.
    margins = LinearSVC(C=1.0, fit_intercept=False, random_state=0).fit(train, labels).decision_function(held)
    if margins.ndim == 1:
        margins = np.stack([-margins, margins], axis=1)
    scores = np.full((held.shape[0], count), margins.min(), np.float32)
    scores[:, known] = margins
    return scores


def _regression_scores(train: NDArray[np.float32], labels: Labels, held: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Returns log-probabilities by label. Shape: (held rows, count)."""
    known = np.unique(labels)
    scores = np.full((len(held), count), _ABSENT, np.float32)
    if len(known) == 1:
        scores[:, known] = 0.0
        return scores
    model = LogisticRegression(C=0.01, max_iter=200).fit(train, labels)
    scores[:, known] = np.maximum(model.predict_log_proba(held), _ABSENT)
    return scores


def _doubts(
    probabilities: NDArray[np.float64], given: Labels, carried: Sequence[set[int]], common: Mask, settings: AuditSettings
) -> tuple[Mask, NDArray[np.float64], Labels]:
    """Returns (flags, quality of the given labels, likeliest label). Shapes: (n,) each."""
    from cleanlab.filter import find_label_issues  # seconds to import

    # A row with several labels is right if any of them is: their probability is counted for the main one.
    merged = probabilities.copy()
    for row, own in enumerate(carried):
        merged[row, list(own)] = 0.0
        merged[row, given[row]] = probabilities[row, list(own)].sum()
    quality = merged[np.arange(len(given)), given].clip(0, 1)
    allowed = np.where(common, merged, -1.0)
    judged = np.flatnonzero(common[given])
    columns = np.flatnonzero(common)
    own_probabilities = merged[judged][:, columns] + 1e-9
    own_probabilities /= own_probabilities.sum(1, keepdims=True)
    flags = np.zeros(len(given), np.bool_)
    flags[judged] = find_label_issues(
        np.searchsorted(columns, given[judged]), own_probabilities, filter_by=settings.filter_by, n_jobs=1
    )
    likeliest = allowed.argmax(1)
    return flags & (likeliest != given) & (quality < settings.doubt / len(columns)), quality, likeliest


def _conflicts(
    texts: Sequence[str], contexts: Sequence[str], given: Labels, carried: Sequence[set[int]], threshold: float
) -> tuple[Mask, Labels]:
    """Returns (rows that contradict a copy and are not in the majority, the copies' majority or -1). Shapes: (n,) each."""
    flags, majority = np.zeros(len(given), np.bool_), np.full(len(given), -1, np.int64)
    for rows, copies in _copies(texts, contexts, threshold):
        kinds = {frozenset(carried[row]) for row in copies}
        votes = Counter(int(given[row]) for row in copies)
        for row in rows:
            if all(carried[row] & kind for kind in kinds):
                continue
            own = votes[int(given[row])]
            rivals = [(count, -label) for label, count in votes.items() if label != given[row]]
            most, label = max(rivals, default=(0, 1))
            flags[row] = own <= most
            if own < most:
                majority[row] = -label
    return flags, majority


def _copies(texts: Sequence[str], contexts: Sequence[str], threshold: float) -> Iterator[tuple[list[int], list[int]]]:
    """Yields (rows of one text, these and the rows of near copies). A short text that hangs on its context needs the same context."""
    same: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (text, context) in enumerate(zip(texts, contexts, strict=True)):
        same[dedupe_key(text), dedupe_key(context) if context else ""].append(row)
    keys = list(same)
    distinct = [texts[same[key][0]] for key in keys]
    near: dict[int, list[int]] = defaultdict(list)
    for left, right, _ in near_duplicate_pairs(distinct, distinct, threshold=threshold):
        if left != right and keys[left][1] == keys[right][1]:
            near[left].append(right)
    for number, key in enumerate(keys):
        yield same[key], same[key] + [row for other in near[number] for row in same[keys[other]]]


def _outliers(features: NDArray[np.float32], settings: AuditSettings) -> tuple[NDArray[np.float64], Mask]:
    """Returns (mean cosine to the nearest other rows, whether it is among the lowest). Shapes: (n,) each."""
    vectors = np.ascontiguousarray(_standardised(features))
    faiss.normalize_L2(vectors)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    count = min(settings.neighbours + 1, len(vectors))
    cosines, found = index.search(vectors, count)
    cosines[found == np.arange(len(vectors))[:, None]] = np.nan
    # Where a row is not among its own nearest (many exact copies), the farthest of them is dropped instead.
    cosines[np.isfinite(cosines).all(1), -1] = np.nan
    nearness = np.nanmean(cosines, axis=1).astype(np.float64)
    outlier = np.zeros(len(vectors), np.bool_)
    outlier[np.argsort(nearness, kind="stable")[: int(len(vectors) * settings.outlier_share)]] = True
    return nearness, outlier
