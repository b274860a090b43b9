"""Reads the public sets from a folder of the user's: which are there, and their rows in one shape."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml

from data.errors import ConfigError, DataError
from data.normalise import clean
from data.readers import read_json_lines
from data.types import Speaker, Utterance
from models.analyzer import MAX_CHARACTERS
from pipelines.config import PublicSet

# JSON Lines files of each set. What each line holds is said by the readers below.
FILES: dict[str, tuple[str, ...]] = {
    "cic": ("cic/train.jsonl", "cic/dev.jsonl", "cic/clean_dev.jsonl"),
    "jddc": ("jddc/intent.jsonl", "jddc/dialogues.jsonl"),
    "dialoguecse_jddc": ("dialoguecse/jddc_select_dev.jsonl", "dialoguecse/jddc_sts_dev.jsonl"),
    "dialoguecse_ecd": ("dialoguecse/ecd_select_dev.jsonl", "dialoguecse/ecd_sts_dev.jsonl"),
    "ewect": ("ewect/train.jsonl", "ewect/dev.jsonl"),
    "oos": ("oos/smp2018_train.jsonl",),
}
# Rows of JDDC that its annotators gave no intent.
UNLABELLED = "OTHER"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text.

    Attributes:
        text: As it stands in the set, cut to what the analyzer takes.
        label: The set's own label.
        history: The turns before it, oldest first; empty where the set has none.
        dialogue: Name of its dialogue; empty where the set has none.
    """

    text: str
    label: str
    history: tuple[Utterance, ...] = ()
    dialogue: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """A text with rows of the same file that say the same (`relevant`) and rows that do not (`irrelevant`), as row indices."""

    row: int
    relevant: tuple[int, ...]
    irrelevant: tuple[int, ...]


