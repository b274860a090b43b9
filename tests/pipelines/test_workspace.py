"""What makes a step stale, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.workspace import _CODE, STEPS, Workspace, code_hash, fingerprint, tree_hash


def test_comments_and_layout_do_not_make_code_new(tmp_path: Path) -> None:
    one, other, third = (tmp_path / name for name in ("a.py", "b.py", "c.py"))
    one.write_text("x = 1\n")
    other.write_text("# a comment\nx   =  1\n")
    third.write_text("x = 2\n")
    assert code_hash(one) == code_hash(other) != code_hash(third)


def test_data_and_configuration_make_a_step_stale(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("a")
    before = fingerprint("prepare", {"seed": 1}, [data], [])
    assert fingerprint("prepare", {"seed": 1}, [data], []) == before
    assert fingerprint("prepare", {"seed": 2}, [data], []) != before
    assert fingerprint("prepare", {"seed": 1}, [data], ["upstream"]) != before
    data.write_text("b")
    assert fingerprint("prepare", {"seed": 1}, [data], []) != before


@pytest.mark.parametrize(("step", "pattern"), [(step, pattern) for step, patterns in _CODE.items() for pattern in patterns])
def test_the_code_that_makes_a_step_stale_is_there(step: str, pattern: str) -> None:
    root = Path(__file__).parents[2]
    assert step in STEPS and f"pipelines/{step}.py" in _CODE[step]
    assert [path for path in root.glob(pattern) if path.is_file()], f"{pattern} names no file: its changes would go unseen"


def test_renaming_a_file_changes_the_hash_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = tree_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert tree_hash(tmp_path) != before


def test_a_failing_step_leaves_nothing_behind(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)

    def fill(folder: Path) -> dict[str, object]:
        (folder / "half").write_text("…")
        raise RuntimeError("out of memory, say")

    with pytest.raises(RuntimeError):
        workspace.write("prepare", "mark", fill)
    assert not workspace.is_fresh("prepare", "mark")
    assert list(workspace.step("prepare").parent.iterdir()) == []
