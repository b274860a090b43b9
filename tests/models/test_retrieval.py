"""The FAQ index: exact neighbours, features that mean what they say, nothing but questions, and files that come back whole."""

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
from data.normalise import for_model
from data.types import FaqEntry
from models.bm25 import Bm25Index
from models.lexical import Lexicon
from models.matching import FEATURES, Fusion, SearchHit
from models.retrieval import FaqIndex, NgramIndex, Reading
from tests.models.helpers import index_of, light, unit, units
from tests.tiny import ENTRIES

INTENTS = (*sorted({entry.intent for entry in ENTRIES}), "presale.price")
EVEN = np.full(len(INTENTS), 1 / len(INTENTS), np.float32)
FLAT = Reading(EVEN, EVEN, 0.0)
QUESTIONS = [question for entry in ENTRIES for question in entry.questions]


@pytest.fixture(scope="module")
def faq() -> FaqIndex:
    """The entries of the tiny bundle, with a vector for each question that hangs on its words alone."""
    return index_of(ENTRIES, INTENTS)


def search(faq: FaqIndex, text: str, *, top_k: int = 5, intents: NDArray[np.float32] = EVEN) -> list[SearchHit]:
    return faq.search(text, unit(text), Reading(intents, EVEN, 0.0), Fusion(), top_k=top_k)


def column(faq: FaqIndex, text: str, feature: str, *, top_k: int = 20, like: str | None = None) -> dict[str, float]:
    found = faq.candidates(text, unit(like or text), FLAT, top_k=top_k)
    place = FEATURES.index(feature)
    return {faq.entries[entry].faq_id: float(row[place]) for entry, row in zip(found.entries, found.features, strict=True)}


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
    found = index.candidates(text, unit(text), FLAT, top_k=top_k)
    assert len(set(found.entries.tolist())) == len(found.entries) <= count
    assert ((found.entries >= 0) & (found.entries < count)).all()
    assert (index.owner[found.questions] == found.entries).all()
    hits = index.search(text, unit(text), FLAT, Fusion(), top_k=top_k)
    assert len(hits) == min(top_k, count)
    assert {hit.faq_id for hit in hits} <= {entry.faq_id for entry in entries}
    if top_k >= count:
        assert len(found.entries) == count or top_k < len(index.questions)


def test_an_index_without_entries_finds_nothing(tmp_path: Path) -> None:
    empty = FaqIndex.fit([], np.zeros((0, 16), np.float32), INTENTS)
    assert search(empty, "发货") == []
    empty.save(tmp_path)
    assert search(FaqIndex.load(tmp_path, INTENTS), "发货") == []


def test_only_questions_are_indexed(faq: FaqIndex) -> None:
    assert faq.questions == QUESTIONS
    answers = "".join(entry.answer + "".join(entry.steps) for entry in ENTRIES)
    for words_of_an_answer in ("原路", "小时", "签收"):
        assert words_of_an_answer in answers
        assert not any(words_of_an_answer in question for question in QUESTIONS), "the test needs words that no question has"
        assert set(column(faq, words_of_an_answer, "bm25").values()) == {0.0}
    assert max(column(faq, "退货", "bm25").values()) > 0


def test_other_answers_change_nothing(faq: FaqIndex) -> None:
    other = index_of([replace(entry, answer="原路退回 发货 物流 发票", steps=("退货",)) for entry in ENTRIES], INTENTS)
    for text in (*QUESTIONS, "原路退回"):
        assert search(other, text, top_k=6) == search(faq, text, top_k=6)


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


def test_features_of_the_best_question_of_each_entry() -> None:
    text = "退货邮费"
    intents = np.linspace(0.1, 0.4, len(INTENTS)).astype(np.float32)
    many = FaqEntry("many", "退货什么价", ("退货价钱", "退货邮费多少", "退怎么算", "邮费"), "…", "presale.price")
    entries = (*ENTRIES, many)
    questions = [question for entry in entries for question in entry.questions]
    found = index_of(entries, INTENTS).candidates(text, unit(text), Reading(intents, intents[::-1], 0.25))
    words, grams = Bm25Index.fit(questions).scores(text), ngram_cosines(text, questions)
    assert found.features.shape == (len(entries), len(FEATURES))
    for entry, question, row in zip(found.entries, found.questions, found.features, strict=True):
        own = [place for place, question in enumerate(questions) if question in entries[entry].questions]
        cosines = {place: float(unit(questions[place]) @ unit(text)) for place in own}
        assert cosines[int(question)] == max(cosines.values())
        assert row[FEATURES.index("cosine")] == pytest.approx(max(cosines.values()), abs=1e-3)
        assert row[FEATURES.index("bm25")] == pytest.approx(max(words[place] for place in own), abs=1e-6)
        assert row[FEATURES.index("support")] == pytest.approx(np.mean(sorted(cosines.values())[-3:]), abs=1e-3)
        assert row[FEATURES.index("standard")] == pytest.approx(cosines[own[0]], abs=1e-3)
        assert row[FEATURES.index("ngram")] == pytest.approx(max(grams[place] for place in own), abs=1e-5)
        assert row[FEATURES.index("ngram_support")] == pytest.approx(np.mean(sorted(grams[place] for place in own)[-3:]), abs=1e-5)
        assert row[FEATURES.index("intent_agreement")] == intents[INTENTS.index(entries[entry].intent)]
        assert row[FEATURES.index("presence")] == intents[::-1][INTENTS.index(entries[entry].intent)]
        whole = [row[FEATURES.index(name)] for name in ("out_of_scope", "certainty", "presence_max", "length")]
        assert whole == pytest.approx([0.25, 0.4, 0.4, 0.1])


