"""The FAQ index: exact neighbours, features that mean what they say, found by questions alone, and files that come back whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.errors import BundleError
from data.normalise import for_index, for_model
from data.types import FaqEntry
from models.bm25 import Bm25Index
from models.interaction import Embedded, TokenStore
from models.lexical import Lexicon
from models.matching import COMPARED, FEATURES, Fusion, SearchHit
from models.retrieval import Candidates, FaqIndex, NgramIndex, Reading, Texts, answer_text
from tests.models.helpers import embedded, index_of, light, reading, texts_of, tokens_of, unit, units
from tests.tiny import ENTRIES

INTENTS = (*sorted({entry.intent for entry in ENTRIES}), "presale.price")
EVEN = np.full(len(INTENTS), 1 / len(INTENTS), np.float32)
QUESTIONS = [question for entry in ENTRIES for question in entry.questions]
OF_ANSWERS = {"told", "least_told", "held", "least_held"}
UNANSWERED = ("你们老板是谁", "店里招人吗", "发票抬头能写昵称吗")


@pytest.fixture(scope="module")
def faq() -> FaqIndex:
    """The entries of the tiny bundle, with a vector for each question that hangs on its words alone."""
    return index_of(ENTRIES, INTENTS)


def search(faq: FaqIndex, text: str, *, top_k: int = 5, intents: NDArray[np.float32] = EVEN) -> list[SearchHit]:
    return faq.search(text, unit(text), reading(text, intents, EVEN), Fusion(), top_k=top_k)


def asked(faq: FaqIndex, text: str, *, top_k: int = 60, like: str | None = None, itself: bool = True) -> Candidates:
    return faq.candidates(text, unit(like or text), reading(text, EVEN), top_k=top_k, itself=itself)


def columns(faq: FaqIndex, found: Candidates) -> dict[str, dict[str, float]]:
    """Of each feature the value of each entry."""
    ids = [faq.entries[entry].faq_id for entry in found.entries]
    return {name: dict(zip(ids, map(float, found.features[:, place]), strict=True)) for place, name in enumerate(FEATURES)}


def column(
    faq: FaqIndex, text: str, feature: str, *, top_k: int = 20, like: str | None = None, itself: bool = True
) -> dict[str, float]:
    return columns(faq, asked(faq, text, top_k=top_k, like=like, itself=itself))[feature]


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_indexed_question_finds_its_entry(faq: FaqIndex, question: str) -> None:
    best = search(faq, question)[0]
    assert question in faq.by_id[best.faq_id].questions
    assert best.matched_question == question
    assert best.score == pytest.approx(1, abs=1e-3)  # half precision


@light
@given(st.integers(1, 6), st.integers(1, 60), st.sampled_from([*QUESTIONS, "榴莲好吃吗", "?"]))
def test_asking_for_more_than_there_is_gives_each_entry_once(count: int, top_k: int, text: str) -> None:
    entries = ENTRIES[:count]
    index = index_of(entries, INTENTS)
    found = asked(index, text, top_k=top_k)
    assert len(set(found.entries.tolist())) == len(found.entries) <= count
    assert ((found.entries >= 0) & (found.entries < count)).all()
    assert (index.owner[found.questions] == found.entries).all()
    hits = search(index, text, top_k=top_k)
    assert len(hits) == min(top_k, len(asked(index, text, top_k=8).entries))
    assert {hit.faq_id for hit in hits} <= {entry.faq_id for entry in entries}
    if top_k >= count:
        assert len(found.entries) == count or top_k < len(index.questions)


def test_an_index_without_entries_finds_nothing(tmp_path: Path) -> None:
    empty = index_of([], INTENTS)
    assert search(empty, "发货") == []
    empty.save(tmp_path)
    assert search(FaqIndex.load(tmp_path, INTENTS), "发货") == []


def test_only_questions_are_searched_by(faq: FaqIndex) -> None:
    assert faq.questions == QUESTIONS
    answers = "".join(answer_text(entry) for entry in ENTRIES)
    for words_of_an_answer in ("原路", "小时", "签收"):
        assert words_of_an_answer in answers
        assert not any(words_of_an_answer in question for question in QUESTIONS), "the test needs words that no question has"
        near = {faq.entries[entry].faq_id for entry in asked(faq, words_of_an_answer, top_k=1, like="怎么开发票").entries}
        assert near == {"invoice"}, "by the vector alone, not by an answer's words"
    assert max(column(faq, "退货", "ngram").values()) > 0


@pytest.mark.parametrize("text", [*QUESTIONS, "原路退回", "选“退货退款”并提交"])
@pytest.mark.parametrize("top_k", [1, 4, 20])
def test_answers_change_neither_what_is_found_nor_the_features_made_of_questions(faq: FaqIndex, text: str, top_k: int) -> None:
    other = index_of([replace(entry, answer="原路退回 发货 物流 发票", steps=("退货",)) for entry in ENTRIES], INTENTS)
    one, two = asked(faq, text, top_k=top_k), asked(other, text, top_k=top_k)
    assert np.array_equal(one.entries, two.entries) and np.array_equal(one.questions, two.questions)
    changed = {name for place, name in enumerate(FEATURES) if not np.array_equal(one.features[:, place], two.features[:, place])}
    assert changed <= OF_ANSWERS | {f"{name}_margin" for name in OF_ANSWERS}
    assert {"told", "held"} & changed or set(one.features[:, FEATURES.index("covered")]) == {1.0}


def test_an_answer_that_speaks_of_what_was_asked_counts(faq: FaqIndex) -> None:
    told = column(faq, "收到退货后 1 到 3 天原路退回。", "told")
    assert told["refund"] == pytest.approx(1, abs=1e-3)
    assert max(value for name, value in told.items() if name != "refund") < 0.95
    steps = column(faq, "点“申请售后”", "least_told")
    assert steps["return"] == pytest.approx(1, abs=1e-3)
    assert max(value for name, value in steps.items() if name != "return") < 0.9


def ngram_cosines(text: str, questions: Sequence[str] = QUESTIONS) -> list[float]:
    """Returns the cosine of a text's n-grams with those of every question, by way of whole vectors."""
    lexicon = Lexicon.fit([(for_model(question), "") for question in questions], min_count=1)

    def dense(words: str) -> NDArray[np.float64]:
        ids, weights = lexicon.encode(for_model(words), "")
        vector = np.zeros(len(lexicon.idf))
        vector[ids[1:]] = weights[1:]
        return vector

    return [float(dense(text) @ dense(question)) for question in questions]


