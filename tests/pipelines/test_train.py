"""What the training loop is given to learn."""

from __future__ import annotations

from data.types import FaqEntry, LabelSet
from models.inputs import InputFormat, message_text
from pipelines.prepared import FaqQuery, Message, OutOfScopeText, Prepared
from pipelines.train import training_rows

LABELS = LabelSet(("logistics.urge", "invoice.request"), ("neutral", "angry"))
FORMAT = InputFormat()


def test_unanswered_queries_of_a_known_intent_are_learnt_as_in_scope_and_strangers_as_without_any() -> None:
    message = Message("d/0", "快发货", (), ("invoice.request", "logistics.urge"), "angry", (), "", 0.5, ("angry", "neutral"))
    asked = [
        FaqQuery("能开增值税发票吗", None, intent="invoice.request"), FaqQuery("你们老板是谁", None),
        FaqQuery("怎么开发票", "invoice", intent="invoice.request"), FaqQuery("能修手机吗", None, intent="repair.phone"),
        FaqQuery("凭啥不给开票", None, intent="invoice.request", emotion="angry"), FaqQuery("发票呢", "invoice", emotion="neutral"),
    ]  # fmt: skip
    held = {name: [FaqQuery(f"{name}的问题", None, intent="invoice.request")] for name in ("dev", "test")}
    strangers = {
        "train": [OutOfScopeText("今天天气", "far"), OutOfScopeText("世界杯谁赢了", "far", "neutral")],
        "dev": [OutOfScopeText("明天天气", "far")],
        "test": [],
    }
    entry = FaqEntry("invoice", "怎么开发票", (), "在订单里申请", "invoice.request")
    rows = training_rows(Prepared(LABELS, {"train": [message]}, [entry], {"train": asked} | held, strangers), FORMAT)
    assert [(row.message, row.intents, row.emotion, row.weight, row.emotion_votes) for row in rows] == [
        (message_text("快发货", FORMAT), (1, 0), 1, 0.5, (1, 0)),
        (message_text("能开增值税发票吗", FORMAT), (1,), -1, 1.0, ()),
        (message_text("凭啥不给开票", FORMAT), (1,), 1, 1.0, ()),
        (message_text("发票呢", FORMAT), (1,), 0, 1.0, ()),
        (message_text("今天天气", FORMAT), (), -1, 1.0, ()),
        (message_text("世界杯谁赢了", FORMAT), (), 0, 1.0, ()),
    ]
