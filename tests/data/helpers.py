"""What the tests of the data room share: light hypothesis settings, strategies, and small writers."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from data.types import Dialogue, Speaker, Utterance

# Reproducible in CI; no deadline, because OpenCC loads its dictionaries on the first call.
light = settings(deadline=None, max_examples=100, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])

han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def write(path: Path, content: str | bytes) -> Path:
    """Writes a file as it stands, without translating line ends, and returns its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def json_lines(*rows: object) -> str:
    """Returns rows as JSON Lines; a text among them is taken as a line as it stands."""
    return "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes rows with the columns that any of them has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def dialogue(name: str, *texts: str, intents: Sequence[str] = (), split: str | None = None) -> Dialogue:
    """Returns a dialogue of customer turns that carry the same intents."""
    turns = tuple(Utterance(Speaker.USER, text, tuple(intents)) for text in texts)
    return Dialogue(name, turns, split=split, source=f"logs.jsonl:{name}")


def assert_helpful(message: str, *places: str) -> None:
    """Checks that an error names each place and, after a semicolon, says what to do."""
    for place in places:
        assert place in message, f"{message!r} does not name {place!r}"
    advice = r"; .*\b(?:add|correct|remove|give|save|fill|convert|put|point|check|begin)\b"
    assert re.search(advice, message), f"{message!r} does not say what to do"
