"""The command line on which run comes next: a whole plan, the same again on the grown table, and what is refused."""

import json
from dataclasses import replace

import pytest

from flpjax.ladder.export import csv_of

TARGET = ("--target", "N=70e9,D=2e13")


@pytest.fixture(scope="module")
def tables(tmp_path_factory, noisy):
    """The simulated ladder with one task and two losses, as a CSV; without its largest runs; and odd ones."""
    runs = noisy.runs
    runs = replace(runs, tasks=runs.tasks[:1], score=runs.score[:, :1], stderr=runs.stderr[:, :1])
    runs = replace(runs, domains=runs.domains[:2], loss=runs.loss[:, :2])
    folder = tmp_path_factory.mktemp("choosing")
    kept = {
        "all.csv": runs.rows(~runs.held_out[runs.run]),
        "small.csv": runs.only(["64M", "89M", "0.12B", "0.15B", "0.2B", "0.25B"]),
        "held.csv": runs.targets(),
        "one.csv": runs.only(["1B"]),
    }
    for name, table in kept.items():
        (folder / name).write_text(csv_of(table), encoding="utf-8")
    (folder / "candidates.csv").write_text("run,params,tokens,cost\nsmall,1e9,2e10,1\nlarge,7e9,1e12,9\n")
    (folder / "free.csv").write_text("run,x/lr\nsmall,1e-3\n")
    return folder


@pytest.fixture
def quick(monkeypatch, sound):
    """In place of a fit, draws that there are."""
    monkeypatch.setattr("flpjax.fitting.fit.fit", lambda *args, **named: sound)


def test_a_plan_with_everything(run, quick, tables, tmp_path):
    file, picture = tmp_path / "plan.json", tmp_path / "plan.svg"
    code, out, err = run(
        "plan", tables / "all.csv", *TARGET, "--spend", "1e23", "--domain", "general", "--task", "bbh", "--most", 2,
        "--level", 0.8, "--json", file, "--plot", picture,
    )  # fmt: skip
    assert code == 0, err
    plan = json.loads(file.read_text())
    assert [r["place"] for r in plan["runs"]] == [1, 2][: len(plan["runs"])]
    assert set(plan["now"]) == {"loss general", "bbh"}
    assert "Next runs for N=70e9,D=2e13" in out
    assert "80 % expected" in out
    assert "cost, FLOPs" in " ".join(out.split())
    assert "Candidates by what each alone would take away" in out
    assert "<svg" in picture.read_text()


def test_candidates_of_a_table(run, quick, tables, tmp_path):
    file = tmp_path / "plan.json"
    code, out, err = run(
        "plan", tables / "all.csv", *TARGET, "--spend", 5, "--candidates", tables / "candidates.csv", "--json", file
    )
    assert code == 0, err
    plan = json.loads(file.read_text())
    assert [c["name"] for c in plan["candidates"]] == ["small", "large"]
    assert "cost, FLOPs" not in " ".join(out.split())
    assert {r["name"] for r in plan["runs"]} <= {"small"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("all.csv", *TARGET, "--spend", "1e10"), "the spend 1e+10 is below the cheapest candidate"),
        (("all.csv", "--target", "N=1e9,D=1e11", "--spend", "1e20"), "lies inside the ladder"),
        (("all.csv", *TARGET, "--spend", "1e22", "--domain", "cod"), "there is no loss 'cod'. Did you mean 'code'"),
        (("held.csv", *TARGET, "--spend", "1e22"), "all runs are held out"),
        (("one.csv", *TARGET, "--spend", "1e22"), "1 run can't tell what others would"),
        (("all.csv", *TARGET, "--spend", "1e22", "--candidates", "free.csv"), "candidates have no cost"),
        (("all.csv", "--target", "N=70e9,D=2e13,mix/web=1", "--spend", "1e22"), "web"),
        ((*TARGET, "--spend", "1e22", "--domain", "code"), "without a ladder there are no candidates"),
        (("--target", "C=1e23", "--spend", "1e22"), "without a ladder a target needs N and D"),
    ],
)
def test_wrong_uses_get_one_error_before_any_fit(run, tables, monkeypatch, args, message):
    monkeypatch.setattr("flpjax.fitting.fit.fit", lambda *args, **named: pytest.fail("fitted"))
    code, _, err = run("plan", *(tables / a if str(a).endswith(".csv") else a for a in args))
    assert code != 0
    assert message in " ".join(err.split())
    assert err.count("rror") <= 1
    assert "Traceback" not in err


def test_a_first_ladder(run, monkeypatch, tmp_path):
    seen = {}

    def first(target, spend, key, **named):
        seen.update(named, target=target, spend=spend)
        raise KeyboardInterrupt

    monkeypatch.setattr("flpjax.results.selection.first_ladder.first_ladder", first)
    run("plan", *TARGET, "--spend", "5e21", "--most", 9)
    assert (seen["target"].params, seen["spend"], seen["most"]) == (70e9, 5e21, 9)
