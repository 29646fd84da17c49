"""The same table from a CSV file, a Parquet file and three kinds of data frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from flpjax.ladder.table import Runs
from flpjax.readers.read import read_runs

# Tokens and sizes as integers: their product overflows 64 bits.
TABLE: dict[str, list[Any]] = {
    "run": ["big", "big", "small", "target"],
    "params": [7_000_000_000, 7_000_000_000, 30_000_000, 13_000_000_000],
    "tokens": [4_000_000_000_000, 2_000_000_000_000, 600_000_000, 5_000_000_000_000],
    "final": [True, False, True, True],
    "held_out": [False, False, False, True],
    "step": [20, 10, None, 30],
    "train_loss": [2.25, 2.5, None, 2.0],
    "loss/c4": [2.375, 2.625, 3.75, 2.25],
    "loss/code": [1.125, 1.25, 2.0, 1.0],
    "score/mmlu": [0.5, None, 0.25, 0.625],
    "stderr/mmlu": [0.01, None, None, None],
    "mix/web": [0.75, 0.75, 0.5, 0.25],
    "mix/code": [0.25, 0.25, 0.5, 0.75],
    "comment": ["cool", None, "", "held"],
}
FRAME = pl.DataFrame(TABLE)
ARRAYS = (
    "run",
    "params",
    "tokens",
    "flops",
    "final",
    "held_out",
    "loss",
    "score",
    "stderr",
    "mix",
    "train_loss",
    "step",
)


def read_as(kind: str, folder: Path) -> Runs:
    match kind:
        case "csv":
            FRAME.write_csv(folder / "t.csv")
            return read_runs(folder / "t.csv")
        case "pandas csv":  # with an index column, CRLF and a byte-order mark, as Excel and pandas write them
            FRAME.to_pandas().to_csv(folder / "t.csv", lineterminator="\r\n", encoding="utf-8-sig")
            return read_runs(str(folder / "t.csv"))
        case "parquet":
            FRAME.write_parquet(folder / "t.parquet")
            return read_runs(folder / "t.parquet")
        case "pandas":
            return read_runs(pd.DataFrame(TABLE))
        case "nullable pandas":
            return read_runs(pd.DataFrame(TABLE).convert_dtypes())
        case "polars":
            return read_runs(FRAME)
    return read_runs(pa.table(TABLE))


@pytest.mark.parametrize("kind", ["csv", "pandas csv", "parquet", "pandas", "nullable pandas", "polars", "arrow"])
def test_every_container_gives_the_same_runs(kind: str, tmp_path: Path) -> None:
    runs = read_as(kind, tmp_path)
    assert runs.names == ("big", "small", "target")
    assert runs.domains == ("c4", "code")
    assert runs.task_names == ("mmlu",)
    assert runs.tasks[0].chance == 0.25
    assert runs.sources == ("web", "code")
    expected = {
        "run": [0, 0, 1, 2],
        "params": [7e9, 7e9, 3e7, 1.3e10],
        "tokens": [2e12, 4e12, 6e8, 5e12],
        "flops": [8.4e22, 1.68e23, 1.08e17, 3.9e23],
        "final": [False, True, True, True],
        "held_out": [False, False, True],
        "loss": [[2.625, 1.25], [2.375, 1.125], [3.75, 2.0], [2.25, 1.0]],
        "score": [[np.nan], [0.5], [0.25], [0.625]],
        "stderr": [[np.nan], [0.01], [np.nan], [np.nan]],
        "mix": [[0.75, 0.25], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75]],
        "train_loss": [2.5, 2.25, np.nan, 2.0],
        "step": [10, 20, np.nan, 30],
    }
    assert set(expected) == set(ARRAYS)
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(runs, name), values, err_msg=name)
    assert any("comment" in note and note.startswith("ignored") for note in runs.notes)
    assert "FLOPs computed as 6·N·D" in runs.notes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["true", "False", ""], [True, False, False]),
        (["YES", "no", "No"], [True, False, False]),
        (["1", "0", "0.0"], [True, False, False]),
    ],
)
def test_words_for_true_and_false(words: list[str], expected: list[bool]) -> None:
    frame = {"run": ["a", "b", "c"], "params": [1, 2, 3], "tokens": [1, 2, 3], "loss/x": [1, 2, 3], "held_out": words}
    assert read_runs(pl.DataFrame(frame)).held_out.tolist() == expected


def test_numbers_stored_as_text_in_a_frame_are_numbers() -> None:
    frame = {"run": [1, 2], "params": ["1e7", " 2e7 "], "tokens": ["+5", "7."], "loss/x": ["3", ".5"]}
    runs = read_runs(pl.DataFrame(frame))
    assert runs.names == ("1", "2")
    assert runs.params.tolist() == [1e7, 2e7]
    assert runs.loss[:, 0].tolist() == [3.0, 0.5]


def test_model_shape_gives_params_and_flops() -> None:
    frame = {"run": ["a"], "layers": [2], "width": [3], "ffn": [5], "context": [7], "tokens": [11], "loss/x": [1.0]}
    runs = read_runs(pl.DataFrame(frame))
    assert runs.params.tolist() == [2 * (4 * 9 + 3 * 15)]
    assert runs.flops.tolist() == [11 * (6 * 162 + 6 * 2 * 3 * 7)]
