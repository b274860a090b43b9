"""The long training leaves a trunk and heads that `train` starts from, and starts from the public encoder itself or an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from data.errors import ConfigError
from models.base_encoder import load_base_encoder, save_warm_start, warm_heads, warm_start_notes
from models.domain import load_domain
from models.network import CustomerServiceModel
from models.settings import TrainingSettings
from models.training import fit
from pipelines.adapt import run
from pipelines.config import CONFIGS, AdaptConfig, TrainConfig, load_config
from pipelines.jobs import run_adapt, run_step
from pipelines.prepared import load_prepared
from pipelines.tracking import Run
from pipelines.train import start_heads, train_model
from tests.pipelines.conftest import SmallShop


def _configuration(shop: SmallShop, folder: Path) -> Path:
    """adapt.yaml of the small shop, whose train.yaml names a warm start that is not there yet."""
    base = {"base_encoder": str(shop.root / "encoder"), "warm_start": str(folder / "out.safetensors"), "early_stopping": False}
    settings = {"epochs": 1, "frozen_layers": 1, "probe_steps": 5, "learning_rate": 0.01, "start_share": 0.5}
    (folder / "train.yaml").write_text(yaml.safe_dump(base | {"training": settings}))
    own = {"base": str(folder / "train.yaml"), "out": str(folder / "out.safetensors"), "training": {"frozen_layers": 0}}
    (folder / "adapt.yaml").write_text(yaml.safe_dump(own))
    return folder / "adapt.yaml"


def test_train_starts_from_what_adapt_leaves(small_shop: SmallShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run_step(
        "prepare",
        small_shop.workspace,
        overrides=[item.partition(".")[2] for item in small_shop.overrides if item.startswith("prepare.")],
    )
    written = run_adapt(small_shop.workspace, config_path=_configuration(small_shop, tmp_path))
    assert written == tmp_path / "out.safetensors"
    still = ["training.epochs=0.01", "training.learning_rate=0", "training.head_learning_rate=0", "training.frozen_layers=2"]
    config = load_config(TrainConfig, tmp_path / "train.yaml", still)
    prepared = load_prepared(small_shop.workspace.require("prepare"))
    seen: list[TrainingSettings] = []

    def watched(model: CustomerServiceModel, *given: Any, **named: Any) -> CustomerServiceModel:
        seen.append(given[3])
        return fit(model, *given, **named)

    monkeypatch.setattr("pipelines.train.fit", watched)
    trained = train_model(prepared, config)
    heads = warm_heads(written, trained.base, labels=prepared.labels.fingerprint)
    assert {"intent.weight", "emotion.bias", "center"} < heads.keys()
    assert all(torch.equal(weight, heads[name]) for name, weight in trained.model.head_weights().items()), "no probe has moved them"
    public = load_base_encoder(str(small_shop.root / "encoder"), cache=tmp_path)
    tuned = dict(trained.base.trunk.named_parameters())
    same = [name for name, weight in public.trunk.named_parameters() if weight.equal(tuned[name])]
    assert same == ["embeddings.word_embeddings.weight"]
    idle = [f"training.{name}=0" for name in ("learning_rate", "head_learning_rate", "weight_decay")]
    on = run_adapt(
        small_shop.workspace, config_path=tmp_path / "adapt.yaml",
        overrides=[f"start={written}", f"out={tmp_path / 'on.safetensors'}", "training.epochs=0.01", *idle],
    )  # fmt: skip
    assert warm_start_notes(on)["start"] == warm_start_notes(written), "where it went on from is told"
    assert warm_start_notes(written)["start"] is None
    kept = warm_heads(on, trained.base, labels=prepared.labels.fingerprint)
    assert kept.keys() == heads.keys()
    assert all(torch.equal(weight, heads[name]) for name, weight in kept.items()), "all rates are 0"
    assert seen[-1].start_share == 0.5
    save_warm_start(trained.base, written, heads=heads, labels="of another shop", notes={})
    other = train_model(prepared, config.model_copy(update={"ngram_min_count": 9}))
    torch.manual_seed(99)
    again = train_model(prepared, config.model_copy(update={"ngram_min_count": 9}))
    assert torch.equal(other.model.intent.weight, again.model.intent.weight), "new heads start from the seed"
    assert (trained.warm_heads, other.warm_heads) == (True, False)
    assert [(settings.start_share, settings.probe_steps) for settings in (seen[0], seen[-1])] == [(0.5, 0), (0.0, 5)], (
        "new heads keep to nothing"
    )
    assert other.model.center.any(), "new heads are probed, which takes the measure of the features"
    assert not torch.equal(other.model.center, heads["center"])
    save_warm_start(trained.base, written, heads={"center": heads["center"]}, labels=prepared.labels.fingerprint, notes={})
    assert not start_heads(other.model, trained.base, written, prepared.labels), "some heads are none"
    assert not torch.equal(other.model.center, heads["center"])
    assert 0 < len(other.lexicon.numbers) < len(trained.lexicon.numbers)


def test_a_long_training_of_word_embeddings_is_refused(tmp_path: Path) -> None:
    config = AdaptConfig(out=tmp_path / "out", training={"frozen_embeddings": False})
    with pytest.raises(ConfigError, match="holds no word embeddings"):
        config.build()


def test_the_shipped_warm_start_is_of_the_encoder_and_layers_that_train_asks_for(tmp_path: Path) -> None:
    config = load_config(TrainConfig, CONFIGS / "train.yaml")
    adapt = load_config(AdaptConfig, CONFIGS / "adapt.yaml")
    assert config.warm_start is not None
    assert config.warm_start == adapt.out
    notes = warm_start_notes(config.warm_start)
    first = notes
    while first.get("start"):
        first = first["start"]
    assert adapt.training.items() <= first["training"].items(), "run `adapt` again and commit its file"
    assert adapt.start is None, "the configuration is of the run that began with the encoder"
    assert notes["training"]["start_share"] == config.training["start_share"], "of the last run that went on, as adapt.yaml says"
    base = load_base_encoder(config.base_encoder, cache=tmp_path, layers=config.trunk_layers, warm_start=config.warm_start)
    labels = load_domain(CONFIGS / "domain").labels
    assert {"intent.weight", "spread"} < warm_heads(config.warm_start, base, labels=labels.fingerprint).keys()


def test_a_place_that_cannot_be_written_is_refused_before_the_training(small_shop: SmallShop, tmp_path: Path) -> None:
    config = load_config(AdaptConfig, _configuration(small_shop, tmp_path)).model_copy(update={"out": tmp_path})
    with pytest.raises(ConfigError, match="expected a file"):
        run(config, tmp_path, small_shop.workspace, Run("none"))
