"""From feedback to training data, and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from data.readers import read_dialogues
from models.domain import load_domain
from pipelines import prepare
from serving.feedback.record import Feedback
from serving.feedback.store import FeedbackStore
from tests.serving.conftest import ROOT
from tests.tiny import DOMAIN

SAID = Feedback(
    request_id="r0", source="agent", conversation_id="wx-13800138000", turn=2, bundle="b1", text="那运费呢", history=(
        ("user", "怎么退货"), ("agent", "签收 7 天内可以申请退货。"),
    ), predicted_intents=("logistics.fee",), predicted_emotion="neutral", predicted_faq_id=None, decision="fallback",
    decision_reason="nothing_found",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with closing(FeedbackStore(str(tmp_path / "feedback.db"), days=30)) as opened:
        yield opened


def command(folder: Path, bundles: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"KEFU_FEEDBACK": str(folder / "feedback.db"), "KEFU_BUNDLES": str(bundles), "PATH": os.environ["PATH"]}
    line = [sys.executable, "-m", "serving.feedback", *arguments]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def counts(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert result.returncode == 0, result.stderr
    return {name: int(value) for name, _, value in (line.partition(": ") for line in result.stdout.splitlines()[:-1])}


def test_training_reads_what_was_exported(store: FeedbackStore, bundles: Path, tmp_path: Path) -> None:
    store.keep(replace(SAID, request_id="r1", intents=("aftersale.return_shipping", "aftersale.return"), emotion="confused"))
    store.keep(replace(SAID, request_id="r1", source="customer", intents=("order.cancel",), faq_id="return_fee"))
    store.keep(replace(SAID, request_id="r2", text="气死我了", history=(), emotion="angry"))
    store.keep(replace(SAID, request_id="r3", helpful=True))
    store.keep(replace(SAID, request_id="r4", text="门店在哪", faq_id="none"))
    store.keep(replace(SAID, request_id="r5", text="门店在哪?", faq_id="refund"))
    store.keep(replace(SAID, request_id="r6", text="怎么申请退货?", faq_id="return"))
    store.keep(replace(SAID, request_id="r7", intents=("order.fly",), emotion="sad", faq_id="gone"))
    out, queries = tmp_path / "logs" / "feedback.jsonl", tmp_path / "queries.jsonl"
    done = command(tmp_path, bundles, "export", str(out), "--faq-queries", str(queries))
    assert counts(done) == {
        "dialogues": 2, "emotion_only": 1, "faq_queries": 2, "unlabelled": 2, "unknown": 3, "indexed": 1, "repeated": 1,
    }  # fmt: skip

    dialogues = read_dialogues(out.parent, load_domain(DOMAIN).labels)
    first, second = dialogues[0].turns, dialogues[1].turns
    assert [(turn.speaker.value, turn.text, turn.intents) for turn in first] == [
        ("user", "怎么退货", ()), ("agent", "签收 7 天内可以申请退货。", ()),
        ("user", "那运费呢", ("aftersale.return_shipping", "aftersale.return")),
    ]  # fmt: skip
    assert first[-1].emotion == "confused" and [(turn.text, turn.emotion) for turn in second] == [("气死我了", "angry")]
    assert "13800138000" not in out.read_text(encoding="utf-8")

    rows = prepare.message_rows(prepare.drop_copies(dialogues))
    assert [(row["text"], len(row["history"]), row["emotion"]) for row in rows] == [("那运费呢", 2, "confused")]
    read = prepare._labelled_lines(queries, {"return_fee", "refund"}, ())
    assert {row["text"]: row["faq_id"] for row in read} == {"那运费呢": "return_fee", "门店在哪?": "refund"}


def test_one_side_and_a_time_alone(store: FeedbackStore, bundles: Path, tmp_path: Path) -> None:
    store.keep(replace(SAID, request_id="r1", intents=("order.cancel",)))
    store.keep(replace(SAID, request_id="r1", source="customer", intents=("order.status",), faq_id="none"))
    out = tmp_path / "out.jsonl"
    assert counts(command(tmp_path, bundles, "export", str(out), "--source", "agent"))["faq_queries"] == 0
    assert json.loads(out.read_text(encoding="utf-8"))["turns"][-1]["intents"] == ["order.cancel"]
    assert counts(command(tmp_path, bundles, "export", str(out), "--since", "2999-01-01"))["dialogues"] == 0
    assert out.read_text() == "" and (tmp_path / "out.jsonl.faq_queries").read_text() == ""


def test_a_conversation_is_deleted(store: FeedbackStore, bundles: Path, tmp_path: Path) -> None:
    store.keep(SAID)
    assert command(tmp_path, bundles, "delete", "--conversation", SAID.conversation_id).stdout == "deleted: 1\n"
    assert list(store.records()) == []
    assert command(tmp_path, bundles, "purge").stdout == "deleted: 0\n"


def test_what_cannot_be_done_ends_with_2_and_a_reason(bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "feedback.db").mkdir()
    failed = command(tmp_path, bundles, "upgrade")
    assert failed.returncode == 2 and "unable to open database file" in failed.stderr and "Traceback" not in failed.stderr
