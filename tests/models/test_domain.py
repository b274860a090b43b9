"""The shipped domain pack holds together, and one that does not is refused with words that help."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from data.errors import ConfigError
from data.types import Speaker, Utterance
from models.domain import FILES, TIERS, URGENCIES, DomainPack, load_domain
from models.inputs import context_text
from pipelines.config import CONFIGS, TrainConfig, load_config
from tests.tiny import DOMAIN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped pack, to be spoilt."""
    return Path(shutil.copytree(DOMAIN, tmp_path / "domain"))


def spoil(folder: Path, name: str, old: str, new: str) -> None:
    """Replaces a part of a file; it must be there, or the test would test nothing."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_model_reads_no_offer_of_a_person_before_the_next_message(pack: DomainPack) -> None:
    """It would take any fragment after it for a call: of a reply before a message only the end is read."""
    read = load_config(TrainConfig, CONFIGS / "train.yaml").input.build()
    offers = {name: reply for name, reply in pack.replies.items() if "“人工”" in reply}
    assert {"fallback", "fallback_about", "out_of_scope", "image"} <= offers.keys()
    for name, reply in offers.items():
        assert "人工" not in context_text("黑的", [Utterance(Speaker.AGENT, reply)], read), name


def test_the_shipped_pack_has_the_labels_of_the_domain_description(pack: DomainPack) -> None:
    labels = pack.labels
    assert (len(labels.intents), len(set(labels.intents))) == (49, 49)
    assert Counter(code.partition(".")[0] for code in labels.intents) == {
        "presale": 9, "promotion": 2, "order": 5, "payment": 3, "invoice": 2, "logistics": 8, "aftersale": 10, "account": 3, "review": 1,
        "service": 2, "chitchat": 4,
    }  # fmt: skip
    assert set(labels.emotions) == {"neutral", "satisfied", "confused", "anxious", "disappointed", "angry"}
    assert all(info.title and info.definition for info in pack.intents)


def test_emotions_are_ordered_as_the_domain_description_says(pack: DomainPack) -> None:
    order = ["confused", "disappointed", "anxious", "angry"]
    severities = [pack.emotion(code).severity for code in order]
    assert severities == sorted(set(severities))
    assert pack.emotion("satisfied").severity == pack.emotion("neutral").severity < severities[0]


def test_what_money_and_parcels_hang_on_is_critical(pack: DomainPack) -> None:
    assert {info.code for info in pack.intents if info.urgency == "critical"} == {"payment.failure", "logistics.not_received"}


def test_intents_and_emotions_are_found_by_code(pack: DomainPack) -> None:
    assert (pack.intent("aftersale.return").title, pack.intent("aftersale.return").domain) == ("退货退款", "aftersale")
    assert pack.emotion("angry").title == "愤怒"


def test_the_label_order_is_that_of_the_file(folder: Path, pack: DomainPack) -> None:
    text = (folder / "intents.yaml").read_text(encoding="utf-8")
    assert pack.labels.intents == tuple(re.findall(r"code: (\S+)", text))


@pytest.mark.parametrize(
    ("emotion", "intent", "script"),
    [
        ("anxious", "logistics.urge", "soothe.anxious.logistics"), ("anxious", "invoice.request", "soothe.anxious.default"),
        ("angry", "service.complaint", "soothe.angry.service"), ("neutral", "logistics.urge", None), ("satisfied", "order.place", None),
    ],
)  # fmt: skip
def test_scripts(emotion: str, intent: str, script: str | None, pack: DomainPack) -> None:
    got = pack.soothing_script(emotion, intent)
    assert (got.script_id if got else None) == script


def test_a_script_for_one_intent_goes_before_its_domains(folder: Path) -> None:
    spoil(folder, "scripts.yaml", "  anxious:\n", "  anxious:\n    logistics.urge: {id: mine, text: 催}\n")
    pack = load_domain(folder)
    assert [script.script_id for code in ("logistics.urge", "logistics.fee") if (script := pack.soothing_script("anxious", code))] == [
        "mine", "soothe.anxious.logistics",
    ]  # fmt: skip


def test_every_script_has_an_id_of_its_own(pack: DomainPack) -> None:
    ids = [script.script_id for rows in pack.scripts.values() for script in rows.values()]
    assert len(set(ids)) == len(ids)


def test_a_word_of_a_slot_matches_in_any_case(folder: Path) -> None:
    spoil(folder, "slots.yaml", "words: [笔记本,", "words: [MacBook, 笔记本,")
    spoil(folder, "slots.yaml", "thinkpad", "ThinkPad")
    pack = load_domain(folder)
    assert "macbook" in next(rule for rule in pack.slot_rules if rule.intent == "presale.recommendation").words
    assert "thinkpad" in pack.slots["brand"].words


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=name):
        load_domain(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"- a\n", b"a: [\n", "# 订单\nintents: 中文".encode("gbk"), b"intents: 5\nslots: 5\n"])
def test_a_file_that_is_no_pack_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(str(folder))):
        load_domain(folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("intents.yaml", "code: presale.price\n", "code: presale.size\n", "presale.size"),
        ("intents.yaml", "urgency: critical", "urgency: huge", "payment.failure: urgency 'huge'"),
        ("intents.yaml", "code: service.human", "code: service.person", "'service.human' is used but not listed"),
        ("intents.yaml", "    definition: 是不是正品", "    means: 是不是正品", "definition"),
        ("emotions.yaml", "severity: 4", "severity: 最高", "最高"),
        ("priority.yaml", "  high: 0.65", "  high: 0.35", "urgency"),
        ("priority.yaml", "  critical: 0.80", "  critical: 1.0", "urgency"),
        ("priority.yaml", "  high: 0.65", "  high: much", "malformed"),
        ("priority.yaml", "  gold: 0.35", "  gold: 0.05", "tier"),
        ("priority.yaml", "  angry: 0.50", "  angry: 0.35", "emotion"),
        ("priority.yaml", "  angry: 0.50\n", "", "emotion"),
        ("priority.yaml", "  third: 0.30", "  third: 0.10", "repetition"),
        ("priority.yaml", "  second: 0.15\n", "", "repetition"),
        ("priority.yaml", "{seconds: 300, weight: 0.25}", "{seconds: 300, weight: 0.05}", "waiting"),
        ("priority.yaml", "{seconds: 300,", "{seconds: lang,", "malformed"),
        ("priority.yaml", "order_risk: 0.30", "order_risk: -0.30", "order_risk"),
        ("priority.yaml", "aftersale: 0.30", "aftersale: 1.5", "aftersale"),
        ("priority.yaml", "emotion_rising: 0.10", "emotion_rising: -0.10", "emotion_rising"),
        ("priority.yaml", "  low: 0\n", "  low: 10\n", "bands"),
        ("priority.yaml", "  high: 70", "  high: 95", "bands"),
        ("priority.yaml", "{orders: 10, tier: gold}", "{orders: 10, tier: golden}", "golden"),
        ("priority.yaml", "{orders: 10, tier: gold}", "{orders: 40, tier: gold}", "tier_by_orders"),
        ("priority.yaml", "{orders: 10, tier: gold}", "{orders: 2, tier: gold}", "tier_by_orders"),
        ("priority.yaml", "{orders: 10, tier: gold}", "{orders: 10, tier: regular}", "tier_by_orders"),
        ("priority.yaml", "order_risk: 0.30", "order_danger: 0.30", "order_danger"),
        ("policy.yaml", "handoff_intents: []", "handoff_intents: [service.angry]", "service.angry"),
        ("policy.yaml", "human_intent: service.human", "human_intent: service.nobody", "service.nobody"),
        ("policy.yaml", "human_share: 0.25", "human_share: 25", "human_share is 25"),
        ("policy.yaml", "suggestions: 3 ", "sugestions: 3 ", "sugestions"),
        ("policy.yaml", 'from: "09:00"', 'from: "9 Uhr"', "opening_hours"),
        ("policy.yaml", "Asia/Shanghai", "Asia/Schanghai", "Asia/Schanghai"),
        ("slots.yaml", "slots: [budget, usage, brand]", "slots: [budget, usage, colour]", "colour"),
        ("slots.yaml", "  order.change_address:", "  order.change_adress:", "order.change_adress"),
        ("slots.yaml", r"pattern: '\d{3,6}", r"pattern: '(\d{3,6}", "malformed"),
        ("scripts.yaml", "  out_of_scope:", "  out_of_scoop:", "out_of_scope"),
        ("scripts.yaml", "{slots}。马上", "{slot}。马上", "slots_done"),
        ("scripts.yaml", "  angry:\n", "  furious:\n", "furious"),
    ],
)  # fmt: skip
def test_a_contradiction_is_named(folder: Path, name: str, old: str, new: str, problem: str) -> None:
    spoil(folder, name, old, new)
    with pytest.raises(ConfigError, match=re.escape(str(folder))) as caught:
        load_domain(folder)
    assert problem in str(caught.value)


def test_the_scales_are_those_of_the_pack(pack: DomainPack) -> None:
    assert tuple(pack.priority.urgency) == URGENCIES
    assert tuple(pack.priority.tier) == TIERS