@light
@given(st.sampled_from([*QUESTIONS, "退货运费", "发货物流发票"]), st.text("退货款发票物流", max_size=4))
def test_only_the_first_has_a_positive_margin(text: str, like: str) -> None:
    index = index_of(ENTRIES, INTENTS)
    for name in ("cosine", "bm25", "support", "ngram"):
        values, margins = column(index, text, name, like=like), column(index, text, f"{name}_margin", like=like)
        best = max(values.values())
        first = [faq_id for faq_id, value in values.items() if value == best]
        for faq_id, margin in margins.items():
            others = max(value for other, value in values.items() if other != faq_id)
            assert margin == pytest.approx(values[faq_id] - others, abs=1e-6)
            assert margin > 0 if [faq_id] == first else margin <= 0


def test_a_single_candidate_has_no_margin() -> None:
    index = index_of(ENTRIES[:1], INTENTS)
    assert set(column(index, "发货", "cosine_margin").values()) == {0.0}


def test_words_bring_an_entry_that_vectors_miss() -> None:
    # One neighbour by vector, and the entry with the rare word beside it.
    index = index_of(ENTRIES, INTENTS)
    found = column(index, "电子发票", "bm25", top_k=1, like="怎么查物流")
    assert set(found) == {"invoice", "tracking"}
    assert found["invoice"] > found["tracking"] == 0
    assert set(column(index, "榴莲", "bm25", top_k=1, like="怎么查物流")) == {"tracking"}, "words that nobody knows bring nothing"


def test_hits_come_best_first_with_the_fusions_probability(faq: FaqIndex) -> None:
    fusion = Fusion((1.0, *[0.0] * (len(FEATURES) - 1)), -0.5)
    hits = faq.search("退货", unit("退货"), FLAT, fusion, top_k=6)
    assert [hit.confidence for hit in hits] == sorted((hit.confidence for hit in hits), reverse=True)
    for hit in hits:
        assert hit.confidence == pytest.approx(1 / (1 + np.exp(0.5 - hit.score)), abs=2e-4)


def test_the_intent_settles_between_equal_questions() -> None:
    twins = [FaqEntry(name, "多少钱", (), "…", intent) for name, intent in (("a", "invoice.request"), ("b", "presale.price"))]
    index = FaqIndex.fit(twins, units(["多少钱", "多少钱"]), INTENTS)
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


def vectors_of(entries: Sequence[FaqEntry]) -> NDArray[np.float32]:
    return units(question for entry in entries for question in entry.questions)


def test_vectors_that_do_not_match_the_questions_are_refused() -> None:
    with pytest.raises(BundleError, match=r"faq/index.faiss holds 13 vectors .* expected 14"):
        FaqIndex.fit(ENTRIES, vectors_of(ENTRIES)[:-1], INTENTS)
    with pytest.raises(BundleError, match="bm25 13 documents"):
        FaqIndex(ENTRIES, vectors_of(ENTRIES), Bm25Index.fit(QUESTIONS[:-1]), INTENTS)


def test_an_entry_whose_intent_is_not_a_label_is_refused(faq: FaqIndex, tmp_path: Path) -> None:
    faq.save(tmp_path)
    with pytest.raises(BundleError, match=r"entry 'invoice' .* 'invoice.request'"):
        FaqIndex.load(tmp_path, [intent for intent in INTENTS if intent != "invoice.request"])


@pytest.mark.parametrize("name", ["index.faiss", "entries.jsonl", "bm25.json", "bm25.npz"])
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
    return FaqIndex.fit(entries, vectors_of(entries), INTENTS, calibrated=base.calibrated, like=base)


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
    for name in ("cosine", "support", "standard"):
        assert column(more, text, name)["tracking"] == pytest.approx(column(BASE, text, name)["tracking"]), name
    assert column(more, text, "ngram")["tracking"] == pytest.approx(
        column(BASE, text, "ngram")["tracking"], abs=0.05
    )  # rarer words


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
    fresh = FaqIndex.fit(entries, vectors_of(entries), INTENTS)
    for text in QUESTIONS:
        assert search(changed(entries), text) == search(fresh, text)
