"""One way in: a name, a path or a data frame becomes Runs."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.ladder.table import Runs
from flpjax.readers.cells import numbers
from flpjax.readers.columns import TableMap, table_runs
from flpjax.readers.csv_file import PACKED, read_csv, refuse_others
from flpjax.readers.frames import from_frame, read_parquet
from flpjax.readers.ladders import LADDERS, read_ladder
from flpjax.readers.raw import SUFFIXES, RawTable, missing_file, refuse_irregular


class Frame(Protocol):
    """A pandas, polars or Arrow table."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""


class HasRuns(Protocol):
    """What keeps a ladder: :class:`flpjax.Ladder`, what was imported, a simulated ladder."""

    @property
    def runs(self) -> Runs | None:
        """The ladder; None where it could not be made yet."""


Table = Runs | HasRuns | str | os.PathLike[str] | Frame
"""What every public function takes for a ladder."""


def read_runs(source: Table, mapping: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Runs:
    """Read a ladder.

    A cell that is empty, null or (in a data frame) NaN was not measured. That may be so for scores, their standard
    errors, the training loss and the step, and for losses in some rows of a run; compute must stand everywhere, and
    each loss somewhere in every run unless the mapping allows gaps.

    Args:
        source: The name of a ladder (``ladder``, ``olmo-ladder``, ``gadre2024``, ``gadre2024-c4``, …); the path of a
            CSV or Parquet file; or a pandas, polars or Arrow table. A file that has a ladder's name needs ``./``
            before it. Runs are returned as they are, as are those of a :class:`flpjax.Ladder`.
        mapping: What a table calls its columns, in which units, and facts about its tasks: the path of a TOML file or
            the same as a dictionary (:mod:`flpjax.readers.mapping` shows one).

    Returns:
        The checked table.

    Raises:
        InputError: Something in the input is wrong; the message names file, row and column, and the remedy.
    """
    kept = source if isinstance(source, Runs) else getattr(source, "runs", None)
    if isinstance(kept, Runs):
        if mapping is not None:
            raise InputError("runs take no mapping", where=kept.source, remedy="Give it to what reads the table")
        return kept
    if isinstance(source, str) and source in LADDERS:
        if mapping is not None:
            raise InputError("a ladder by name takes no mapping", where=source, remedy="Leave the mapping out")
        return read_ladder(source)
    try:
        with _without_collection():
            return table_runs(*raw_table(source, mapping))
    except InputError as error:
        if mapping is None and isinstance(source, str | os.PathLike) and _can_be_imported(Path(source)):
            also = f"Or let flpjax make a ladder of it: flpjax import {source} -o ladder.csv"
            raise InputError(
                error.what, where=error.where, remedy=f"{error.remedy}. {also}" if error.remedy else also
            ) from error
        raise


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the collection of garbage: the rows of a table are lists, of which none is, and to look takes long."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _can_be_imported(path: Path) -> bool:
    """Whether ``flpjax import`` makes a ladder of what can't be read as one."""
    from flpjax.readers.importing import import_runs

    try:
        return path.exists() and import_runs(path).runs is not None
    except (InputError, OSError, ValueError):  # a name that is too long is no path, and has no file
        return False


def raw_table(
    source: Any, mapping: str | os.PathLike[str] | Mapping[str, Any] | None = None
) -> tuple[RawTable, TableMap]:
    """A table's cells, and what a mapping says about them, as :func:`read_runs` takes both.

    Raises:
        InputError: Either can't be read.
    """
    table_map = TableMap()
    if mapping is not None:
        from flpjax.readers.mapping import read_mapping  # pydantic is only needed here

        table_map = read_mapping(Path(mapping) if isinstance(mapping, os.PathLike) else mapping)
    raw = _read_file(Path(source), table_map) if isinstance(source, str | os.PathLike) else from_frame(source)
    return raw, table_map


def read_columns(source: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read a table of any columns: numbers where every cell is one, texts elsewhere. A blank number is NaN.

    Args:
        source: The path of a CSV or Parquet file.

    Raises:
        InputError: It can't be read as a table.
    """
    raw = _read_file(Path(source), TableMap())
    found: dict[str, NDArray[Any]] = {}
    for name, cells in raw.cells.items():
        try:
            found[name] = numbers(cells, name, raw.place)
        except InputError:
            found[name] = np.array([str(cell) for cell in cells], object)
    return found


def _read_file(path: Path, table_map: TableMap) -> RawTable:
    """A CSV or Parquet file as cells.

    Raises:
        InputError: There is no such file, or it can't be read as a table.
    """
    suffix = path.suffix.lower()
    try:
        there = path.exists()
        refuse_irregular(path, "CSV or Parquet file")
    except OSError as error:  # a name too long, a folder that may not be read
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another file") from None
    if not there:
        raise missing_file(path, SUFFIXES, others=() if suffix in SUFFIXES else tuple(LADDERS))
    if suffix not in SUFFIXES:
        if suffix in PACKED:
            refuse_others(path)
        raise InputError(
            f"files of type '{path.suffix}' aren't supported", where=str(path), remedy="Give a .csv or .parquet file"
        )
    return read_csv(path, table_map.separator, table_map.decimal) if suffix == ".csv" else read_parquet(path)
