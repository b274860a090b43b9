"""However messy the text: no phone and no identity number gets into what is stored or handed to an agent."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models.calibration import Calibration, Thresholds
from serving.bundles import load_brain
from serving.conversations import to_json
from serving.engine import Engine
from serving.schema import AgentTurnIn, ChatRequest
from serving.settings import Settings
from serving.stores.sqlite import SqliteConversations
from tests.serving.conftest import recalibrate

# Around the number: whatever people type but digits and Latin letters, of which the number may be a part (an order number, say).
AROUND = st.text(
    st.sampled_from("我的电话手机身份证号是请打给微信加一下谢谢快点退款呢吗吧，。！？、：；（）【】“”~ \n\t😡🙏#*@&+=/|<>…—")
    | st.characters(codec="utf-8", categories=["Lo", "Po", "So", "Zs", "Sm", "Cf"], exclude_characters="\0"),
    max_size=15,
)
GAPS = ("{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}", "+86{0}{1}{2}", "86 {0}{1}{2}", "{0}.{1}.{2}")
DIGITS = st.integers(0, 9999).map("{:04}".format)
PHONES = st.tuples(
    st.sampled_from(GAPS), st.integers(130, 199).map(str), DIGITS, DIGITS,
).map(lambda parts: (parts[0].format(*parts[1:]), "".join(parts[1:])))  # fmt: skip
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def identity(region: int, day: str, order: int) -> tuple[str, str]:
    """Returns an identity number whose last sign is right."""
    digits = f"{region}{day}{order:03}"
    number = digits + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) % 11]
    return number, number


IDENTITIES = st.builds(
    identity, st.integers(110101, 659001), st.dates().map(lambda day: f"{19 + day.year % 2}{day:%y%m%d}"), st.integers(0, 999)
)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


@pytest.fixture(scope="module")
def angry(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Hands over at every message, with a summary."""
    folder = tmp_path_factory.mktemp("privacy")
    calibration = Calibration(thresholds=Thresholds(anger_alert=0.0, anger_handoff=0.0))
    brain = load_brain(Settings(bundle=recalibrate(bundles / "tiny", folder / "angry", calibration)))
    store = SqliteConversations(folder / "state.db", days=1)
    yield Engine(brain, store)
    store.close()


def plain(text: str) -> str:
    """Digits as they would be read by somebody who looks for a number: half-width, whatever stands between them."""
    return re.sub(r"[^0-9X]", "", unicodedata.normalize("NFKC", text).upper())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=AROUND, number=PHONES | IDENTITIES, after=AROUND, full_width=st.booleans())
@example(before="", number=("110101190001010006", "110101190001010006"), after="a", full_width=False)
@example(before="我的电话:", number=("138 0013 8000", "13800138000"), after="快打", full_width=True)
def test_no_number_is_stored_or_handed_over(
    angry: Engine, before: str, number: tuple[str, str], after: str, full_width: bool
) -> None:
    written, digits = number
    text = before + (written.translate(FULL_WIDTH) if full_width else written) + after
    angry.desk.delete("c1")
    answer = angry.chat(ChatRequest(conversation_id="c1", text=text), request_id="r", started=time.perf_counter()).answer
    assert answer is not None and answer.handoff is not None
    angry.desk.add_turns("c1", [AgentTurnIn(speaker="agent", text=text)])
    state = angry._store.get("c1").conversation
    kept = [answer.text, answer.reply, answer.handoff.summary, *(entity.value for entity in answer.entities)]
    kept += [turn.text for turn in state.turns]
    assert [digits in plain(words) for words in kept] == [False] * len(kept), kept
    assert digits not in to_json(state) and digits not in (angry._store.answer_to("r") or "")
