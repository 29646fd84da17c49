"""Bad input → one error that names file, row and column, and what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from flpjax.errors import InputError
from flpjax.readers.read import read_runs

HEAD = "run,params,tokens,flops,loss/c4,score/mmlu,final,step"
ROWS = ["a,1e7,1e9,6e16,3.1,0.26,true,10", "b,2e7,2e9,2.4e17,2.9,0.27,true,20"]


def csv_with(row: str) -> str:
    return "\n".join([HEAD, ROWS[0], row, ""])


TABLES = {
    "empty file": ("", ["bad.csv: the file is empty", "a header line"]),
    "header only": (HEAD + "\n", ["bad.csv: the table has no rows", "at least one checkpoint"]),
    "missing column": ("run,token,params,loss/c4\na,1,1,1\n", ["column 'token'", "Did you mean 'tokens'?"]),
    "missing and nothing near": ("run,params,loss/c4\na,1,1\n", ["column 'tokens' is missing", "mapping file"]),
    "no loss and no score": ("run,params,tokens\na,1,1\n", ["no column 'loss/<domain>'", "mapping file"]),
    "misspelt group": (HEAD.replace("loss/c4", "los/c4") + "\n" + ROWS[0], ["'los/c4'", "Did you mean 'loss/c4'?"]),
    "misspelt optional column": (HEAD.replace("step", "steps") + "\n" + ROWS[0], ["'steps'", "Did you mean 'step'?"]),
    "repeated column": ("run,tokens,tokens\na,1,2\n", ["columns 2 and 3", "column 'tokens'", "Rename or remove"]),
    "short row": (csv_with("b,2e7"), ["row 2 (line 3)", "2 cells", "8 columns", "missing comma"]),
    "long row": (csv_with(ROWS[1] + ",1"), ["row 2 (line 3)", "9 cells", "in quotes"]),
    "open quote": (csv_with('"b,2e7'), ["no valid CSV", "line 3", "Check the quotes"]),
    "semicolons": (csv_with(ROWS[1]).replace(",", ";"), ["one column that holds ';'", "by commas"]),
    "thousands": (csv_with('b,"20,000,000",2e9,2.4e17,2.9,.27,true,20'), ["row 2 (line 3), column 'params'",
                  "'20,000,000' is not a number", "thousands separators"]),
    "suffix": (csv_with("b,20M,2e9,2.4e17,2.9,.27,true,20"),
        ["column 'params'", "'20M' is not a number", "declare a unit"]),
    "underscores": (csv_with("b,2_0,2e9,2.4e17,2.9,.27,true,20"), ["column 'params'", "'2_0' is not a number"]),
    "percent": (csv_with("b,2e7,2e9,2.4e17,2.9,27%,true,20"), ["column 'score/mmlu'", "'27%'", 'scale = "points"']),
    "NaN loss": (csv_with("b,2e7,2e9,2.4e17,nan,.27,true,20"),
        ["row 2 (line 3), column 'loss/c4'", "'nan' is not a number",
                 "the run diverged"]),
    "infinite flops": (csv_with("b,2e7,2e9,inf,2.9,.27,true,20"), ["column 'flops'", "'inf' is not a number"]),
    "overflow": (csv_with("b,2e7,2e9,1e999,2.9,.27,true,20"), ["column 'flops'", "'1e999' is out of range"]),
    "blank loss": (csv_with("b,2e7,2e9,2.4e17,,.27,true,20"), ["row 2 (line 3), column 'loss/c4'", "the loss is blank",
                   'allow_missing = ["loss/c4"]']),
    "blank flops": (csv_with("b,2e7,2e9, ,2.9,.27,true,20"), ["row 2 (line 3), column 'flops'", "there is no value"]),
    "blank run": (csv_with(",2e7,2e9,2.4e17,2.9,.27,true,20"), ["row 2 (line 3), column 'run'", "no name"]),
    "zero flops": (csv_with("b,2e7,2e9,0,2.9,.27,true,20"), ["row 2 (line 3), column 'flops'", "must be a positive"]),
    "negative tokens": (csv_with("b,2e7,-2e9,1,2.9,.27,true,20"), ["row 2 (line 3), column 'tokens'", "positive"]),
    "zero loss": (csv_with("b,2e7,2e9,2.4e17,0,.27,true,20"),
        ["row 2 (line 3), column 'loss/c4'", "got 0", "positive"]),
    "negative step": (csv_with("b,2e7,2e9,2.4e17,2.9,.27,true,-1"), ["column 'step'", "must not be negative"]),
    "points": (csv_with("b,2e7,2e9,2.4e17,2.9,27,true,20"), ["row 2 (line 3), column 'score/mmlu'", "got 27",
               'declare scale = "points" under [tasks.mmlu]']),
    "negative score": (csv_with("b,2e7,2e9,2.4e17,2.9,-.1,true,20"),
        ["column 'score/mmlu'", "got -0.1", "from 0 to 1"]),
    "maybe": (csv_with("b,2e7,2e9,2.4e17,2.9,.27,maybe,20"), ["column 'final'", "'maybe' is neither", "true or false"]),
    "two checkpoints": (csv_with(ROWS[0]), ["row 1 (line 2)", "row 2 (line 3)", "two checkpoints at 1e+09", "rerun"]),
    "lone standard error": ("run,params,tokens,loss/c,stderr/x\na,1,1,1,.1\n",
        ["column 'stderr/x'", "no column 'score/x'"]),
    "two finals": (csv_with("a,1e7,2e9,2.4e17,2.9,.27,true,20"),
        ["row 2 (line 3), column 'final'", "more than one final"]),
    "two sizes": (csv_with("a,2e7,2e9,2.4e17,2.9,.27,false,20"),
        ["row 2 (line 3), column 'params'", "changes its size"]),
    "NUL": (csv_with("b\0,2e7,2e9,2.4e17,2.9,.27,true,20"), ["bad.csv, line 3: there is a NUL character", "as UTF-8"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_message_of_a_bad_table(case: str, tmp_path: Path) -> None:
    text, pieces = TABLES[case]
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.csv") as caught:
        read_runs(path)
    for piece in pieces:
        assert piece in str(caught.value)


def test_a_row_is_named_by_its_line_after_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEAD}\n\n{ROWS[0]}\n\nb,x,2e9,2.4e17,2.9,.27,true,20\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"\(line 5\), column 'params': 'x' is not a number"):
        read_runs(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"run,params\nfl\xe4che,1\n")
    with pytest.raises(InputError, match=r"latin\.csv, line 2: byte 13 is no UTF-8 text\. Save the file as UTF-8"):
        read_runs(path)


def test_bytes_that_are_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"run,params\n")
    with pytest.raises(InputError, match=r"bad\.parquet: this is no readable Parquet file.*give the table as CSV"):
        read_runs(path)


def test_wrong_paths(tmp_path: Path) -> None:
    (tmp_path / "ladder.csv").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"laddr\.csv: there is no such file\. Did you mean '.*ladder\.csv'\?"):
        read_runs(tmp_path / "laddr.csv")
    with pytest.raises(InputError, match=r"this is a folder\. Give one CSV or Parquet file"):
        read_runs(str(tmp_path))
    (tmp_path / "ladder.xlsx").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"type '\.xlsx' aren't supported\. Give a \.csv or \.parquet"):
        read_runs(tmp_path / "ladder.xlsx")
    with pytest.raises(InputError, match=r"olmo-lader: there is no such file\. Did you mean 'olmo-ladder'\?"):
        read_runs("olmo-lader")
    with pytest.raises(InputError, match=r"Ladders by name are: ladder, olmo-ladder, .*gadre2024-rw"):
        read_runs("zzzzzz")


def test_things_that_are_no_table() -> None:
    good = {"run": ["a"], "params": [1.0], "tokens": [1.0], "loss/c4": [1.0]}
    with pytest.raises(InputError, match=r"the frame is lazy\. Call \.collect\(\)"):
        read_runs(pl.LazyFrame(good))
    with pytest.raises(InputError, match=r"object of type dict\. Give a path"):
        read_runs(good)
    with pytest.raises(InputError, match=r"column 'a': columns 1 and 2 have the same name"):
        read_runs(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match=r"column 'a': columns 1 and 2 have the same name"):
        read_runs(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(InputError, match="column 'run' is missing"):
        read_runs(pd.DataFrame())


@pytest.mark.parametrize("junk", [True, [1.0], {"a": 1}, b"1", pd.Timestamp("2024-01-01"), 10**400, 1j])
def test_objects_in_a_frame_that_are_no_number(junk: object) -> None:
    frame = pd.DataFrame(
        {"run": ["a", "b"], "params": [1, 2], "tokens": pd.Series([1, junk], dtype=object), "loss/c4": [1.0, 2.0]}
    )
    with pytest.raises(InputError, match=r"table, row 2, column 'tokens': .* is (not a number|out of range)"):
        read_runs(frame)