@pytest.mark.parametrize("text", ["什么时侯发货", "退貨郵費", "hello", "发票发票发票", "", QUESTIONS[0]])
def test_n_grams_see_typos(text: str) -> None:
    got = NgramIndex(QUESTIONS).scores(text)
    assert got == pytest.approx(ngram_cosines(text), abs=1e-5)
    assert got.shape == (len(QUESTIONS),)
    if text in {"什么时侯发货", QUESTIONS[0]}:
        assert got.argmax() == QUESTIONS.index("什么时候发货" if text == "什么时侯发货" else text)


def naive(text: str, entry: FaqEntry) -> tuple[str, dict[str, float]]:
    """Returns an entry's likest question and what is made of tokens, one pair of characters at a time."""

    def best(one: str, other: str) -> list[float]:
        return [max(float(unit(left) @ unit(right)) for right in other) for left in one]

    there = {question: best(text, question) for question in entry.questions}
    back = {question: float(np.mean(best(question, text))) for question in entry.questions}
    likest = max(entry.questions, key=lambda question: float(np.mean(there[question])) + back[question])
    covered = [max(found) for found in zip(*there.values(), strict=True)]
    told = best(text, answer_text(entry))
    held = [max(pair) for pair in zip(covered, told, strict=True)]
    inner = slice(1, -1) if len(text) > 2 else slice(None)
    match = float(np.mean(there[likest]))
    return likest, {
        "match": match, "match_back": back[likest], "both": match + back[likest],
        "asked": max(float(np.mean(found)) for found in there.values()),
        "covered": float(np.mean(covered)), "least_covered": min(covered[inner]),
        "told": float(np.mean(told)), "least_told": min(told[inner]), "held": float(np.mean(held)), "least_held": min(held[inner]),
    }  # fmt: skip


