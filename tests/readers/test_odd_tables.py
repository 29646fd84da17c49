"""What files in the wild hold: other columns of any kind, pipes, broken text. A table, or one error with its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from flpjax.errors import InputError
from flpjax.readers.read import read_runs

TABLE: dict[str, Any] = {"run": ["a", "b"], "params": [1e7, 2e7], "tokens": [1e9, 2e9], "loss/c4": [3.0, 2.5]}
DAYS = pa.array([1, 2**31 - 1], pa.int32()).cast(pa.date32())  # the second is in the year 5,881,580
OLD = int(pl.__version__.split(".")[0]) < 2  # reads no file that holds decimals of more than 38 digits
ODD = {
    "dates that Python hasn't got": DAYS,
    "times that Python hasn't got": pa.array([1, 2**62], pa.timestamp("us")),
    "durations": pa.array([1, 2**40], pa.duration("s")),
    "decimals of 70 digits": pa.array([1, 2], pa.decimal256(70, 2)),
    "lists": pa.array([[1], [2]]),
    "lists of such dates": pa.ListArray.from_arrays([0, 1, 2], DAYS),
    "structs": pa.array([{"a": {"b": 1}}, {"a": None}]),
    "bytes": pa.array([b"a", b"\xff"]),
    "nothing": pa.nulls(2),
    "no finite number": pa.array([np.nan, np.inf]),
    "texts of 100,000 characters": pa.array(["a", "x" * 100_000]),
}


@pytest.fixture(params=["parquet", "arrow"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, Any]], Any]:
    def from_file(columns: dict[str, Any]) -> Any:
        parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
        return read_runs(tmp_path / "t.parquet")

    return from_file if request.param == "parquet" else lambda columns: read_runs(pa.table(columns))


@pytest.mark.parametrize("kind", ODD)
def test_a_column_that_nobody_uses_does_no_harm(kind: str, read: Callable[[dict[str, Any]], Any]) -> None:
    if kind.startswith("decimals") and read.__name__ == "from_file" and OLD:
        with pytest.raises(InputError, match=r"t\.parquet: this is no readable Parquet file: "):
            read({**TABLE, "other": ODD[kind]})
        return
    runs = read({**TABLE, "other": ODD[kind]})
    assert runs.names == ("a", "b")
    assert runs.notes[0] == "ignored 1 column: other"


@pytest.mark.parametrize("column", ["tokens", "score/mmlu", "held_out"])
@pytest.mark.parametrize("kind", [k for k in ODD if k not in ("nothing", "durations", "lists of such dates")])
def test_a_column_that_is_used_is_refused_with_its_name(
    kind: str, column: str, read: Callable[[dict[str, Any]], Any]
) -> None:
    if kind.startswith("decimals") and (column != "held_out" or OLD):
        pytest.skip("Arrow's own decimals are numbers, and polars 1 reads no file that holds them")
    with pytest.raises(InputError, match=rf"(row [12], )?column '{column}'") as caught:
        read({**TABLE, column: ODD[kind]})
    assert len(str(caught.value)) < 500


def test_a_bad_cell_is_named_by_its_row() -> None:
    with pytest.raises(InputError, match=r"row 2, column 'run': this can't be read"):
        read_runs(pa.table({**TABLE, "run": DAYS}))
    with pytest.raises(InputError, match=r"row 2, column 'run': the date is out of range"):
        read_runs(pl.DataFrame({**TABLE, "run": pl.Series([1, 2**31 - 1], dtype=pl.Int32).cast(pl.Date)}))


JUNK: dict[str, tuple[list[Any], str]] = {
    "an integer of 5,000 digits": ([10**5000, 1], "row 1, column 'run': an integer of thousands of digits"),
    "bytes": (["a", b"b"], r"row 2, column 'run': b'b' is of type bytes, which is no name"),
    "lists": ([["a"], ["b"]], r"row 1, column 'run': \['a'\] is of type list"),
    "a cell that swallowed the file": (["a", "b " * 9999], r"row 2, column 'run': the name 'b b .*….* has 19,997 char"),
}


@pytest.mark.parametrize("kind", JUNK)
def test_names_that_are_none(kind: str) -> None:
    cells, message = JUNK[kind]
    with pytest.raises(InputError, match=message):
        read_runs(pd.DataFrame({**TABLE, "run": pd.Series(cells, dtype=object)}))


def test_frames_of_pandas() -> None:
    frame = pd.DataFrame(TABLE)
    others = pd.DataFrame({0: [1, 2], None: [1, 2], (1, 2): [3, 4], "p": pd.period_range("2024", periods=2, freq="M")})
    assert read_runs(frame.join(others).rename_axis("run")).notes[0] == "ignored 4 columns: 0, None, (1, 2), p"
    with pytest.raises(InputError, match=r"'run' is the frame's index, not a column\. Call \.reset_index\(\)"):
        read_runs(frame.set_index(["run", "tokens"]))
    with pytest.raises(InputError, match=r"columns 5 and 6 have the same name"):
        read_runs(frame.join(pd.DataFrame([[1, 2]] * 2, columns=pd.Index([1, "1"], dtype=object))))
    with pytest.raises(InputError, match="column 'run' is missing"):
        read_runs(pd.concat({"x": frame}, axis=1))
    with pytest.raises(InputError, match=r"row 1, column 'tokens': 1E\+999 is out of range"):
        read_runs(frame.assign(tokens=[Decimal("1e999"), 1]))


def test_pipes_and_folders_are_refused_not_read_forever(tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet", "t", "m.toml"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    for name in ("t.csv", "t.parquet", "t", "link.csv"):
        with pytest.raises(InputError, match=rf"{name}: this is no regular file but a pipe.*Write its content"):
            read_runs(tmp_path / name)
    with pytest.raises(InputError, match=r"m\.toml: this is no regular file"):
        read_runs(pl.DataFrame(TABLE), tmp_path / "m.toml")
    with pytest.raises(InputError, match=r"this is a folder\. Give one TOML file in it"):
        read_runs(pl.DataFrame(TABLE), tmp_path)


def test_a_name_with_wild_cards_is_a_name(tmp_path: Path) -> None:
    pl.DataFrame(TABLE).write_parquet(tmp_path / "[a]*.parquet")
    assert read_runs(tmp_path / "[a]*.parquet").names == ("a", "b")


HEAD = "run,params,tokens,loss/c4"
ROWS = "a,1e7,1e9,3\nb,2e7,2e9,2.5\n"
READ = {
    "CRLF and a byte-order mark": ("\ufeff" + f"{HEAD}\n{ROWS}".replace("\n", "\r\n")).encode(),
    "old Mac line ends": f"{HEAD}\n{ROWS}".replace("\n", "\r").encode(),
    "blank lines and rows of commas": f"{HEAD}\n\n{ROWS}   \n,,,\n".encode(),
    "a comma at the end of every line": f"{HEAD}\n{ROWS}".replace("\n", ",\n").encode(),
    "line ends within quotes": f'{HEAD},note\na,1e7,1e9,3,"x\n\ny"\nb,2e7,2e9,2.5,\n'.encode(),
    "columns without a name": f",{HEAD},\n0,a,1e7,1e9,3,\n1,b,2e7,2e9,2.5,\n".encode(),
    "spaces around": b" run , params , tokens , loss/c4 \n a , 1e7 , 1e9 , 3 \nb,2e7,2e9,2.5",
}
REFUSED = {
    "UTF-16": (f"{HEAD}\n{ROWS}".encode("utf-16"), r"t\.csv: this is UTF-16 text\. Save it as UTF-8"),
    "gzip": (b"\x1f\x8b\x08\x00junk", r"t\.csv: this is a gzip file"),
    "Excel": (b"PK\x03\x04junk", r"t\.csv: this is a zip or Excel file"),
    "latin-1 far into the file": (f"{HEAD}\n".encode() + b"a,1,1,1\n" * 3000 + b"\xe9", r"line 3002: byte 24026 is no"),
    "a giant cell": (f"{HEAD}\na,1e7,1e9,{'9' * 200_000}\n".encode(), r"line 2: this is no valid CSV: a cell has more"),
    "a comment on top": (
        f"# made by me, today\n{HEAD}\n{ROWS}".encode(),
        r"line 1: this looks like a comment, '# ",
    ),
    "a comment below": (f"{HEAD}\n#a,1e7\n{ROWS}".encode(), r"line 2: this looks like a comment, '#a,1e7'"),
    "a comma at the end of a row": (f"{HEAD}\na,1e7,1e9,3,\n".encode(), r"row 1 \(line 2\): .*Remove the comma at the"),
    "decimal commas": (
        f'{HEAD}\na,1e7,1e9,"2,71"\n'.encode(),
        r"row 1 \(line 2\), column 'loss/c4': '2,71' is .*po",
    ),
    "semicolons": (f"{HEAD}\n{ROWS}".replace(",", ";").encode(), "one column that holds ';'"),
    "the same name after spaces": (b"run,run ,tokens\na,a,1\n", "columns 1 and 2 have the same name"),
    "100,000 characters": (
        f"{HEAD}\na,1e7,{'x' * 100_000},3\n".encode(),
        r"column 'tokens': 'xx+…x+' is not a num",
    ),
}


@pytest.mark.parametrize("kind", READ)
def test_csv_files_that_are_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(READ[kind])
    runs = read_runs(tmp_path / "t.csv")
    assert runs.names == ("a", "b")
    assert runs.loss[:, 0].tolist() == [3.0, 2.5]


@pytest.mark.parametrize("kind", REFUSED)
def test_csv_files_that_are_refused(kind: str, tmp_path: Path) -> None:
    content, message = REFUSED[kind]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_runs(tmp_path / "t.csv")
    assert len(str(caught.value)) < 500


def test_a_file_without_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flpjax.readers.csv_file.LONGEST_LINE", 1000)
    (tmp_path / "t.csv").write_text(f"{HEAD}\n" + "a,1e7,1e9,3 " * 100)
    with pytest.raises(InputError, match=r"t\.csv, line 2: the line has more than 1,000 characters"):
        read_runs(tmp_path / "t.csv")


def test_a_long_list_of_columns_is_a_handful() -> None:
    frame = pl.DataFrame(TABLE | {f"column {i}": [1, 2] for i in range(97)})
    with pytest.raises(InputError, match=r"has no column 'los\.'") as caught:
        read_runs(frame, {"columns": {"loss/code": "los."}})
    assert str(caught.value).endswith(" and 93 more")
    assert "There is: loss/c4, " in str(caught.value)  # the most similar first


def test_a_number_next_to_nothing_is_refused_without_a_word_of_another_library() -> None:
    with pytest.raises(InputError, match=r"row 1, column 'tokens': got 9\.99989e-321, but it must lie between"):
        read_runs(pl.DataFrame(TABLE | {"run": ["a", "a"], "params": [1e7, 1e7], "tokens": [1e-320, 2e9]}))
