"""Batches lose no row, the losses are those of their formulas, and a tiny run learns what it is shown."""

from __future__ import annotations

import copy
import itertools
import math
import random
import timeit
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.inputs import tokenise
from models.network import CustomerServiceModel, Outputs
from models.settings import TrainingSettings
from models.training import (
    EntryQuestions,
    StepReport,
    TrainingRow,
    _bfloat16_is_faster,
    _entry_batches,
    _Objective,
    _start_tokens,
    _Texts,
    contrastive_loss,
    disagreement,
    fit,
    length_buckets,
    predict,
    predict_tokens,
    token_likeness,
    use_bfloat16,
)  # fmt: skip
from tests.models.helpers import light
from tests.models.networks import LEXICON, PAIRS, TOKENIZER, network

SETTINGS = TrainingSettings(
    epochs=10, batch_size=8, entries_per_step=2, neighbours_per_entry=1, learning_rate=3e-3, head_learning_rate=3e-2, dropout=0.0,
    presence_weight=1.0, probe_steps=0, frozen_embeddings=False, bfloat16="never", label_smoothing=0.0,
)  # fmt: skip
TAILS = ("", "吗", "呢", "啊", "一下", "可以吗", "好不好")
ROWS = [TrainingRow(f"退货{tail}", "", (0,), 0) for tail in TAILS] + [TrainingRow(f"发票{tail}", "", (1,), 1) for tail in TAILS]
ENTRIES = (
    EntryQuestions(("怎么退货", "我要退货", "不想要了怎么退"), 0, (1,)), EntryQuestions(("怎么开发票", "可以开电子发票吗"), 1, (0,)),
    EntryQuestions(("退款多久到账", "钱什么时候退回来"), 0),
)  # fmt: skip


@light
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=400), st.integers(1, 2), st.integers(0, 5))
def test_every_row_is_in_exactly_one_batch(sizes: list[tuple[int, int]], batch_size: int, seed: int) -> None:
    batches = length_buckets(sizes, batch_size, random.Random(seed))
    assert sorted(itertools.chain.from_iterable(batches)) == list(range(len(sizes)))
    assert all(0 < len(batch) <= batch_size for batch in batches)
    assert len(batches) <= -(-len(sizes) // batch_size) + len(sizes) // (batch_size * 160)


def test_sizes_in_a_batch_are_alike_and_batches_are_shuffled() -> None:
    sizes = [(number % 4, 1 + number % 50) for number in range(3200)]
    batches = length_buckets(sizes, 16, random.Random(0))
    spread = [max(sizes[index][1] for index in batch) - min(sizes[index][1] for index in batch) for batch in batches]
    messages = [len({sizes[index][0] for index in batch}) for batch in batches]
    assert np.mean(spread) < 4 and np.mean(messages) < 1.1
    shortest = [min(sizes[index] for index in batch) for batch in batches]
    assert shortest != sorted(shortest)
    assert length_buckets(sizes, 16, random.Random(0)) == batches != length_buckets(sizes, 16, random.Random(1))


def slow_contrastive(vectors: np.ndarray, owners: list[int], temperature: float) -> float:
    losses = []
    for row, owner in enumerate(owners):
        partner = row + 1 if row % 2 == 0 else row - 1
        others = [other for other in range(len(owners)) if other == partner or owners[other] != owner]
        scores = [float(vectors[row] @ vectors[other]) / temperature for other in others]
        losses.append(-scores[others.index(partner)] + math.log(sum(math.exp(score) for score in scores)))
    return sum(losses) / len(losses)


@light
@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.sampled_from([0.1, 0.5, 2.0]), st.integers(0, 99))
def test_the_contrastive_loss_is_info_nce(entries: list[int], temperature: float, seed: int) -> None:
    owners = [entry for entry in entries for _ in range(2)]
    drawn = np.random.default_rng(seed).normal(size=(len(owners), 4))
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    got = contrastive_loss(torch.from_numpy(vectors @ vectors.T), owners, temperature).item()
    assert got == pytest.approx(slow_contrastive(vectors, owners, temperature), abs=1e-4)


