"""The benchmark on made-up sets in the layout of the public ones: what is read, what is counted, and the job as a whole."""

from __future__ import annotations

import importlib.util
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from data.errors import ConfigError, DataError
from data.types import Speaker, Utterance
from models.analyzer import MAX_CHARACTERS, Analyzer, Request
from models.bundle import Bundle, load_bundle
from models.calibration import Calibration, Thresholds
from models.domain import load_domain
from pipelines import tracking
from pipelines.benchmark import training
from pipelines.benchmark.sets import FILES, Row, find_sets, read_label_map, sample
from pipelines.benchmark.training import Task, _audited, build_task, train_configs
from pipelines.benchmark.transfer import EWECT_READ_AS, Scorer, measure_intent, rank
from pipelines.cli import app
from pipelines.config import CONFIGS, QUICK, BenchmarkConfig, TrainConfig, load_config
from pipelines.jobs import run_benchmark
from pipelines.prepared import Message
from pipelines.workspace import Workspace
from tests.pipelines.conftest import SmallShop
from tests.tiny import tiny_bundle

MAPS = Path("configs/benchmark")
# Made-up words for each label; the labels are the sets' own names.
CIC = {
    "买家咨询发货时间": "几号能发货", "买家咨询是否有活动": "周末搞活动不", "买家表达不满/生气": "气死我了差评", "买家表达赞美/满意": "真好看喜欢",
}  # fmt: skip
JDDC = {"发票退换修改": "发票抬头写错", "OTHER": "随便看看", "返回地址": "退货寄去哪里"}
POSTS = {
    "happy": "今天好开心", "angry": "烦死人了滚", "sad": "难过得想哭", "fear": "好害怕天黑", "surprise": "哇没想到呀", "neutral": "下午三点开会",
}  # fmt: skip
TAILS = ("", "呢", "啊", "呀", "吗", "哦", "了", "嘛", "哈", "的")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _labelled(words: dict[str, str], mark: str) -> list[dict[str, Any]]:
    return [{"text": f"{mark}{text}{tail}", "label": label} for tail in TAILS for label, text in words.items()]


def _dialogue(number: int) -> dict[str, Any]:
    labels = list(JDDC)
    turns = [
        {"user": f"{JDDC[label]}{TAILS[number % 10]}", "system": f"答{number}-{place}" if place else "", "intent": label}
        for place, label in enumerate([labels[number % 3], labels[(number + 1) % 3], labels[2]])
    ]
    return {"dialogue_id": f"d{number}", "dialogue": turns}


