"""A law of one's own through the commands: alone, beside others, and as a part of auto."""

import json
import math
import re

import pytest

from flpjax.cli.app import main
from tests.cli.cases import Shape

LAW = "mine=E + A*N^-alpha + B*D^-beta"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return Shape().write(tmp_path_factory.mktemp("own"), "own")


def run(*args):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return stop.value.code


def test_a_forecast_by_it_alone(table, capsys, tmp_path):
    out = tmp_path / "found.json"
    how = ["--law", LAW, "--method", "mine", "--draws", "20", "--fits", "--json", out]
    assert run("forecast", *table, "-t", "N=1e10,D=2e11", *how) == 0
    shown = capsys.readouterr().out
    assert "E + A·N^(−alpha) + B·D^(−beta)" in shown
    assert "alpha" in shown
    loss = json.loads(out.read_text())["targets"][0]["loss"]["general"]
    assert loss["median"] == pytest.approx(1.7 + 400.0 / 1e10**0.34 + 410.0 / 2e11**0.28, rel=0.03)


def test_auto_says_how_much_it_weighs(table, capsys):
    assert run("forecast", *table, "-t", "N=1e10,D=2e11", "--law", "mine=E + A*(N*D)^-a") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"Weights by the probability of what was measured: losses by .*mine \d+%.*; scores by ", said)


def test_a_backtest_beside_another_map(table, capsys):
    how = ["--law", LAW, "--method", "mine+sigmoid4", "--method", "chinchilla+sigmoid4", "--draws", "0"]
    assert run("backtest", *table, "--largest", "2", *how) == 0
    shown = capsys.readouterr().out
    assert "mine+sigmoid4" in shown
    assert "left out" not in shown


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ("mine=E + A*{lr}^-a", "there is no column 'x/lr', the feature 'lr'"),
        ("mine=E + A*N^-a*__import__('os')", "there is no function '__import__'"),
        ("mine=A*B*N^-a", "'A' and 'B' only multiply, or add to, each other"),
        ("chinchilla=E + A*N^-a", "the name 'chinchilla' of a law is taken"),
        ("step-law", "there is no column 'x/lr'"),
        ("stepp-law", "there is no published law 'stepp-law'. Did you mean 'step-law'?"),
        ("my law=E + A*N^-a", "'my law' can't be a law's name. Write NAME=FORMULA"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "mine"])
def test_a_law_that_can_not_be_is_one_error_before_any_fit(table, capsys, law, message, method):
    method = "step-law" if law == "step-law" and method == "mine" else method
    assert run("forecast", *table, "-t", "N=1e10,D=2e11", "--law", law, "--method", method) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_law_of_mixtures_searches_them(tmp_path, capsys):
    table = Shape(tasks=(), losses=("general", "code"), mixed=True).write(tmp_path, "mixed")
    how = ["--domain", "code", "--draws", "0", "--outside"]
    assert (
        run("mix", *table, "--flops", "1e22", "--law", "m=E+A*exp(-k*code)*C^-a", "--method", "m+domain-linear", *how)
        == 0
    )
    assert "the best mixture" in capsys.readouterr().out
    assert run("mix", *table, "--flops", "1e22", "--law", LAW, "--draws", "20") == 2
    assert "law 'mine' reads no mixture" in capsys.readouterr().err


def test_two_laws_of_one_name(table, capsys):
    assert run("review", *table, "--law", LAW, "--law", LAW) == 2
    assert "two laws are called 'mine'" in capsys.readouterr().err


def test_the_rate_that_is_best_by_a_law_in_a_line(tmp_path, capsys):
    rows = ["params,tokens,x/lr,x/batch,loss/val"]
    for n in (1e7, 3e7, 1e8, 3e8):
        for lr in (1e-4, 1e-3, 1e-2):
            for batch in (1e4, 1e5):
                away = math.log(lr) - 2.0 + 0.5 * math.log(n)
                loss = 1.8 + 30.0 * n**-0.2 + 0.02 * away**2 + 3.0 * batch**-0.3 + 0.001 * (len(rows) % 3)
                rows.append(f"{n},{20 * n},{lr},{batch},{loss}")
    path, out = tmp_path / "runs.csv", tmp_path / "best.json"
    path.write_text("\n".join(rows))
    law = "bowl=E + A*N^-a + B*{batch}^-b + k*(log({lr}) - c0 - c1*log(N))^2"
    assert run("tune", path, "--law", law, "-t", "N=1e9,D=2e10,batch=1e5", "--draws", "20", "--json", out) == 0
    assert "Where the loss is lowest" in capsys.readouterr().out
    best = json.loads(out.read_text())["targets"][0]["best"]
    assert list(best) == ["lr"]
    assert best["lr"]["median"] == pytest.approx(math.exp(2.0) / math.sqrt(1e9), rel=0.1)
    assert run("tune", path, "-t", "N=1e9,D=2e10") == 2
    assert "there is no law" in capsys.readouterr().err
