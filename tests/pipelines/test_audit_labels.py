"""The audit of labels: planted errors are found, the review file keeps what it holds, corrections reach training and nothing else."""

from __future__ import annotations

import csv
import itertools
import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from openpyxl import load_workbook

from data.errors import ConfigError, DataError, LabelError, ShapeError
from data.review import DROP, LABEL_ERROR, ReviewRow, harmless, original, read_review, write_review
from data.types import LabelSet
from models.inputs import InputFormat
from pipelines import audit_labels, tracking
from pipelines.audit_benchmark import variants
from pipelines.config import AuditConfig
from pipelines.corrections import apply_review
from pipelines.jobs import run_audit, run_step
from pipelines.label_audit import Audit, AuditSettings, audit
from pipelines.prepared import Message, Prepared, load_prepared
from pipelines.train import training_rows
from tests.pipelines.conftest import SmallShop

LABELS = LabelSet(("logistics.urge", "aftersale.return", "invoice.request"), ("neutral",))
DANGEROUS = [
    "=1+1",
    "+86 010",
    "-5 元能便宜吗",
    "@客服",
    "'=x",
    "''@y",
    "＝SUM(A1)",
    "\t=2",
    "=cmd|' /C calc'!A0",
    "不危险",
    "'引号'",
]

# Words that each label draws its sentences from, and words that any sentence may hold.
_WORDS = (("发货", "催一下", "还没寄", "快递呢"), ("退货", "不想要了", "退掉", "寄回去"), ("发票", "抬头", "税号", "开票"))
_FILLERS = ("你好", "请问", "亲", "那个", "麻烦", "谢谢", "我的", "这个", "订单", "一下", "可以", "怎么", "什么时候", "昨天买的")


def _rows(count: int, *, wrong: float, seed: int = 3) -> tuple[list[str], list[int], np.ndarray]:
    """Returns (texts, labels of which a share is wrong, which are wrong)."""
    generator = random.Random(seed)
    texts, labels, planted = [], [], []
    for number in range(count):
        label = number % 3
        words = [generator.choice(_WORDS[label]), *generator.sample(_FILLERS, 4)]
        generator.shuffle(words)
        texts.append("".join(words))
        planted.append(generator.random() < wrong)
        labels.append((label + generator.choice((1, 2))) % 3 if planted[-1] else label)
    return texts, labels, np.array(planted)


def _vectors(texts: list[str], dimension: int = 64) -> np.ndarray:
    """Stands for an encoder: the sum of a random vector for each pair of characters."""
    table: dict[str, np.ndarray] = {}
    generator = np.random.default_rng(0)
    vectors = np.zeros((len(texts), dimension), np.float32)
    for row, text in enumerate(texts):
        for pair in map("".join, itertools.pairwise(text)):
            if pair not in table:
                table[pair] = generator.normal(size=dimension)
            vectors[row] += table[pair]
    return vectors


