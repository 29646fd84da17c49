"""The command ``speedup``: two tables or two groups of one, what it prints, draws and writes, and what it refuses."""

import csv
import json
from functools import partial

import numpy as np
import pytest

from tests.cli.cases import SHAPES

DRAWS = ("--draws", "200")


def write(path, factors, **odd):
    """A table of one recipe for each factor, told apart by the column ``recipe``."""
    rows = []
    for name, factor in factors.items():
        for i, log_flops in enumerate(np.linspace(42.0, 47.0, odd.get("runs", 4))):
            params = np.exp((log_flops - np.log(120.0)) / 2.0)
            loss = 1.7 + 1.5 * np.exp(-0.16 * (log_flops + np.log(factor) - 44.0)) + 0.002 * ((i * 7) % 3)
            row = {"run": f"{name}-{i}", "params": params, "tokens": 20 * params, "recipe": name}
            row |= {"loss/c4": loss, "score/quiz": 0.25 + 0.7 / (1.0 + np.exp(3.0 * (loss - 2.6)))}
            rows.append({k: v for k, v in row.items() if k not in odd.get("without", ())} | odd.get("more", {}))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return str(path)


@pytest.fixture
def compared(run):
    """Run the command; exit code, stdout, stderr."""
    return partial(run, "speedup")


def test_two_groups_of_one_table_with_picture_and_json(compared, tmp_path):
    table = write(tmp_path / "runs.csv", {"old": 1.0, "new": 1.5})
    file, picture = tmp_path / "r.json", tmp_path / "p.png"
    asked = ("--value", "quiz=0.5", "--flops", "1e24", "--json", str(file), "--plot", str(picture))
    code, out, err = compared(table, "old", "new", "--by", "recipe", *DRAWS, *asked)
    assert (code, picture.stat().st_size > 10_000) == (0, True)
    found = json.loads(file.read_text("utf-8"))
    assert (found["a"], found["b"]) == ("old", "new")
    loss, quiz = found["outputs"]
    assert (quiz["name"], quiz["via"]) == ("quiz", "c4")
    for each in (loss, quiz, quiz["values"][0]):
        assert each["factor"]["lower"] < 1.5 < each["factor"]["upper"]
    for text in ("B is new (4 runs), A is old (4 runs), 4 pairs", "P(B better)", "1e+24", "extrapolated", "50.0 %"):
        assert text in out
    assert "4 and 4 runs tell little" in " ".join(err.split())


def test_two_tables_and_the_score_through_the_loss(compared, tmp_path):
    a, b = write(tmp_path / "a.csv", {"x": 1.0}), write(tmp_path / "b.csv", {"y": 1.5})
    code, out, _ = compared(a, b, *DRAWS)
    assert code == 0
    for text in ("B is b", "loss c4", "quiz", "scores through c4", "one factor at every scale"):
        assert text in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("A",), "two tables are compared, and 1 given"),
        (("A", "B", "--by", "recipe"), "a table and two groups"),
        (("A", "x", "z", "--by", "recipe"), "no row has 'z'. There is: x"),
        (("A", "x", "*", "--by", "recipe"), "'x' and '*' have rows in common"),
        (("A", "x", "y", "--by", "recipes"), "there is no column 'recipes'. Did you mean 'recipe'?"),
        (("A", "B", "--domain", "pile"), "no loss 'pile' in both"),
        (("A", "B", "--value", "c4"), "'c4' is not understood"),
        (("A", "B", "--only", "q*"), "no run is left"),
        (("A", "held"), "held: all runs are held out"),
        (("A", "one"), "one: there is 1 finished run"),
        (("A", "percent"), "score/quiz"),
        (("A", "other"), "no loss and no task in common"),
    ],
)
def test_a_wrong_use_is_one_error(compared, tmp_path, args, message):
    tables = {
        "A": write(tmp_path / "A.csv", {"x": 1.0}),
        "B": write(tmp_path / "B.csv", {"y": 1.5}),
        "held": write(tmp_path / "held.csv", {"y": 1.5}, more={"held_out": True}),
        "one": write(tmp_path / "one.csv", {"y": 1.5}, runs=1),
        "percent": write(tmp_path / "percent.csv", {"y": 1.5}, more={"score/quiz": 60}),
        "other": write(tmp_path / "other.csv", {"y": 1.5}, without=("loss/c4", "score/quiz"), more={"loss/pile": 3}),
    }
    code, out, err = compared(*(tables.get(arg, arg) for arg in args), *DRAWS)
    said = " ".join(err.split())
    assert (code, out) == (2, "")
    assert message in said
    assert said.count("error:") == 1


REFUSED = {
    "mixtures, losses only": "its runs are of",
    "mixtures, both": "its runs are of",
    "mixtures, scores only": "its runs are of",
    "one run": "there is 1 finished run",
    "all held out": "all runs are held out",
    "equal compute": "all runs have one compute",
}
"""Shape of table → words of the one error that it ends in."""


QUICK = (*REFUSED, "losses only", "scores only", "all tasks at chance", "two runs", "equal scores")
EVERY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in SHAPES]


@pytest.mark.parametrize("shape", EVERY)
def test_every_shape_of_table_against_itself_is_worth_one_or_one_error(compared, tmp_path, shape):
    args = SHAPES[shape].write(tmp_path, "table")
    code, out, err = compared(args[0], *args, "--json", str(tmp_path / "r.json"), "--draws", "100")
    said = " ".join(err.split())
    if shape in REFUSED:
        assert (code, out) == (2, "")
        assert REFUSED[shape] in said
        return
    assert code == 0, said
    found = json.loads((tmp_path / "r.json").read_text("utf-8"))
    kinds = {each["kind"] for each in found["outputs"]}
    scored = SHAPES[shape].tasks and SHAPES[shape].odd != "equal scores"  # which tell nothing
    assert kinds == {kind for kind, there in (("loss", SHAPES[shape].losses), ("score", scored)) if there}
    for each in found["outputs"]:
        assert each["factor"]["lower"] <= 1.0 <= each["factor"]["upper"], each["name"]
