"""Tables as people and spreadsheets write them: ``flpjax import`` reads what is meant, or says where it can't."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.readers.importing import Imported, import_runs
from flpjax.readers.read import read_runs

RUNS = (("a", 20e6, 3.25, 0.311), ("b", 60e6, 2.75, 0.402), ("c", 1200e6, 2.25, 0.653))
D = 20.0  # tokens per parameter


def table(head: str, row: Callable[[str, float, float, float], str]) -> str:
    return "\n".join([head, *(row(*run) for run in RUNS)]) + "\n"


READ = {
    "Excel where commas are decimal": "\ufeff"
    + table(
        "run;params;tokens;loss/c4;score/h",
        lambda r, n, y, s: f"{r};{n:.0f};{D * n:.0f};{y};{s}".replace(".", ","),
    ),
    "Excel's first line": "sep=;\n"
    + table("run;params;tokens;loss/c4;score/h", lambda r, n, y, s: f"{r};{n:.0f};{D * n:.0f};{y};{s}"),
    "units in headings": table(
        "Model,Params (M),Tokens (B),Loss/C4 (nats),h acc (%)",
        lambda r, n, y, s: f"{r},{n / 1e6},{D * n / 1e9},{y},{100 * s}",
    ),
    "powers of ten in headings": table(
        "Model name,N (M),D (1e9),FLOPs (1e18),Loss/C4,h accuracy",
        lambda r, n, y, s: f"{r},{n / 1e6},{D * n / 1e9},{6 * D * n * n / 1e18},{y},{s}",
    ),
    "days of a petaflop a second, and cross-entropies": table(
        "run,params,tokens,PetaFLOP/s-days,c4 xent,score/h",
        lambda r, n, y, s: f"{r},{n},{D * n},{6 * D * n * n / 8.64e19!r},{y},{s}",
    ),
    "compute in its column": table(
        "run,params,tokens,Compute (PF-days),loss/c4,score/h",
        lambda r, n, y, s: f"{r},{n},{D * n},{6 * D * n * n / 8.64e19!r},{y},{s}",
    ),
    "a row a value": table(
        "Run,Step,Metric,Value",
        lambda r, n, y, s: "\n".join(
            f"{r},10,{name},{value}"
            for name, value in {"params": n, "tokens": D * n, "loss/c4": y, "score/h": s, "lr": ""}.items()
        ),
    ),
    "thousands in groups": table(
        "run;params;tokens;loss/c4;score/h",
        lambda r, n, y, s: f"{r};{n:,.0f};{D * n:,.0f};{y};{s}".replace(",", "\u00a0"),
    ),
    "thousands in groups of commas": table(
        "run,params,tokens,loss/c4,score/h", lambda r, n, y, s: f'{r},"{n:,.0f}","{D * n:,.0f}",{y},{s}'
    ),
    "thousands in groups of points, where commas are decimal": table(
        "run;params;tokens;loss/c4;score/h",
        lambda r, n, y, s: f"{r};{n:,.0f};{D * n:,.0f};".replace(",", ".") + f"{y};{100 * s:.4f}%".replace(".", ","),
    ),
    "powers of ten as papers print them": table(
        "run,params,tokens,loss/c4,score/h", lambda r, n, y, s: f"{r},{n / 1e6:g}×10⁶,{D * n / 1e9:g} x 10^9,{y},{s}"
    ),
    "headings in two lines": table(
        'run,"Params\n(M)","Tokens\n(B)",loss/c4,"h acc\n(%)"',
        lambda r, n, y, s: f"{r},{n / 1e6},{D * n / 1e9},{y},{100 * s}",
    ),
    "suffixes": table(
        "run,params,tokens,loss/c4,score/h", lambda r, n, y, s: f"{r},{n / 1e6:g}M,{D * n / 1e9:g}B tokens,{y},{s}"
    ),
    "percent signs": table(
        "run,params,tokens,loss/c4,score/h", lambda r, n, y, s: f"{r},{n},{D * n},{y},{100 * s:.4f} %"
    ),
    "percent signs and their unit": table(
        "run,params,tokens,loss/c4,h acc (%)", lambda r, n, y, s: f"{r},{n},{D * n},{y},{100 * s:.4f}%"
    ),
    "blank rows and columns behind": table(
        "run,params,tokens,loss/c4,score/h,,", lambda r, n, y, s: f"{r},{n},{D * n},{y},{s},,"
    )
    + ",,,,,,\n" * 3,
    "numbers in quotes": table(
        "run,params,tokens,loss/c4,score/h", lambda r, n, y, s: f'"{r}","{n:.0f}","{D * n:.3E}","{y}","{s}"'
    ),
}
SAYS = {
    "merged cells": (
        "run,params,tokens,loss/c4\na,1e7,1e8,3\n,,2e8,2.9\n,,3e8,2.8\n",
        r"t\.csv, row 2 \(line 3\): the row doesn't say of which run it is \(and 1 more row",
    ),
    "percent signs here and there": (
        "run,params,tokens,score/h\na,1e7,1e8,25%\nb,2e7,2e8,31\n",
        r"row 2 \(line 3\), column 'score/h': '31' has no percent sign, and others have",
    ),
    "an error beside the value": (
        "run,params,tokens,loss/c4\na,1e7,1e8,3.1 ± .1\n",
        r"row 1 \(line 2\), column 'loss/c4': '3\.1 ± \.1' is not a number\. .*stderr/<task>",
    ),
    "a decimal comma in a loss": (
        'run,params,tokens,loss/c4\na,1e7,1e8,"2,345"\n',
        r"column 'loss/c4': '2,345' is not a number\. Leave out the thousands separators; a decimal point is a point",
    ),
    "points here and fractions there": (
        "run,params,tokens,score/hellaswag\na,1e7,1e8,25.5\nb,2e7,2e8,.31\n",
        r"row 2 \(line 3\), column 'score/hellaswag': got 0\.31, where others have up to 25\.5: some stand in points",
    ),
    "points and fractions of an unknown task": (
        "run,params,tokens,score/h\na,1e7,1e8,25.5\nb,2e7,2e8,.31\n",
        r"row 2 \(line 3\), column 'score/h': got 0\.31, where others have up to 25\.5",
    ),
    "shares without a source": (
        "run,params,tokens,loss/c4,mix/a,mix/b\na,1e7,1e8,3,.5,.4\nb,2e7,2e8,2,.4,.5\n",
        r"column 'mix/a': the mixture weights sum to 0\.9, not to 1",
    ),
    "a title above": ("My ladder,,,\nrun,params,tokens,loss/c4\na,1,2,3\n", "the first line is 'My ladder', which lo"),
    "Markdown": ("| run | params | loss |\n|---|---|---|\n| a | 1e7 | 3 |\n", r"the header holds '\|'"),
    "on its side": (
        "what,a,b\nparams,1e7,2e7\ntokens,1e8,2e8\nloss/c4,3,2\n",
        r"names of columns \(params, tokens\): the table lies",
    ),
    "two values of a metric": (
        "run,tokens,metric,value\na,1e8,loss,3\na,1e8,loss,4\n",
        r"row 2 \(line 3\): 'loss' stands there twice, 3 and 4\. Leave one",
    ),
    "a value of nothing": ("run,tokens,metric,value\na,1e8,,3\n", "column 'metric': there is a value and no metric"),
    "a metric that is a column": ("run,tokens,metric,value\na,1e8,tokens,3\n", "the metric 'tokens' is a column, too"),
    "no header": ("1e7,1e8,3.1\n2e7,2e8,2.9\n", "there is no header"),
    "a workbook": ("PK\x03\x04", "this is a zip or Excel file. Unpack it, or save the sheet"),
    "columns of other names": (
        "exp,size,quality\na,1,2\n",
        "no column is a loss or a score by its name: exp, size, qua",
    ),
}


@pytest.mark.parametrize("kind", READ)
def test_what_is_meant_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(READ[kind])
    runs = import_runs(path).runs
    assert runs is not None
    assert runs.names == ("a", "b", "c")
    np.testing.assert_allclose(runs.params, [n for _, n, _, _ in RUNS], rtol=1e-12)
    np.testing.assert_allclose(runs.tokens, [D * n for _, n, _, _ in RUNS], rtol=1e-12)
    np.testing.assert_allclose(runs.flops, [6.0 * D * n * n for _, n, _, _ in RUNS], rtol=1e-12)
    np.testing.assert_allclose(runs.loss[:, 0], [y for _, _, y, _ in RUNS], rtol=1e-12)
    np.testing.assert_allclose(runs.score[:, 0], [s for _, _, _, s in RUNS], rtol=1e-9)


def test_a_pace_from_a_step_next_to_zero_is_none(tmp_path: Path) -> None:
    """``1e-320`` overflowed with a warning of numpy's; the fuzzer found it."""
    path = tmp_path / "t.csv"
    path.write_text("run,step,tokens,loss/c4\na,1e-320,2e7,\na,10,,3.5\nb,10,1e7,3.5\nb,20,2e7,3.4\n")
    runs = import_runs(path, constants={"params": 1e8}).runs
    assert runs is not None
    assert runs.names == ("b",)


