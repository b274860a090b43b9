"""The words that a really trained bundle went by are those that a person would underline."""

from __future__ import annotations

from models.analysis import Conversation
from models.analyzer import Analyzer, Request
from models.bundle import load_bundle
from models.explain import explain
from models.policy import Circumstances, Knowledge
from tests.behaviour.__main__ import BUNDLES, current_bundle
from tests.required import do_without

SENSIBLE = {
    "怎么还不发货": "发货", "我要退货上周买的碎屏手机": "退货", "笔记本电脑推荐": "推荐", "你好,可以开发票吗": "发票",
    "衣服有点大想退,运费谁出": "运费",
}  # fmt: skip


def test_the_words_that_count_are_sensible() -> None:
    if not (BUNDLES / "current").is_file():
        do_without("no bundle is trained here; `make train` makes one")
    bundle = load_bundle(current_bundle())
    analyzer, knowledge = Analyzer(bundle), Knowledge(bundle.pack, bundle.faq, bundle.calibration.thresholds)
    strongest = {}
    for text in SENSIBLE:
        found = explain(analyzer, knowledge, Request(text), Conversation(), Circumstances())
        strongest[text] = max(found.words, key=lambda word: word.influence).text
    right = [text for text, word in SENSIBLE.items() if word in strongest[text] or strongest[text] in word]
    assert len(right) >= 4, strongest  # another training may lean on another word once
