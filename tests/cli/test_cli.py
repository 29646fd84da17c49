"""The command line as a person meets it: tables on stdout, messages on stderr, one clear error, an exit code."""

import json
import re
import subprocess
import sys

import pytest

from flpjax.ladder.export import csv_of
from flpjax.ladder.simulate import simulate_ladder


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """A simulated ladder as CSV, its 7B and 13B held out."""
    path = tmp_path_factory.mktemp("ladder") / "ladder.csv"
    path.write_text(csv_of(simulate_ladder(3).runs), encoding="utf-8")
    return path


def edited(ladder, tmp_path, edit):
    """The ladder's CSV with its rows, lists of cells, edited in place."""
    rows = [line.split(",") for line in ladder.read_text("utf-8").splitlines()]
    rows = edit(rows) or rows
    path = tmp_path / "edited.csv"
    path.write_text("\n".join(",".join(r) for r in rows) + "\n", encoding="utf-8")
    return path


def test_check_counts_every_checkpoint(run, ladder, tmp_path):
    code, out, _ = run("check", ladder, "--json", tmp_path / "check.json")
    assert code == 0
    assert "14 runs (2 held out)" in out
    assert "near chance: less than 5 points above chance" in out
    tasks = json.loads((tmp_path / "check.json").read_text())["tasks"]
    assert len(tasks) == 6
    for task in tasks:
        assert task["used"] + sum(task["dropped"].values()) == 12 * 30


def test_forecast_of_a_target(run, ladder, tmp_path):
    file = tmp_path / "forecast.json"
    how = ("--method", "flp", "--draws", 20, "--level", 0.8)
    code, out, err = run("forecast", ladder, "-t", "big:N=7e9,D=1.3e12", *how, "--json", file)
    assert code == 0
    assert "big: N=7e+09, D=1.3e+12" in out
    assert "80 % interval" in out
    assert "hellaswag" in out
    assert "truth" not in out
    assert "intervals rest on so few" in err
    assert "REVIEW coverage of its past: not checked: intervals know no model error. Use --method auto" in out
    result = json.loads(file.read_text())
    (target,) = result["targets"]
    assert (target["name"], target["params"], target["tokens"], result["level"]) == ("big", 7e9, 1.3e12, 0.8)
    assert target["extrapolation"] == pytest.approx(target["flops"] / 9.632e21, rel=1e-3)
    fit = result["fits"]["loss"]["outputs"]["general"]
    assert (fit["status"], fit["starts_agree"]) == ("converged", 1.0)
    assert fit["constants"]["alpha_N"] == pytest.approx(-0.041, abs=0.003), "what the simulation was made with"
    for interval in [*target["loss"].values(), *target["score"].values()]:
        assert interval["lower"] <= interval["median"] <= interval["upper"]


def test_forecast_of_held_out_runs_stands_beside_what_they_reached(run, ladder):
    code, out, err = run("forecast", ladder, "--draws", 0, "--method", "power-e+linear")
    assert code == 0
    assert out.count("truth") == 2
    assert out.count("mean |error| of scores") == 2
    assert "this is a point fit" in err


def test_backtest_compares_methods(run, ladder, tmp_path):
    file = tmp_path / "backtest.json"
    methods = ("--method", "power+sigmoid", "--method", "fp", "--method", "llama3")
    code, out, err = run("backtest", ladder, "--largest", 2, "--draws", 10, *methods, "--json", file)
    assert code == 0
    assert "Fitted on 10 runs; held out: 1B, 3B" in out, "the marked 7B and 13B are no runs to fit on"
    assert "llama3: " in err
    assert "'loss/arc_challenge', the task's own loss" in err
    result = json.loads(file.read_text())["methods"]
    assert result["llama3"]["failed"]
    cell = result["power+sigmoid"]["cells"][0]
    assert {"target", "task", "predicted", "lower", "upper", "actual", "rel_error", "rel_error_true_loss"} <= set(cell)
    assert cell["rel_error"] == pytest.approx(cell["predicted"] / cell["actual"] - 1)


def test_backtest_of_named_runs_leaves_other_targets_out(run, ladder):
    code, out, _ = run("backtest", ladder, "--hold-out", "7B,1B", "--draws", 0, "--method", "flp")
    assert code == 0
    assert "Fitted on 11 runs; held out: 1B, 7B" in out


