"""A Parquet file or a data frame as named columns of cells; a column becomes Python objects when it is asked for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from flpjax.errors import InputError, shown
from flpjax.ladder.build import Place, is_canonical
from flpjax.readers.raw import RawTable, refuse_repeated

EPOCH = date(1970, 1, 1).toordinal()
DAYS = (date.min.toordinal() - EPOCH + 1, date.max.toordinal() - EPOCH - 1)
"""The first and the last whole day that Python has in every time zone, counted from 1970; Parquet has many more."""


class LazyCells(Mapping[str, Sequence[Any]]):
    """Column → its cells, converted when it is looked up.

    A column that nobody uses may hold what Python has no value for (a date in the year 10,000) or what the library that
    reads it doesn't support; it must not stand in the way of the others.

    Args:
        series: Column → a function that gives it as a polars or narwhals series.
        place: How to name a row in messages.
    """

    def __init__(self, series: Mapping[str, Callable[[], Any]], place: Place) -> None:
        self._series, self._place = series, place

    def __getitem__(self, name: str) -> Sequence[Any]:
        load = self._series[name]
        try:
            column = load()
            return _convertible(column, name, self._place).to_list()
        except BaseException as error:
            if not _foreign(error):
                raise
            row = _first_bad(load)
            raise InputError(
                f"this can't be read: {_line(error)}",
                where=f"{self._place.source}, column {shown(name)}" if row is None else self._place.at(row, name),
                remedy="Write the column as text or as numbers, or give the table as CSV",
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)


def read_parquet(path: Path) -> RawTable:
    """Take a Parquet file: its columns' names now, each column when it is looked up.

    Raises:
        InputError: It is no Parquet file, or two columns have one name.
    """
    import polars as pl

    source = str(path)
    try:
        with _panics_unprinted():
            names = list(pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema())
    except BaseException as error:
        if not _foreign(error):
            raise
        raise InputError(
            f"this is no readable Parquet file: {_line(error)}",
            where=source,
            remedy="Write it again, or give the table as CSV",
        ) from error

    def column(name: str) -> pl.Series:
        with _panics_unprinted():
            return pl.read_parquet(path, columns=[name], glob=False, hive_partitioning=False)[name]

    place = Place(source)
    return RawTable(LazyCells({name: partial(column, name) for name in names}, place), place)


def from_frame(frame: Any, source: str = "table") -> RawTable:
    """Take a pandas, polars or Arrow table.

    Raises:
        InputError: ``frame`` is something else, not collected yet, or has two columns of one name; or a column that is
            needed is the frame's index.
    """
    import narwhals.stable.v2 as nw

    try:
        table = nw.from_native(frame, pass_through=True)
        names: list[Any] = list(table.columns) if isinstance(table, nw.DataFrame) else []  # in pandas, of any type
    except Exception as error:
        refuse_repeated([_named(c) for c in getattr(frame, "column_names", getattr(frame, "columns", ()))], source)
        raise InputError(
            f"the table can't be read: {_line(error)}", where=source, remedy="Give each column a name of its own"
        ) from error
    if isinstance(table, nw.LazyFrame):
        raise InputError("the frame is lazy", where=source, remedy="Call .collect() on it first")
    if not isinstance(table, nw.DataFrame):
        raise InputError(
            f"a table can't be made of an object of type {type(frame).__name__}",
            where=source,
            remedy="Give a path, the name of a ladder, or a pandas, polars or Arrow table, such as pandas.DataFrame(…)",
        )
    texts = [_named(c) for c in names]
    refuse_repeated(texts, source)
    for level in getattr(getattr(frame, "index", None), "names", ()):  # pandas
        if isinstance(level, str) and is_canonical(level) and level not in texts:
            raise InputError(
                f"'{level}' is the frame's index, not a column", where=source, remedy="Call .reset_index() on it first"
            )

    place = Place(source)
    return RawTable(
        LazyCells({text: partial(table.get_column, name) for text, name in zip(texts, names, strict=True)}, place),
        place,
    )


def _named(column: Any) -> str:
    return column if isinstance(column, str) else shown(column)


def _foreign(error: BaseException) -> bool:
    """Whether an error is of a library that read the table; polars panics outside of ``Exception``."""
    if type(error).__name__ == "PanicException":
        return True
    return isinstance(error, Exception) and not isinstance(error, InputError)


@contextmanager
def _panics_unprinted() -> Iterator[None]:
    """Keep off the terminal what polars prints, from below Python, when a damaged file makes it panic."""
    try:
        standard = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as unseen:
        os.dup2(unseen.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(standard, 2)
            os.close(standard)


def _line(error: BaseException) -> str:
    """The first line of what a library says."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


def _convertible(column: Any, name: str, place: Place) -> Any:
    """The column, unless polars would panic on it, and print that: on dates that Python hasn't got, also inside lists.

    Raises:
        InputError: It would.
    """
    native = column.to_native() if hasattr(column, "to_native") else column
    if not type(native).__module__.startswith("polars"):
        return column
    dtype = native.dtype
    if dtype.is_nested() or str(dtype).startswith("Duration"):
        odd, what = native.is_not_null().arg_true(), f"a cell of type {dtype} is neither a number nor a name"
    elif dtype.is_temporal() and not str(dtype).startswith("Time"):
        a_day = {"ms": 10**3, "us": 10**6, "ns": 10**9}[dtype.time_unit] * 86400 if hasattr(dtype, "time_unit") else 1
        days = native.to_physical() // a_day
        odd, what = (~days.is_between(*DAYS)).fill_null(value=False).arg_true(), "the date is out of range"
    else:
        return column
    if len(odd):
        raise InputError(what, where=place.at(int(odd[0]), name), remedy="Correct the row, or leave it out")
    return column


def _first_bad(load: Callable[[], Any]) -> int | None:
    """The first row of a column that can't be converted, by bisection; None if the column can't be loaded at all."""

    def converts(rows: int) -> bool:
        try:
            load().head(rows).to_list()
        except BaseException as error:
            if not _foreign(error):
                raise
            return False
        return True

    try:
        good, bad = 0, len(load())
    except BaseException as error:
        if not _foreign(error):
            raise
        return None
    if converts(bad):
        return None
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if converts(middle) else (good, middle)
    return good
