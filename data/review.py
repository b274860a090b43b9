"""The review file of doubtful labels: written for a person and a spreadsheet, read back with file and row."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError, LabelError
from data.readers import read_csv_rows, read_xlsx_rows
from data.types import LabelSet

LABEL_ERROR = "label_error"
CONFLICT = "conflicting_duplicate"
OUTLIER = "outlier"
REASONS = (LABEL_ERROR, CONFLICT, OUTLIER)
DROP = "drop"

_SHEET = "review"
_REQUIRED = ("id", "text", "reason", "correct")
_WIDTHS = {
    "id": 18, "dialogue_id": 14, "turn": 6, "text": 48, "context": 40, "given_intents": 24, "suggested_intent": 24, "quality": 9,
    "reason": 22, "correct": 24,
}  # fmt: skip
_SEPARATORS = re.compile(r"[;；,，]")
# What a spreadsheet takes for the beginning of a formula or a command; East Asian ones take the full-width signs too.
# Source: OWASP, CSV Injection.
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")
_ILLEGAL_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One doubtful row.

    Attributes:
        row_id: As `prepare` numbers it: dialogue id, slash, turn.
        dialogue_id: Its dialogue.
        turn: Position in the dialogue, from 0.
        text: The message, PII masked.
        context: The turns before it, for the reader.
        given: Intent codes that the data carry, the main one first.
        suggested: The code that the audit finds likelier; equals the given one where only the text is odd.
        quality: How far the audit trusts the given label, in [0, 1]; NaN if a person removed the column.
        reasons: Some of REASONS.
        correct: What a person filled in: intent codes, `("drop",)`, or nothing.
        where: File and row that it was read from, for messages.
    """

    row_id: str
    dialogue_id: str
    turn: int
    text: str
    context: str
    given: tuple[str, ...]
    suggested: str
    quality: float
    reasons: tuple[str, ...]
    correct: tuple[str, ...] = ()
    where: str = ""


def write_review(folder: Path, rows: Sequence[ReviewRow], intents: Sequence[str]) -> None:
    """Writes review.csv and review.xlsx into a folder; the workbook offers the intents in the column `correct`."""
    _write_csv(folder / "review.csv", rows)
    _write_xlsx(folder / "review.xlsx", rows, intents)


def read_review(path: Path, labels: LabelSet | None = None) -> list[ReviewRow]:
    """Returns the rows of a review file, or of all .xlsx and .csv files in a folder (sorted by name).

    Only the columns id, text, reason and correct must be there; `correct` holds one to three codes separated by `;`, or `drop`.

    Args:
        path: A `.xlsx` or `.csv` file, or a folder of them.
        labels: If given, corrections are checked against its intents.

    Raises:
        DataError: A file or row cannot be read, or a column is missing; the message names file and row.
        LabelError: A correction is no intent code; the message names file and row.
    """
    found = sorted(file for file in path.iterdir() if file.suffix in {".xlsx", ".csv"}) if path.is_dir() else [path]
    files = [file for file in found if not file.name.startswith(("~$", "."))]  # the locks of open spreadsheets
    if not files:
        raise DataError(f"{path} holds no .xlsx or .csv file; point `review` at the corrected review file")
    return [_review_row(raw, where, labels) for file in files for where, raw in _rows(file) if raw.get("id") or raw.get("correct")]


def harmless(text: str) -> str:
    """Returns a CSV cell that no spreadsheet runs as a formula: an apostrophe goes before = + - @ and the like."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(cell: str) -> str:
    """Returns the text that `harmless` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _write_csv(path: Path, rows: Sequence[ReviewRow]) -> None:
    # With a byte order mark: without it Excel reads Chinese as something else.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_WIDTHS)
        writer.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in _cells(row)] for row in rows)


def _write_xlsx(path: Path, rows: Sequence[ReviewRow], intents: Sequence[str]) -> None:
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = _SHEET
    sheet.append(list(_WIDTHS))
    for number, row in enumerate(rows, start=2):
        for column, value in enumerate(_cells(row), start=1):
            cell = sheet.cell(number, column)
            cell.value = _ILLEGAL_IN_XML.sub("", value) if isinstance(value, str) else value
            if isinstance(value, str):
                cell.data_type, cell.quotePrefix = "s", True  # a text, even if it begins with = or is edited later
    for column, width in enumerate(_WIDTHS.values(), start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    choices = book.create_sheet("intents")
    for code in (*intents, DROP):
        choices.append([code])
    # No error on other input: several codes with `;` are allowed.
    offered = DataValidation("list", formula1=f"intents!$A$1:$A${len(intents) + 1}", allow_blank=True, showErrorMessage=False)
    offered.add(f"{get_column_letter(len(_WIDTHS))}2:{get_column_letter(len(_WIDTHS))}{len(rows) + 2}")
    sheet.add_data_validation(offered)
    book.save(path)


def _cells(row: ReviewRow) -> list[str | int | float]:
    """The row's cells, in the order of the columns."""
    return [
        row.row_id, row.dialogue_id, row.turn, row.text, row.context, ";".join(row.given), row.suggested, round(row.quality, 4),
        ";".join(row.reasons), ";".join(row.correct),
    ]  # fmt: skip


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if file.suffix == ".csv":
        for where, row in read_csv_rows(file, required=_REQUIRED):
            yield where, {name: original(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
    elif file.suffix == ".xlsx":
        yield from read_xlsx_rows(file, sheet=_SHEET, required=_REQUIRED)
    else:
        raise DataError(f"{file}: got a {file.suffix or 'nameless'} file, expected .xlsx or .csv; convert it")


def _review_row(raw: dict[str, Any], where: str, labels: LabelSet | None) -> ReviewRow:
    if "__error__" in raw:
        raise DataError(raw["__error__"])
    cells = {name: "" if value is None else str(value) for name, value in raw.items()}
    row_id = cells.get("id", "").strip()
    if not row_id:
        raise DataError(f"{where}: id is empty, but `correct` is {cells['correct']!r}; restore the id")
    dialogue_id, _, turn = row_id.rpartition("/")
    return ReviewRow(
        row_id, dialogue_id, int(turn) if turn.isdecimal() else -1, cells.get("text", ""), cells.get("context", ""),
        _codes(cells.get("given_intents", "")), cells.get("suggested_intent", ""), _number(cells.get("quality", "")),
        _codes(cells.get("reason", "")), _correction(cells.get("correct", ""), where, labels), where,
    )  # fmt: skip


def _correction(cell: str, where: str, labels: LabelSet | None) -> tuple[str, ...]:
    codes = _codes(cell)
    if [code.lower() for code in codes] == [DROP]:
        return (DROP,)
    if len(codes) > 3:
        raise DataError(f"{where}: correct is {cell!r}, expected at most 3 codes; remove some")
    for code in codes:
        if labels is not None and code not in labels.intents:
            raise LabelError(
                f"{where}: correct is {code!r}, which is not in the domain pack ({len(labels.intents)} intents); "
                f"write one of its codes, or {DROP!r}"
            )
    return codes


def _codes(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in _SEPARATORS.split(cell) if part.strip()))


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