@pytest.mark.parametrize("text", ["退货邮费", "退", "邮费", "钱什么时候能退呀", "hello"])
def test_features_of_each_entry(text: str) -> None:
    intents = np.linspace(0.1, 0.4, len(INTENTS)).astype(np.float32)
    many = FaqEntry("many", "退货什么价", ("退货价钱", "退货邮费多少", "退怎么算", "邮费"), "…", "presale.price")
    entries = (*ENTRIES, many)
    questions = [question for entry in entries for question in entry.questions]
    index, grams = index_of(entries, INTENTS), ngram_cosines(text, questions)
    found = index.candidates(text, unit(text), reading(text, intents, intents[::-1]), top_k=60)
    assert found.features.shape == (len(entries), len(FEATURES))
    for number, question, row in zip(found.entries, found.questions, found.features, strict=True):
        entry, values = entries[number], dict(zip(FEATURES, row, strict=True))
        likest, expected = naive(text, entry)
        own = [grams[place] for place, other in enumerate(questions) if other in entry.questions]
        assert questions[question] == likest
        for name, value in expected.items():
            assert values[name] == pytest.approx(value, abs=2e-3), name  # half precision
        assert values["ngram"] == pytest.approx(max(own), abs=1e-5)
        assert values["ngram_support"] == pytest.approx(np.mean(sorted(own)[-3:]), abs=1e-5)
        assert values["intent_agreement"] == intents[INTENTS.index(entry.intent)]
        assert values["presence"] == intents[::-1][INTENTS.index(entry.intent)]
        assert values["exact"] == (text in entry.questions)
        assert values["unanswered_cosine"] == values["unanswered_match"] == 0, "there are none"


@light
@given(st.sampled_from([*QUESTIONS, "退货运费", "发货物流发票"]), st.text("退货款发票物流", max_size=4))
def test_only_the_first_has_a_positive_margin(text: str, like: str) -> None:
    index = index_of(ENTRIES, INTENTS)
    found = columns(index, asked(index, text, like=like))
    for name in COMPARED:
        values, margins = found[name], found[f"{name}_margin"]
        best = max(values.values())
        first = [faq_id for faq_id, value in values.items() if value == best]
        for faq_id, margin in margins.items():
            others = max(value for other, value in values.items() if other != faq_id)
            assert margin == pytest.approx(values[faq_id] - others, abs=1e-6)
            assert margin > 0 if [faq_id] == first else margin <= 0


def test_a_single_candidate_has_no_margin() -> None:
    index = index_of(ENTRIES[:1], INTENTS)
    assert set(column(index, "发货", "both_margin").values()) == {0.0}


def test_words_bring_an_entry_that_vectors_miss() -> None:
    # One neighbour by vector, and the entry with the rare word beside it.
    index = index_of(ENTRIES, INTENTS)
    found = column(index, "电子发票", "ngram", top_k=1, like="怎么查物流")
    assert set(found) == {"invoice", "tracking"}
    assert found["invoice"] > found["tracking"] == 0
    assert set(column(index, "榴莲", "ngram", top_k=1, like="怎么查物流")) == {"tracking"}, "words that nobody knows bring nothing"


def test_hits_come_best_first_with_the_fusions_probability(faq: FaqIndex) -> None:
    fusion = Fusion(tuple(1.0 if name == "covered" else 0.0 for name in FEATURES), -0.5)
    hits, covered = faq.search("退货", unit("退货"), reading("退货", EVEN), fusion, top_k=5), column(faq, "退货", "covered")
    assert len(hits) == 5
    assert [hit.confidence for hit in hits] == sorted((hit.confidence for hit in hits), reverse=True)
    for hit in hits:
        assert hit.confidence == pytest.approx(1 / (1 + np.exp(0.5 - covered[hit.faq_id])), abs=2e-4)
        assert hit.score == pytest.approx(float(unit("退货") @ unit(hit.matched_question)), abs=1e-3)


def test_the_intent_settles_between_equal_questions() -> None:
    twins = [FaqEntry(name, "多少钱", (), "…", intent) for name, intent in (("a", "invoice.request"), ("b", "presale.price"))]
    index = index_of(twins, INTENTS)
    for number, entry in enumerate(twins):
        intents = np.zeros(len(INTENTS), np.float32)
        intents[INTENTS.index(entry.intent)] = 1
        assert search(index, "多少钱", intents=intents)[0].faq_id == twins[number].faq_id


