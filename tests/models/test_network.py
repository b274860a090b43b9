"""The trunk with its heads: pooling over the message's own tokens alone, frozen layers, and the n-grams on top."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import DistilBertConfig, DistilBertModel, ElectraConfig, ElectraModel

from data.errors import ConfigError
from models.inputs import pad, tokenise
from models.lexical import pad_lexical
from models.network import CustomerServiceModel, LexicalHead, Outputs
from tests.models.networks import LEXICON, PAIRS, TOKENIZER, network

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def batch(pairs: list[tuple[str, str]]) -> Batch:
    rows = pad([tokenise(TOKENIZER, *pair) for pair in pairs], pad_id=1)
    return torch.from_numpy(rows.ids), torch.from_numpy(rows.mask), torch.from_numpy(rows.types)


@torch.no_grad()
def test_padding_leaves_no_trace() -> None:
    model = network()
    together = model.pool(*batch(PAIRS))
    for row, pair in enumerate(PAIRS):
        alone = model.pool(*batch([pair]))
        assert torch.allclose(together.summary[row], alone.summary[0], atol=1e-5)
        assert torch.allclose(together.tokens[row, : alone.tokens.shape[1]], alone.tokens[0], atol=1e-5)


@torch.no_grad()
def test_the_mean_is_over_the_messages_own_tokens() -> None:
    model = network()
    ids, mask, types = batch([("退货", "客:发票")])
    hidden = model.trunk(input_ids=ids, attention_mask=mask, token_type_ids=types)[0][0]
    own = int((types == 0).sum())
    assert 0 < own < len(hidden)
    assert torch.allclose(model.pool(ids, mask, types).summary[0], hidden[:own].mean(0).repeat(3), atol=1e-6)


@torch.no_grad()
def test_the_weighted_means_follow_their_own_weighers_and_only_own_tokens() -> None:
    model = network()
    ids, mask, types = batch([("退货", "客:发票")])
    plain = model.pool(ids, mask, types).summary
    nn.init.normal_(model.emotion_weigher.weight, std=5.0)
    mean, wanted, felt = model.pool(ids, mask, types).summary.split(32, dim=1)
    assert torch.allclose(mean, plain[:, :32], atol=1e-6)
    assert torch.allclose(wanted, plain[:, 32:64], atol=1e-6)
    hidden = model.trunk(input_ids=ids, attention_mask=mask, token_type_ids=types)[0][0][: int((types == 0).sum())]
    weights = torch.softmax(model.emotion_weigher(hidden).squeeze(-1), 0)
    assert torch.allclose(felt[0], weights @ hidden, atol=1e-5)
    assert not torch.allclose(felt, mean, atol=1e-3)


@torch.no_grad()
def test_context_reaches_the_message_through_attention() -> None:
    model = network()
    with_context, alone = model.pool(*batch([("退货", "客:发票")])), model.pool(*batch([("退货", "")]))
    assert not torch.allclose(with_context.summary, alone.summary, atol=1e-4)
    assert not torch.allclose(with_context.tokens[0, : alone.tokens.shape[1]], alone.tokens[0], atol=1e-4)


@torch.no_grad()
def test_the_last_layer_reads_all_and_writes_the_messages_own_tokens_only() -> None:
    model = network()
    ids, mask, types = batch(PAIRS)
    whole, own = model.trunk(input_ids=ids, attention_mask=mask, token_type_ids=types)[0], mask * (1 - types)
    written: list[torch.Size] = []
    model.trunk.encoder.layer[-1].output.register_forward_hook(lambda *given: written.append(given[-1].shape))  # type: ignore[union-attr, index]
    pooled = model.pool(ids, mask, types)
    longest = int(own.sum(1).max())
    assert written == [torch.Size((len(PAIRS), longest, 32))] and longest < ids.shape[1]
    means = (whole * own.unsqueeze(-1)).sum(1) / own.sum(1, keepdim=True)
    assert torch.allclose(pooled.summary[:, :32], means, atol=1e-5)
    tokens = nn.functional.normalize(model.token_projection(whole), dim=-1)[own == 1]
    assert torch.allclose(pooled.tokens[own[:, :longest] == 1], tokens, atol=1e-5)


@torch.no_grad()
def test_a_trunk_whose_layers_are_not_as_berts_is_run_as_a_whole() -> None:
    config = ElectraConfig(
        vocab_size=TOKENIZER.get_vocab_size(), embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    model = CustomerServiceModel(ElectraModel(config), intents=3, emotions=2, segments=2, dropout=0.0).eval()
    ids, mask, types = batch([("退货", "客:发票")])
    hidden = model.trunk(input_ids=ids, attention_mask=mask, token_type_ids=types)[0][0]
    own = int((types == 0).sum())
    assert torch.allclose(model.pool(ids, mask, types).summary[0, :32], hidden[:own].mean(0), atol=1e-6)
    with pytest.raises(ConfigError, match="frozen_layers"):
        model.freeze(layers=1, embeddings=True)


@torch.no_grad()
@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("segments", [1, 2])
def test_lower_and_upper_make_a_pass_together(layers: int, segments: int) -> None:
    model = network(segments=segments)
    inputs = batch(PAIRS)
    hidden = model.lower(*inputs, layers=layers)
    for one, other in zip(model.upper(hidden, *inputs[1:], layers=layers), model.pool(*inputs), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@torch.no_grad()
def test_retrieval_vectors_have_unit_length_and_start_from_the_trunk() -> None:
    model = network()
    pooled = model.pool(*batch(PAIRS)).summary
    vectors = model.heads(pooled).vector
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(PAIRS)), atol=1e-6)
    assert torch.allclose(vectors, nn.functional.normalize(pooled[:, :32], dim=-1), atol=1e-6)


@torch.no_grad()
def test_tokens_are_unit_vectors_that_start_as_the_principal_components_about_the_mean() -> None:
    model = network()
    ids, mask, types = batch(PAIRS)
    states = model.states(ids, mask, types)
    known = states[mask == 1]
    model.token_projection = nn.Linear(32, 5)
    model.start_tokens(known)
    tokens = model.pool(ids, mask, types).tokens
    own = mask * (1 - types)
    longest = int(own.sum(1).max())
    assert tokens.shape == (len(ids), longest, 5)
    assert torch.allclose(tokens.norm(dim=-1), torch.ones(len(ids), longest), atol=1e-5)
    projected = model.token_projection(known)
    assert torch.allclose(projected.mean(0), torch.zeros(5), atol=1e-4)
    values, directions = torch.linalg.eigh(torch.cov(known.T))
    assert torch.allclose(projected.var(0), values.flip(0)[:5], rtol=1e-3)
    assert torch.allclose((model.token_projection.weight @ directions.flip(1)[:, :5]).abs(), torch.eye(5), atol=1e-2)
    expected = nn.functional.normalize(model.token_projection(states[own == 1]), dim=-1)
    assert torch.allclose(tokens[own[:, :longest] == 1], expected, atol=1e-5)


@torch.no_grad()
def test_fewer_states_than_the_width_of_tokens_are_enough_to_start_from() -> None:
    model = network()
    ids, mask, types = batch(PAIRS[:1])
    model.start_tokens(model.states(ids, mask, types)[0])
    assert model.pool(ids, mask, types).tokens.isfinite().all()


@torch.no_grad()
def test_presence_starts_at_its_prior() -> None:
    model = network(intents=50)
    assert torch.sigmoid(model.presence.bias) == pytest.approx(torch.full((50,), 0.02), abs=1e-6)


def test_heads_see_standardised_features() -> None:
    model = network()
    pooled = torch.randn(4, 96)
    with torch.no_grad():
        before = model.heads(pooled)
        model.center.copy_(torch.full((96,), 0.5))
        model.spread.copy_(torch.full((96,), 2.0))
        after = model.heads(pooled * 2 + 0.5)
    for name in ("intent", "presence", "emotion", "outside"):
        assert torch.allclose(getattr(before, name), getattr(after, name), atol=1e-5), name


@torch.no_grad()
def test_n_grams_are_added_by_their_shares() -> None:
    model = network()
    encoded = [LEXICON.encode(*pair) for pair in PAIRS]
    ids, weights = (torch.from_numpy(array) for array in pad_lexical(encoded))
    plain = model.heads(model.pool(*batch(PAIRS)).summary)
    unfitted = model(*batch(PAIRS), torch.zeros_like(ids), weights)
    assert all(torch.equal(one, other) for one, other in zip(unfitted[:-1], plain, strict=True)), (
        "nothing is added until they are fitted"
    )
    rows = torch.randn(len(LEXICON.idf), 5)
    model.lexical.set(rows, (0.5, 2.0, 3.0))
    *heads, tokens = model(*batch(PAIRS), ids, weights)
    got = Outputs(*heads)
    for number, (own_ids, own_weights) in enumerate(encoded):
        sums = (rows[torch.from_numpy(own_ids)] * torch.from_numpy(own_weights)[:, None]).sum(0)
        assert torch.allclose(got.intent[number], plain.intent[number] + 0.5 * sums[:3], atol=1e-5)
        assert torch.allclose(got.presence[number], plain.presence[number] + 2.0 * sums[:3], atol=1e-5)
        assert torch.allclose(got.emotion[number], plain.emotion[number] + 3.0 * sums[3:], atol=1e-5)
    assert torch.equal(got.vector, plain.vector) and torch.equal(got.outside, plain.outside)
    assert torch.equal(tokens, model.pool(*batch(PAIRS)).tokens)


def test_fitted_n_grams_are_saved_with_the_network() -> None:
    model = network()
    model.lexical.set(torch.randn(7, 5), (1.0, 2.0, 3.0))
    state = model.state_dict()
    assert state["lexical.weights"].shape == (7, 5)
    assert state["lexical.shares"].tolist() == [1, 2, 3]
    assert not list(LexicalHead(2, 3, 2).parameters()), "the optimiser must leave them alone"


@pytest.mark.parametrize(("layers", "embeddings"), [(0, False), (0, True), (1, True), (2, True)])
def test_what_is_frozen(layers: int, embeddings: bool) -> None:
    model = network()
    model.freeze(layers=layers, embeddings=embeddings)
    trunk = {name: weight.requires_grad for name, weight in model.trunk.named_parameters()}
    assert trunk["embeddings.word_embeddings.weight"] is not embeddings
    assert trunk["embeddings.position_embeddings.weight"] is (layers == 0)
    for layer in range(2):
        assert trunk[f"encoder.layer.{layer}.attention.self.query.weight"] is (layer >= layers)
    assert all(weight.requires_grad for weight in model.intent.parameters())


def test_more_layers_than_there_are_cannot_be_frozen() -> None:
    with pytest.raises(ConfigError, match="frozen_layers is 3, but the encoder has 2 layers"):
        network().freeze(layers=3, embeddings=True)


def test_layers_of_an_encoder_that_is_not_like_bert_cannot_be_frozen() -> None:
    trunk = DistilBertModel(DistilBertConfig(vocab_size=50, dim=32, n_layers=1, n_heads=2, hidden_dim=64))
    model = CustomerServiceModel(trunk, intents=3, emotions=2, segments=0, dropout=0.0)
    model.freeze(layers=0, embeddings=True)
    with pytest.raises(ConfigError, match="DistilBertModel; set it to 0"):
        model.freeze(layers=1, embeddings=True)
