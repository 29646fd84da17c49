"""What users' tables broke once, through the command line: wrong answers, crashes, harm; by number in the report."""

import json
import math
import re

import pytest

from tests.cli.cases import SHAPES

CHECKED = "--draws", "8"
ISO = [
    (5e7, 1e9, 3.7257),
    (1e8, 2e9, 3.2941),
    (2e8, 4e9, 2.9544),
    (4e8, 8e9, 2.6878),
    (8e8, 1.6e10, 2.4785),
    (1.6e9, 3.2e10, 2.3141),
    (3.2e9, 6.4e10, 2.1849),
]


@pytest.fixture
def run(run, tmp_path, monkeypatch):
    """Run the command line in a folder of its own; exit code, output with spaces and line ends as one space, errors."""
    monkeypatch.setenv("FLPJAX_CACHE", str(tmp_path / "compiled"))
    monkeypatch.chdir(tmp_path)

    def go(*args):
        code, *texts = run(*args)
        return code, *(" ".join(text.split()) for text in texts)

    return go


def table(folder, rows, name="t.csv"):
    """Write rows as CSV."""
    columns = list(dict.fromkeys(c for row in rows for c in row))
    lines = [",".join(columns), *(",".join(str(row.get(c, "")) for c in columns) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def ladder(runs=8, checkpoints=3, **more):
    """Runs of eq. 1 with a score; ``more`` maps columns to functions of run, checkpoint and loss."""
    rows = []
    for r in range(runs):
        n = 2e7 * 2.0**r
        for k in range(1, checkpoints + 1):
            d = 20.0 * n * k / checkpoints
            loss = 1.7 + 400.0 / n**0.34 + 410.0 / d**0.28
            row = {"run": f"r{r}", "params": n, "tokens": d, "loss/web": round(loss, 5)}
            row["score/quiz"] = round(0.25 + 0.75 / (1.0 + math.exp(3.0 * (loss - 2.8))), 4)
            rows.append(row | {c.replace("__", "/"): f(r, k, loss) for c, f in more.items()})
    return rows


def is_last(row):
    """Whether a row of :func:`ladder` ends its run."""
    return row["tokens"] == 20.0 * row["params"]


def test_1_a_target_in_flops_alone_is_the_same_model_as_one_in_n_and_d(run, tmp_path):
    rows = [{"run": f"r{i}", "params": n, "tokens": d, "loss/c4": loss} for i, (n, d, loss) in enumerate(ISO)]
    both = []
    for target in ("N=1e10,D=2e11", "C=1.2e22"):
        code, _, err = run("forecast", table(tmp_path, rows), "--method", "chinchilla+sigmoid", "-t", target, *CHECKED,
                           "--json", "out.json", "--force")  # fmt: skip
        assert code == 0, err
        (found,) = json.loads((tmp_path / "out.json").read_text())["targets"]
        both.append(found["loss"]["c4"]["median"])
    assert both[1] == pytest.approx(both[0], rel=0.005)


def test_2_a_loss_in_a_row_of_its_own_is_its_runs_final_loss(run, tmp_path):
    rows = ladder(checkpoints=12)
    last = [row for row in rows if is_last(row)]
    for row in last:  # the score comes a little later, in a row without a loss
        rows.insert(rows.index(row) + 1, {**row, "tokens": 1.001 * row["tokens"], "loss/web": ""})
        row["score/quiz"] = ""
    code, _, err = run("forecast", table(tmp_path, rows, "own.csv"), "--method", "flp", "-t", "N=1e10,D=2e11", *CHECKED)
    assert code == 0, err
    assert "left out" not in err


@pytest.mark.parametrize(
    ("column", "change", "words"),
    [
        ("loss/web", lambda row: 7.76 if row["run"] == "r6" and is_last(row) else None, "'r6'"),
        ("score/quiz", lambda row: 0.0 if row["run"] == "r6" and is_last(row) else None, "'r6'"),
        ("loss/web", lambda row: 10.0 * math.exp(row["loss/web"]), "perplexit"),
        ("params", lambda row: row["params"] / 1e6, "Mparams"),
        ("tokens", lambda row: row["tokens"] / 1e9, "Btokens"),
    ],
)
def test_3_a_diverged_run_a_broken_evaluation_and_a_wrong_unit_are_named(run, tmp_path, column, change, words):
    rows = ladder()
    for row in rows:
        value = change(row)
        row[column] = row[column] if value is None else value
    code, out, err = run("check", table(tmp_path, rows))
    assert code == 0
    assert words in out + err


def swarm(sizes=1):
    """Six mixtures of one N and D."""
    return [
        {
            "run": f"m{i}", "params": 1e8 * 4**s, "tokens": 2e9 * 4**s, "mix/code": 0.1 + 0.15 * i,
            "mix/web": 0.9 - 0.15 * i, "loss/code": round(1.9 - 0.6 * (0.1 + 0.15 * i) ** 0.5 - 0.1 * s, 4),
            "loss/web": round(2.6 + 0.4 * (0.1 + 0.15 * i) ** 2 - 0.1 * s, 4),
        }
        for s in range(sizes) for i in range(6)
    ]  # fmt: skip


def test_4_a_swarm_of_one_size_is_not_extrapolated_in_compute(run, tmp_path):
    how = ("--method", "m3+domain-linear", "--draws", "0", "-t", "N=3e9,D=6e10")
    _, out, err = run("mix", table(tmp_path, swarm()), *how)
    assert "of the runs' own size" in out
    assert "Ranks of mixtures" in out + err


def test_5_a_target_without_a_mixture_is_told_which_mixture_it_has(run, tmp_path):
    arguments = SHAPES["mixtures, losses only"].write(tmp_path, "mixed")
    how = ("--method", "m3+domain-linear", "-t", "N=8e9,D=2e11", *CHECKED)
    code, _, err = run("forecast", *arguments, *how)
    assert code == 0, err
    assert "has no mixture: the mean of the ladder's 5 is taken" in err


def test_6_a_task_that_gets_worse_with_scale_is_named(run, tmp_path):
    rows = ladder(score__odd=lambda r, k, loss: round(0.46 - 0.025 * r - 0.004 * k, 4))
    _, out, err = run("check", table(tmp_path, rows))
    assert "fall" in out + err
    assert "odd" in out + err


def test_7_a_search_says_by_which_law_and_is_reviewed(run, tmp_path):
    arguments = SHAPES["mixtures, losses only"].write(tmp_path, "mixed")
    code, out, err = run("mix", *arguments, "--method", "m3+domain-linear", "-t", "N=8e9,D=2e11", *CHECKED)
    assert code == 0, err
    assert "m3+domain-linear" in out
    assert "Review: " in out


@pytest.mark.parametrize("name", ["loss", "val_loss", "eval/loss"])
def test_8_a_bare_column_of_losses_is_a_loss(run, tmp_path, name):
    rows = [{name if c == "loss/web" else c: v for c, v in row.items() if c != "score/quiz"} for row in ladder()]
    code, out, err = run("check", table(tmp_path, rows))
    assert code == 0, err
    assert "1 loss domain" in out + err


def test_10_a_backtest_of_losses_alone(run, tmp_path):
    arguments = SHAPES["losses only"].write(tmp_path, "losses")
    code, out, err = run("backtest", *arguments, "--method", "flp", "--largest", "2", *CHECKED)
    assert code == 0, err
    assert re.search(r" flp \d+\.\d", out), "errors of losses are shown"


@pytest.mark.parametrize("command", [("check",), ("forecast", "-t", "N=1e10,D=2e11"), ("backtest", "--largest", "1")])
def test_11_no_run_left_is_one_error(run, tmp_path, command):
    code, _, err = run(command[0], table(tmp_path, ladder()), *command[1:], "--exclude", "*")
    assert code in (1, 2)
    assert err.count("error:") == 1
    assert "no run" in err


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_13_an_input_is_never_replaced(run, tmp_path, option):
    file = table(tmp_path, ladder())
    before = file.read_bytes()
    code, _, err = run("forecast", file, "--method", "flp", "-t", "N=1e10,D=2e11", *CHECKED, option, file)
    assert code == 2
    assert "t.csv" in err
    assert file.read_bytes() == before


def test_16_control_characters_never_reach_the_terminal(run, tmp_path):
    rows = [row | {"run": f"\x1b[2J{row['run']}"} for row in ladder()]
    _, out, err = run("check", table(tmp_path, rows), "--runs")
    assert "\x1b[2J" not in out + err
    _, out, err = run("check", table(tmp_path, rows))
    assert "\x1b[2J" not in out + err


@pytest.mark.parametrize(
    "wrong", [("--task", "nope"), ("--level", "90"), ("--json", "no/such/folder/out.json")], ids=lambda w: w[0]
)
def test_18_options_are_checked_before_anything_is_fitted(run, tmp_path, wrong, monkeypatch):
    monkeypatch.setattr("flpjax.fitting.staged.solve", None)
    command = "mix" if wrong[0] == "--task" else "forecast"
    arguments = SHAPES["mixtures, both"].write(tmp_path, "mixed")
    code, _, err = run(command, *arguments, "--method", "m3+domain-linear", "-t", "N=8e9,D=2e11,mix/code=.2,mix/web=.8"
                       if command == "forecast" else "N=8e9,D=2e11", *CHECKED, *wrong)  # fmt: skip
    assert code == 2, err
    assert wrong[1] in err or "level" in err


def test_19_there_is_a_version_and_a_failed_review_can_stop_a_script(run, tmp_path):
    code, out, _ = run("--version")
    assert code == 0
    assert any(c.isdigit() for c in out)
    rows = ladder(runs=3)
    how = ("--method", "flp", "-t", "N=1e13,D=2e14", *CHECKED, "--strict")
    code, out, err = run("review", table(tmp_path, rows), *how)
    assert "FAIL" in out, err
    assert code != 0