def test_the_fusion_never_leaves_its_range() -> None:
    fusion = Fusion((1.5, -2.0, 0.25, 0.0, 3.0), -7.5)
    assert fusion.probability(np.zeros((1, len(fusion.weights)), np.float32)) == pytest.approx(1 / (1 + np.exp(7.5)))
    assert Fusion().probability(np.full((1, len(FEATURES)), 1e6, np.float32)) == pytest.approx(1)


def test_cosines_of_pairs(faq: FaqIndex) -> None:
    got = faq.cosines(np.array([[0, 0], [0, 3]]))
    assert got == pytest.approx([1, float(unit(QUESTIONS[0]) @ unit(QUESTIONS[3]))], abs=1e-3)


def test_saved_and_loaded_it_finds_the_same(faq: FaqIndex, tmp_path: Path) -> None:
    faq.save(tmp_path)
    loaded = FaqIndex.load(tmp_path, INTENTS)
    assert loaded.entries == faq.entries
    assert np.array_equal(loaded.vectors, faq.vectors)
    for text in (*QUESTIONS, "榴莲"):
        assert search(loaded, text, top_k=6) == search(faq, text, top_k=6)


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\n", "\r\n", "\x0b"])
def test_line_breaks_of_all_kinds_come_back(mark: str, tmp_path: Path) -> None:
    entries = [replace(ENTRIES[0], answer=f"第一行{mark}第二行", related=()), *ENTRIES[1:]]
    index_of(entries, INTENTS).save(tmp_path)
    assert FaqIndex.load(tmp_path, INTENTS).entries == tuple(entries)


WHOLE = texts_of(ENTRIES, UNANSWERED)


@pytest.mark.parametrize(
    "texts",
    [
        replace(WHOLE, questions=embedded(QUESTIONS[:-1])),
        replace(WHOLE, questions=replace(WHOLE.questions, tokens=embedded(QUESTIONS[:-1]).tokens)),
        replace(WHOLE, answers=texts_of(ENTRIES[:-1]).answers),
        replace(WHOLE, unanswered=replace(WHOLE.unanswered, tokens=embedded(UNANSWERED[:-1]).tokens)),
    ],
)
def test_texts_that_do_not_match_the_entries_are_refused(texts: Texts) -> None:
    with pytest.raises(BundleError, match="expected"):
        FaqIndex.fit(ENTRIES, texts, INTENTS)


def test_words_that_do_not_match_the_questions_are_refused() -> None:
    with pytest.raises(BundleError, match="14 vectors, 14 tokenised questions, bm25 13 documents"):
        FaqIndex(ENTRIES, WHOLE, Bm25Index.fit(QUESTIONS[:-1]), INTENTS)


@pytest.mark.parametrize("name", ["index.faiss", "unanswered.faiss"])
def test_a_scan_of_other_texts_is_refused(name: str, tmp_path: Path) -> None:
    index_of(ENTRIES[:-1], INTENTS, unanswered=UNANSWERED[:-1]).save(tmp_path)
    other = (tmp_path / name).read_bytes()
    index_of(ENTRIES, INTENTS, unanswered=UNANSWERED).save(tmp_path)
    FaqIndex.load(tmp_path, INTENTS)
    (tmp_path / name).write_bytes(other)
    with pytest.raises(BundleError, match=name):
        FaqIndex.load(tmp_path, INTENTS)


def test_an_entry_whose_intent_is_not_a_label_is_refused(faq: FaqIndex, tmp_path: Path) -> None:
    faq.save(tmp_path)
    with pytest.raises(BundleError, match=r"entry 'invoice' .* 'invoice.request'"):
        FaqIndex.load(tmp_path, [intent for intent in INTENTS if intent != "invoice.request"])


@pytest.mark.parametrize(
    "name",
    [
        "index.faiss",
        "unanswered.faiss",
        "entries.jsonl",
        "bm25.json",
        "bm25.npz",
        "answers.npz",
        "questions.npz",
        "questions.npy",
        "unanswered.npz",
        "unanswered.npy",
    ],
)
@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "other"])
def test_a_damaged_file_is_refused(faq: FaqIndex, name: str, damage: str, tmp_path: Path) -> None:
    faq.save(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "other": b'{"what": "is this"}\n'}[damage])
    with pytest.raises(BundleError):
        FaqIndex.load(tmp_path, INTENTS)


