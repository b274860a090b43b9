"""Plots for MLflow and the README, with Chinese labels that render: the font comes with the zhplot package."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from numpy.typing import NDArray

matplotlib.use("Agg")


@functools.cache
def _font() -> str:
    """Registers Noto Sans SC and returns its name; matplotlib's own font where the package is absent."""
    spec = importlib.util.find_spec("zhplot")
    if spec is None or not spec.submodule_search_locations:
        return "DejaVu Sans"
    path = Path(spec.submodule_search_locations[0]) / "fonts" / "NotoSansSC-Regular.ttf"
    font_manager.fontManager.addfont(str(path))
    return font_manager.FontProperties(fname=str(path)).get_name()


def _figure(width: float, height: float) -> Figure:
    matplotlib.rcParams.update({"font.family": [_font(), "DejaVu Sans"], "axes.unicode_minus": False, "figure.dpi": 110})
    return Figure(figsize=(width, height), layout="constrained")


def confusion(counts: NDArray[np.int64], titles: Sequence[str], path: Path, *, title: str) -> None:
    """Draws a confusion matrix, each row as shares of its truth."""
    size = max(5.0, 0.28 * len(titles) + 2)
    figure = _figure(size, size)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(titles)), titles, rotation=90, fontsize=8)
    axes.set_yticks(range(len(titles)), titles, fontsize=8)
    axes.set_xlabel("预测 predicted")
    axes.set_ylabel("真实 truth")
    axes.set_title(f"{title} (n={counts.sum()})")
    if len(titles) <= 10:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    figure.savefig(path)


def reliability(panels: Sequence[tuple[str, NDArray[np.float64], NDArray[np.bool_], float]], path: Path, *, bins: int = 10) -> None:
    """Draws reliability diagrams side by side: (title, confidence, correct, ECE) each, bins of equal mass."""
    figure = _figure(3.6 * len(panels), 3.8)
    for axes, (title, confidence, correct, error) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        order = np.argsort(confidence)
        parts = [part for part in np.array_split(order, bins) if len(part)]
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
        axes.plot([confidence[part].mean() for part in parts], [correct[part].mean() for part in parts], marker="o", markersize=4)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="置信度 confidence", ylabel="准确率 accuracy")
        axes.set_title(f"{title}\nECE={error:.3f}, n={len(confidence)}", fontsize=10)
    figure.savefig(path)


def risk_coverage(curves: Sequence[tuple[str, NDArray[np.float64], NDArray[np.bool_]]], path: Path) -> None:
    """Draws precision over the share accepted, and the share accepted at a precision: (name, confidence, correct) each."""
    figure = _figure(10, 4)
    axes, beside = figure.subplots(1, 2)
    targets = np.arange(0.70, 0.995, 0.01)
    for name, confidence, correct in curves:
        hits = np.cumsum(correct[np.argsort(-confidence, kind="stable")])
        counts = np.arange(1, len(correct) + 1)
        axes.plot(counts / len(correct), hits / counts, label=f"{name} (n={len(correct)})")
        reached = [max((counts[hits / counts >= target] / len(correct)).tolist(), default=0.0) for target in targets]
        beside.plot(targets, reached, label=name)
    axes.set(xlabel="覆盖率 coverage", ylabel="精确率 precision", ylim=(0, 1.02), title="覆盖率与精确率 coverage and precision")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    beside.set(
        xlabel="要求的精确率 precision asked for",
        ylabel="覆盖率 coverage",
        ylim=(0, 1.02),
        title="给定精确率下的覆盖率 coverage at precision",
    )
    beside.grid(alpha=0.3)
    figure.savefig(path)