def test_near_partners_cost_less_than_far_ones() -> None:
    right, wrong = torch.eye(2).repeat_interleave(2, 0), torch.eye(2).repeat(2, 1)
    costs = [contrastive_loss(vectors @ vectors.T, [0, 0, 1, 1], 0.1) for vectors in (right, wrong)]
    assert costs[0] < 1e-3 < 5 < costs[1]


@light
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 99))
def test_likeness_is_the_mean_of_each_tokens_best_cosine(lengths: list[int], seed: int) -> None:
    generator, longest = np.random.default_rng(seed), max(lengths)
    drawn = generator.normal(size=(len(lengths), longest, 4))
    tokens = (drawn / np.linalg.norm(drawn, axis=2, keepdims=True)).astype(np.float32)  # padding, too, has vectors
    mask = (np.arange(longest) < np.array(lengths)[:, None]).astype(np.int64)
    got = token_likeness(torch.from_numpy(tokens), torch.from_numpy(mask))
    for query, own in enumerate(lengths):
        for text, other in enumerate(lengths):
            best = [max(float(token @ there) for there in tokens[text, :other]) for token in tokens[query, :own]]
            assert got[query, text].item() == pytest.approx(np.mean(best), abs=1e-5)
    assert got.diagonal().numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("pair", PAIRS)
def test_tokens_are_the_messages_own_in_their_order(pair: tuple[str, str]) -> None:
    model = network()
    ids, types = tokenise(TOKENIZER, *pair)
    own = types.count(0)
    with torch.no_grad():
        whole = model.pool(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64), torch.tensor([types])).tokens[0]
    place = PAIRS.index(pair)
    got = predict_tokens(model, TOKENIZER, PAIRS)[place]
    assert got.shape == (own, 64)
    assert got == pytest.approx(whole[:own].numpy(), abs=1e-5)


def test_questions_come_in_pairs_with_their_neighbours() -> None:
    entries = [*ENTRIES, EntryQuestions(("只有一句",), 0)]
    starts = np.cumsum([100, *(len(entry.messages) for entry in entries)])
    batches = list(itertools.islice(_entry_batches(entries, 100, SETTINGS, random.Random(0)), 40))
    for indices, owners in batches:
        assert len(indices) == len(owners) == len(set(indices))
        assert owners[::2] == owners[1::2]
        assert len(set(owners)) == len(owners) // 2
        for index, owner in zip(indices, owners, strict=True):
            assert starts[owner] <= index < starts[owner + 1]
            assert owner != 3, "one question has no partner"
        assert (0 in owners) <= (1 in owners)  # an entry brings its neighbour
    assert {owner for _, owners in batches for owner in owners} == {0, 1, 2}
    assert next(_entry_batches(entries, 100, replace(SETTINGS, entries_per_step=0), random.Random(0))) == ([], [])
    assert next(_entry_batches((), 100, SETTINGS, random.Random(0))) == ([], [])


def test_the_disagreement_of_two_readings_is_the_mean_of_both_divergences() -> None:
    likely, unlikely, even = math.log(0.9), math.log(0.1), math.log(0.5)
    first, second = [[likely, unlikely], [unlikely, likely]], [[even, even], [unlikely, likely]]
    there = 0.9 * (likely - even) + 0.1 * (unlikely - even)
    back = 0.5 * (even - likely) + 0.5 * (even - unlikely)
    assert disagreement(torch.tensor(first + second)).item() == pytest.approx((there + back) / 2 / 2, abs=1e-6)
    assert disagreement(torch.tensor([[3.0, 1.0], [2.0, 0.0]])).item() == pytest.approx(0.0, abs=1e-6)


def objective(rows: list[TrainingRow], **changes: float) -> dict[str, float]:
    """Returns the losses of rows whose outputs are all the same: intents 2, 1, 0 and emotions 1, 0."""
    outputs = Outputs(
        torch.zeros(len(rows), 4), torch.tensor([[2.0, 1.0, 0.0]] * len(rows)), torch.tensor([[1.0, 0.0, -1.0]] * len(rows)),
        torch.tensor([[1.0, 0.0]] * len(rows)), torch.tensor([0.5] * len(rows)),
    )  # fmt: skip
    settings = replace(SETTINGS, presence_weight=1.0, emotion_weight=1.0, **changes)  # type: ignore[arg-type]
    return {name: value.item() for name, value in _Objective(rows, 3, settings)(outputs, rows).items()}


