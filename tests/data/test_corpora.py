"""The shipped corpora: sizes, balance, privacy, no leaks, and a test part that nobody may change unseen."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from data.dedupe import dedupe_key, near_duplicate_pairs
from data.knowledge import read_faq
from data.masking import find_pii
from data.normalise import clean
from data.readers import read_dialogues, read_json_lines
from data.split import user_texts
from data.types import Dialogue, FaqEntry, LabelSet, Speaker, Utterance
from models.domain import load_domain
from pipelines.prepare import drop_copies, message_rows

CORPUS = Path("data/ecommerce")
# Fixed before anything was measured on them, but for half of heldout_test_3 (the data card tells its origin); a change here is a new test
# set and belongs in the changelog.
FIXED_SHA256 = {
    "heldout_test.jsonl": "6dbdb20ac9e318a84c9103a4bc5a30655bd32c22ab11adb112433258b9b26f5d",
    "heldout_test_2.jsonl": "3ffe34ca6c3bdcceadbe5ed7a5a1836450cff8646df7654b153a4f217729291b",
    "heldout_test_3.jsonl": "7b2903f435f8af6d420f41120b08e365a22558aaf97e75f80ce426509a38fc1e",
    "heldout_challenge.jsonl": "63f687169e9c383e79f97b5ca66be2aa60bd2a947c9da7ca94d4b30dac48c2c6",
}


@pytest.fixture(scope="module")
def labels() -> LabelSet:
    return load_domain(Path("configs/domain")).labels


@pytest.fixture(scope="module")
def dialogues(labels: LabelSet) -> list[Dialogue]:
    return read_dialogues(CORPUS / "dialogues", labels)


@pytest.fixture(scope="module")
def turns(dialogues: list[Dialogue]) -> list[Utterance]:
    return [turn for dialogue in dialogues for turn in dialogue.turns if turn.speaker is Speaker.USER]


@pytest.fixture(scope="module")
def entries(labels: LabelSet) -> list[FaqEntry]:
    return read_faq(CORPUS / "faq", labels)


@pytest.mark.parametrize(("name", "expected"), FIXED_SHA256.items())
def test_the_test_part_is_the_one_that_was_fixed(name: str, expected: str) -> None:
    assert hashlib.sha256((CORPUS / "dialogues" / name).read_bytes()).hexdigest() == expected


def test_the_test_part_is_large_enough_without_the_challenge(dialogues: list[Dialogue]) -> None:
    own = [turn for dialogue in dialogues if dialogue.split == "test" for turn in dialogue.turns if turn.speaker is Speaker.USER]
    own = [turn for turn in own if "challenge" not in turn.tags]
    assert len(own) >= 3000
    assert sum(turn.emotion == "angry" for turn in own) >= 400


def test_the_challenge_holds_enough_of_each_kind(turns: list[Utterance]) -> None:
    own = [turn for turn in turns if "challenge" in turn.tags]
    calm = [turn for turn in own if "calm_with_angry_words" in turn.tags]
    angry = [turn for turn in own if "angry_without_angry_words" in turn.tags]
    assert len(calm) >= 100
    assert len(angry) >= 100
    assert all(turn.emotion != "angry" for turn in calm)
    assert all(turn.emotion == "angry" for turn in angry)


def test_every_customer_turn_is_labelled(turns: list[Utterance]) -> None:
    assert all(1 <= len(turn.intents) <= 3 and turn.emotion for turn in turns)


def test_sizes_and_balance(dialogues: list[Dialogue], turns: list[Utterance], labels: LabelSet) -> None:
    intents = Counter(turn.intents[0] for turn in turns)
    emotions = Counter(turn.emotion for turn in turns)
    tags = Counter(tag for turn in turns for tag in turn.tags)
    assert len(dialogues) >= 700
    assert len(turns) >= 8000
    assert min(intents[code] for code in labels.intents) >= 120
    assert min(emotions[code] for code in labels.emotions if code != "satisfied") >= 600
    assert emotions["satisfied"] >= 400
    assert tags["contextual"] >= 1500


def test_no_emotion_can_be_read_off_an_intent(turns: list[Utterance]) -> None:
    for code in {turn.intents[0] for turn in turns if not turn.intents[0].startswith("chitchat.")}:
        own = Counter(turn.emotion for turn in turns if turn.intents[0] == code)
        assert own.most_common(1)[0][1] / own.total() < 0.9, code


def test_the_same_short_turn_carries_different_labels_under_different_histories(turns: list[Utterance]) -> None:
    seen: dict[str, set[str]] = {}
    for turn in turns:
        if len(turn.text) <= 6:
            seen.setdefault(dedupe_key(turn.text), set()).add(turn.intents[0])
    assert sum(len(codes) > 1 for codes in seen.values()) >= 30


def test_wordings_are_diverse(turns: list[Utterance]) -> None:
    texts = [turn.text for turn in turns if len(turn.text) > 6]
    openings = Counter(text[:4] for text in texts)
    lengths = sorted(len(turn.text) for turn in turns)
    assert openings.most_common(1)[0][1] / len(texts) < 0.01
    assert len(openings) / len(texts) > 0.6
    assert lengths[len(lengths) // 10] <= 6
    assert lengths[-len(lengths) // 50] >= 30
    assert len({dedupe_key(text) for text in texts}) / len(texts) > 0.97


def test_no_personal_data(turns: list[Utterance]) -> None:
    """Invented numbers are there on purpose, to be masked; real-looking names of people's homes or bank cards are not."""
    kinds = Counter(span.kind for turn in turns for span in find_pii(turn.text))
    assert kinds["bank_card"] + kinds["id_card"] == 0
    assert sum(kinds.values()) / len(turns) < 0.02


