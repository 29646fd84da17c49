"""Any table gives Runs or the project's own error, never anything else."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flpjax.errors import FlpjaxError
from flpjax.ladder.table import Runs
from flpjax.readers.read import read_runs

NAMES = (
    "run", "params", "tokens", "flops", "step", "final", "held_out", "train_loss", "loss/c4", "score/mmlu",
    "stderr/mmlu", "mix/web", "mix/code", "layers", "width", "ffn", "context", "toknes", "loss/", "x", "",
)  # fmt: skip
NEEDED = ("run", "params", "tokens", "loss/c4")
JUNK = st.sampled_from(
    ["nan", "inf", "-1", "0", "", " ", "1,000", "7B", "1e999", "-1e300", "1e-320", "5e59", "a", "٣", "é", '"']
)
NUMBER = st.floats(1e-3, 1e12).map(repr)
CELL = st.one_of(NUMBER, NUMBER, JUNK, st.text(max_size=4))
OBJECT = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.decimals(),
    st.dates(), st.binary(max_size=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def check(source: Any, mapping: Any = None) -> None:
    try:
        runs = read_runs(source, mapping)
    except FlpjaxError:
        return
    assert isinstance(runs, Runs)
    for values in (runs.params, runs.tokens, runs.flops):
        assert np.all((values > 0) & np.isfinite(values))
    assert np.all(np.isnan(runs.loss) | ((runs.loss > 0) & np.isfinite(runs.loss)))
    assert np.all(np.isnan(runs.score) | ((runs.score >= 0) & (runs.score <= 1)))
    assert np.all((np.diff(runs.run) > 0) | (np.diff(runs.tokens) > 0))
    assert np.all(np.bincount(runs.run[runs.final]) <= 1)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[str]]:
    """Mostly sound tables with a few cells spoilt: the reader gets past its first check."""
    extra = draw(st.lists(st.sampled_from(NAMES), max_size=4))
    dropped = draw(st.sampled_from([None] * 12 + list(NEEDED)))
    columns = [name for name in dict.fromkeys([*NEEDED, *extra]) if name != dropped]
    rows = draw(st.sampled_from([3, 1, 2, 4, 0]))
    table = {}
    for name in columns:
        cells = [str(i + 1) for i in range(rows)]
        if name.startswith(("score/", "stderr/", "mix/", "final", "held_out")):
            cells = [draw(st.sampled_from(["0", "1", ""])) for _ in range(rows)]
        table[name] = cells
    for _ in range(draw(st.integers(0, 2))) if rows and columns else ():
        table[draw(st.sampled_from(columns))][draw(st.integers(0, rows - 1))] = draw(CELL)
    return table


@given(table=tables())
def test_any_table(table: dict[str, list[str]], folder: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([list(table), *zip(*table.values(), strict=True)])
    path = folder / "t.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    check(path)
    check(pl.DataFrame(table))


@given(content=st.one_of(st.binary(max_size=60), st.text("run,params\n\r\"'; 1e", max_size=60).map(str.encode)))
def test_any_bytes(content: bytes, folder: Path) -> None:
    for name in ("t.csv", "t.parquet"):
        path = folder / name
        path.write_bytes(content)
        check(path)


@given(cells=st.lists(OBJECT, min_size=3, max_size=3), column=st.sampled_from(NAMES[:9]))
def test_any_objects_in_a_frame(cells: list[Any], column: str) -> None:
    table = {"run": ["a", "a", "b"], "params": [1, 1, 2], "tokens": [1, 2, 1], "flops": [1, 2, 3], "loss/c4": [3, 2, 1]}
    frame = pd.DataFrame(table)
    frame[column] = pd.Series(cells, dtype=object)
    check(frame)


VALUE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["N", "tokens", "points", "GFLOPs", ""])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["column", "unit", "chance", "scale", "questions", "x"]), inner, max_size=2),
    ),
    max_leaves=4,
)  # fmt: skip


@given(
    mapping=st.dictionaries(
        st.sampled_from(["table", "columns", "tasks", "x"]),
        st.one_of(
            VALUE,
            st.dictionaries(
                st.sampled_from(["params", "score/t", "loss/c4", "t", "allow_missing", "ignore", "final_average"]),
                VALUE,
                max_size=3,
            ),
        ),
        max_size=3,
    )
)
def test_any_mapping(mapping: dict[str, Any]) -> None:
    check(
        pl.DataFrame({"run": ["a"], "N": [2], "params": [1], "tokens": [3], "loss/c4": [1], "score/t": [0.5]}), mapping
    )


@given(
    sizes=st.lists(st.floats(1e6, 1e12), min_size=1, max_size=5),
    data=st.data(),
)
def test_a_sound_table_is_read_to_the_last_bit(sizes: list[float], data: st.DataObject, folder: Path) -> None:
    rows = len(sizes)
    tokens, loss = (
        data.draw(st.lists(st.floats(1e-3, 1e30), min_size=rows, max_size=rows)) for _ in ("tokens", "loss")
    )
    per_token = data.draw(st.lists(st.floats(1.0, 100.0), min_size=rows, max_size=rows))
    flops = [r * n * d for r, n, d in zip(per_token, sizes, tokens, strict=True)]
    frame = pl.DataFrame(
        {"run": [f"r{i}" for i in range(rows)], "params": sizes, "tokens": tokens, "flops": flops, "loss/x": loss}
    )
    frame.write_csv(folder / "sound.csv")
    runs = read_runs(folder / "sound.csv")
    for name, expected in (("params", sizes), ("tokens", tokens), ("flops", flops)):
        np.testing.assert_array_equal(getattr(runs, name), expected)
    np.testing.assert_array_equal(runs.loss_of("x"), loss)
