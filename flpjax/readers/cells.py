"""Cells into values: numbers, flags and names, whether they come as text or as Python objects."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, shown
from flpjax.ladder.build import Place

# float() also takes '1_000', 'infinity' and digits of other scripts; a table with those was not meant to have them.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
PLAIN = re.compile(r"[0-9eE+\-. \t\0]*")
"""Text of these alone is a number to ``float()`` exactly where it is one here; NUL stands between cells."""
LARGEST = 1e60  # no quantity of a training run comes near; products of four stay inside float64
LONGEST_NAME = 200  # characters of a run's name: longer ones are a cell that swallowed its neighbours
NAMES = (str, Real, Decimal, datetime.date, datetime.time, np.str_, np.bool_, np.datetime64)
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
    together = _all_plain(cells)
    if together is not None:
        return together
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if is_blank(cell):
            continue
        value = _number(cell)
        if value is None:
            raise InputError(f"{shown(cell)} is not a number", where=place.at(i, column), remedy=remedy_for(cell))
        if not abs(value) < LARGEST:
            raise InputError(
                f"{shown(cell)} is out of range", where=place.at(i, column), remedy="Correct the row, or leave it out"
            )
        values[i] = value
    return values


def _all_plain(cells: Sequence[Any]) -> NDArray[np.float64] | None:
    """``(row,)`` values of a column in which every cell is a plain number, or empty: none is looked at by itself.

    None where some cell is of another kind.
    """
    kinds = set(map(type, cells))
    try:
        if kinds <= {float, int, NoneType}:
            values = np.array(
                [np.nan if cell is None else cell for cell in cells] if NoneType in kinds else cells, float
            )
        elif kinds == {str} and PLAIN.fullmatch("\0".join(cells)):
            values = np.array([float(cell) if cell else np.nan for cell in cells])
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return None if (np.abs(values) >= LARGEST).any() else values


def flags(cells: Sequence[Any], column: str, place: Place) -> NDArray[np.bool_]:
    """``(row,)`` values of a yes/no column; blank means no.

    Raises:
        InputError: A cell is neither.
    """
    values = np.zeros(len(cells), bool)
    for i, cell in enumerate(cells):
        text = "" if is_blank(cell) else (_text(cell) or "?").lower()
        flag = FLAGS.get(text.removesuffix(".0"))  # a frame with gaps turns 1 into 1.0
        if flag is None:
            raise InputError(
                f"{shown(cell)} is neither true nor false",
                where=place.at(i, column),
                remedy="Write true or false; yes, no, 1, 0 and an empty cell (false) do as well",
            )
        values[i] = flag
    return values


def names(cells: Sequence[Any], column: str = "run", place: Place | None = None) -> NDArray[np.object_]:
    """``(row,)`` names as text, None where a cell is blank.

    Raises:
        InputError: A cell holds something that is no name: bytes, a list, a text of hundreds of characters.
    """
    text = np.empty(len(cells), object)
    if set(map(type, cells)) == {str}:  # a run's name stands in all of its rows, and is looked at once
        clean = {cell: cell.strip() or None for cell in dict.fromkeys(cells)}
        if all(len(name or "") <= LONGEST_NAME for name in clean.values()):
            text[:] = [*map(clean.__getitem__, cells)]
            return text
    for i, cell in enumerate(cells):
        if is_blank(cell):
            continue
        name = _text(cell)
        if isinstance(cell, NAMES) and name is not None and len(name) <= LONGEST_NAME:
            text[i] = name
            continue
        if name is not None and isinstance(cell, NAMES):
            problem = f"the name {shown(cell)} has {len(name):,} characters"
            remedy = f"Give one of at most {LONGEST_NAME}; check the quotes if it holds other cells"
        else:
            problem, remedy = f"{shown(cell)} is of type {type(cell).__name__}, which is no name", "Write names as text"
        raise InputError(problem, where=(place or Place("table")).at(i, column), remedy=remedy)
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


def _text(cell: Any) -> str | None:
    """A cell as text, None if it has no text: an object may refuse, and an integer of thousands of digits does."""
    try:
        return str(cell).strip()
    except Exception:
        return None


def remedy_for(cell: Any) -> str:
    """What to do about a cell that is no number."""
    text = (_text(cell) or "?").lower()
    if len(text) > LONGEST_NAME:
        return "Check the quotes: the cell may hold others"
    if text.lstrip("+-") in ("nan", "inf", "infinity", "na", "n/a", "null", "none", "-", ""):
        return "Leave the cell empty if it was not measured; drop all rows of the run if the run diverged"
    if re.fullmatch(r"[+-]?\d{1,3}([,\s]\d{3})+(\.\d*)?", text):
        return "Leave out the thousands separators; a decimal point is a point, not a comma"
    if re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", text):
        return "Write the decimal point as a point, not as a comma"
    if "±" in text or "+/-" in text or "+-" in text:
        return "Write the value alone; a score's standard error goes into a column stderr/<task>"
    if text.endswith("%"):
        return 'Write the number alone and declare scale = "points" in a mapping file'
    return "Write plain numbers, such as 7e9; declare a unit, such as Bparams or GFLOPs, in a mapping file"