def test_a_second_annotator_agrees(dialogues: list[Dialogue]) -> None:
    """Rows drawn at random and labelled again by somebody who saw no label; disagreements were mended afterwards."""
    rows = [raw for _, raw in read_json_lines(CORPUS / "agreement.jsonl")]
    drawn = [row for row in rows if row["part"] == "random"]
    assert len(drawn) >= 300
    assert cohen_kappa_score([row["intents"][0] for row in drawn], [row["second_intent"] for row in drawn]) >= 0.8
    assert cohen_kappa_score([row["emotion"] for row in drawn], [row["second_emotion"] for row in drawn]) >= 0.8
    for part in ("calm_with_angry_words", "angry_without_angry_words"):
        hard = [row for row in rows if row["part"] == part]
        assert len(hard) >= 100
        assert sum(row["emotion"] == row["second_emotion"] for row in hard) / len(hard) >= 0.9
    ids = {f"{dialogue.dialogue_id}/{number}" for dialogue in dialogues for number in range(len(dialogue.turns))}
    assert {row["id"] for row in rows} <= ids


def test_two_more_annotators_agree_on_the_emotions_of_the_held_out_rows(dialogues: list[Dialogue]) -> None:
    """Both saw no label. What is shipped is what most say; two further ones read what the three did not agree on."""
    rows = [raw for _, raw in read_json_lines(CORPUS / "agreement.jsonl") if raw["part"] == "heldout"]
    first, second, third = ([row[name] for row in rows] for name in ("emotion", "second_emotion", "third_emotion"))
    held = {
        name: turn.emotion for name, turn in _held_out(dialogues).items() if "challenge" not in turn.tags
    }  # fmt: skip
    assert len({row["id"] for row in rows}) == len(rows) >= 5000
    assert {row["id"] for row in rows} == set(held)
    assert cohen_kappa_score(second, third) >= 0.85
    assert cohen_kappa_score(first, second) >= 0.8 and cohen_kappa_score(first, third) >= 0.8
    names = ("emotion", "second_emotion", "third_emotion", "fourth_emotion", "fifth_emotion")
    for row in rows:
        read = [row[name] for name in names if name in row]
        assert len(read) == (3 if len(set(read[:3])) == 1 else 5), row["id"]
        votes = Counter(read)
        assert votes[held[row["id"]] or ""] == max(votes.values()), row["id"]


