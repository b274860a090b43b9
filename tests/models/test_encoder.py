"""The exported graph at work: one pass a message, the same numbers alone and among others, and inputs of every length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from data.errors import BundleError
from data.types import Speaker, Utterance
from models.bundle import Bundle
from models.encoder import OUTPUTS, Encoded, OnnxEncoder
from models.export import quantise
from models.inputs import InputFormat, message_text, tokenise
from models.lexical import Lexicon
from models.manifest import BundleLayout

LONG = "我上周在你们店里买的手机屏幕碎了" * 9
TEXTS = ("退货", LONG, "?", "怎么还不发货", "hello 😀", LONG[::-1], "查物流")
HISTORY = (Utterance(Speaker.USER, "怎么查物流"), Utterance(Speaker.AGENT, "在“我的订单”里点“查看物流”。"))


@pytest.fixture(scope="module")
def encoders(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, OnnxEncoder]:
    """The tiny graph as it is, and quantised to int8, whose scales hang on all that is multiplied at once."""
    layout = BundleLayout(bundle_path)
    int8 = tmp_path_factory.mktemp("int8") / "int8.onnx"
    quantise(layout.model, int8, float_layers=0)
    form = InputFormat(prefix="", context_turns=2)
    return {
        name: OnnxEncoder(path, layout.tokenizer, layout.lexicon, form) for name, path in (("fp32", layout.model), ("int8", int8))
    }


def opened(bundle_path: Path, form: InputFormat, *, threads: int = 1, model: Path | None = None) -> OnnxEncoder:
    layout = BundleLayout(bundle_path)
    return OnnxEncoder(model or layout.model, layout.tokenizer, layout.lexicon, form, threads=threads)


def assert_same(one: Encoded, other: Encoded) -> None:
    for name in OUTPUTS[:-1]:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert all(np.array_equal(*pair) for pair in zip(one.tokens, other.tokens, strict=True))


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_a_text_has_the_same_numbers_alone_and_among_others(name: str, encoders: dict[str, OnnxEncoder]) -> None:
    encoder = encoders[name]
    batch = encoder.encode([*TEXTS, *(f"订单{number}" for number in range(25))])
    pair = encoder.encode([TEXTS[0], LONG])
    for row, text in enumerate(TEXTS):
        alone = encoder.encode([text])
        for part in OUTPUTS:
            assert np.array_equal(getattr(batch, part)[row], getattr(alone, part)[0]), (text, part)
    for part in OUTPUTS:
        assert np.array_equal(getattr(pair, part)[0], getattr(batch, part)[0]), part


def test_texts_have_different_numbers(encoders: dict[str, OnnxEncoder]) -> None:
    # Or the test above would hold for a graph that ignores its input.
    found = encoders["fp32"].encode(TEXTS)
    assert len({row.tobytes() for row in found.intent}) == len(TEXTS)


def test_shapes_and_unit_vectors(encoders: dict[str, OnnxEncoder], bundle: Bundle) -> None:
    found = encoders["fp32"].encode(TEXTS)
    intents, emotions = encoders["fp32"].widths
    assert (intents, emotions) == (len(bundle.labels.intents), len(bundle.labels.emotions))
    assert found.vector.shape == (len(TEXTS), encoders["fp32"].dimension)
    assert found.intent.shape == found.presence.shape == (len(TEXTS), intents)
    assert found.emotion.shape == (len(TEXTS), emotions)
    assert np.linalg.norm(found.vector, axis=1) == pytest.approx(1, abs=1e-5)
    assert {part.dtype for part in (*(getattr(found, name) for name in OUTPUTS[:-1]), *found.tokens)} == {np.dtype(np.float32)}
    assert found.outside.shape == (len(TEXTS),)
    for tokens in found.tokens:
        assert np.linalg.norm(tokens, axis=1) == pytest.approx(1, abs=1e-5)


def test_no_texts_give_no_rows(encoders: dict[str, OnnxEncoder]) -> None:
    found = encoders["fp32"].encode([])
    assert [getattr(found, name).shape for name in OUTPUTS[:-1]] == [(0, 32), (0, 49), (0, 49), (0, 6), (0,)]
    assert found.tokens == ()


def test_each_message_costs_one_pass(encoders: dict[str, OnnxEncoder]) -> None:
    encoder = encoders["fp32"]
    before = encoder.calls
    encoder.encode(TEXTS)
    encoder.encode(["好"], [HISTORY])
    encoder.encode([])
    assert encoder.calls == before + len(TEXTS) + 1


def test_threads_change_neither_order_nor_numbers(bundle_path: Path, encoders: dict[str, OnnxEncoder]) -> None:
    form = InputFormat(prefix="", context_turns=2)
    texts = [f"{text}{number}" for number in range(8) for text in TEXTS]
    threaded = opened(bundle_path, form, threads=4)
    assert_same(threaded.encode(texts), encoders["fp32"].encode(texts))
    assert threaded.calls == len(texts)


def test_a_short_message_is_read_with_its_history(encoders: dict[str, OnnxEncoder]) -> None:
    encoder = encoders["fp32"]
    alone, after = encoder.encode(["好"]), encoder.encode(["好"], [HISTORY])
    assert not np.array_equal(alone.emotion, after.emotion)
    assert_same(encoder.encode([LONG]), encoder.encode([LONG], [HISTORY]))


def test_the_graph_is_fed_tokens_segments_and_n_grams(bundle_path: Path, encoders: dict[str, OnnxEncoder]) -> None:
    layout, pair = BundleLayout(bundle_path), ("好", "客:怎么查物流")
    ids, types = tokenise(Tokenizer.from_file(str(layout.tokenizer)), *pair)
    grams, weights = Lexicon.load(layout.lexicon).encode(*pair)
    feeds = {
        "input_ids": [ids], "attention_mask": [[1] * len(ids)], "token_type_ids": [types], "ngram_ids": [grams.tolist()],
        "ngram_weights": weights[None, :],
    }  # fmt: skip
    expected = onnxruntime.InferenceSession(layout.model, providers=["CPUExecutionProvider"]).run(list(OUTPUTS), feeds)
    got = encoders["fp32"].encode_prepared([pair])
    assert set(types) == {0, 1}
    for name, array in zip(OUTPUTS[:-1], expected[:-1], strict=True):
        assert getattr(got, name) == pytest.approx(array, abs=1e-6), name
    own = types.count(0)
    assert types == [0] * own + [1] * (len(types) - own)
    assert got.tokens[0] == pytest.approx(expected[-1][0, :own], abs=1e-6), "the message's alone, without its context's"


def test_histories_belong_to_their_texts(encoders: dict[str, OnnxEncoder]) -> None:
    encoder = encoders["fp32"]
    both = encoder.encode(["好", "好"], [(), HISTORY])
    assert np.array_equal(both.intent[0], encoder.encode(["好"]).intent[0])
    assert np.array_equal(both.intent[1], encoder.encode(["好"], [HISTORY]).intent[0])
    with pytest.raises(ValueError, match="shorter"):
        encoder.encode(["好", "好"], [HISTORY])


@pytest.mark.parametrize("limit", [8, 20])
def test_more_tokens_than_the_limit_are_cut(limit: int, bundle_path: Path) -> None:
    form = InputFormat(prefix="", max_tokens=limit, context_turns=2, context_below=500)
    encoder = opened(bundle_path, form)
    whole = opened(bundle_path, replace(form, max_tokens=400))
    assert not np.array_equal(encoder.encode([LONG]).vector, whole.encode([LONG]).vector)
    # The graph's own tokens end where the limit says: what stands behind changes only the n-grams, never the vector.
    cut = [message_text(LONG, form)[: limit * 3], message_text(LONG, form)]
    vectors = encoder.encode_prepared([(text, "") for text in cut]).vector
    assert np.array_equal(vectors[0], vectors[1])
    encoder.encode([LONG], [HISTORY])


def test_a_file_that_is_no_graph_is_refused(bundle_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded"):
        opened(bundle_path, InputFormat(), model=path)