def test_a_run_whose_name_holds_a_comma_can_be_named(run, ladder, tmp_path):
    file = tmp_path / "commas.csv"
    file.write_text(re.sub("^1B,", '"1,B",', ladder.read_text(), flags=re.MULTILINE))
    for option, left in (("--only=1,B", 1), ("--exclude=1,B", 13), ("--exclude=1,B,3B", None)):
        code, out, err = run("check", file, option, "--json", "-")
        if left is None:
            assert (code, "no run is named '1'" in err) == (2, True), "a list of names is as it was"
        else:
            assert code == 0, err
            assert len(json.loads(out)["runs"]) == left


def test_backtest_of_methods_that_all_fail(run, ladder):
    """The last is the error, which stands there with ``--quiet``, too; nothing is said to have been fitted."""
    code, out, err = run("backtest", ladder, "--largest", 2, "--draws", 10, "--method", "llama3", "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("error: llama3: ")
    assert "the task's own loss" in err


def test_demo_forecasts_the_ladder_that_comes_with_it(run, tmp_path):
    code, out, err = run("demo", "--draws", 20, "--save", tmp_path / "saved.csv", "--json", tmp_path / "demo.json")
    assert code == 0
    assert "auto on ladder: 12 runs, 360 checkpoints, N 160k to 4.82M" in out
    assert "\n8.8M-code0.3: N=8.85e+06" in out
    assert "\n19M-code0.3: N=1.9e+07" in out
    assert out.count("truth") == 3, "once in words, once a table"
    assert "saved.csv" in err
    assert json.loads((tmp_path / "demo.json").read_text())["method"] == "auto", "the default"
    assert "\nReview: " in out
    assert run("check", tmp_path / "saved.csv")[0] == 0


def test_review_prints_every_check(run, ladder, tmp_path):
    file = tmp_path / "review.json"
    code, out, _ = run("review", ladder, "-t", "C=1e26", "--method", "flp", "--draws", 20, "--json", file)
    assert code == 0
    findings = {f["check"]: f for f in json.loads(file.read_text())["findings"]}
    assert {"runs", "reruns", "emergence", "fits", "draws", "fit to the ladder", "coverage of its past"} <= set(
        findings
    )
    for name, finding in findings.items():
        assert name in out
        assert (finding["remedy"] != "") == (finding["verdict"] != "PASS")
    assert findings["distance"]["verdict"] == "FAIL"
    assert "FAIL" in out


def test_what_is_left_out_and_kept(run, ladder):
    _, out, _ = run("check", ladder, "--only", "*B", "--exclude", "13B,7B")
    assert "9 runs, " in out.splitlines()[0].replace("  ", " ")


def point_scores(rows):
    at = rows[0].index("score/hellaswag")
    for row in rows[1:]:
        row[at] = str(100 * float(row[at])) if row[at] else ""


def cell(column, row, value):
    def edit(rows):
        rows[row][rows[0].index(column)] = value

    return edit


def header(column, name):
    def edit(rows):
        rows[0][rows[0].index(column)] = name

    return edit


def no_size_no_flops(rows):
    """Either would do."""
    header("params", "colour")(rows)
    header("flops", "price")(rows)


def no_loss(rows):
    """The first run has none."""
    column = rows[0].index("loss/general")
    for row in rows[1:]:
        if row[0] == rows[1][0]:
            row[column] = ""


BAD_TABLES = {
    "empty": (lambda rows: rows[:1], ["edited.csv", "no rows", "at least one checkpoint"]),
    "misspelt, needed": (header("tokens", "tokns"), ["column 'tokns'", "Did you mean 'tokens'?"]),
    "misspelt, optional": (header("flops", "flosp"), ["column 'flosp'", "Did you mean 'flops'?"]),
    "missing": (no_size_no_flops, ["column 'params' is missing", "mapping file"]),
    "NaN loss": (cell("loss/general", 7, "nan"), ["row 7", "column 'loss/general'", "'nan' is not a number", "drop"]),
    "blank losses": (no_loss, ["row 1", "column 'loss/general'", "blank", "in no other row", "allow_missing"]),
    "negative loss": (cell("loss/general", 7, "-1"), ["row 7", "column 'loss/general'", "got -1", "positive"]),
    "no compute": (cell("flops", 7, "0"), ["row 7", "column 'flops'", "got 0", "positive"]),
    "points": (point_scores, ["row 1", "column 'score/hellaswag'", 'scale = "points"', "[tasks.hellaswag]"]),
    "score above 1": (cell("score/race", 9, "1.2"), ["row 9", "column 'score/race'", "got 1.2"]),
    "duplicate": (lambda rows: rows.insert(8, list(rows[8])), ["row 8", "row 9", "two checkpoints", "Keep one"]),
    "one run": (lambda rows: rows[:1] + [r for r in rows if r[0] == "3B"], ["one run only", "at least 2"]),
    "two runs": (lambda rows: rows[:1] + [r for r in rows if r[0] in ("3B", "1B")], ["2 runs", "draws=0"]),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_one_clear_error(run, ladder, tmp_path, name):
    edit, pieces = BAD_TABLES[name]
    output = tmp_path / "never.json"
    table, how = edited(ladder, tmp_path, edit), ("--method", "flp", "--draws", 10)
    code, out, err = run("forecast", table, "-t", "C=1e23", *how, "--json", output)
    assert code == 2
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.strip()]
    assert line.startswith("error: ")
    for piece in pieces:
        assert piece in line
    assert not output.exists()


BAD_ARGUMENTS = {
    "no file": (["check", "nowhere.csv"], "nowhere.csv: there is no such file"),
    "misspelt ladder": (["check", "olmo-lader"], "Did you mean 'olmo-ladder'?"),
    "half a target": (["forecast", "LADDER", "-t", "N=7e9"], "neither FLOPs nor both N and D are given. Write N=7e9"),
    "odd target": (["forecast", "LADDER", "-t", "Q=7e9"], "'Q=7e9' is not understood"),
    "no number": (["forecast", "LADDER", "-t", "N=big,D=1e12"], "'big' is not a number. Write 7e9 or 7B"),
    "method": (["forecast", "LADDER", "--method", "flpp"], "there is no method 'flpp'. Did you mean 'flp'?"),
    "domain": (["forecast", "LADDER", "--via", "codes"], "there is no loss domain 'codes'. Did you mean 'code'?"),
    "domain of flp": (["forecast", "LADDER", "--method", "flp", "--via", "codes"], "no loss domain 'codes'. Did you"),
    "level": (["forecast", "LADDER", "--level", "90", "--draws", "9"], "the level 90 is no probability"),
    "run": (["backtest", "LADDER", "--hold-out", "7b"], "no run is named '7b'. Did you mean '7B'?"),
    "too many": (["backtest", "LADDER", "--largest", "99"], "the 99 largest of 12 runs. Ask for fewer; "),
    "both": (["backtest", "LADDER", "--largest", "2", "--hold-out", "7B"], "--largest and --hold-out are both given"),
    "unwritable": (["check", "LADDER", "--json", "no/such/folder.json"], "no/such/folder.json: can't be written"),
    "picture": (["forecast", "LADDER", "--draws", "0", "--plot", "x.tiiff"], "there is no picture format '.tiiff'"),
    "point of auto": (["forecast", "LADDER", "--draws", "0"], "auto is a blend, which no single draw shows. Name a"),
    "joint auto": (["forecast", "LADDER", "--joint"], "auto fits its methods stage by stage. Name a method"),
    "option": (["check", "LADDER", "--jsn", "x"], "No such option"),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_a_bad_argument_is_one_clear_error(run, ladder, name):
    args, message = BAD_ARGUMENTS[name]
    code, _, err = run(*[ladder if a == "LADDER" else a for a in args])
    assert code == 2
    assert message in err


def test_targets_too_near_and_too_far_are_flagged(run, ladder):
    code, _, err = run("forecast", ladder, "-t", "C=1e21", "-t", "C=1e26", "--method", "flp", "--draws", 0)
    assert code == 0
    assert "'C=1e21' lies inside the ladder (0.1 × its largest run)" in err
    assert "'C=1e26' lies 10,382 × beyond the ladder's largest run" in err


def test_a_task_that_never_emerges_does_not_stop_the_others(run, ladder, tmp_path):
    def flat(rows):
        at = rows[0].index("score/race")
        for row in rows[1:]:
            row[at] = "0.26"

    table, how = edited(ladder, tmp_path, flat), ("--method", "flp", "--draws", 0)
    code, out, err = run("forecast", table, "-t", "C=1e23", *how)
    assert code == 0
    assert "task 'race' is not forecast: no checkpoint is above its chance level of 0.25 (best 0.26)" in err
    assert "hellaswag" in out


def test_point_fits_import_nothing_heavy_but_jax():
    heavy = "('numpyro', 'optax', 'polars', 'scipy.special', 'scipy.optimize', 'scipy.stats', 'matplotlib', 'pydantic')"
    program = (
        "import sys; from flpjax import method, point\n"
        "method('chinchilla+sigmoid'), point\n"
        f"loaded = [m for m in {heavy} if m in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_imports_nothing_heavy():
    heavy = "('jax', 'numpyro', 'optax', 'polars', 'numpy', 'matplotlib', 'pydantic')"
    program = (
        "import sys; from flpjax.cli.app import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"loaded = [m for m in {heavy} if m in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "forecast" in done.stdout
