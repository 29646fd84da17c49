"""The command line on plans: what to train for a budget."""

import csv
import json
import re

import numpy as np
import pytest

from flpjax.ladder.export import csv_of
from flpjax.readers.read import read_runs
from tests.results.allocation_truth import isoflops, optimum


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "sweep.csv"
    path.write_text(csv_of(isoflops(0.003)), encoding="utf-8")
    return path


def test_a_plan_in_tables_files_and_a_picture(run, runs, tmp_path):
    files = {kind: tmp_path / f"plan.{kind}" for kind in ("json", "csv", "svg")}
    ask = ("plan", runs, "--budget", "1e20,1e21", "--budget", "1e23", "--draws", 23)
    write = ("--json", files["json"], "--csv", files["csv"], "--plot", files["svg"])
    code, out, err = run(*ask, *write)
    assert code == 0, err
    for line in (
        "What to train on",
        "Approaches side by side",
        "Loss over the best, %, of another N",
        "N* grows as C^0.4",
    ):
        assert line in out
    assert "Counted: N by params, C as the table has it." in out
    assert "times the largest run's" in err
    told = json.loads(files["json"].read_text())
    assert [o["flops"] for o in told["optima"]] == [1e20, 1e21, 1e23]
    assert told["optima"][0]["params"]["median"] == pytest.approx(optimum(1e20), rel=0.1)
    with files["csv"].open() as file:
        rows = list(csv.DictReader(file))
    assert {row["approach"] for row in rows} == {"law", "parabolas", "parabolas, corrected", "blend"}
    assert "runs of equal cost" in files["svg"].read_text()
    code, out, err = run(*ask, *write)  # what flpjax made it may replace
    assert code == 0, err


def test_the_envelope_of_a_sweep(run, tmp_path):
    """The best setting of each N and D in a table, as JSON, and as a ladder that can be read."""
    rates = (1e-4, 1e-3, 1e-2)
    rows = [
        f"{n}-{lr},{n},{20 * n},{2 + 5 * n**-0.1 + (0.01 * np.log10(lr / 1e-3) ** 2 if lr < 5e-3 else 4)},{lr}"
        for n in (1e7, 1e8, 1e9)
        for lr in rates
    ]
    table, best, told = (tmp_path / name for name in ("sweep.csv", "best.csv", "told.json"))
    table.write_text("\n".join(["run,params,tokens,loss/web,x/lr", *rows]), encoding="utf-8")
    code, out, err = run("envelope", table, "-o", best, "--json", told)
    assert code == 0, err
    assert "Loss web of the best setting, by N and D" in out
    assert "3 runs diverged" in " ".join(out.split())
    cells = json.loads(told.read_text())["cells"]
    assert [cell["lr"] for cell in cells] == pytest.approx([1e-3] * 3)
    assert read_runs(best).names == ("10000000.0-0.001", "100000000.0-0.001", "1000000000.0-0.001")
    code, _, err = run("envelope", best)
    assert code == 2
    assert "no setting varies at one N and D" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), r"there is nothing to plan. Give --budget 1e24"),
        (("--budget", "1e24", "--target", "N=1e9,D=1e11", "--spend", "1e20"), "two questions are asked at once"),
        (("--target", "N=1e9,D=1e11"), "a target has no spend"),
        (("--spend", "1e20"), "a spend has no target. Add --target"),
        (("--budget", "1e24", "--most", "3"), "--most belongs to --target and --spend"),
        (("--target", "N=1e9,D=1e11", "--spend", "1e20", "--most-params", "8B"), "--most-params belongs to --budget"),
        (("--budget", "much"), "'much' is not a number"),
        (("--budget", "-3"), "a budget of -3 FLOPs"),
        (("--budget", "1e24", "--most-params", "0"), "most_params is 0"),
        (("--budget", "1e24", "--method", "flp"), "does not read both N and D"),
        (("--budget", "1e24", "--method", "chinchila+sigmoid"), "there is no method 'chinchila"),
    ],
)
def test_what_is_refused_with_one_error(run, runs, args, message):
    code, out, err = run("plan", runs, *args)
    assert code == 2
    assert re.search(message, err), err
    assert err.count("error:") == 1
    assert out == ""


def test_a_budget_needs_runs(run):
    code, _, err = run("plan", "--budget", "1e24")
    assert code == 2
    assert "there are no runs" in err
