"""The hierarchy of errors: one base, no surprises for those who catch it."""

from __future__ import annotations

import inspect

import pytest

from data import errors
from data.errors import ConfigError, DataError, InputError, InputTooLongError, KefuError, LabelError

ALL = [value for _, value in inspect.getmembers(errors, inspect.isclass)]


def test_the_module_holds_every_error_that_the_conventions_name() -> None:
    names = {error.__name__ for error in ALL}
    assert {"ConfigError", "DataError", "LabelError", "ShapeError", "BundleError", "ParityError", "InputTooLongError"} <= names


@pytest.mark.parametrize("error", ALL)
def test_every_error_is_a_kefu_error_and_says_when_it_is_raised(error: type[Exception]) -> None:
    assert issubclass(error, KefuError)
    assert (error.__doc__ or "").strip().endswith(".")


def test_a_label_error_is_a_data_error_so_that_skipping_bad_rows_skips_it() -> None:
    assert issubclass(LabelError, DataError)


def test_a_text_that_is_too_long_is_an_input_error_and_a_data_error_is_not() -> None:
    assert issubclass(InputTooLongError, InputError)
    assert not issubclass(DataError, InputError | ConfigError)


def test_kefu_errors_do_not_pass_for_built_in_ones() -> None:
    assert not issubclass(KefuError, ValueError | RuntimeError | OSError)