def test_a_list_of_rows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    rows = [{"run": r, "params": n, "tokens": D * n, "loss/c4": y, "score/h": s} for r, n, y, s in RUNS]
    path.write_text(json.dumps(rows))
    runs = import_runs(path).runs
    assert runs is not None
    assert runs.names == ("a", "b", "c")
    np.testing.assert_allclose(runs.loss[:, 0], [y for _, _, y, _ in RUNS], rtol=1e-12)
    path.write_text(json.dumps([*rows, 3]))
    with pytest.raises(InputError, match="row 4: the row is no JSON object"):
        import_runs(path)
    path.write_text(json.dumps([{"name": "a", "quality": 2}]))
    with pytest.raises(InputError, match="no key of its rows is a loss or a score by its name: name, quality"):
        import_runs(path)


@pytest.mark.parametrize("kind", SAYS)
def test_what_nobody_can_know_is_said(kind: str, tmp_path: Path) -> None:
    content, message = SAYS[kind]
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        import_runs(path)
    assert caught.value.remedy


def test_words_for_nothing_are_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "run,params,tokens,loss/c4,score/h,other\na,1e7,1e8,3,N/A,1\nb,2e7,2e8,2.5,#DIV/0!,1\nc,3e7,3e8,2,.5,1\n"
    )
    made = import_runs(path)
    assert made.runs is not None
    np.testing.assert_array_equal(made.runs.score[:, 0], [np.nan, np.nan, 0.5])
    assert any("2 cells NaN or infinite, or with a word for nothing" in doubt for doubt in made.doubts)
    assert any(note.startswith("1 column not taken: other;") for note in made.notes)