RANKED = [value - math.log(math.exp(2) + math.exp(1) + 1) for value in (2, 1, 0)]
ON, OFF = ([math.log1p(math.exp(-sign * value)) for value in (1, 0, -1)] for sign in (1, -1))


def test_losses_reckoned_by_hand() -> None:
    got = objective([TrainingRow("", "", (1,), 0)])
    assert got["intent"] == pytest.approx(-RANKED[1], abs=1e-5)
    assert got["presence"] == pytest.approx(OFF[0] + ON[1] + OFF[2], abs=1e-5)
    assert got["emotion"] == pytest.approx(math.log1p(math.exp(-1)), abs=1e-5)
    assert got["outside"] == pytest.approx(math.log1p(math.exp(0.5)), abs=1e-5)
    assert objective([TrainingRow("", "", (), -1)])["outside"] == pytest.approx(math.log1p(math.exp(-0.5)), abs=1e-5)


def test_the_main_intent_has_the_larger_share() -> None:
    got = objective([TrainingRow("", "", (2, 0), 0)])
    assert got["intent"] == pytest.approx(-0.7 * RANKED[2] - 0.3 * RANKED[0], abs=1e-5)
    assert got["presence"] == pytest.approx(ON[0] + OFF[1] + ON[2], abs=1e-5)
    three = objective([TrainingRow("", "", (0, 1, 2), 0)])
    assert three["intent"] == pytest.approx(-0.7 * RANKED[0] - 0.15 * (RANKED[1] + RANKED[2]), abs=1e-5)


def test_rows_out_of_scope_teach_no_intent_and_unfelt_rows_no_emotion() -> None:
    outside = TrainingRow("", "", (), -1)
    alone = objective([outside])
    assert alone["intent"] == alone["emotion"] == 0
    assert alone["presence"] == pytest.approx(sum(OFF), abs=1e-5)
    row = TrainingRow("", "", (1,), 1)
    both, one = objective([row, outside]), objective([row])
    assert (both["intent"], both["emotion"]) == pytest.approx((one["intent"], one["emotion"]), abs=1e-5)
    assert both["presence"] == pytest.approx((one["presence"] + alone["presence"]) / 2, abs=1e-5)


def test_weights_weigh() -> None:
    heavy, light_one = TrainingRow("", "", (0,), 0, 0.75), TrainingRow("", "", (2,), 1, 0.25)
    got = objective([heavy, light_one])
    assert got["intent"] == pytest.approx(-0.75 * RANKED[0] - 0.25 * RANKED[2], abs=1e-5)
    assert got["emotion"] == pytest.approx(0.75 * math.log1p(math.exp(-1)) + 0.25 * math.log1p(math.exp(1)), abs=1e-5)


def test_an_emotion_that_readers_saw_differently_is_shared_among_their_votes() -> None:
    angry, calm = (objective([TrainingRow("", "", (0,), label)])["emotion"] for label in (0, 1))
    shared = objective([TrainingRow("", "", (0,), 0, emotion_votes=(0, 1, 0))])["emotion"]
    assert shared == pytest.approx((2 * angry + calm) / 3, abs=1e-5)
    together = objective([TrainingRow("", "", (0,), 0, emotion_votes=(0, 1, 0)), TrainingRow("", "", (0,), -1)])["emotion"]
    assert together == pytest.approx(shared, abs=1e-5)
    smooth = objective([TrainingRow("", "", (0,), 0, emotion_votes=(0, 1, 0))], label_smoothing=0.1)["emotion"]
    assert smooth == pytest.approx(0.9 * shared + 0.1 * (angry + calm) / 2, abs=1e-5)


def test_logit_adjustment_asks_more_of_rare_intents() -> None:
    rows = [TrainingRow("", "", (0,), 0)] * 8 + [TrainingRow("", "", (2,), 0)]
    plain, adjusted = objective(rows), objective(rows, logit_adjustment=1.0)
    prior = [math.log(count / 12) for count in (9, 1, 2)]
    total = math.log(sum(math.exp(value + shift) for value, shift in zip((2, 1, 0), prior, strict=True)))
    expected = -(8 * (2 + prior[0] - total) + (prior[2] - total)) / 9
    assert adjusted["intent"] == pytest.approx(expected, abs=1e-5) != plain["intent"]


