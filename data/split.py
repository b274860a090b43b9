"""Splits dialogues into train, dev and test: whole dialogues, stratified by intent, seeded, variants on one side."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from data.dedupe import near_duplicate_pairs
from data.errors import ConfigError
from data.types import Dialogue, Speaker

SPLITS = ("train", "dev", "test")


def user_texts(dialogue: Dialogue) -> list[str]:
    """Returns the texts that the customer typed."""
    return [turn.text for turn in dialogue.turns if turn.speaker is Speaker.USER]


def split_dialogues(
    dialogues: Sequence[Dialogue], *, fractions: tuple[float, float, float], seed: int, threshold: float = 0.8
) -> dict[str, list[Dialogue]]:
    """Returns the dialogues of each split; every dialogue is in exactly one.

    A dialogue whose author fixed a split keeps it, and draws free ones that share a near-duplicate turn with it there. Such
    free dialogues stay together. Groups go, rarest intent first, to the split that is furthest below its share of that
    intent (iterative stratification).

    Args:
        dialogues: Dialogues with unique ids.
        fractions: Shares of train, dev and test; they sum to 1.
        seed: Shuffles groups of equal rank.
        threshold: Near-duplicate similarity, as in `near_duplicate_pairs`.

    Raises:
        ConfigError: The fractions do not sum to 1, or a fixed split has an unknown name.

    Source: Sechidis et al. 2011, On the Stratification of Multi-Label Data.
    """
    if abs(sum(fractions) - 1) > 1e-6 or min(fractions) < 0:
        raise ConfigError(f"split fractions {fractions} sum to {sum(fractions):.3f}, expected 1; correct prepare.yaml")
    result: dict[str, list[Dialogue]] = {name: [] for name in SPLITS}
    for dialogue in dialogues:
        if dialogue.split in result:
            result[dialogue.split].append(dialogue)
        elif dialogue.split is not None:
            raise ConfigError(f"{dialogue.source}: split {dialogue.split!r} is not one of {', '.join(SPLITS)}; correct it")
    free: list[list[Dialogue]] = []
    for group in _groups(dialogues, threshold) if any(dialogue.split is None for dialogue in dialogues) else ():
        fixed = [dialogue.split for dialogue in group if dialogue.split is not None]
        members = [dialogue for dialogue in group if dialogue.split is None]
        if fixed:
            result[fixed[0]].extend(members)
        else:
            free.append(members)
    for name, members in _stratify(free, fractions, seed).items():
        result[name].extend(members)
    return result


def _groups(dialogues: Sequence[Dialogue], threshold: float) -> list[list[Dialogue]]:
    """Joins dialogues that share a near-duplicate turn (union-find)."""
    texts, owners = [], []
    for index, dialogue in enumerate(dialogues):
        for text in user_texts(dialogue):
            texts.append(text)
            owners.append(index)
    parent = list(range(len(dialogues)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for left, right, _ in near_duplicate_pairs(texts, texts, threshold=threshold):
        parent[find(owners[left])] = find(owners[right])
    members: dict[int, list[Dialogue]] = defaultdict(list)
    for index, dialogue in enumerate(dialogues):
        members[find(index)].append(dialogue)
    return list(members.values())


def _labels(group: Sequence[Dialogue]) -> Counter[str]:
    return Counter(intent for dialogue in group for turn in dialogue.turns for intent in turn.intents[:1])


def _stratify(groups: list[list[Dialogue]], fractions: tuple[float, float, float], seed: int) -> dict[str, list[Dialogue]]:
    random.Random(seed).shuffle(groups)
    totals: Counter[str] = Counter()
    for group in groups:
        totals.update(_labels(group))
    wanted = {
        name: Counter({label: count * share for label, count in totals.items()})
        for name, share in zip(SPLITS, fractions, strict=True)
    }
    space = {name: share * len(groups) for name, share in zip(SPLITS, fractions, strict=True)}
    result: dict[str, list[Dialogue]] = {name: [] for name in SPLITS}

    def rarest(group: list[Dialogue]) -> int:
        return min((totals[label] for label in _labels(group)), default=len(groups))

    for group in sorted(groups, key=rarest):
        labels = _labels(group)
        rare = min(labels, key=lambda label: totals[label]) if labels else ""
        # The name last: ties always fall the same way.
        target = max(SPLITS, key=lambda name: (wanted[name][rare], space[name], name))
        result[target].extend(group)
        wanted[target].subtract(labels)
        space[target] -= 1
    return result
