"""How results show themselves: tidy rows as dictionaries, a data frame, HTML in notebooks, a picture; and numbers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal, overload

from flpjax.errors import InputError

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure

MOST = 60  # rows that a notebook shows
PICTURES = "flpjax.cli.pictured"
"""Draws results. Pictures are made from results, so that it stands above them: it is looked up when it is asked for."""


def number(value: float) -> str:
    """``1.28B`` for 1.28e9: parameters and tokens."""
    value = float(f"{value:.3g}")  # first, so that 999.6 million is 1B
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if unit <= value < 1e15:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def span(ends: Sequence[float] | None, text: Callable[[float], str] = number) -> str:
    """``10.6M to 6.9B`` of the lower and the upper end; one number if they are equal as written; or a dash."""
    if ends is None:
        return "-"
    low, high = map(text, ends)
    return low if low == high else f"{low} to {high}"


class ShownAsTable:
    """A result with tidy rows, one a thing that was found, alike for all of its kind."""

    def to_dicts(self) -> Sequence[Mapping[str, Any]]:
        """The tidy rows: name of the column → value."""
        raise NotImplementedError

    @overload
    def table(self) -> polars.DataFrame: ...
    @overload
    def table(self, backend: Literal["polars"]) -> polars.DataFrame: ...
    @overload
    def table(self, backend: str) -> Any: ...
    def table(self, backend: str = "polars") -> Any:
        """The tidy rows as a data frame.

        Args:
            backend: ``polars``, ``pandas`` or ``pyarrow``, which must be installed.

        Raises:
            InputError: It is not installed, or there is no such kind of frame.
        """
        return frame_of(self.to_dicts(), backend)

    def plot(self) -> Figure:
        """Its picture, which shows itself in a notebook and can be saved.

        Raises:
            InputError: There is none of such a result, or matplotlib is not installed.
        """
        return importlib.import_module(PICTURES).picture_of(self)

    def _repr_html_(self) -> str:
        rows = self.to_dicts()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        heads = "".join(f"<th>{escape(name)}</th>" for name in columns)
        lines = "".join(
            f"<tr>{''.join(f'<td>{escape(_text(row.get(name)))}</td>' for name in columns)}</tr>" for row in rows[:MOST]
        )
        more = f"<p>{len(rows) - MOST:,} more rows</p>" if len(rows) > MOST else ""
        title = f"<p><strong>{type(self).__name__}</strong></p>"
        return f"{title}<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{more}"


def frame_of(rows: Iterable[Mapping[str, Any]], backend: str = "polars") -> Any:
    """Rows as a data frame; where a row lacks a column, its cell is null.

    Args:
        rows: Name of the column → value.
        backend: ``polars``, ``pandas`` or ``pyarrow``, which must be installed.

    Raises:
        InputError: It is not installed, or there is no such kind of frame.
    """
    import narwhals as nw

    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _of_one_type([row.get(name) for row in rows]) for name in names}
    try:
        return nw.from_dict(columns, backend=backend).to_native()  # type: ignore[arg-type]
    except (ImportError, ValueError) as error:
        raise InputError(
            f"there is no frame of '{backend}'", where="table", remedy="Ask for polars, pandas or pyarrow, installed"
        ) from error


def _of_one_type(cells: list[Any]) -> list[Any]:
    """Cells of a column that a frame can hold: numbers as floats where some are, all as text where kinds differ."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return cells if len(kinds) <= 1 else [None if cell is None else str(cell) for cell in cells]


def _text(value: object) -> str:
    """A cell; nothing where nothing is known."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