def _audit(texts: list[str], labels: list[int], **options: Any) -> Audit:
    groups = options.pop("groups", [str(row // 2) for row in range(len(texts))])
    return audit(texts, labels, groups, features=options.pop("features", _vectors(texts)), **options)


@pytest.fixture(autouse=True)
def _no_store_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    # MLflow writes the store's address into the environment, where the next module's jobs would find it. Setting it first, and
    # not deleting it, is what makes pytest put the old state back.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


# --- finding -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted() -> tuple[Audit, list[str], list[int], np.ndarray]:
    texts, labels, wrong = _rows(360, wrong=0.12)
    return _audit(texts, labels), texts, labels, wrong


def test_planted_errors_are_found_and_their_right_label_suggested(planted: Any) -> None:
    found, _, _, wrong = planted
    hits = found.label_error & wrong
    assert hits.sum() / wrong.sum() > 0.8
    assert hits.sum() / found.label_error.sum() > 0.8  # chance is 0.12
    truth = np.arange(len(wrong)) % 3
    assert np.mean(found.suggested[hits] == truth[hits]) > 0.95


def test_quality_is_a_probability_that_ranks_wrong_labels_low(planted: Any) -> None:
    found, _, _, wrong = planted
    assert found.quality.min() >= 0
    assert found.quality.max() <= 1
    assert np.median(found.quality[wrong]) < 0.2 < 0.6 < np.median(found.quality[~wrong])
    assert found.probabilities.sum(1) == pytest.approx(1)


def test_the_same_seed_gives_the_same_flags(planted: Any) -> None:
    found, texts, labels, _ = planted
    assert np.array_equal(_audit(texts, labels).flagged, found.flagged)


def test_weights_are_lower_for_flagged_rows_only(planted: Any) -> None:
    found = planted[0]
    weights = found.weights(0.3)
    assert set(weights[found.flagged]) == {np.float32(0.3)}
    assert set(weights[~found.flagged]) == {1.0}


def test_rows_of_one_dialogue_never_judge_one_another() -> None:
    # Each dialogue repeats one nonsense word with one label: known only to itself, so that folds by row would get it right.
    generator = random.Random(1)
    words = ["".join(generator.sample("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥", 6)) for _ in range(30)]
    texts = [word for word in words for _ in range(6)]
    labels = [number % 2 for number in range(30) for _ in range(6)]
    by_dialogue = _audit(texts, labels, groups=[str(row // 6) for row in range(180)])
    by_row = _audit(texts, labels, groups=[str(row) for row in range(180)])
    assert by_row.quality.mean() > 0.8
    assert by_dialogue.quality.mean() < 0.65


def test_copies_with_another_label_are_flagged_in_favour_of_the_majority() -> None:
    texts, labels, _ = _rows(120, wrong=0)
    copies = ["请问这双鞋子什么时候可以发货呀"] * 3
    found = _audit([*texts, *copies], [*labels, 0, 0, 1])
    assert found.conflict[-3:].tolist() == [False, False, True]
    assert found.suggested[-1] == 0
    assert not found.conflict[:-3].any()


def test_short_answers_with_different_context_are_no_copies() -> None:
    texts, labels, _ = _rows(120, wrong=0)
    contexts = [""] * 120
    apart = _audit([*texts, "好的", "好的"], [*labels, 0, 1], contexts=[*contexts, "服:要退货吗", "服:要开票吗"])
    same = _audit([*texts, "好的", "好的"], [*labels, 0, 1], contexts=[*contexts, "服:要退货吗", "服:要退货吗"])
    assert apart.conflict[-2:].tolist() == [False, False]
    assert same.conflict[-2:].tolist() == [True, True]


def test_near_copies_count_too_unless_their_contexts_differ() -> None:
    texts, labels, _ = _rows(120, wrong=0)
    copies = ["请问一下昨天晚上在你们店里买的那双白色鞋子什么时候发货", "请问一下昨天晚上在你们店里买的那双白色鞋子什么时候发货吗"]
    same = _audit([*texts, *copies], [*labels, 0, 1])
    apart = _audit([*texts, *copies], [*labels, 0, 1], contexts=[*[""] * 120, "服:要退货吗", "服:要开票吗"])
    assert same.conflict[-2:].tolist() == [True, True]
    assert not apart.conflict.any()


def test_a_second_label_that_fits_excuses_the_first() -> None:
    texts, labels, wrong = _rows(240, wrong=0.1)
    truth = [row % 3 for row in range(240)]
    alone = _audit(texts, labels)
    excused = _audit(texts, labels, other_labels=[[right] if bad else [] for right, bad in zip(truth, wrong, strict=True)])
    assert alone.label_error[wrong].mean() > 0.7
    assert excused.label_error[wrong].mean() < 0.1


def test_a_row_far_from_everything_is_an_outlier() -> None:
    texts, labels, _ = _rows(240, wrong=0)
    vectors = _vectors([*texts, "x"])
    vectors[-1] = -40 * vectors[:-1].mean(0) + 30 * np.random.default_rng(5).normal(size=64)
    found = _audit([*texts, "qwertyuiop"], [*labels, 0], features=vectors)
    assert found.outlier[-1]
    assert found.outlier[:-1].mean() < 0.05
    assert not found.flagged[-1] or found.label_error[-1]  # odd is not wrong


def test_a_rare_label_is_neither_flagged_nor_suggested() -> None:
    texts, labels, _ = _rows(240, wrong=0)
    found = _audit([*texts, "请问发货", "抬头发票"], [*labels, 9, 9])
    assert found.classes.tolist() == [0, 1, 2, 9]
    assert not found.label_error[-2:].any()
    assert 9 not in found.suggested[:-2]


def test_too_little_data_and_unequal_arrays_are_refused() -> None:
    texts, labels, _ = _rows(30, wrong=0)
    with pytest.raises(DataError, match="1 labels"):
        _audit(texts, [0] * 30)
    with pytest.raises(DataError, match="1 dialogues"):
        _audit(texts, labels, groups=["one"] * 30)
    with pytest.raises(ShapeError, match="labels has 29 rows"):
        _audit(texts, labels[:-1])


# --- the review file ---------------------------------------------------------------------------------------------------


def _entry(
    text: str, *, row_id: str = "d1/0", correct: tuple[str, ...] = (), reasons: tuple[str, ...] = (LABEL_ERROR,)
) -> ReviewRow:
    return ReviewRow(row_id, "d1", 0, text, "客:你好", ("logistics.urge",), "invoice.request", 0.25, reasons, correct)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_texts_that_look_like_formulas_come_back_unchanged(tmp_path: Path, kind: str) -> None:
    rows = [replace(_entry(text), context=text) for text in DANGEROUS]
    write_review(tmp_path, rows, LABELS.intents)
    back = read_review(tmp_path / f"review.{kind}", LABELS)
    assert [replace(row, where="") for row in back] == rows


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_review(tmp_path, [_entry(text) for text in DANGEROUS], LABELS.intents)
    cells = [cell for row in load_workbook(tmp_path / "review.xlsx")["review"].iter_rows(min_row=2) for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}
    assert all(cell.quotePrefix for cell in cells if isinstance(cell.value, str))
    with (tmp_path / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell[:1] in set("=+-@＝＋－＠\t\r\n")]


@pytest.mark.parametrize("text", DANGEROUS)
def test_escaping_is_undone_exactly(text: str) -> None:
    assert original(harmless(text)) == text


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_unknown_code_is_refused_with_file_and_row(tmp_path: Path, kind: str) -> None:
    write_review(tmp_path, [_entry("一"), _entry("二", correct=("nonsense.code",))], LABELS.intents)
    file = tmp_path / f"review.{kind}"
    with pytest.raises(LabelError, match=r"nonsense\.code") as caught:
        read_review(file, LABELS)
    assert f"{file}:3" in str(caught.value)


def test_a_correction_is_several_codes_or_drop(tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    cells = ["aftersale.return；invoice.request", " DROP ", "", "logistics.urge, aftersale.return"]
    lines = [f'd{number}/0,字,label_error,"{cell}"' for number, cell in enumerate(cells)]
    file.write_text("id,text,reason,correct\n" + "\n".join(lines) + "\n", encoding="utf-8")
    expected = [("aftersale.return", "invoice.request"), (DROP,), (), ("logistics.urge", "aftersale.return")]
    assert [row.correct for row in read_review(file, LABELS)] == expected


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "review.csv").write_text("id,text,reason\nd/0,字,label_error\n", encoding="utf-8")
    with pytest.raises(DataError, match="correct"):
        read_review(tmp_path / "review.csv")
    with pytest.raises(DataError, match=r"holds no \.xlsx or \.csv"):
        (tmp_path / "empty").mkdir()
        read_review(tmp_path / "empty")


# --- feeding it back ---------------------------------------------------------------------------------------------------


def _splits() -> dict[str, list[dict[str, Any]]]:
    def row(name: str, number: int) -> dict[str, Any]:
        return {"id": f"{name}{number}/0", "text": f"{name}第{number}句", "intents": ["logistics.urge"], "weight": 1.0}

    return {name: [row(name, number) for number in range(4)] for name in ("train", "dev", "test")}


def _reviewed(number: int, *, name: str = "train", **options: Any) -> ReviewRow:
    return _entry(options.pop("text", f"{name}第{number}句"), row_id=f"{name}{number}/0", **options)


def _apply(review: list[ReviewRow], flagged: Any = "keep") -> tuple[list[dict[str, Any]], dict[str, int]]:
    return apply_review(_splits(), review, flagged=flagged, reasons=(LABEL_ERROR,), flagged_weight=0.3)


def test_corrections_replace_and_remove_labels() -> None:
    rows, counts = _apply(
        [_reviewed(0, correct=("aftersale.return", "invoice.request")), _reviewed(1, correct=(DROP,)), _reviewed(2)]
    )
    assert [row["id"] for row in rows] == ["train0/0", "train2/0", "train3/0"]
    assert [row["intents"] for row in rows] == [["aftersale.return", "invoice.request"], ["logistics.urge"], ["logistics.urge"]]
    assert (counts["review_corrected"], counts["review_label_removed"], counts["review_flagged_kept"]) == (1, 1, 1)


def test_flagged_rows_are_weighed_down_or_dropped_unless_a_person_confirmed_them() -> None:
    review = [_reviewed(0), _reviewed(1, correct=("logistics.urge",)), _reviewed(2, reasons=("outlier",))]
    lighter, counts = _apply(review, "down_weight")
    assert [row["weight"] for row in lighter] == [0.3, 1.0, 1.0, 1.0]
    assert (counts["review_down_weighted"], counts["review_confirmed"]) == (1, 1)
    fewer, counts = _apply(review, "drop")
    assert [row["id"] for row in fewer] == ["train1/0", "train2/0", "train3/0"]
    assert counts["review_dropped"] == 1


def test_rows_that_are_gone_or_changed_or_held_out_are_counted_not_applied(caplog: pytest.LogCaptureFixture) -> None:
    moved = _reviewed(1, text="同一个编号别的话", correct=(DROP,))
    review = [_reviewed(99, correct=(DROP,)), moved, _reviewed(0, name="test", correct=(DROP,))]
    with caplog.at_level(logging.WARNING):
        rows, counts = _apply(review, "drop")
    assert rows == _splits()["train"]
    assert (counts["review_stale"], counts["review_held_out"]) == (2, 1)
    assert "2 rows of the review file are no longer in the data" in caplog.text


def test_a_filled_row_of_an_older_file_outlives_an_empty_one() -> None:
    rows, _ = _apply([_reviewed(0, correct=("aftersale.return",)), _reviewed(0)], "drop")
    assert rows[0]["intents"] == ["aftersale.return"]


def test_weights_reach_the_training_loop() -> None:
    def message(weight: float) -> Message:
        return Message("d/0", "字", (), ("aftersale.return",), "", (), "", weight)

    prepared = Prepared(LABELS, {"train": [message(1.0), message(0.3)]}, [], {"train": []}, {"train": []})
    rows = training_rows(prepared, InputFormat())
    assert [row.weight for row in rows] == [1.0, 0.3]


# --- the jobs ----------------------------------------------------------------------------------------------------------


def _own(shop: SmallShop, *more: str) -> list[str]:
    return [item.partition(".")[2] for item in shop.overrides if item.startswith("prepare.")] + list(more)


def _audit_options(shop: SmallShop) -> list[str]:
    return [f"base_encoder={shop.root / 'encoder'}", "examples=1"]


@pytest.fixture(scope="module")
def audited(small_shop: SmallShop, tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    """The small shop in a workspace of its own, with planted errors, prepared and audited."""
    root = tmp_path_factory.mktemp("audited")
    (root / "dialogues").mkdir()
    generator = random.Random(2)
    for path in sorted((small_shop.root / "dialogues").iterdir()):
        dialogues = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        turns = [turn for dialogue in dialogues for turn in dialogue["turns"] if turn.get("intents")]
        for turn in generator.sample(turns, len(turns) // 10):
            turn["intents"] = [generator.choice(("invoice.request", "logistics.urge"))]
        lines = (json.dumps(dialogue, ensure_ascii=False) for dialogue in dialogues)
        (root / "dialogues" / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    overrides = tuple(item for item in small_shop.overrides if not item.startswith("prepare.dialogues"))
    shop = SmallShop(root, (*overrides, f"prepare.dialogues={root / 'dialogues'}"))
    (root / "encoder").symlink_to(small_shop.root / "encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        run_step("prepare", shop.workspace, overrides=_own(shop))
        run_audit(shop.workspace, overrides=_audit_options(shop))
    return shop


def test_the_prefix_of_the_encoder_makes_no_copies(audited: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spy(texts: list[str], *_: Any, **__: Any) -> None:
        seen.extend(texts)

    monkeypatch.setattr(audit_labels, "audit", spy)
    prepared = load_prepared(audited.workspace.step("prepare"))
    config = AuditConfig(base_encoder=str(audited.root / "encoder"))
    audit_labels.audit_messages(prepared.messages["train"][:5], prepared.labels, config)
    assert config.input.prefix
    assert len(seen) == 5
    assert not any(text.startswith(config.input.prefix) for text in seen)


def test_the_job_writes_both_files_and_one_run(audited: SmallShop) -> None:
    folder = audited.workspace.audit
    rows = read_review(folder / "review.xlsx")
    assert rows
    assert [replace(row, where="") for row in rows] == [replace(row, where="") for row in read_review(folder / "review.csv")]
    train = {row.row_id: row for row in load_prepared(audited.workspace.step("prepare")).messages["train"]}
    assert all(train[row.row_id].text == row.text and train[row.row_id].intents == row.given for row in rows)
    mlflow.set_tracking_uri(tracking.tracking_uri(audited.workspace.root))
    runs = mlflow.search_runs(experiment_names=["kefu"], filter_string="tags.job = 'audit_labels'", output_format="list")
    assert [run.info.status for run in runs] == ["FINISHED"]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert runs[0].data.metrics["flagged"] == report["flagged"] == sum(";".join(row.reasons) != "outlier" for row in rows)


def _correct(audited: SmallShop, target: Path, correction: Callable[[int], str | None]) -> None:
    book = load_workbook(audited.workspace.audit / "review.xlsx")
    sheet = book["review"]
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, 10).value = correction(row)
    book.save(target)


def test_a_corrected_file_changes_training_rows_and_no_others(audited: SmallShop, tmp_path: Path) -> None:
    before = load_prepared(audited.workspace.step("prepare")).messages
    review = read_review(audited.workspace.audit / "review.xlsx")
    _correct(audited, tmp_path / "done.xlsx", {2: "order.cancel", 3: "drop"}.get)
    other = replace(audited, root=tmp_path)
    run_step("prepare", other.workspace, overrides=_own(audited, f"review={tmp_path / 'done.xlsx'}", "flagged=down_weight"))
    after = load_prepared(other.workspace.step("prepare")).messages
    assert after["dev"] == before["dev"]
    assert after["test"] == before["test"]
    rows = {row.row_id: row for row in after["train"]}
    assert rows[review[0].row_id].intents == ("order.cancel",)
    assert rows[review[0].row_id].weight == 1.0
    assert review[1].row_id not in rows
    assert len(after["train"]) == len(before["train"]) - 1
    light = {row.row_id for row in review[2:] if set(row.reasons) != {"outlier"}}
    assert {row.row_id for row in after["train"] if row.weight == 0.3} == light
    report = json.loads((other.workspace.step("prepare") / "report.json").read_text(encoding="utf-8"))
    assert report["review_corrected"] == report["review_label_removed"] == 1
    assert report["review_down_weighted"] == len(light)


def test_a_filled_review_file_is_not_overwritten(audited: SmallShop, tmp_path: Path) -> None:
    kept = audited.workspace.audit / "review.xlsx"
    whole = kept.read_bytes()
    try:
        _correct(audited, kept, lambda row: "drop" if row == 2 else None)
        filled = kept.read_bytes()
        with pytest.raises(ConfigError, match="1 corrections"):
            run_audit(audited.workspace, overrides=_audit_options(audited))
        assert kept.read_bytes() == filled
    finally:
        kept.write_bytes(whole)


def test_without_prepared_data_the_job_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="python -m pipelines prepare"):
        run_audit(replace_root(tmp_path))


def replace_root(root: Path) -> Any:
    return SmallShop(root, ()).workspace


# --- the benchmark -----------------------------------------------------------------------------------------------------


def test_the_benchmark_compares_and_writes_weights_without_texts(small_shop: SmallShop, tmp_path: Path) -> None:
    for name, count, wrong in (("train", 240, 0.2), ("dev", 60, 0.2), ("clean_dev", 90, 0.0)):
        texts, labels, _ = _rows(count, wrong=wrong, seed=count)
        lines = (json.dumps({"text": text, "label": str(label)}) for text, label in zip(texts, labels, strict=True))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shop = SmallShop(tmp_path / "own", ())
    options = [f"base_encoder={small_shop.root / 'encoder'}", f"benchmark={tmp_path}", "bootstrap=10"]
    folder = run_audit(shop.workspace, overrides=options)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    scores = {row["variant"]: row for row in results["variants"] if row["classifier"].startswith("char")}
    assert scores["all rows"]["accuracy_gain_interval"] == [0, 0]
    assert scores["flagged relabelled"]["training_rows"] == 240 > scores["without flagged"]["training_rows"]
    assert all(row["n"] == 90 for row in scores.values())
    lines = [json.loads(line) for line in (folder / "weights.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 240
    assert sum(line["weight"] < 1 for line in lines) == results["flagged"] > 20
    assert set(lines[0]) == {"row", "weight", "reasons", "quality", "suggested"}


def test_the_control_leaves_out_as_many_rows(planted: Any) -> None:
    from pipelines.audit_benchmark import LabelledTexts

    found, texts, labels, _ = planted
    train = LabelledTexts(texts, texts, np.array(labels), _vectors(texts))
    usable = np.ones(len(texts), np.bool_)
    usable[:10] = False
    made = variants(train, found, usable, AuditConfig())
    assert len(made["without flagged"].rows) == len(made["without as many at random"].rows)
    assert made["all rows"].rows.min() == 10
    assert not found.flagged[made["without flagged"].rows].any()
    assert (made["flagged relabelled"].labels != train.labels).sum() > 20


def test_settings_of_the_job_are_those_of_the_audit() -> None:
    config = AuditConfig()
    assert {name: getattr(config, name) for name in AuditSettings.__dataclass_fields__} == {
        name: getattr(AuditSettings(), name) for name in AuditSettings.__dataclass_fields__
    }