# Questions that came after calibration ------------------------------------------------------------------------------------

BASE = index_of(ENTRIES, INTENTS)


def changed(entries: Sequence[FaqEntry], base: FaqIndex = BASE) -> FaqIndex:
    return FaqIndex.fit(entries, texts_of(entries), INTENTS, calibrated=base.calibrated, like=base)


def other(**changes: object) -> tuple[FaqEntry, ...]:
    """The entries, the one about parcels with changes."""
    return tuple(replace(entry, **changes) if entry.faq_id == "tracking" else entry for entry in ENTRIES)  # type: ignore[arg-type]


def first(faq: FaqIndex, text: str) -> tuple[str, bool]:
    best = search(faq, text)[0]
    return best.faq_id, best.calibrated


def test_another_answer_leaves_an_entry_calibrated() -> None:
    assert first(changed(other(answer="看短信。", steps=("看",))), "快递到哪了") == ("tracking", True)


def test_a_new_entry_is_not_calibrated_and_the_others_stay_so() -> None:
    faq = changed((*ENTRIES, FaqEntry("gift", "能送礼盒吗", (), "可以。", INTENTS[0])))
    assert first(faq, "能送礼盒吗") == ("gift", False)
    assert first(faq, "快递到哪了") == ("tracking", True)


def test_of_an_old_entry_only_the_new_questions_are_not() -> None:
    faq = changed(other(similar_questions=("快递到哪了", "包裹走到什么地方")))
    assert first(faq, "包裹走到什么地方") == ("tracking", False)
    assert first(faq, "快递到哪了") == ("tracking", True)


@pytest.mark.parametrize("changes", [{"question": "物流怎么看"}, {"intent": "invoice.request"}])
def test_another_standard_question_or_intent_makes_another_entry(changes: dict[str, str]) -> None:
    assert first(changed(other(**changes)), "快递到哪了") == ("tracking", False)


@pytest.mark.parametrize("text", ["快递到哪了", "怎么查物流"])
def test_a_new_question_does_not_lift_what_an_old_one_is_found_by(text: str) -> None:
    more = changed(other(similar_questions=("快递到哪了", "我的快递到底走到哪里了")))
    assert first(more, text) == ("tracking", True)
    for name in COMPARED:
        rarer = 0.05 if name.startswith("ngram") else 1e-6  # words grow rarer
        assert column(more, text, name)["tracking"] == pytest.approx(column(BASE, text, name)["tracking"], abs=rarer), name


def test_an_entry_is_asked_to_the_letter_by_what_is_calibrated_only() -> None:
    more = changed(other(similar_questions=("快递到哪了", "快递到哪哈哈哈哈哈")))
    assert first(more, "快递到哪") == ("tracking", True)
    assert column(more, "快递到哪", "exact")["tracking"] == 0
    assert column(more, "快递到哪了呀!", "exact")["tracking"] == 1
    assert column(changed(other(similar_questions=("快递到哪",))), "快递到哪", "exact")["tracking"] == 1, "suggested only"


WORDS = st.text("快递到哪了怎么查物流退货款发票呢呀", min_size=1, max_size=8)


@light
@given(st.one_of(st.sampled_from(QUESTIONS), WORDS), st.lists(WORDS, min_size=1, max_size=5), st.sampled_from(ENTRIES))
def test_no_new_question_changes_what_is_calibrated(text: str, questions: list[str], entry: FaqEntry) -> None:
    new = replace(entry, similar_questions=(*entry.similar_questions, *questions))
    more = changed([new if own is entry else own for own in ENTRIES])
    found = asked(more, text)
    before, after = columns(BASE, asked(BASE, text)), columns(more, found)
    known = [
        more.entries[own].faq_id
        for own, row in zip(found.entries, found.questions, strict=True)
        if more.questions[row] in QUESTIONS
    ]
    for name in FEATURES:
        for faq_id in known if not name.startswith("ngram") else ():
            assert after[name][faq_id] == pytest.approx(before[name][faq_id], abs=1e-6), (name, faq_id)