def _select(words: dict[str, str]) -> list[dict[str, Any]]:
    rows = [{"text": f"{text}{tail}", "label": label} for label, text in words.items() for tail in TAILS[:3]]
    same = [[other for other in range(len(rows)) if rows[other]["label"] == row["label"]] for row in rows]
    return [
        row | {"pos": [other for other in same[place] if other != place], "neg": [n for n in range(len(rows)) if n not in same[place]]}
        for place, row in enumerate(rows)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sets but DialogueCSE's ecd."""
    root = tmp_path_factory.mktemp("public")
    for part, mark in (("train", ""), ("dev", "亲"), ("clean_dev", "你好")):
        _write(root / f"cic/{part}.jsonl", _labelled(CIC, mark))
    dialogues = [_dialogue(number) for number in range(20)]
    turns = [
        {"text": turn["user"], "label": turn["intent"], "dialogue_id": one["dialogue_id"], "turn": place}
        for one in dialogues for place, turn in enumerate(one["dialogue"])
    ]  # fmt: skip
    _write(root / "jddc/dialogues.jsonl", dialogues)
    _write(root / "jddc/intent.jsonl", turns)
    _write(root / "ewect/train.jsonl", [*_labelled(POSTS, ""), {"text": "\u200b", "label": "happy"}])
    _write(root / "ewect/dev.jsonl", _labelled(POSTS, "唉"))
    _write(root / "dialoguecse/jddc_select_dev.jsonl", _select(JDDC))
    pairs = [("退货寄去哪里", "退货寄去哪里呢", 5.0), ("退货寄去哪里", "发票抬头写错", 1.0), ("随便看看", "发票抬头写错", 2.0)]
    _write(root / "dialoguecse/jddc_sts_dev.jsonl", [{"text_a": a, "text_b": b, "label": label} for a, b, label in pairs])
    _write(root / "oos/smp2018_train.jsonl", _labelled({"weather": "明天会下雨", "music": "放一首歌"}, ""))
    return root


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle"))


def _config(public: Path | None, **values: Any) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate({"folder": public, **values})


# What is there, and what is said of what is not.


@pytest.mark.parametrize("folder", [None, Path("no/such/folder")])
def test_a_missing_folder_says_what_is_expected(folder: Path | None) -> None:
    with pytest.raises(ConfigError, match=r"cic/clean_dev\.jsonl") as caught:
        find_sets(folder, None)
    assert "--set folder=" in str(caught.value)


def test_a_folder_without_any_set_names_them_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_sets(tmp_path, None)
    assert all(name in str(caught.value) for name in FILES)


def test_an_absent_set_is_named_and_a_wanted_one_must_be_there(public: Path) -> None:
    sets = find_sets(public, None)
    assert "cic" in sets
    assert sets.absent == {"dialoguecse_ecd": FILES["dialoguecse_ecd"]}
    with pytest.raises(ConfigError, match=r"dialoguecse/ecd_select_dev\.jsonl"):
        find_sets(public, ["cic", "dialoguecse_ecd"])


def test_a_half_set_is_absent(tmp_path: Path) -> None:
    _write(tmp_path / "oos/smp2018_train.jsonl", [{"text": "放歌", "label": "music"}])
    _write(tmp_path / "cic/train.jsonl", _labelled(CIC, ""))
    sets = find_sets(tmp_path, None)
    assert sets.present == ("oos",)
    assert sets.absent["cic"] == ("cic/dev.jsonl", "cic/clean_dev.jsonl")


def test_rows_without_readable_text_are_counted(public: Path) -> None:
    sets = find_sets(public, None)
    assert len(sets.labelled("ewect/train.jsonl")) == len(POSTS) * len(TAILS)
    assert sets.left_out == {"ewect/train.jsonl": 1}


def test_a_damaged_row_is_refused_with_its_place(tmp_path: Path) -> None:
    _write(tmp_path / "oos/smp2018_train.jsonl", [{"text": "放歌", "label": "music"}, {"text": "放歌"}])
    with pytest.raises(DataError, match=r"smp2018_train\.jsonl:2"):
        find_sets(tmp_path, None).labelled("oos/smp2018_train.jsonl")


def test_an_index_beyond_the_file_is_refused(tmp_path: Path) -> None:
    select, pairs = FILES["dialoguecse_jddc"]
    _write(tmp_path / select, [{"text": "你好", "label": "", "pos": [1], "neg": [0]}])
    _write(tmp_path / pairs, [])
    with pytest.raises(DataError, match=r"jddc_select_dev\.jsonl:1"):
        find_sets(tmp_path, None).rankings("dialoguecse_jddc")


def test_a_history_holds_the_turns_before_and_nothing_later(tmp_path: Path) -> None:
    turns = [{"user": "一", "system": "甲"}, {"user": "二" * (MAX_CHARACTERS + 5), "system": ""}, {"user": "三", "system": "丙"}]
    _write(tmp_path / "jddc/dialogues.jsonl", [{"dialogue_id": "d", "dialogue": turns}])
    rows = [{"text": turn["user"], "label": "OTHER", "dialogue_id": "d", "turn": place} for place, turn in enumerate(turns)]
    _write(tmp_path / "jddc/intent.jsonl", rows)
    first, second, third = find_sets(tmp_path, None).turns()
    assert first.history == ()
    assert second.history == (Utterance(Speaker.USER, "一"), Utterance(Speaker.AGENT, "甲"))
    assert third.history == (*second.history, Utterance(Speaker.USER, "二" * MAX_CHARACTERS))
    assert len(second.text) == MAX_CHARACTERS


def test_the_label_maps_name_codes_of_the_domain_pack() -> None:
    codes = set(load_domain(Path("configs/domain")).labels.intents)
    for name in ("cic", "jddc"):
        accepted = read_label_map(MAPS, name)
        assert len(accepted) > 90
        assert set().union(*accepted.values()) <= codes
    assert "买家表达赞美/满意" not in read_label_map(MAPS, "cic")
    assert set(EWECT_READ_AS.values()) == set(load_domain(Path("configs/domain")).labels.emotions)


def test_a_malformed_label_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "label_map_cic.yaml").write_text("买家打招呼: chitchat.greeting\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="label_map_cic"):
        read_label_map(tmp_path, "cic")


def test_a_sample_keeps_order_and_is_the_seed_s() -> None:
    drawn = sample(range(100), 10, 1)
    assert drawn == sorted(drawn) == sample(range(100), 10, 1) != sample(range(100), 10, 2)
    assert sample([3, 1, 2], None, 1) == sample([3, 1, 2], 9, 1) == [3, 1, 2]


# Transfer.


def test_ranking_by_hand_with_a_tie_against_us() -> None:
    relevant, irrelevant = np.array([0.5, 0.9], np.float32), np.array([0.7, 0.5], np.float32)
    assert rank(relevant, irrelevant) == (pytest.approx((1 / 1 + 2 / 4) / 2), 1.0)
    assert rank(np.array([0.1], np.float32), irrelevant) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_each_distinct_message_is_encoded_once_and_history_makes_it_another(bundle: Bundle) -> None:
    scorer, before = Scorer(bundle), bundle.encoder.calls
    history = (Utterance(Speaker.USER, "怎么开发票"),)
    scores = scorer.messages([("退货", ()), ("退货", history), ("退货", ()), ("开发票", ())])
    assert scorer.texts(["开发票"])[0] is scores[3]
    assert bundle.encoder.calls - before == 3
    expected = Analyzer(bundle).analyze([Request("退货", history)], top_k=0)[0]
    assert (scores[1].intent, scores[1].confidence) == (expected.intent.name, expected.intent.confidence)
    assert scores[0] is scores[2]
    assert scores[0].confidence != scores[1].confidence


def test_any_accepted_code_counts_and_labels_without_code_are_left_out(bundle: Bundle) -> None:
    scorer = Scorer(bundle)
    texts = ("退货", "开发票", "怎么查物流")
    read = [score.intent for score in scorer.texts(texts)]
    wrong = next(code for code in bundle.labels.intents if code not in read)
    others = [code for code in bundle.labels.intents if code != read[1]][:5]
    accepted = {"多": frozenset({wrong, read[0]}), "广": frozenset(others), "错": frozenset({wrong}), "外": frozenset({"not.ours"})}
    labels = ("多", "广", "错")
    rows = [Row(text, label) for text, label in zip(texts, labels, strict=True)] * 20
    found = measure_intent(scorer, [*rows, Row("退货", "外"), Row("退货", "无")], accepted)
    assert (found["n"], found["rows_without_code"]) == (60, 2)
    assert found["accuracy"] == found["macro"] == pytest.approx(1 / 3)
    assert found["broad_labels"] == ["广"]
    assert found["without_broad"]["accuracy"] == pytest.approx(1 / 2)
    assert {(one["label"], one["predicted"], one["n"]) for one in found["confusions"]} == {("广", read[1], 20), ("错", read[2], 20)}
    assert found["confusions"][0]["examples"] == [texts[1 if found["confusions"][0]["label"] == "广" else 2]]
    assert measure_intent(scorer, rows[:59], accepted)["macro_labels"] == 2
    assert measure_intent(scorer, [Row("退货", "外")], accepted) == {"n": 0, "rows_without_code": 1}


def test_coverage_and_precision_are_those_at_the_bundle_s_threshold(bundle: Bundle, tmp_path: Path) -> None:
    rows = [Row(f"{text}{tail}", "标") for text in ("退货", "开发票", "怎么查物流") for tail in TAILS]
    middle = float(np.median([score.confidence for score in Scorer(bundle).texts(row.text for row in rows)]))
    calibration = Calibration(thresholds=replace(Thresholds(), intent=middle))
    bundle = load_bundle(tiny_bundle(tmp_path / "bundle", calibration=calibration))
    scorer = Scorer(bundle)
    scores = scorer.texts(row.text for row in rows)
    accepted = {"标": frozenset({scores[0].intent})}
    threshold = bundle.calibration.thresholds.intent
    sure = [score for score in scores if score.confidence >= threshold]
    found = measure_intent(scorer, rows, accepted)
    assert 0 < len(sure) < len(rows)
    assert found["coverage"] == pytest.approx(len(sure) / len(rows))
    assert found["precision"] == pytest.approx(np.mean([score.intent == scores[0].intent for score in sure]))


# Training.


def test_dialogues_of_jddc_are_on_one_side_and_rows_without_intent_are_out(public: Path) -> None:
    config, sets = _config(public), find_sets(public, None)
    task = build_task("jddc", config, sets)
    sides = {split: {row.row_id for row in rows} for split, rows in task.messages.items()}
    assert [len(sides[split]) for split in ("train", "dev", "test")] == [14, 2, 4]
    assert len(set().union(*sides.values())) == 20
    assert task.labels == ("发票退换修改", "返回地址")
    assert any(row.history for row in task.messages["train"])
    assert build_task("jddc", config, sets).messages == task.messages
    other = build_task("jddc", _config(public, seed=14), sets)
    assert {row.row_id for row in other.messages["test"]} != sides["test"]


def test_posts_teach_the_emotion_head_and_their_dev_split_is_carved_out(public: Path) -> None:
    task = build_task("ewect", _config(public, training={"ewect_rows": 40}), find_sets(public, None))
    prepared = task.prepared()
    assert (len(prepared.labels.intents), prepared.labels.emotions) == (1, tuple(sorted(POSTS)))
    assert (len(task.messages["train"]), len(task.messages["dev"]), len(task.messages["test"])) == (36, 4, 60)
    assert not {row.text for row in task.messages["train"]} & {row.text for row in task.messages["dev"]}
    assert [task.labels[label] for label in task.truth("test")] == [row.emotion for row in task.messages["test"]]


def test_limits_hold_for_each_split(public: Path) -> None:
    config = _config(public, training={"rows": 12, "dev_rows": 5, "test_rows": 7})
    task = build_task("cic", config, find_sets(public, None))
    assert {split: len(rows) for split, rows in task.messages.items()} == {"train": 12, "dev": 5, "test": 7}
    assert all(row.text.startswith("你好") for row in task.messages["test"])


def test_a_set_s_settings_go_over_the_base_and_epochs_over_both() -> None:
    own = {"overrides": {"cic": {"training": {"epochs": 7, "learning_rate": 1e-5}, "input": {"context_turns": 0}}}}
    found = train_configs(_config(None, training=own), ["cic", "ewect"])
    assert (found["cic"].settings().epochs, found["cic"].settings().learning_rate, found["cic"].input.context_turns) == (7, 1e-5, 0)
    assert found["ewect"].settings() == load_config(TrainConfig, CONFIGS / "train.yaml").settings()
    assert train_configs(_config(None, training=own | {"epochs": 1}), ["cic"])["cic"].settings().epochs == 1
    with pytest.raises(ConfigError, match="epoch"):
        train_configs(_config(None, training={"overrides": {"cic": {"training": {"epoch": 3}}}}), ["cic"])
    with pytest.raises(ConfigError, match="overrides"):
        load_config(BenchmarkConfig, Path("configs/benchmark.yaml"), ["training.overrides.cik.training.epochs=1"])


def test_the_shipped_settings_and_the_quick_ones_load() -> None:
    path = Path("configs/benchmark.yaml")
    config = load_config(BenchmarkConfig, path)
    assert config.folder is None
    found = train_configs(config, training.TRAINED)
    assert set(found) == set(training.TRAINED)
    assert {own.warm_start for own in found.values()} == {None}, "all methods start from the public encoder"
    quick = load_config(BenchmarkConfig, path, [*QUICK, "training.rows=50"])
    assert (quick.training.epochs, quick.transfer.rows, quick.training.rows) == (1, 300, 50)


def test_the_gain_is_paired(public: Path) -> None:
    config = _config(public, bootstrap=100)
    task = build_task("cic", config, find_sets(public, None))
    truth = task.truth("test")
    worse = np.where(np.arange(len(truth)) < 10, (truth + 1) % len(task.labels), truth)
    same = training._gain(task, {"kefu": worse, "tfidf": worse}, config)
    assert same["accuracy"] == {"gain": 0.0, "interval": (0.0, 0.0)}
    found = training._gain(task, {"kefu": truth, "tfidf": worse}, config)
    assert found["accuracy"]["gain"] == pytest.approx(10 / len(truth))
    assert 0 < found["accuracy"]["interval"][0] < 10 / len(truth) < found["accuracy"]["interval"][1]
    assert found["macro_f1"]["gain"] > 0


def test_few_shots_are_at_most_so_many_of_each_label() -> None:
    chosen = training._few(np.array([0] * 5 + [1] * 2), 3, 13)
    assert len(chosen) == len(set(chosen)) == 5
    assert {5, 6} <= set(chosen)


def test_first_and_later_turns_are_counted_apart(public: Path) -> None:
    task: Task = build_task("jddc", _config(public), find_sets(public, None))
    truth = task.truth("test")
    parts = training._by_turn(task, {"kefu": truth, "tfidf": 1 - truth})
    assert parts["first"]["n"] + parts["later"]["n"] == len(truth)
    assert (parts["later"]["kefu"], parts["later"]["tfidf"]) == (1.0, 0.0)


# The job.


@pytest.fixture(scope="module")
def measured(trained_shop: SmallShop, public: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The job's results on the small shop, and their folder."""
    base = tmp_path_factory.mktemp("base") / "train.yaml"
    settings = {"epochs": 1, "probe_steps": 20, "batch_size": 8}
    base.write_text(
        yaml.safe_dump({"base_encoder": str(trained_shop.root / "encoder"), "input": {"prefix": ""}, "training": settings})
    )
    own = [
        f"folder={public}",
        f"training.base={base}",
        "training.baselines=[frozen, fasttext]",
        "bootstrap=100",
        "training.epochs=1",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        run_benchmark(trained_shop.workspace, overrides=own)
    folder = trained_shop.workspace.benchmark
    return json.loads((folder / "results.json").read_text(encoding="utf-8")), folder


def test_the_job_measures_every_part_of_the_sets_that_are_there(measured: tuple[dict[str, Any], Path]) -> None:
    results, _ = measured
    transfer = results["transfer"]
    assert set(transfer["intent"]) == {
        "cic_clean_dev", "dialoguecse_jddc", "jddc_first_turns", "jddc_all_turns", "jddc_all_turns_with_history",
    }  # fmt: skip
    assert transfer["intent"]["cic_clean_dev"]["n"] == 20
    assert transfer["intent"]["jddc_first_turns"]["n"] < transfer["intent"]["jddc_all_turns"]["n"]
    assert transfer["emotion"]["ewect_dev"]["n"] == 60
    assert (transfer["emotion"]["cic_dissatisfied"]["n"], transfer["emotion"]["cic_calm_questions"]["n"]) == (20, 40)
    assert set(transfer["retrieval"]) == {"dialoguecse_jddc"}
    # An encoder without training still finds the same words again.
    assert transfer["retrieval"]["dialoguecse_jddc"]["map"] > 0.6
    outside = transfer["out_of_scope"]
    assert (outside["n"], outside["labels"]["weather"]["n"]) == (20, 10)
    assert outside["against"]["public"]["n"] == 40 + transfer["intent"]["jddc_first_turns"]["n"]
    assert outside["against"]["own_test"]["n"] > 50
    assert set(results["training"]) == {"cic", "jddc", "ewect"}


def test_the_pipeline_learns_sets_that_label_only_one_of_its_heads(measured: tuple[dict[str, Any], Path]) -> None:
    for name in ("cic", "ewect"):
        part = measured[0]["training"][name]
        assert part["settings"]["training"]["epochs"] == 1
        # The made-up labels have words of their own: whoever trains at all gets them right.
        assert part["models"]["kefu"]["accuracy"] > 0.9
        assert part["models"]["tfidf"]["accuracy"] > 0.9
        gain = part["models"]["kefu"]["accuracy"] - part["models"]["tfidf"]["accuracy"]
        assert part["gain"]["accuracy"]["gain"] == pytest.approx(gain)
        assert part["models"]["kefu"]["seconds"] > 0
        assert 0 <= part["models"]["frozen"]["macro_f1"] <= 1
    assert set(measured[0]["training"]["jddc"]["turns"]) == {"first", "later"}


def test_what_is_absent_is_named_in_results_and_table(measured: tuple[dict[str, Any], Path]) -> None:
    results, folder = measured
    text = (folder / "benchmark.md").read_text(encoding="utf-8")
    assert results["sets"]["absent"] == {"dialoguecse_ecd": list(FILES["dialoguecse_ecd"])}
    assert "dialoguecse/ecd_select_dev.jsonl" in text
    installed = importlib.util.find_spec("fasttext") is not None
    assert ("fasttext" in results["training"]["cic"]["not_installed"]) == (not installed)
    assert installed or "fasttext is not installed" in text


def test_the_table_to_pass_on_holds_no_text_of_the_sets(measured: tuple[dict[str, Any], Path]) -> None:
    results, folder = measured
    examples = [text for part in results["transfer"]["intent"].values() for one in part["confusions"] for text in one["examples"]]
    text = (folder / "benchmark.md").read_text(encoding="utf-8")
    assert examples
    assert not [example for example in examples if example in text]
    assert "happy as satisfied" in text


def test_one_run_is_logged_and_nothing_of_the_chain_changes(measured: tuple[dict[str, Any], Path], trained_shop: SmallShop) -> None:
    mlflow.set_tracking_uri(tracking.tracking_uri(trained_shop.workspace.root))
    runs = mlflow.search_runs(experiment_names=["kefu"], filter_string="tags.job = 'benchmark'", output_format="list")
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert runs[0].data.metrics["trained_cic_kefu_accuracy"] == measured[0]["headline"]["trained_cic_kefu_accuracy"]
    assert not trained_shop.workspace.step("benchmark").exists()


def test_the_command_line_without_a_folder_stops_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert CliRunner().invoke(app, ["benchmark", "--quick", "--workspace", str(tmp_path)]).exit_code == 2
    assert not Workspace(tmp_path).benchmark.exists()


def test_without_a_bundle_it_says_how_to_leave_that_part_out(public: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"transfer\.enabled=false"):
        run_benchmark(Workspace(tmp_path), overrides=[f"folder={public}"])


@pytest.mark.parametrize("flagged", ["relabel", "drop", "down_weight"])
def test_the_audit_may_go_over_training_rows_and_no_others(flagged: Any, small_shop: SmallShop) -> None:
    words = {"fee": "运费邮费多少钱包邮吗", "size": "尺码大小穿多大码数"}
    draw = random.Random(3)
    rows = [
        Message(f"{label}{number}", "".join(draw.sample(letters, 6)), (), (label,), "any", (), "")
        for label, letters in words.items() for number in range(60)
    ]  # fmt: skip
    wrong = set(draw.sample(range(120), 8))
    other = {"fee": "size", "size": "fee"}
    train = [replace(row, intents=(other[row.intents[0]],)) if place in wrong else row for place, row in enumerate(rows)]
    task = Task("cic", "intent", ("fee", "size"), {"train": train, "dev": rows[:5], "test": train[:20]}, "")
    audited = _audited(task, TrainConfig(base_encoder=str(small_shop.root / "encoder")), flagged)
    assert {split: audited.messages[split] for split in ("dev", "test")} == {
        split: task.messages[split] for split in ("dev", "test")
    }
    kept = {row.row_id: row for row in audited.messages["train"]}
    mended = {
        place for place in wrong if (found := kept.get(rows[place].row_id)) is None or found.weight < 1 or found == rows[place]
    }
    assert len(mended) >= 6, "most of the planted errors"
    spoiled = [row for place, row in enumerate(rows) if place not in wrong and kept.get(row.row_id) != row]
    assert len(spoiled) <= 12
    assert (len(kept) < 120) is (flagged == "drop")
    assert (min(row.weight for row in kept.values()) < 1) is (flagged == "down_weight")