@dataclass(frozen=True)
class PublicSets:
    """The sets of a folder.

    Attributes:
        folder: Where they lie.
        present: Names of the sets that are whole.
        absent: Name to the files that a set lacks.
        left_out: File to the number of rows that hold nothing readable; filled as files are read.
    """

    folder: Path
    present: tuple[str, ...]
    absent: dict[str, tuple[str, ...]]
    left_out: dict[str, int] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        """Tells whether a set is there."""
        return name in self.present

    def labelled(self, file: str) -> list[Row]:
        """Returns the rows of a file with `text` and `label`; those that hold nothing readable are left out and counted."""
        lines = self._lines(file, ("text", "label"))
        rows = [Row(_cut(line["text"]), line["label"]) for line in lines if clean(line["text"])]
        if len(rows) < len(lines):
            self.left_out[file] = len(lines) - len(rows)
        return rows

    def turns(self) -> list[Row]:
        """Returns JDDC's labelled customer turns (`text`, `label`, `dialogue_id`, `turn`) with all turns before them.

        Raises:
            DataError: A turn is not in dialogues.jsonl.
        """
        intents, dialogues = FILES["jddc"]
        spoken = {line["dialogue_id"]: line["dialogue"] for line in self._lines(dialogues, ("dialogue_id",))}
        histories = {name: _histories(turns) for name, turns in spoken.items()}
        rows = []
        for line in self._lines(intents, ("text", "label", "dialogue_id")):
            name, turn = line["dialogue_id"], line.get("turn")
            if name not in histories or not isinstance(turn, int) or not 0 <= turn < len(histories[name]):
                raise DataError(
                    f"{self.folder / intents}: turn {turn!r} of dialogue {name!r} is not in {dialogues}; restore the set"
                )
            if clean(line["text"]):
                rows.append(Row(_cut(line["text"]), line["label"], histories[name][turn], name))
        return rows

    def rankings(self, name: str) -> tuple[list[Row], list[Ranking]]:
        """Returns DialogueCSE's texts (`text`, `label`) in order, and which to rank above which (`pos`, `neg`).

        Raises:
            DataError: An index is not a row of the file, or a text is empty.
        """
        file = FILES[name][0]
        lines = self._lines(file, ("text", "label"))
        rows = [Row(_cut(line["text"]), line["label"]) for line in lines]
        rankings = []
        for number, line in enumerate(lines):
            relevant, irrelevant = tuple(line.get("pos") or ()), tuple(line.get("neg") or ())
            if not clean(line["text"]) or not all(index in range(len(lines)) for index in (*relevant, *irrelevant)):
                raise DataError(f"{self.folder / file}:{number + 1}: an empty text, or pos or neg that is no row; restore the set")
            if relevant and irrelevant:
                rankings.append(Ranking(number, relevant, irrelevant))
        return rows, rankings

    def pairs(self, name: str) -> list[tuple[str, str, float]]:
        """Returns DialogueCSE's (text, text, similarity from 1 to 5)."""
        lines = self._lines(FILES[name][1], ("text_a", "text_b"))
        return [(_cut(line["text_a"]), _cut(line["text_b"]), float(line["label"])) for line in lines]

    def _lines(self, file: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        path = self.folder / file
        lines = []
        for where, line in read_json_lines(path):
            if "__error__" in line:
                raise DataError(line["__error__"])
            for name in texts:
                if not isinstance(line.get(name), str):
                    raise DataError(f"{where}: {name} is {line.get(name)!r}, expected a text; restore the set")
            lines.append(line)
        return lines


def find_sets(folder: Path | None, wanted: Sequence[str] | None) -> PublicSets:
    """Returns the sets of a folder.

    Args:
        folder: As configured.
        wanted: Names of sets, each of which must be there; None takes those that are.

    Raises:
        ConfigError: There is no folder, none of the sets is in it, or a wanted one is not; the message says what is expected.
    """
    if folder is None or not folder.is_dir():
        got = "is not set" if folder is None else f"is {folder}, which is no folder"
        raise ConfigError(f"benchmark: folder {got}; download the public sets yourself, then --set folder=…\n{_expected()}")
    asked = tuple(wanted) if wanted is not None else get_args(PublicSet)
    lacking = {name: tuple(file for file in FILES[name] if not (folder / file).is_file()) for name in asked}
    absent = {name: files for name, files in lacking.items() if files}
    present = tuple(name for name in asked if name not in absent)
    if not present or (wanted is not None and absent):
        missing = "; ".join(f"{name} ({', '.join(files)})" for name, files in absent.items())
        raise ConfigError(f"benchmark: {folder} lacks {missing}; put them there or correct `sets`\n{_expected()}")
    return PublicSets(folder, present, absent)


def read_label_map(folder: Path, name: str) -> dict[str, frozenset[str]]:
    """Returns the intent codes that each label of a source accepts; a label without codes is left out.

    Raises:
        ConfigError: The file is missing or is not a mapping from labels to lists of codes.
    """
    path = folder / f"label_map_{name}.yaml"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); correct `label_maps`") from error
    if not isinstance(raw, dict) or not all(
        isinstance(codes, list) and all(isinstance(code, str) for code in codes) for codes in raw.values()
    ):
        raise ConfigError(f"{path}: expected a mapping from each label to a list of intent codes; compare configs/benchmark/")
    return {str(label): frozenset(codes) for label, codes in raw.items() if codes}


def sample(items: Sequence[Item], count: int | None, seed: int) -> list[Item]:
    """Returns at most `count` items drawn by the seed, in their order; all of them if count is None."""
    if count is None or count >= len(items):
        return list(items)
    return [items[index] for index in sorted(random.Random(seed).sample(range(len(items)), count))]


def _histories(turns: Sequence[dict[str, Any]]) -> list[tuple[Utterance, ...]]:
    """What was said before each turn of a JDDC dialogue; a turn is the customer's words and the agent's answer, if any."""
    said: list[Utterance] = []
    before = []
    for turn in turns:
        before.append(tuple(said))
        for speaker, field_name in ((Speaker.USER, "user"), (Speaker.AGENT, "system")):
            text = turn.get(field_name)
            if isinstance(text, str) and clean(text):
                said.append(Utterance(speaker, _cut(text)))
    return before


def _cut(text: str) -> str:
    return text[:MAX_CHARACTERS]


def _expected() -> str:
    lines = [f"  {name}: {', '.join(files)}" for name, files in FILES.items()]
    return "expected in the folder, each set optional:\n" + "\n".join(lines)