@pytest.mark.parametrize("text", ["能送礼盒吗", "快递到哪了", "货"])
@pytest.mark.parametrize("count", [1, 2, len(ENTRIES)])
def test_new_entries_leave_the_margins_of_calibrated_ones(text: str, count: int) -> None:
    base = index_of(ENTRIES[:count], INTENTS)
    more = changed((*base.entries, *(FaqEntry(own, own, (), "可以。", INTENTS[0]) for own in ("能送礼盒吗", "货到了吗"))), base)
    before, after = columns(base, asked(base, text)), columns(more, asked(more, text))
    for name in FEATURES:
        if name.endswith("_margin") and not name.startswith("ngram"):
            assert {own: after[name][own] for own in before[name]} == pytest.approx(before[name], abs=1e-6), name


def test_a_second_change_remembers_what_was_calibrated(tmp_path: Path) -> None:
    changed((*ENTRIES, FaqEntry("gift", "能送礼盒吗", (), "可以。", INTENTS[0]))).save(tmp_path)
    loaded = FaqIndex.load(tmp_path, INTENTS)
    assert first(loaded, "能送礼盒吗") == ("gift", False)
    without = changed([entry for entry in loaded.entries if entry.faq_id != "tracking"], loaded)
    again = changed((*without.entries, *(entry for entry in ENTRIES if entry.faq_id == "tracking")), without)
    assert first(again, "快递到哪了") == ("tracking", True) and first(again, "能送礼盒吗") == ("gift", False)


def test_nothing_is_written_of_it_when_all_is_as_calibrated(tmp_path: Path) -> None:
    changed(other(answer="看短信。")).save(tmp_path)
    assert not (tmp_path / "calibrated.json").exists()


def test_what_is_taken_over_from_a_like_index_changes_nothing() -> None:
    entries = other(answer="看短信。")
    fresh = index_of(entries, INTENTS)
    for text in QUESTIONS:
        assert search(changed(entries), text) == search(fresh, text)


def test_scans_are_taken_over_where_the_vectors_are_the_same_and_there_alone() -> None:
    base = index_of(ENTRIES, INTENTS, unanswered=UNANSWERED)
    entries = other(answer="看短信。")
    texts = replace(base.texts, answers=texts_of(entries).answers)
    same, fresh = (FaqIndex.fit(entries, texts, INTENTS, like=like) for like in (base, None))
    assert same._index is base._index and same._unanswered is base._unanswered
    for text in (*QUESTIONS, *UNANSWERED):
        found, expected = asked(same, text), asked(fresh, text)
        assert np.array_equal(found.entries, expected.entries) and np.array_equal(found.features, expected.features)
    fewer = FaqIndex.fit(ENTRIES, replace(base.texts, unanswered=embedded(UNANSWERED[1:])), INTENTS, like=base)
    assert fewer._index is base._index
    best = [max(column(faq, UNANSWERED[0], "unanswered_cosine").values()) for faq in (base, fewer)]
    assert best[0] == pytest.approx(1, abs=2e-3) and best[1] < 0.99
    swapped = tuple(replace(entry, similar_questions=entry.similar_questions[::-1]) for entry in ENTRIES)
    turned = FaqIndex.fit(swapped, texts_of(swapped), INTENTS, like=base)
    near = asked(turned, "我要退货", top_k=1)
    assert "我要退货" in [turned.questions[row] for row in near.questions]
    assert turned._index is not base._index


def test_a_query_leaves_nothing_in_what_is_remembered_of_a_knowledge_base(faq: FaqIndex) -> None:
    held = for_index.cache_info()
    search(faq, "谁也没说过的一句话,只说这一次")
    asked(faq, "谁也没说过的另一句话,只说这一次", itself=False)
    assert for_index.cache_info() == held, "neither kept nor looked for"


# Questions that no entry answers, and a query that stands in the index --------------------------------------------------