def scores(model: CustomerServiceModel, *texts: str) -> list[np.ndarray]:
    return predict(model, TOKENIZER, [(text, "") for text in texts])


def test_a_tiny_run_learns_to_tell_two_intents_and_emotions_apart() -> None:
    model, reports = network(), list[StepReport]()
    fit(model, TOKENIZER, ROWS, (), SETTINGS, on_step=reports.append)
    unseen = ("退货多久", "我想退货", "发票怎么开", "要发票")
    _, intent, presence, emotion, _ = scores(model, *unseen)
    assert intent[:, :2].argmax(1).tolist() == [0, 0, 1, 1]
    assert emotion.argmax(1).tolist() == [0, 0, 1, 1]
    assert presence.argmax(1).tolist() == [0, 0, 1, 1]
    assert (intent[:, 2] < intent[:, :2].max(1)).all()
    assert not model.training
    assert [(report.step, report.steps, report.epoch) for report in reports] == [
        (step, 20, 1 + (step - 1) // 2) for step in range(1, 21)
    ]
    assert set(reports[0].losses) == {"outside", "presence", "intent", "emotion"}
    assert reports[-1].losses["intent"] < 0.3 * reports[0].losses["intent"]


def test_questions_of_an_entry_grow_alike() -> None:
    def lead(model: CustomerServiceModel) -> float:
        """How much nearer the questions of an entry are to each other than to those of others."""
        texts = [message for entry in ENTRIES for message in entry.messages]
        owner = np.array([number for number, entry in enumerate(ENTRIES) for _ in entry.messages])
        (vectors, *_) = scores(model, *texts)
        same = owner[:, None] == owner[None, :]
        cosines = vectors @ vectors.T
        return float(cosines[same & ~np.eye(len(owner), dtype=bool)].mean() - cosines[~same].mean())

    reports: list[StepReport] = []
    trained = {
        weight: fit(network(), TOKENIZER, ROWS, ENTRIES, replace(SETTINGS, pair_weight=weight), on_step=reports.append)
        for weight in (0.0, 2.0)
    }
    assert lead(trained[2.0]) > max(lead(network()), lead(trained[0.0])) + 0.2
    pairs = [report.losses["pairs"] for report in reports]
    assert not any(pairs[:20])
    assert pairs[-1] < 0.3 * pairs[20] != 0


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    runs = []
    for number, seed in enumerate((1, 1, 2)):
        model = network(dropout=0.2)
        torch.manual_seed(number)  # whatever was drawn before
        runs.append(fit(model, TOKENIZER, ROWS, ENTRIES, replace(SETTINGS, epochs=1, seed=seed)).state_dict())
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert any(not torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


@pytest.mark.parametrize(
    ("judged", "kept"), [((0.1, 0.9, 0.5), 2), ((0.9, 0.1, 0.1), 1), ((0.1, 0.2, 0.3), 3), ((0.5, 0.5, 0.5), 1)]
)
def test_the_best_epoch_is_kept(judged: tuple[float, ...], kept: int) -> None:
    model, seen = network(), list[np.ndarray]()

    def evaluate(epoch: int) -> float:
        seen.append(scores(model, "退货")[1])
        return judged[epoch - 1]

    fit(model, TOKENIZER, ROWS, (), replace(SETTINGS, epochs=3), evaluate=evaluate)
    assert len(seen) == 3
    assert np.array_equal(scores(model, "退货")[1], seen[kept - 1])
    assert not np.array_equal(seen[0], seen[1])


def test_frozen_parts_stay_and_the_rest_moves() -> None:
    model = network()
    before = {name: weight.clone() for name, weight in model.trunk.named_parameters()}
    fit(model, TOKENIZER, ROWS, ENTRIES, replace(SETTINGS, frozen_layers=1, frozen_embeddings=True))
    for name, weight in model.trunk.named_parameters():
        still = name.startswith(("embeddings.", "encoder.layer.0."))
        assert torch.equal(weight, before[name]) is still, name
    _, intent, *_ = scores(model, "退货", "退货呢", "发票", "发票呢")
    assert intent.argmax(1).tolist() == [0, 0, 1, 1]


def test_the_probe_moves_the_heads_and_takes_the_measure_of_the_features() -> None:
    model = network()
    trunk = {name: weight.clone() for name, weight in model.trunk.named_parameters()}
    fit(model, TOKENIZER, ROWS, (), replace(SETTINGS, epochs=0, probe_steps=600))
    assert all(torch.equal(weight, trunk[name]) for name, weight in model.trunk.named_parameters())
    with torch.no_grad():
        texts = [(row.message, "") for row in ROWS]
        pooled = _Texts(model, TOKENIZER, ROWS, replace(SETTINGS, frozen_layers=0)).pool(range(len(ROWS))).summary
    assert torch.allclose(model.center, pooled.mean(0), atol=1e-4)
    assert torch.allclose(model.spread, pooled.std(0).clamp_min(1e-4), atol=1e-4)
    assert predict(model, TOKENIZER, texts)[1][:, :2].argmax(1).tolist() == [0] * 7 + [1] * 7


def test_the_vectors_of_tokens_start_from_tokens_alone_and_not_from_padding() -> None:
    rows = [TrainingRow("好" * length, "", (0,), -1) for length in (1, 30, 3, 24, 2)]
    model = network().eval()
    _start_tokens(model, _Texts(model, TOKENIZER, rows, replace(SETTINGS, frozen_layers=0)), random.Random(0))
    states = []
    with torch.no_grad():
        for row in rows:
            ids, types = tokenise(TOKENIZER, row.message, "")
            states.append(model.states(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64), torch.tensor([types]))[0])
        expected = -model.token_projection.weight @ torch.cat(states).mean(0)
    torch.testing.assert_close(model.token_projection.bias, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("lexicon", [None, LEXICON])
@pytest.mark.parametrize("size", [1, 2, 64])
def test_predictions_are_in_the_order_of_the_rows(size: int, lexicon: object) -> None:
    model = network()
    model.lexical.set(torch.randn(len(LEXICON.idf), 5), (1.0, 1.0, 1.0))
    together = predict(model, TOKENIZER, PAIRS, lexicon, batch_size=size)  # type: ignore[arg-type]
    for row, pair in enumerate(PAIRS):
        alone = predict(model, TOKENIZER, [pair], lexicon)  # type: ignore[arg-type]
        for one, other in zip(together, alone, strict=True):
            assert one[row] == pytest.approx(other[0], abs=1e-4)
    assert [array.shape for array in together] == [(len(PAIRS), width) for width in (32, 3, 3, 2)] + [(len(PAIRS),)]


def test_without_a_lexicon_the_encoder_speaks_alone() -> None:
    model = network()
    model.lexical.set(torch.randn(len(LEXICON.idf), 5), (1.0, 1.0, 1.0))
    deep, both = predict(model, TOKENIZER, PAIRS)[1], predict(model, TOKENIZER, PAIRS, LEXICON)[1]
    assert not np.allclose(deep, both)
    model.lexical.set(model.lexical.weights, (0.0, 0.0, 0.0))
    assert predict(model, TOKENIZER, PAIRS, LEXICON)[1] == pytest.approx(deep, abs=1e-5)


def test_the_choice_of_bfloat16() -> None:
    assert use_bfloat16("always")
    assert not use_bfloat16("never")


@pytest.mark.parametrize(("float32", "bfloat16", "taken"), [(1.0, 0.4, True), (1.0, 0.9, False), (1.0, 2.0, False)])
def test_bfloat16_is_taken_where_it_is_much_faster(
    monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float, taken: bool
) -> None:  # fmt: skip
    seconds = iter([[float32, 9.0], [bfloat16, 9.0]])
    monkeypatch.setattr(timeit, "repeat", lambda *_, **__: next(seconds))
    # Past its cache, which other tests keep.
    monkeypatch.setattr("models.training._bfloat16_is_faster", _bfloat16_is_faster.__wrapped__)
    assert use_bfloat16("auto") is taken


def test_the_last_epoch_may_be_a_part_and_questions_join_one_step_in_so_many() -> None:
    reports: list[StepReport] = []
    settings = replace(SETTINGS, epochs=1.5, batch_size=2, entries_every=3)
    fit(network(), TOKENIZER, ROWS, ENTRIES, settings, on_step=reports.append)
    steps = -(-len(ROWS) // 2)
    assert len(reports) == round(1.5 * steps) == reports[0].steps
    assert [report.epoch for report in reports].count(1) == steps
    assert ["pairs" in report.losses for report in reports] == [place % 3 == 0 for place in range(len(reports))]


def test_a_share_of_the_target_is_what_was_said_at_the_start() -> None:
    rows = [TrainingRow("", "", (1,), 0)] * 3
    said = torch.tensor([[0.1, 0.7, 0.2], [0.1, 0.2, 0.7]])
    outputs = Outputs(torch.zeros(3, 4), torch.tensor([[2.0, 1.0, 0.0]] * 3), torch.zeros(3, 3), torch.zeros(3, 2), torch.zeros(3))
    losses = _Objective(rows, 3, replace(SETTINGS, start_share=0.25))(outputs, rows, said)
    target = (0.25 * 0.1, 0.75 + 0.25 * 0.7, 0.25 * 0.2)
    # The second is contradicted by its label, the third is a question: the label alone counts.
    shared, alone = -sum(map(math.prod, zip(target, RANKED, strict=True))), -RANKED[1]
    assert losses["intent"].item() == pytest.approx((shared + 2 * alone) / 3, abs=1e-5)


def test_a_network_keeps_to_what_it_said_at_the_start_but_not_against_the_labels() -> None:
    start = network(dropout=0.0)
    fit(start, TOKENIZER, ROWS, ENTRIES, replace(SETTINGS, label_smoothing=0.6))

    def sure(model: CustomerServiceModel, rows: list[TrainingRow]) -> float:
        said = torch.from_numpy(predict(model, TOKENIZER, [(row.message, row.context) for row in rows])[1]).softmax(1)
        return float(said[range(len(rows)), [row.intents[0] for row in rows]].mean())

    def after(share: float, rows: list[TrainingRow]) -> float:
        model = copy.deepcopy(start)
        return sure(fit(model, TOKENIZER, rows, (), replace(SETTINGS, epochs=20, start_share=share)), rows)

    before = sure(start, ROWS)  # hangs on the tiny vocabulary, which holds the characters of the domain pack
    assert 0.5 < before < 0.85, "right, and unsure as it was taught"
    assert after(0.9, ROWS) < (before + 1) / 2, "nearer to that than to being certain"
    assert after(0.0, ROWS) > 0.95
    others = [replace(row, intents=(1 - row.intents[0],)) for row in ROWS]
    assert after(0.9, others) > 0.95, "labels that contradict the start win"


def test_two_readings_of_a_row_come_to_agree() -> None:
    # Labels that leave room for doubt: where a network is certain, dropout moves nothing.
    doubtful = [replace(row, intents=(row.intents[0], 2), emotion_votes=(0, 1, row.emotion)) for row in ROWS]

    def run(weight: float) -> tuple[float, list[StepReport]]:
        """How far readings of the rows under different dropout lie apart at the end, and the steps."""
        model, reports = network(dropout=0.2), list[StepReport]()
        fit(model, TOKENIZER, doubtful, ENTRIES, replace(SETTINGS, epochs=40, consistency_weight=weight), on_step=reports.append)
        summary = _Texts(model.train(), TOKENIZER, doubtful, SETTINGS).pool([*range(len(doubtful))] * 64).summary
        outputs = model.heads(summary)
        return disagreement(outputs.emotion).item() + disagreement(outputs.intent).item(), reports

    def without_dropout() -> list[float]:
        reports = list[StepReport]()
        fit(network(), TOKENIZER, doubtful, ENTRIES, replace(SETTINGS, consistency_weight=1.0), on_step=reports.append)
        return [report.losses["consistency"] for report in reports]

    (alone, without), (agreed, reports) = run(0.0), run(5.0)
    assert max(without_dropout()) < 1e-6, "a row is compared with itself"
    assert agreed < 0.5 * alone
    assert "consistency" not in without[0].losses
    assert set(reports[0].losses) == {"outside", "presence", "intent", "emotion", "consistency", "pairs", "tokens"}
