"""Cells into values: numbers, flags and names, whether they come as text or as Python objects."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.runs.build import Place

# float() also takes '1_000', 'infinity' and digits of other scripts; a table with those was not meant to have them.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
LARGEST = 1e60  # no quantity of a training run comes near; products of four stay inside float64
FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


def is_blank(cell: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, pandas' NA, or only white space."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    if isinstance(cell, Decimal):
        return cell.is_nan()
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    return type(cell).__name__ in ("NAType", "NaTType")


def numbers(cells: Sequence[Any], column: str, place: Place) -> NDArray[np.float64]:
    """``(row,)`` values of a column of numbers; NaN where a cell is blank.

    Everything becomes float64 here, before any arithmetic: tokens × FLOPs per token overflows 64-bit integers.

    Raises:
        InputError: A cell holds something that is no plain, finite number.
    """
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if is_blank(cell):
            continue
        value = _number(cell)
        if value is None:
            raise InputError(f"{_shown(cell)} is not a number", where=place.at(i, column), remedy=_remedy(cell))
        if not abs(value) < LARGEST:
            raise InputError(
                f"{_shown(cell)} is out of range", where=place.at(i, column), remedy="Correct the row, or leave it out"
            )
        values[i] = value
    return values


def flags(cells: Sequence[Any], column: str, place: Place) -> NDArray[np.bool_]:
    """``(row,)`` values of a yes/no column; blank means no.

    Raises:
        InputError: A cell is neither.
    """
    values = np.zeros(len(cells), bool)
    for i, cell in enumerate(cells):
        text = "" if is_blank(cell) else str(cell).strip().lower()
        flag = FLAGS.get(text.removesuffix(".0"))  # a frame with gaps turns 1 into 1.0
        if flag is None:
            raise InputError(
                f"{_shown(cell)} is neither true nor false",
                where=place.at(i, column),
                remedy="Write true or false; yes, no, 1, 0 and an empty cell (false) do as well",
            )
        values[i] = flag
    return values


def names(cells: Sequence[Any]) -> NDArray[np.object_]:
    """``(row,)`` names as text, None where a cell is blank."""
    text = np.empty(len(cells), object)
    text[:] = [None if is_blank(cell) else str(cell).strip() for cell in cells]
    return text


def _number(cell: Any) -> float | None:
    if isinstance(cell, str):
        text = cell.strip()
        return float(text) if NUMBER.fullmatch(text) else None
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, Real | Decimal):
        return None
    try:
        return float(cell)
    except OverflowError:
        return math.inf


def _shown(cell: Any) -> str:
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _remedy(cell: Any) -> str:
    text = str(cell).strip().lower()
    if text.lstrip("+-") in ("nan", "inf", "infinity", "na", "n/a", "null", "none", "-", ""):
        return "Leave the cell empty if it was not measured; drop the row if the run diverged"
    if re.fullmatch(r"[\d,]*,\d{3}(\.\d*)?", text):
        return "Leave out the thousands separators"
    if text.endswith("%"):
        return 'Write the number alone and declare scale = "points" in a mapping file'
    return "Write plain numbers, such as 7e9; declare a unit, such as Bparams or GFLOPs, in a mapping file"