def without(text: str) -> list[FaqEntry]:
    """The entries without a question; one without any other goes, too."""
    kept = []
    for entry in ENTRIES:
        questions = [question for question in entry.questions if question != text]
        if questions:
            kept.append(replace(entry, question=questions[0], similar_questions=tuple(questions[1:])))
    return kept


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_query_that_is_left_out_finds_what_an_index_without_it_finds(text: str) -> None:
    index, bare = (index_of(entries, INTENTS, unanswered=UNANSWERED) for entries in (ENTRIES, without(text)))
    left, expected = asked(index, text, itself=False), asked(bare, text)
    assert [index.questions[row] for row in left.questions] == [bare.questions[row] for row in expected.questions]
    got, wanted = columns(index, left), columns(bare, expected)
    for name in FEATURES:
        if not name.startswith("ngram"):  # its words are counted all the same
            assert got[name] == pytest.approx(wanted[name], abs=1e-6), name
    grams = dict(zip(QUESTIONS, ngram_cosines(text), strict=True))
    assert got["ngram"] == pytest.approx(
        {entry.faq_id: max(grams[own] for own in entry.questions) for entry in bare.entries}, abs=1e-5
    )
    assert text not in [index.questions[row] for row in left.questions]


def test_a_query_is_left_out_with_its_particles_and_its_only_question_with_the_entry() -> None:
    one = FaqEntry("gift", "能送礼盒吗", (), "可以。", INTENTS[0])
    index = index_of([*ENTRIES, one], INTENTS)
    found = asked(index, "能送礼盒吗!", itself=False)
    assert "gift" not in columns(index, found)["both"]
    assert "能送礼盒吗" in [index.questions[row] for row in asked(index, "能送礼盒吗!").questions]
    alone = index_of([one], INTENTS)
    assert asked(alone, "能送礼盒吗", itself=False).features.shape == (0, len(FEATURES))


@light
@given(st.one_of(st.sampled_from([*UNANSWERED, *QUESTIONS]), WORDS), st.lists(WORDS, max_size=3))
def test_unanswered_questions_raise_their_own_features_alone(text: str, others: list[str]) -> None:
    few, many = index_of(ENTRIES, INTENTS, unanswered=others), index_of(ENTRIES, INTENTS, unanswered=(*others, *UNANSWERED))
    less, more = asked(few, text), asked(many, text)
    assert np.array_equal(less.entries, more.entries)
    for place, name in enumerate(FEATURES):
        if not name.startswith("unanswered"):
            assert np.array_equal(less.features[:, place], more.features[:, place]), name
    values = {name: more.features[:, FEATURES.index(name)] for name in ("unanswered_cosine", "unanswered_match")}
    assert (values["unanswered_match"] >= less.features[:, FEATURES.index("unanswered_match")] - 1e-6).all() or not others
    assert values["unanswered_cosine"] == pytest.approx(
        max(float(unit(text) @ unit(other)) for other in (*others, *UNANSWERED)), abs=2e-3
    )
    expected = max(naive(text, FaqEntry("", other, (), "-", ""))[1]["both"] for other in (*others, *UNANSWERED))
    assert values["unanswered_match"] == pytest.approx(expected, abs=4e-3)
    if text in UNANSWERED:
        assert values["unanswered_match"] == pytest.approx(2, abs=4e-3)


@pytest.mark.parametrize("count", [3, 700])  # of many, a scan by principal components finds the nearest
def test_an_unanswered_query_does_not_find_itself_when_it_is_left_out(count: int) -> None:
    size, texts = 96, [f"第{number}个问题" for number in range(count)]
    # As with a real encoder, all vectors share one large component: about their mean they are far from unit length.
    shared = units(texts, size=size) + 2 * unit("shared", size=size)
    vectors = (shared / np.linalg.norm(shared, axis=1, keepdims=True)).astype(np.float16)
    index = FaqIndex.fit(
        ENTRIES, replace(texts_of(ENTRIES, size=size), unanswered=Embedded(vectors, TokenStore.of([tokens_of(text, size=size) for text in texts]))), INTENTS,
    )  # fmt: skip
    own = Reading(EVEN, EVEN, 0.0, tokens_of(texts[0], size=size))
    names = [FEATURES.index(name) for name in ("unanswered_cosine", "unanswered_match")]
    found = {
        itself: index.candidates(texts[0], vectors[0].astype(np.float32), own, itself=itself).features[0, names]
        for itself in (True, False)
    }
    assert found[True] == pytest.approx([1, 2], abs=2e-3)
    nearest = np.sort(vectors.astype(np.float32) @ vectors[0].astype(np.float32))[-2]
    assert found[False][0] == pytest.approx(nearest, abs=0.1) and found[False][0] < 0.99
    assert 0 < found[False][1] < 1.99
