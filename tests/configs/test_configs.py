"""Every YAML in configs/ loads; every one in invalid/ fails with a message that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from data.errors import ConfigError
from models.domain import load_domain
from pipelines.config import CONFIG_TYPES, AdaptConfig, TrainConfig, load_config

CONFIGS = Path("configs")
INVALID = Path(__file__).parent / "invalid"


def test_each_job_has_its_file_and_each_file_its_job() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} >= set(CONFIG_TYPES)


@pytest.mark.parametrize("job", sorted(CONFIG_TYPES))
def test_shipped_configurations_load(job: str) -> None:
    config = load_config(CONFIG_TYPES[job], CONFIGS / f"{job}.yaml")
    if isinstance(config, AdaptConfig):
        config = config.build()
    if isinstance(config, TrainConfig):
        config.settings()


def test_the_domain_pack_loads() -> None:
    pack = load_domain(CONFIGS / "domain")
    assert len(pack.labels.intents) == 49
    assert len(pack.labels.emotions) == 6


@pytest.mark.parametrize("path", sorted(INVALID.glob("*.yaml")), ids=lambda path: path.stem)
def test_invalid_configurations_say_what_is_wrong(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(case["config"]), encoding="utf-8")
    with pytest.raises(ConfigError, match=case["expect"].replace(".", r"\.")):
        config = load_config(CONFIG_TYPES[case["job"]], file)
        if isinstance(config, TrainConfig):
            config.settings()


def test_overrides_reach_nested_settings() -> None:
    config = load_config(TrainConfig, CONFIGS / "train.yaml", ["training.epochs=7", "input.context_turns=0"])
    assert config.settings().epochs == 7
    assert config.input.context_turns == 0


def test_a_malformed_override_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a\.b=value"):
        load_config(TrainConfig, CONFIGS / "train.yaml", ["training.epochs"])


def test_priority_weights_that_would_not_be_monotone_are_refused(tmp_path: Path) -> None:
    for path in (CONFIGS / "domain").iterdir():
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    raw = yaml.safe_load((tmp_path / "priority.yaml").read_text(encoding="utf-8"))
    raw["tier"]["platinum"] = 0.1
    (tmp_path / "priority.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ConfigError, match="tier"):
        load_domain(tmp_path)