def test_two_more_annotators_agree_on_the_intents_of_the_held_out_rows(dialogues: list[Dialogue]) -> None:
    """Both saw no label. The main intent is what two of the three put first, the author's where all differ."""
    rows = [raw for _, raw in read_json_lines(CORPUS / "agreement.jsonl") if raw["part"] == "heldout_intents"]
    held = _held_out(dialogues)
    assert {row["id"] for row in rows} == {name for name, turn in held.items() if turn.intents}
    first, second, third = ([row[name][0] for row in rows] for name in ("intents", "second_intents", "third_intents"))
    assert cohen_kappa_score(first, second) >= 0.85 and cohen_kappa_score(first, third) >= 0.85
    assert cohen_kappa_score(second, third) >= 0.9
    for row in rows:
        readings = [row["intents"], row["second_intents"], row["third_intents"]]
        main, votes = Counter(reading[0] for reading in readings).most_common(1)[0]
        shipped = held[row["id"]].intents
        assert shipped[0] == (main if votes > 1 else row["intents"][0]), row["id"]
        assert all(sum(code in reading for reading in readings) > 1 for code in shipped[1:]), row["id"]


def test_doubted_intents_of_the_train_split_are_what_two_of_three_say(dialogues: list[Dialogue]) -> None:
    rows = [raw for _, raw in read_json_lines(CORPUS / "agreement.jsonl") if raw["part"] == "train_intents"]
    shipped = {
        f"{dialogue.dialogue_id}/{number}": turn.intents
        for dialogue in dialogues if dialogue.split not in ("dev", "test") for number, turn in enumerate(dialogue.turns)
    }  # fmt: skip
    assert len({row["id"] for row in rows}) == len(rows) >= 1000
    for row in rows:
        main, votes = Counter(row[name][0] for name in ("intents", "second_intents", "third_intents")).most_common(1)[0]
        assert shipped[row["id"]][0] == (main if votes > 1 else row["intents"][0]), row["id"]


def _held_out(dialogues: list[Dialogue]) -> dict[str, Utterance]:
    return {
        f"{dialogue.dialogue_id}/{number}": turn
        for dialogue in dialogues if dialogue.split in ("dev", "test")
        for number, turn in enumerate(dialogue.turns) if turn.speaker is Speaker.USER
    }  # fmt: skip


def test_an_emotion_with_votes_is_what_most_of_its_readers_say(dialogues: list[Dialogue]) -> None:
    """The author, a second reader who saw no label, and where the two differed or the model doubted both, mostly a third."""
    voted = [(dialogue, turn) for dialogue in dialogues for turn in dialogue.turns if turn.emotion_votes]
    assert len(voted) >= 3000
    assert not any(dialogue.split in ("dev", "test") for dialogue, _ in voted), "they are measured by one label"
    for dialogue, turn in voted:
        assert len(turn.emotion_votes) in (2, 3), dialogue.dialogue_id
        label, votes = Counter(turn.emotion_votes).most_common(1)[0]
        assert turn.emotion == (label if votes > 1 else turn.emotion_votes[0]), f"{dialogue.dialogue_id}: {turn.text}"


def test_two_judges_name_the_entry_that_the_author_of_a_query_meant(entries: list[FaqEntry]) -> None:
    rows = [raw for _, raw in read_json_lines(CORPUS / "faq_agreement.jsonl")]
    held = {clean(raw["text"]): raw for _, raw in read_json_lines(CORPUS / "faq_queries.jsonl") if raw["split"] != "train"}
    assert {row["text"]: row["split"] for row in rows} == {text: raw["split"] for text, raw in held.items()}
    for row in rows:
        assert set(held[row["text"]].get("also", ())) <= set(row["second"]) & set(row["third"]), row["text"]
    ids = {entry.faq_id for entry in entries}
    assert {name for row in rows for name in (*row["second"], *row["third"])} <= ids
    own = [row for row in rows if row["faq_id"] is not None]
    assert len(own) >= 1000
    assert sum(row["faq_id"] in row["second"] and row["faq_id"] in row["third"] for row in own) / len(own) >= 0.95


def test_no_row_nearly_equals_a_row_of_a_public_set(turns: list[Utterance], entries: list[FaqEntry]) -> None:
    """Runs where a folder of public sets is named; what everybody types (up to seven characters) is nobody's."""
    folder = os.environ.get("KEFU_BENCHMARKS")
    if not folder:
        pytest.skip("KEFU_BENCHMARKS names no folder of public sets")
    own = [turn.text for turn in turns] + [question for entry in entries for question in entry.questions]
    own += [raw["text"] for name in ("faq_queries", "out_of_scope") for _, raw in read_json_lines(CORPUS / f"{name}.jsonl")]
    public = {text for path in Path(folder).rglob("*.jsonl") for _, raw in read_json_lines(path) for text in _texts_of(raw)}
    pairs = near_duplicate_pairs(own, sorted(public), threshold=0.8, min_characters=8)
    assert not [own[left] for left, _, _ in pairs]


