"""A law of one's own through the commands: alone, beside others, and as a part of auto."""

import json

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
