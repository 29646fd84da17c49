"""Parquet files of columns of other types than those expected, whole or damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any, Literal

import polars as pl

from benchmarks.fuzz.columns import Table
from benchmarks.fuzz.values import damaged

WILD = (None, 0, 1, -1, 2**31 - 1, -(2**31), 2**53, 2**63 - 1, -(2**63))


def _wild(bits: int) -> Callable[[int, random.Random], pl.Series]:
    """Integers of any size, to be taken for days or moments."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def draw(rows: int, rng: random.Random) -> pl.Series:
        small = [w for w in WILD if w is None or low <= w <= high]
        return pl.Series([rng.choice(small) for _ in range(rows)], dtype=pl.Int32 if bits == 32 else pl.Int64)

    return draw


def _of(values: tuple[Any, ...], dtype: Any) -> Callable[[int, random.Random], pl.Series]:
    return lambda rows, rng: pl.Series([rng.choice(values) for _ in range(rows)], dtype=dtype)


TYPES: tuple[Callable[[int, random.Random], pl.Series], ...] = (
    lambda rows, rng: _wild(32)(rows, rng).cast(pl.Date),
    lambda rows, rng: _wild(64)(rows, rng).cast(pl.Datetime(rng.choice(("ms", "us", "ns")))),
    lambda rows, rng: _wild(64)(rows, rng).cast(pl.Duration(rng.choice(("ms", "us")))),
    lambda rows, rng: _wild(32)(rows, rng).cast(pl.Date).reshape((rows, 1)),
    _wild(32),
    _wild(64),
    _of((None, "", "x", "1e9", "nan", "a" * 9999, "\x1b[2J"), pl.String),
    _of((None, "a", "b"), pl.Categorical),
    _of((None, b"", b"\xff", b"run"), pl.Binary),
    _of((None, [], [1.0], [None, 2.0]), pl.List(pl.Float64)),
    _of((None, {"a": 1}, {"a": None}), pl.Struct({"a": pl.Int64})),
    _of((None, True, False), pl.Boolean),
    _of((None,), pl.Null),
    _of((None, 1, 10**30), pl.Int128),
    _of((None, 0.0, -0.0, 1.5, float("nan"), float("inf"), 5e-324, 1.7e308), pl.Float64),
    _of((None, 1.5, 65504.0), pl.Float32),
    _of((None, 1, 10**12), pl.Decimal(38, 6)),
    _of((None, 255, 0), pl.UInt8),
)

COMPRESSIONS: tuple[Literal["zstd", "uncompressed"], ...] = ("zstd", "uncompressed")


def parquet_of(table: Table, rng: random.Random) -> bytes:
    """The table as a Parquet file; some columns are of another type, some files are damaged."""
    rows = len(table[0][1]) if table else 0
    frame = {}
    for name, cells in table:
        other = rng.random() < 0.05
        frame[name] = rng.choice(TYPES)(rows, rng) if other and rows else _series(cells)
    if rows and rng.random() < 0.3:
        frame["other"] = rng.choice(TYPES)(rows, rng)
    out = io.BytesIO()
    compression = COMPRESSIONS[rng.randrange(len(COMPRESSIONS))]
    try:
        pl.DataFrame(frame).write_parquet(out, compression=compression, statistics=False)
    except pl.exceptions.ComputeError:  # polars before 1.25 writes no Int128
        written = {n: each.cast(pl.String) if each.dtype == pl.Int128 else each for n, each in frame.items()}
        out = io.BytesIO()
        pl.DataFrame(written).write_parquet(out, compression=compression, statistics=False)
    data = out.getvalue()
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
        data = damaged(data, rng)
    return data


def _series(cells: list[Any]) -> pl.Series:
    """A column of one type: text where the cells are of several."""
    try:
        return pl.Series(cells, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series([None if c is None else str(c) for c in cells], dtype=pl.String)