def _texts_of(raw: dict[str, Any]) -> list[str]:
    turns = raw.get("dialogue") if isinstance(raw.get("dialogue"), list) else []
    texts = [part.get(name) for part in (raw, *turns) for name in ("text", "text_a", "text_b", "user")]
    return [text for text in texts if isinstance(text, str)]


def test_splits_share_no_dialogue_and_no_near_duplicate_once_prepared(dialogues: list[Dialogue]) -> None:
    held = [text for dialogue in dialogues if dialogue.split in ("dev", "test") for text in user_texts(dialogue)]
    train = [text for dialogue in dialogues if dialogue.split == "train" for text in user_texts(dialogue)]
    leaks = near_duplicate_pairs(train, held, threshold=0.8)
    # What little there is, `prepare` drops; much of it would mean that somebody copied.
    assert len({left for left, _, _ in leaks}) / len(train) < 0.01


def test_drop_copies_keeps_the_held_out_dialogue_of_two_equal_ones() -> None:
    turns = (Utterance(Speaker.USER, "这个书包的肩带怎么调松紧呀", ("aftersale.install_usage",), "neutral"),)
    kept = drop_copies([Dialogue("a", turns, split="train"), Dialogue("b", turns, split="test")])
    assert [dialogue.dialogue_id for dialogue in kept] == ["b"]


def test_message_rows_carry_the_turns_before_them() -> None:
    turns = (
        Utterance(Speaker.USER, "在吗", ("chitchat.greeting",), "neutral"),
        Utterance(Speaker.AGENT, "在的"),
        Utterance(Speaker.USER, "何时发", ("logistics.ship_time",), "neutral"),
    )
    rows = message_rows([Dialogue("a", turns)])
    assert [len(row["history"]) for row in rows] == [0, 2]
    assert rows[1]["history"][1] == {"speaker": "agent", "text": "在的"}


def test_the_knowledge_base_is_complete(entries: list[FaqEntry]) -> None:
    assert len(entries) >= 300
    assert all(len(entry.similar_questions) >= 5 for entry in entries)
    questions = [dedupe_key(question) for entry in entries for question in entry.questions]
    assert len(set(questions)) == len(questions)
    assert sum(bool(entry.steps) for entry in entries) >= 40
    assert sum(bool(entry.related) for entry in entries) / len(entries) > 0.8


def test_queries_are_never_indexed(entries: list[FaqEntry]) -> None:
    rows = [row for _, row in read_json_lines(CORPUS / "faq_queries.jsonl")]
    indexed = {dedupe_key(question) for entry in entries for question in entry.questions}
    ids = {entry.faq_id for entry in entries}
    assert not [row["text"] for row in rows if dedupe_key(row["text"]) in indexed]
    assert all(row["faq_id"] is None or row["faq_id"] in ids for row in rows)
    for split, others in (("train", 0.25), ("dev", 0.4), ("test", 0.4)):
        own = [row for row in rows if row["split"] == split]
        answerable = sum(row["faq_id"] is not None for row in own)
        assert answerable >= 900
        assert (len(own) - answerable) / answerable >= others
        if split != "train":
            assert min(Counter(row["origin"] for row in own).values()) >= 500


@pytest.mark.parametrize("name", ["faq_queries", "out_of_scope"])
def test_no_training_text_nearly_equals_a_held_out_one(name: str) -> None:
    rows = [row for _, row in read_json_lines(CORPUS / f"{name}.jsonl")]
    train = [row["text"] for row in rows if row["split"] == "train"]
    held = [row["text"] for row in rows if row["split"] != "train"]
    assert not {dedupe_key(text) for text in train} & {dedupe_key(text) for text in held}
    assert not [train[left] for left, _, _ in near_duplicate_pairs(train, held, threshold=0.8)]


def test_out_of_scope_texts_cover_every_kind_in_every_split() -> None:
    rows = [row for _, row in read_json_lines(CORPUS / "out_of_scope.jsonl")]
    counts = Counter((row["split"], row["kind"]) for row in rows)
    assert min(counts[split, kind] for split in ("train", "dev", "test") for kind in ("near", "far", "gibberish")) >= 40
    assert sum(row["kind"] == "near" for row in rows) >= 500
