"""Every command × method × shape of table: a result whose numbers make sense, or one error that says what to do."""

import json
import math
import re

import pytest

from tests.cli.cases import NO_LOSS, NO_MIX, RUNS, SHAPES

DRAWS = ("--draws", "8")
NO_NUMBER = re.compile(r"(?<![\w'])[+-]?(nan|inf|infinity)(?![\w'])", re.IGNORECASE)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Shape → the arguments that name its table and mapping."""
    folder = tmp_path_factory.mktemp("cases")
    return {name: shape.write(folder, name.replace(" ", "-").replace(",", "")) for name, shape in SHAPES.items()}


@pytest.fixture
def run(run, tmp_path):
    """Run the command line with JSON; exit code, stdout, stderr and what the JSON says."""

    def go(*args):
        file = tmp_path / "out.json"
        said = run(*args, "--json", file)
        return *said, json.loads(file.read_text()) if file.exists() else None

    return go


def options(command, shape, method):
    """The method and the target, or the runs that are held out."""
    name, _, own = method.partition(" ")
    chosen = (["--method", name] if name else []) + (["--via", own] if own else [])
    if command in ("backtest", "compare"):
        held = [] if SHAPES[shape].odd == "all held out" else ["--largest", "1" if SHAPES[shape].runs < RUNS else "2"]
        return [*chosen, *held] + ([*DRAWS] if command == "backtest" else [])
    mix = ",mix/code=0.2,mix/web=0.8" if SHAPES[shape].mixed and command != "mix" else ""
    return [] if command == "check" else [*chosen, "--target", f"N=8e9,D=2e11{mix}", *DRAWS]


def sound(value, path=()):
    """Assert that all numbers are finite, intervals in order, and scores fractions."""
    if isinstance(value, dict):
        middle = value.get("median", value.get("predicted"))
        if None not in (middle, value.get("lower")):
            assert value["lower"] <= middle <= value["upper"], path
        if middle is not None and ("score" in path or "task" in value):
            assert 0.0 <= middle <= 1.0, path
        for name, each in value.items():
            sound(each, (*path, name))
    elif isinstance(value, list):
        for each in value:
            sound(each, path)
    elif isinstance(value, float):
        assert math.isfinite(value), path


def is_result(code, out, err, parsed):
    """Assert that a command ended well."""
    assert code == 0, err
    assert parsed, "no JSON"
    assert not NO_NUMBER.search(out + err), out + err
    assert "error:" not in err
    sound(parsed)


def is_one_error(code, err, words):
    """Assert that a command ended in one error: bad input or a failed fit, with words that say why."""
    assert code in (1, 2), err
    errors = [line for line in err.splitlines() if line.startswith(("error: ", "left out: "))]
    assert len(errors) == 1, err
    assert words in errors[0]
    assert not NO_NUMBER.search(errors[0])


WORKS = [(shape, method) for shape, facts in SHAPES.items() for method in facts.works]
SLOW = {"flp-m"}  # compiles much, and takes part in one command
ELSEWHERE = {"both", "mixtures, both"}  # backtests of all their outputs, or of their losses, are below
FIRST = {shape: next((m for m in facts.works if m not in SLOW), "") for shape, facts in SHAPES.items()}
REFUSED = [
    (shape, method, words, command)
    for shape, facts in SHAPES.items()
    for i, (method, words) in enumerate(facts.refused.items())
    for command in (("forecast", "review", "backtest") if i == 0 else ("forecast",))
]


@pytest.mark.parametrize("shape", SHAPES)
def test_check_describes_every_table(run, tables, shape):
    is_result(*run("check", *tables[shape]))


@pytest.mark.parametrize(("shape", "method"), WORKS)
def test_a_method_forecasts_what_there_is(run, tables, shape, method):
    ends = run("forecast", *tables[shape], *options("forecast", shape, method))
    is_result(*ends)
    (target,) = ends[3]["targets"]
    assert target["loss"] or not SHAPES[shape].losses or method in ("fp", "fp-gpt4", "flat")
    asleep = SHAPES[shape].odd == "chance"
    assert target["score"] or not SHAPES[shape].tasks or asleep


@pytest.mark.parametrize(("shape", "method"), [c for c in FIRST.items() if c[1]])
def test_a_forecast_is_reviewed(run, tables, shape, method):
    ends = run("review", *tables[shape], *options("review", shape, method))
    is_result(*ends)
    assert ends[3]["findings"]


@pytest.mark.parametrize(("shape", "method"), [c for c in FIRST.items() if c[1] and c[0] not in ELSEWHERE])
def test_a_method_is_backtested(run, tables, shape, method):
    ends = run("backtest", *tables[shape], *options("backtest", shape, method))
    if SHAPES[shape].runs < RUNS:  # one more is needed to be held out
        is_one_error(ends[0], ends[2], "run")
        return
    is_result(*ends)
    (record,) = ends[3]["methods"].values()
    kinds = [("cells", "coverage", "width", "crps"), ("loss_cells", "loss_coverage", "loss_rel_width", "loss_rel_crps")]
    for cells, *figures in kinds:
        assert all((record[figure] is None) == (not record[cells]) for figure in figures)
    assert record["cells"] or record["loss_cells"]


@pytest.mark.parametrize(("shape", "method", "words", "command"), REFUSED)
def test_a_method_that_a_table_cannot_carry_is_one_error(run, tables, shape, method, words, command):
    if command == "backtest" and SHAPES[shape].runs < RUNS:
        words = "run"  # fewer are left to fit on
    code, _, err, parsed = run(command, *tables[shape], *options(command, shape, method))
    is_one_error(code, err, words)
    if command != "backtest":
        assert parsed is None


def test_scores_alone_are_drawn_against_compute(run, tables, tmp_path):
    picture = tmp_path / "scores.png"
    how = options("forecast", "scores only", "fp-gpt4")
    code, out, err, parsed = run("forecast", *tables["scores only"], *how, "--plot", str(picture))
    is_result(code, out, err, parsed)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", ["losses only", "scores only"])
def test_a_backtest_without_options_is_one_row_a_method(run, tables, shape):
    code, out, err, parsed = run("backtest", *tables[shape], "--largest", "2", *DRAWS)
    is_result(code, out, err, parsed)
    assert {"auto"} < set(parsed["methods"])
    assert "left out: " not in err, "methods that the columns do not allow are not tried"
    lines = out.splitlines()
    for name in parsed["methods"]:
        (row,) = [line for line in lines if line.strip().startswith(f"{name} ")]
        assert re.search(r"\d", row)
    assert parsed["best"] in parsed["methods"]


def test_a_backtest_shows_held_out_runs_when_asked(run, tables):
    how = ("--method", "flp", "--method", "fp-gpt4", "--largest", "2", *DRAWS)
    _, short, _, _ = run("backtest", *tables["both"], *how)
    _, long, _, _ = run("backtest", *tables["both"], *how, "--by-target")
    for name in ("flp", "fp-gpt4"):
        rows = [
            [line.split()[:2] for line in out.splitlines() if line.startswith(f" {name} ")] for out in (short, long)
        ]
        assert len(rows[0]) == 1
        assert rows[1] == [[name, "r6"], [name, "r7"]]


COMPARED = {
    "scores only": NO_LOSS,
    "mixtures, scores only": NO_LOSS,
    "losses only": "there is neither a column 'mix/<source>' nor 'score/<task>'",
    "one run": "held out",
    "all held out": "held out",
}


@pytest.mark.parametrize("shape", COMPARED)
def test_compare_says_what_it_needs(run, tables, shape):
    code, _, err, parsed = run("compare", *tables[shape], *options("compare", shape, ""))
    is_one_error(code, err, COMPARED[shape])
    assert parsed is None


MIXES = {
    "mixtures, losses only": "",
    "mixtures, scores only": NO_LOSS,
    "losses only": NO_MIX,
    "scores only": "there is no column",
    "both": NO_MIX,
    "one run": NO_MIX,
}


@pytest.mark.parametrize("shape", MIXES)
def test_mix_finds_a_mixture_or_says_why_not(run, tables, shape):
    ends = run("mix", *tables[shape], *options("mix", shape, "m3+domain-linear"))
    if MIXES[shape]:
        is_one_error(ends[0], ends[2], MIXES[shape])
        return
    is_result(*ends)
    assert sum(ends[3]["weights"].values()) == pytest.approx(1.0)