def test_runs_that_are_held_out_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("run,params,tokens,val loss,held out\na,1e7,1e8,3,no\nb,2e7,2e8,2.5,\nc,3e7,3e8,2,yes\n")
    runs = import_runs(path).runs
    assert runs is not None
    assert runs.held_out.tolist() == [False, False, True]
    path.write_text("run,params,tokens,val loss,held out\na,1e7,1e8,3,perhaps\n")
    with pytest.raises(InputError, match=r"row 1 \(line 2\), column 'held out': 'perhaps' is neither true nor false"):
        import_runs(path)


def test_rows_that_nothing_orders_are_runs_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("loss_code,loss_web\n3,2\n2.5,1.5\n")
    made = import_runs(path)
    assert made.runs is None
    assert made.lacking == ("t #1", "t #2")
    known = import_runs(path, constants={"params": 1e7, "tokens": 1e8}).runs
    assert known is not None
    assert known.domains == ("code", "web")


def test_a_table_that_import_reads_is_sent_there(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Model,Params (M),Tokens (B),val_loss\na,10,1,3\nb,20,2,2.5\n")
    with pytest.raises(InputError, match=r"column 'run' is missing\..* flpjax import .*t\.csv -o ladder\.csv$"):
        read_runs(path)
    path.write_text("Model,Size\na,10\n")
    with pytest.raises(InputError, match="column 'run' is missing") as caught:
        read_runs(path)
    assert "flpjax import" not in str(caught.value)


def test_a_copy_of_a_public_data_set_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "copy" / "exp_data"
    folder.mkdir(parents=True)
    (folder / "eval_metadata.csv").write_text("Task Name,Baseline\npiqa,50\n")
    for path in (folder.parent, folder / "eval_metadata.csv"):
        with pytest.raises(InputError, match=r"public data set 'gadre2024'.*FLPJAX_DATA.*gadre2024-c4"):
            import_runs(path)


def imported(text: str, folder: Path, **options: Any) -> Imported:
    path = folder / "t.csv"
    path.write_text(text)
    return import_runs(path, **options)


def test_rows_of_a_sweep_are_a_run_each(tmp_path: Path) -> None:
    """One N and one D, several learning rates: they were taken for one run, of which the last row stayed."""
    made = imported("params,tokens,lr,loss/c4\n1e8,1e10,1e-3,3.1\n1e8,1e10,2e-3,3.0\n1e8,1e10,4e-3,3.2\n", tmp_path)
    assert made.runs is not None
    assert made.runs.loss[:, 0].tolist() == [3.1, 3.0, 3.2]
    logged = imported("params,tokens,loss/c4,score/h\n1e8,1e9,3.1,\n1e8,1e9,,.3\n1e8,2e9,3.0,\n", tmp_path)
    assert logged.runs is not None
    assert logged.runs.names == ("t",)


def test_rows_that_are_in_a_table_twice_count_once(tmp_path: Path) -> None:
    """A table appended to itself, or put together of exports that overlap: its checkpoints were taken for runs."""
    head = "run,params,tokens,loss/c4"
    rows = [f"{run},{n:g},{20 * n * k:g},{loss - 0.1 * k:g}" for run, n, loss, _ in RUNS for k in (1, 2, 3, 4)]
    once = imported("\n".join([head, *rows]), tmp_path).runs
    assert once is not None
    numbered = [f",{head}", *(f"{i},{row}" for _ in range(2) for i, row in enumerate(rows))]
    for lines, said in (
        ([head, *rows, *rows], "12 rows that are in it twice left out"),
        ([head, *rows, rows[5]], "1 row that is in it twice left out"),
        (numbered, "12 rows that are in it twice left out"),
    ):
        made = imported("\n".join(lines), tmp_path)
        assert made.runs is not None
        assert made.runs.names == once.names == ("a", "b", "c")
        assert made.runs.loss.tolist() == once.loss.tolist()
        assert f"t.csv: {said}" in made.notes
    reruns = imported("params,tokens,loss/c4\n1e8,1e10,3.1\n1e8,1e10,3.1\n2e8,1e10,3.0\n", tmp_path)
    assert reruns.runs is not None
    assert len(reruns.runs.names) == 3, "no column names runs, and nothing says that rows are copies"


GROUPS = "recipe,params,tokens,loss/c4\nA,1e8,1e10,3.1\nA,2e8,1e10,3.0\nB,1e8,1e10,3.2\nB,2e8,1e10,2.9\n"


def test_ladders_in_one_table_are_told_apart_by_a_column(tmp_path: Path) -> None:
    made = imported(GROUPS, tmp_path, columns={"group": "recipe"})
    assert made.runs is not None
    assert (made.runs.domains, made.runs.grouped) == (("c4@A", "c4@B"), True)
    (tmp_path / "ladder.csv").write_text(made.csv())
    again = read_runs(tmp_path / "ladder.csv")
    assert (again.domains, again.grouped, again.names) == (made.runs.domains, True, made.runs.names)
    np.testing.assert_array_equal(again.loss, made.runs.loss)
    (note,) = (note for note in imported(GROUPS.replace("recipe", "model"), tmp_path).notes if "kinds" in note)
    assert "Column 'model' tells 2 kinds apart (A, B): if these are ladders of their own, --column group=model" in note
    named = imported(GROUPS, tmp_path, columns={"run": "recipe"}).runs
    assert named is not None
    assert named.names == ("A #1", "A #2", "B #1", "B #2")
    with pytest.raises(InputError, match=r"row 2 \(line 3\), column 'recipe': the row has no group"):
        imported(GROUPS.replace("A,2e8", ",2e8"), tmp_path, columns={"group": "recipe"})


def test_tables_of_one_name_are_runs_of_their_own(tmp_path: Path) -> None:
    for folder, heads in (("a", "params,tokens,loss/c4"), ("b", "N,D,loss/c4")):
        (tmp_path / folder).mkdir()
        imported(f"{heads}\n1e8,1e10,3.1\n2e8,1e10,3.0\n", tmp_path / folder)
    (tmp_path / "notes.csv").write_text("who,what\nI,nothing\n")
    made = import_runs(tmp_path)
    assert made.runs is not None
    assert made.runs.names == ("t #1", "t #2", "b/t: t #1", "b/t: t #2")
    assert "no loss or score, and not read: notes.csv" in made.notes
    assert not any("left out" in note for note in made.notes)


SEEDS = {
    "in a column": ("run,seed", lambda r, k, s: f"{r},{s}", ("a (seed 0)", "a (seed 1)", "b (seed 0)", "b (seed 1)")),
    "one after the other": ("run,note", lambda r, k, s: f"{r},", ("a (1)", "a (2)", "b (1)", "b (2)")),
    "of names of their own": ("run,seed", lambda r, k, s: f"{r}-{s},{s}", ("a-0", "a-1", "b-0", "b-1")),
}


@pytest.mark.parametrize("kind", SEEDS)
@pytest.mark.parametrize("steps", [2, 3, 12])
def test_seeds_of_one_run_are_runs(kind: str, steps: int, tmp_path: Path) -> None:
    """The first of two seeds was taken for an attempt that had been given up."""
    head, cells, names = SEEDS[kind]
    rows = [
        f"{cells(r, k, s)},{n:g},{1e9 * k},{k},{5 - 0.1 * k - 0.01 * s}"
        for r, n in (("a", 1e8), ("b", 2e8))
        for s in (0, 1)
        for k in range(1, steps + 1)
    ]
    runs = imported("\n".join([f"{head},params,tokens,step,loss/c4", *rows]), tmp_path).runs
    assert runs is not None
    assert runs.names == names
    assert len(runs) == 4 * steps
    assert runs.finals().loss[:, 0].tolist() == pytest.approx([5 - 0.1 * steps - 0.01 * s for s in (0, 1, 0, 1)])


def test_seeds_side_by_side_without_a_word_are_said_to_be_left_out(tmp_path: Path) -> None:
    rows = [f"a,1e8,{1e9 * k},{k},{5 - 0.1 * k - 0.01 * s}" for k in (1, 2, 3) for s in (0, 1)]
    made = imported("\n".join(["run,params,tokens,step,loss/c4", *rows]), tmp_path)
    assert made.runs is not None
    assert len(made.runs) == 3
    (doubt,) = (d for d in made.doubts if "seed" in d)
    assert doubt.startswith("1 run (a): 3 rows of steps that stand there again with other values left out")


def test_losses_and_scores_below_each_other_are_put_together(tmp_path: Path) -> None:
    """Two logs that were written one below the other: rows of the first were taken for an attempt given up."""
    steps = range(1, 13)
    rows = [f"a,1e8,{1e9 * k},{k},{5 - 0.1 * k}," for k in steps] + [f"a,1e8,{1e9 * k},{k},,{k / 20}" for k in steps]
    runs = imported("\n".join(["run,params,tokens,step,loss/c4,score/h", *rows]), tmp_path).runs
    assert runs is not None
    assert runs.loss[:, 0].tolist() == pytest.approx([5 - 0.1 * k for k in steps])
    assert runs.score[:, 0].tolist() == pytest.approx([k / 20 for k in steps])


MIXTURES = {
    "per cent": (lambda w, d: 100 * w, "mixtures stand in per cent, and are divided by their sum"),
    "tokens": (lambda w, d: d * w, "mixtures stand in tokens, and are divided by their sum"),
    "rounded": (lambda w, d: 0.985 * w, "mixtures do not sum to 1, as rounded ones may, and are divided by their sum"),
    "shares": (lambda w, d: w, ""),
}


@pytest.mark.parametrize("kind", MIXTURES)
def test_mixtures_are_read_as_shares(kind: str, tmp_path: Path) -> None:
    written, said = MIXTURES[kind]
    rows = [
        ",".join(map(str, (r, n, 20 * n, y, *(written(w, 20 * n) for w in (s, 1 - s - 0.1, 0.1, 0.0)))))
        for r, n, y, s in RUNS
    ]
    made = imported("\n".join(["run,params,tokens,loss/c4,mix/a,mix/b,mix/c,mix/d", *rows]), tmp_path)
    assert made.runs is not None
    assert made.runs.mix == pytest.approx(np.array([[s, 0.9 - s, 0.1, 0.0] for *_, s in RUNS]))
    assert [note for note in made.notes if "mixtures" in note] == ([said] if said else [])


def test_tokens_of_n_and_c(tmp_path: Path) -> None:
    made = imported("run,params,flops,loss\na,1e8,6e18,3.1\nb,2e8,1.2e19,3.0\n", tmp_path)
    assert made.runs is not None
    np.testing.assert_allclose(made.runs.tokens, 1e10)
    assert "tokens computed as C / (6·N)" in made.notes
    for size, got in (("0", "got 0"), ("1e-320", "got 9.99989e-321")):
        with pytest.raises(InputError, match=f"column 'params': {got}, but it must"):
            imported(f"run,params,flops,loss\na,{size},6e18,3.1\nb,2e8,1.2e19,3.0\n", tmp_path)


def test_losses_that_may_be_negative_and_shares(tmp_path: Path) -> None:
    text = (
        "run,params,tokens,unigram_loss,proportion_web,proportion_code\na,1e8,1e10,-3.1,.4,.6\nb,2e8,1e10,-3.2,.5,.5\n"
    )
    with pytest.raises(InputError, match=r"--allow-negative loss/unigram"):
        imported(text, tmp_path)
    with pytest.raises(
        InputError, match=r"--allow-negative: there is no 'loss/unigrams'\. Did you mean 'loss/unigram'"
    ):
        imported(text, tmp_path, allow_negative=["loss/unigrams"])
    made = imported(text, tmp_path, allow_negative=["loss/unigram"])
    (tmp_path / "ladder.csv").write_text(made.csv())
    (tmp_path / "ladder.toml").write_text(made.mapping)
    again = read_runs(tmp_path / "ladder.csv", tmp_path / "ladder.toml")
    assert (again.signed, again.sources, again.loss[:, 0].tolist()) == (("unigram",), ("web", "code"), [-3.1, -3.2])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "t.xlsx",
            b"PK\x03\x04",
            "this is a zip or Excel file. Unpack it, or save the sheet that holds the runs as CSV",
        ),
        ("t.json.gz", gzip.compress(b"[]", mtime=0), "this is a gzip file. Unpack it"),
        ("t.csv", b"", "the file is empty"),
        ("t", b"", "the file is empty"),
        ("t.csv", bytes(range(128, 256)), "line 1: byte 0 is no UTF-8 text. Save the file as UTF-8"),
        ("t.csv", "run,loss\nä,3\n".encode("latin-1"), "line 2: byte 9 is no UTF-8 text"),
        ("t.csv", "run,loss\na,3\n".encode("utf-16"), "this is UTF-16 text"),
        ("t.csv", "run,loss\na,3\n".encode("utf-16-le"), "there is a NUL character"),
        ("t.parquet", b"run,loss", "this is no readable Parquet file"),
        ("t.pdf", b"%PDF-1.7", "no format recognises this"),
    ],
)
def test_what_is_no_table_is_called_what_it_is(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    """As a file, and alone in a folder."""
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        import_runs(path)
    if path.suffix in (".csv", ".parquet"):
        with pytest.raises(InputError, match=says):
            import_runs(path.parent)


def test_links_and_folders_that_lead_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "nowhere.csv")
    for read in (import_runs, read_runs):
        with pytest.raises(InputError, match=r"link\.csv: this is a link to a file that is not there"):
            read(link)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder is empty"):
        import_runs(tmp_path / "empty")
