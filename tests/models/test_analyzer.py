"""From text to analysis: one pass, no influence of neighbours, probabilities that are some, and every kind of message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError, InputTooLongError
from data.types import Speaker, Utterance
from models import analyzer as analyzer_module
from models.analyzer import MAX_CHARACTERS, Analyzer, Request, check_text, message_kind
from models.bundle import Bundle
from models.calibration import Calibration, Thresholds, sigmoid, softmax
from models.matching import SearchHit
from models.rejection import Rejector
from models.retrieval import FaqIndex
from tests.models.helpers import light

ROOT = Path(__file__).resolve().parents[2]
LONG = "我上周在你们店里买的手机屏幕碎了,打了好几次电话都没有人接" * 20
TEXTS = ("退货", "怎么还不发货", "?", "這個可以寄到香港嗎", "[图片]", "hello", "😀", LONG)
anything = st.text(
    st.characters(min_codepoint=0x4E00, max_codepoint=0x4E7F) | st.sampled_from("aZ09?!。😀[]號發 \n"), min_size=1, max_size=40
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_alike_alone_beside_a_long_one_and_in_a_batch_of_32(text: str, analyzer: Analyzer) -> None:
    (alone,) = analyzer.analyze([Request(text)])
    beside = analyzer.analyze([Request(LONG), Request(text)])[1]
    batch = analyzer.analyze([Request(f"订单{number}{LONG[: number * 9]}") for number in range(31)] + [Request(text)])
    assert len(batch) == 32
    for other in (beside, batch[-1]):
        assert other == alone
        assert np.array_equal(other.vector, alone.vector)
    assert batch[0] != alone


def test_each_message_costs_one_pass(analyzer: Analyzer) -> None:
    encoder = analyzer.bundle.encoder
    for requests in ([Request("退货")], [Request(text) for text in TEXTS], []):
        before = encoder.calls
        assert len(analyzer.analyze(requests)) == len(requests)
        assert encoder.calls == before + len(requests)


@light
@given(anything)
def test_probabilities_are_some(analyzer: Analyzer, text: str) -> None:
    if not text.strip():
        return
    (found,) = analyzer.analyze([Request(text)])
    confidences = [intent.confidence for intent in found.ranking]
    assert sum(confidences) == pytest.approx(1, abs=5e-5 * len(confidences))  # each is rounded to four digits
    assert confidences == sorted(confidences, reverse=True)
    assert {intent.name for intent in found.ranking} == set(analyzer.bundle.labels.intents)
    assert sum(found.emotion.scores.values()) == pytest.approx(1, abs=3e-4)
    assert list(found.emotion.scores) == list(analyzer.bundle.labels.emotions)
    assert found.emotion.confidence == found.emotion.scores[found.emotion.label] == max(found.emotion.scores.values())
    assert 0 <= found.out_of_scope <= 1
    assert 1 <= len(found.intents) <= 3
    assert len(set(found.intents)) == len(found.intents)
    assert all(0 <= hit.confidence <= 1 and -1.0001 <= hit.score <= 1.0001 for hit in found.hits)
    for entity in found.entities:
        assert 0 <= entity.start < entity.end <= len(found.text)


def test_numbers_are_those_of_the_graph_calibrated(bundle: Bundle) -> None:
    calibration = Calibration(
        intent_temperature=2.0, emotion_temperature=0.5, presence_scale=(1.5, 0.5),
        rejector=Rejector(bias=0.3),
    )  # fmt: skip
    raw = bundle.encoder.encode(["退货"])
    present = sigmoid(raw.presence[0] * 1.5 + 0.5)
    second, third = np.sort(present)[::-1][1:3]
    calibration = replace(calibration, thresholds=Thresholds(presence=float(second + third) / 2))
    (found,) = Analyzer(replace(bundle, calibration=calibration)).analyze([Request("退货")])
    ranked = softmax(raw.intent[0], 2.0)
    order = np.argsort(-ranked, kind="stable")
    assert [intent.name for intent in found.ranking] == [bundle.labels.intents[number] for number in order]
    assert [intent.confidence for intent in found.ranking] == pytest.approx(ranked[order], abs=6e-5)
    assert list(found.emotion.scores.values()) == pytest.approx(softmax(raw.emotion[0], 0.5), abs=6e-5)
    assert found.out_of_scope == pytest.approx(calibration.rejector.probability(raw, ["退货"])[0], abs=6e-5)
    assert found.intents == tuple(bundle.labels.intents[number] for number in np.argsort(-present, kind="stable")[:2])
    assert found.intent.title == bundle.pack.intent(found.intent.name).title
    assert found.emotion.title == bundle.pack.emotion(found.emotion.label).title


def test_no_more_than_three_intents_are_present(bundle: Bundle) -> None:
    loose = Analyzer(replace(bundle, calibration=Calibration(thresholds=Thresholds(presence=0.0))))
    assert len(loose.analyze([Request("退货")])[0].intents) == 3


def test_where_no_intent_is_present_the_likeliest_stands(bundle: Bundle) -> None:
    strict = Analyzer(replace(bundle, calibration=Calibration(thresholds=Thresholds(presence=1.1))))
    (found,) = strict.analyze([Request("退货")])
    assert found.intents == (found.ranking[0].name,)


def test_a_question_of_the_faq_is_found(analyzer: Analyzer) -> None:
    for entry in analyzer.bundle.faq.entries:
        (found,) = analyzer.analyze([Request(entry.question)])
        assert (found.hits[0].faq_id, found.hits[0].matched_question) == (entry.faq_id, entry.question)
        assert found.degraded == ()
    encoded = analyzer.bundle.encoder.encode(["退货"])
    assert len(analyzer.from_encoded(["退货"], encoded, top_k=2)[0].hits) == 2


def test_evaluation_reads_a_pass_that_was_already_made(analyzer: Analyzer) -> None:
    encoder = analyzer.bundle.encoder
    encoded = encoder.encode(TEXTS)
    before = encoder.calls
    assert analyzer.from_encoded(TEXTS, encoded) == analyzer.analyze([Request(text) for text in TEXTS])
    assert encoder.calls == before + len(TEXTS)


def test_history_tells_a_short_message_apart(analyzer: Analyzer) -> None:
    turns = (Utterance(Speaker.USER, "怎么查物流"), Utterance(Speaker.AGENT, "请发订单号"))
    alone, after = analyzer.analyze([Request("好的"), Request("好的", turns)])
    assert alone.ranking != after.ranking
    assert alone.text == after.text == "好的"


def test_where_only_scores_are_wanted_the_knowledge_base_is_left_alone(bundle: Bundle, analyzer: Analyzer) -> None:
    (whole,) = analyzer.analyze([Request("怎么申请退货")])
    (scored,) = Analyzer(replace(bundle, faq=Broken())).analyze([Request("怎么申请退货")], top_k=0)
    assert scored == replace(whole, hits=())


class Broken(FaqIndex):
    """An index that fails as a damaged one might."""

    def __init__(self) -> None:
        pass

    def search(self, *arguments: object, **named: object) -> list[SearchHit]:
        raise RuntimeError("the index is gone")


def test_without_the_knowledge_base_the_scores_are_still_good(bundle: Bundle, analyzer: Analyzer) -> None:
    (good,) = analyzer.analyze([Request("怎么申请退货")])
    (found,) = Analyzer(replace(bundle, faq=Broken())).analyze([Request("怎么申请退货")])
    assert good.hits
    assert found == replace(good, hits=(), degraded=("faq",))


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u200b\ufeff", "\x00", "　"])
def test_an_empty_text_is_refused(text: str, analyzer: Analyzer) -> None:
    with pytest.raises(InputError, match="empty"):
        analyzer.analyze([Request("退货"), Request(text)])


@pytest.mark.parametrize("text", [None, 5, b"abc", ["a"]])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(InputError, match=f"{type(text).__name__}, expected a string"):
        check_text(text)


def test_too_long_a_text_is_refused_and_the_longest_is_read(analyzer: Analyzer) -> None:
    with pytest.raises(InputTooLongError, match="2001 characters, expected at most 2000"):
        analyzer.analyze([Request("退" * (MAX_CHARACTERS + 1))])
    (found,) = analyzer.analyze([Request("退" * MAX_CHARACTERS)])
    assert found.text == "退" * MAX_CHARACTERS


def test_a_refused_text_costs_no_pass(analyzer: Analyzer) -> None:
    before = analyzer.bundle.encoder.calls
    with pytest.raises(InputError):
        analyzer.analyze([Request("退货"), Request("")])
    assert analyzer.bundle.encoder.calls == before


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("😀", "emoji"), ("👍🏻👍🏻", "emoji"), ("👨‍👩‍👧", "emoji"), ("❤️", "emoji"), ("[流泪]", "emoji"), ("[微笑][OK]", "emoji"), ("^_^", "text"),
        ("[图片]", "image"), ("【图片】", "image"), ("[图片][图片]", "image"), ("[视频 00:15]", "image"), ("[图片] ?", "image"),
        ("https://item.example.com/1.html", "link"), ("www.example.com/a?b=1", "link"), ("HTTP://EXAMPLE.COM", "link"),
        ("[商品卡片]", "card"), ("[商品:白色运动鞋 39码]", "card"), ("[订单卡片 2026]", "card"),
        ("????", "text"), ("？", "text"), ("。。。", "text"), ("!!", "text"), ("...", "text"), ("~", "text"),
        ("退货", "text"), ("1", "text"), ("ok", "text"), ("[图片]这个坏了", "text"), ("看 https://example.com/1 这个", "text"), ("[商品卡片]有货吗", "text"),
        ("好的[微笑]", "text"), ("气死了😡", "text"),
    ],
)  # fmt: skip
def test_kinds_of_messages(text: str, kind: str, analyzer: Analyzer) -> None:
    assert message_kind(check_text(text)) == kind
    assert analyzer.analyze([Request(text)])[0].kind == kind


@pytest.mark.parametrize(
    ("text", "language"),
    [("怎么退货", "zh-Hans"), ("怎麼退貨", "zh-Hant"), ("iPhone15有货吗", "zh-Hans"), ("hello", "und"), ("😀", "und"), ("12345", "und")],
)  # fmt: skip
def test_languages(text: str, language: str, analyzer: Analyzer) -> None:
    assert analyzer.analyze([Request(text)])[0].language == language


def test_traditional_and_simplified_are_read_alike(analyzer: Analyzer) -> None:
    simple, traditional = analyzer.analyze([Request("怎么申请退货"), Request("怎麼申請退貨")])
    assert simple.ranking == traditional.ranking
    assert simple.hits == traditional.hits
    assert traditional.text == "怎麼申請退貨"


def test_personal_data_is_nowhere_in_the_analysis(analyzer: Analyzer) -> None:
    phone, card, mail = "13800138000", "110101199003078515", "li.lei@example.com"
    (found,) = analyzer.analyze([Request(f"我叫李雷,电话{phone},身份证{card},邮箱{mail},订单202611180012345")])
    assert found.text == "我叫李雷,电话[phone],身份证[id_card],邮箱[email],订单202611180012345"
    everything = repr(found)
    assert not [value for value in (phone, card, mail) if value in everything]
    assert [(entity.entity, entity.sensitive) for entity in found.entities] == [
        ("phone", True), ("id_card", True), ("email", True), ("order_id", False),
    ]  # fmt: skip
    for entity in found.entities:
        assert found.text[entity.start : entity.end] == entity.value


def test_a_masked_message_is_read_like_the_one_it_came_from(analyzer: Analyzer) -> None:
    raw, masked = analyzer.analyze([Request("打13800138000给我"), Request("打[phone]给我")])
    assert raw.ranking == masked.ranking
    assert raw.entities == masked.entities


def test_the_serving_process_loads_no_training_library(bundle_path: Path) -> None:
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from models.analyzer import Analyzer, Request\n"
        "from models.bundle import load_bundle\n"
        "from models.policy import Circumstances, Knowledge, decide\n"
        "from models.analysis import Conversation\n"
        "bundle = load_bundle(Path(sys.argv[1]))\n"
        "(found,) = Analyzer(bundle).analyze([Request('怎么申请退货')])\n"
        "knowledge = Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds)\n"
        "decision = decide(found, Conversation(), Circumstances(), knowledge)\n"
        "print(json.dumps([decision.reason, found.hits[0].faq_id, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(  # noqa: PLW1510
        [sys.executable, "-c", program, str(bundle_path)], cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reason, faq_id, modules = json.loads(done.stdout.splitlines()[-1])
    assert reason
    assert faq_id == "return"
    assert {"onnxruntime", "tokenizers", "faiss", "numpy"} <= set(modules)
    heavy = {"torch", "transformers", "mlflow", "sklearn", "datasets", "sentence_transformers", "scipy", "pandas", "accelerate"}
    assert heavy & set(modules) == set()


def test_tomorrow_is_the_shops_wherever_the_machine_stands(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = staticmethod(lambda zone: datetime(2026, 11, 11, 17, tzinfo=UTC).astimezone(zone))  # the 12th in Shanghai

    monkeypatch.setattr(analyzer_module, "datetime", Clock)
    (found,) = analyzer.analyze([Request("明天能到吗")])
    assert [entity.value for entity in found.entities] == ["2026-11-13"]


def test_a_search_that_fails_logs_no_word_of_the_customer(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def search(_: object, text: str, *__: object, **___: object) -> None:
        raise KeyError(text)

    monkeypatch.setattr(FaqIndex, "search", search)
    (found,) = Analyzer(bundle).analyze([Request("我叫王小明")])
    assert found.degraded == ("faq",) and "FAQ search failed" in caplog.text and "KeyError" in caplog.text
    assert "王小明" not in caplog.text


def test_a_text_that_grows_while_it_is_cleaned_is_too_long() -> None:
    with pytest.raises(InputTooLongError, match="36000"):
        check_text("\ufdfa" * 2000)
    assert len(check_text("\u2026" * 1000)) == 3000
