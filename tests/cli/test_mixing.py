"""The command line on mixtures: mix, and what compare refuses; what it shows is in test_compare."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flpjax.cli.show_mix import _signed
from flpjax.ladder.export import csv_of
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.results.forecast import Interval
from tests.results.test_compare import few

METHOD = ("--method", "m3+domain-linear")
BIG = ("--target", "N=7e9,D=1.4e12")
SIZES = ("0.12B", "0.2B", "0.5B", "1B", "3B")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Simulated mixtures of two, three and four sources as CSV, most of their 3B held out."""
    folder = tmp_path_factory.mktemp("mixtures")
    for sources in (2, 3):
        runs = few(simulate_mixtures(0, checkpoints=3, sizes=SIZES, sources=sources).runs)
        (folder / f"{sources}.csv").write_text(csv_of(runs), encoding="utf-8")
    halved = np.hstack([runs.mix[:, :2], runs.mix[:, 2:] / 2.0, runs.mix[:, 2:] / 2.0])
    four = replace(runs, sources=(*runs.sources, "web"), mix=halved)
    (folder / "4.csv").write_text(csv_of(four), encoding="utf-8")
    return folder


def test_every_option_is_heard(run, tables, tmp_path):
    file, picture = tmp_path / "mix.json", tmp_path / "mix.svg"
    code, out, err = run(
        "mix", tables / "3.csv", *BIG, *METHOD, "--draws", 3, "--task", "bbh=2", "--task", "triviaqa",
        "--over-tasks", "worst", "--over-draws", "cvar", "--risk", 0.4, "--no-worse", "--kl", 0.001,
        "--prior", "general=0.6,code=0.2,math=0.2",
        "--baseline", "general=0.7,code=0.1,math=0.2", "--bound", "code=0.05:0.45", "--available", "general=2e11",
        "--fixed", "math=0.2", "--group", "stem=code+math:0.3:0.6", "--level", 0.8, "--json", file, "--curve", picture,
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(file.read_text())
    assert (found["method"], found["level"], found["draws"]) == ("m3+domain-linear", 0.8, 3)
    weights = found["weights"]
    assert weights["general"] <= 4 * 2e11 / 1.4e12 + 1e-12
    assert 0.05 <= weights["code"] <= 0.4 + 1e-9
    assert weights["math"] == pytest.approx(0.2, abs=1e-9)
    assert "math = 0.2 (fixed)" in found["binding"]
    assert "At its limits: " in out
    assert "math = 0.2 (fixed)" in out
    assert found["baseline"] == {
        "name": "baseline", "weights": {"general": 0.7, "code": 0.1, "math": pytest.approx(0.2)}, "runs": []
    }  # fmt: skip
    counts = {change["name"]: change["counts"] for change in found["changes"]}
    assert (counts["bbh"], counts["triviaqa"], counts["general"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0)
    for words in ("the best mixture for N=7e9,D=1.4e12", "80 % of the draws' own", "general ≤ 0.571", "P(gain > 0) ="):
        assert words in out
    for warning in found["warnings"]:
        assert warning in err
        assert warning not in out
    assert "svg" in picture.read_text(encoding="utf-8")[:400]


BAD = {
    "neither": (["mix", "2"], "give either --flops or --target"),
    "both": (["mix", "2", *BIG, "--flops", "1e23"], "give either --flops or --target"),
    "pair": (["mix", "2", *BIG, "--fixed", "code"], "'code' is not understood. Write NAME=VALUE"),
    "twice": (["mix", "2", *BIG, "--task", "bbh=1", "--task", "bbh=2"], "'bbh=2' is not understood"),
    "number": (["mix", "2", *BIG, "--available", "code=lots"], "--available code: 'lots' is not a number"),
    "interval": (["mix", "2", *BIG, "--bound", "code=0.3"], "--bound code: '0.3' is no interval. Write LOW:HIGH"),
    "group": (["mix", "2", *BIG, "--group", "stem=code"], "--group stem: 'code' is no group. Write NAME=A+B:LOW:HIGH"),
    "prior": (["mix", "2", *BIG, "--prior", "code"], "mixture 'code': 'code' is not understood"),
    "draws": (["mix", "2", *BIG, "--over-draws", "median"], "over_draws is 'median'. Say mean, quantile or cvar"),
    "risk": (["mix", "2", *BIG, "--risk", "2"], "risk is 2"),
    "picture": (["mix", "2", *BIG, "--curve", "x.tiiff"], "there is no picture format '.tiiff'"),
    "curve": (["mix", "4", *BIG, "--curve", "x.png"], "--curve is for 2 or 3 sources, and there are 4. Ask for --plot"),
    "method": (["mix", "2", *BIG, "--method", "m3+networks"], "Did you mean 'm3+network'?"),
    "mixture": (["mix", "2", "--target", "N=7e9,D=1e12,mix/code=0.3"], "has a mixture, which is what mix searches"),
    "no price": (["mix", "2", *BIG, "--prior", "general=1"], "a prior mixture without a price"),
    "target": (["mix", "2", "--target", "N=7e9"], "neither FLOPs nor both N and D are given"),
    "price": (["mix", "2", *BIG, "--kl", "-1"], "Invalid value for '--kl'"),
    "no mixtures": (
        ["mix", "2", *BIG, "--method", "m1+domain-linear", "--draws", "0", "--fixed", "maths=0.1"],
        "maths",
    ),
    "flp": (["mix", "2", *BIG, "--method", "flp", "--draws", "0"], "does not know data sources"),
    "source": (["mix", "2", *BIG, *METHOD, "--draws", "0", "--fixed", "coed=0.1"], "Did you mean 'code'?"),
    "task": (["mix", "2", *BIG, *METHOD, "--draws", "0", "--task", "bbb"], "Did you mean 'bbh'?"),
    "tokens": (
        ["mix", "2", "--flops", "1e23", *METHOD, "--draws", "0", "--available", "code=1"],
        "Give the target's N",
    ),
    "conflict": (["mix", "2", *BIG, *METHOD, "--draws", "0", "--fixed", "code=0.9", "--fixed", "general=0.9"], "both"),
    "held out twice": (["compare", "2", "--largest", "2", "--hold-out", "3B*"], "--largest and --hold-out are both"),
    "no run": (["compare", "2", "--hold-out", "7B"], "no run is named '7B'"),
}


def test_one_mixture_is_refused_before_any_fit(run, tmp_path):
    table = tmp_path / "one.csv"
    rows = [f"r{i},{n:.0f},{20 * n:.0f},{3 - 0.1 * i},0.3,0.7" for i, n in enumerate((1e8, 2e8, 4e8))]
    table.write_text("\n".join(["run,params,tokens,loss/c4,mix/code,mix/web", *rows]))
    code, out, err = run("mix", table, *BIG)
    assert (code, out) == (2, "")
    assert "all runs have one mixture (web 0.7, code 0.3): whether another is better they can't tell" in err


@pytest.mark.parametrize("name", BAD)
def test_a_bad_argument_is_one_clear_error(run, tables, tmp_path, name):
    (command, table, *rest), message = BAD[name]
    output = tmp_path / "never.json"
    code, out, err = run(command, tables / f"{table}.csv", *rest, "--json", output)
    assert code == 2
    assert message in err
    assert out == ""
    assert "Traceback" not in err
    assert not output.exists()


@pytest.mark.parametrize(
    ("median", "lower", "upper", "shown"),
    [
        (0.0000464, -0.0014, 0.0029, "+0.00 (-0.14 to +0.29)"),
        (-0.0000464, -0.0014, 0.0029, "+0.00 (-0.14 to +0.29)"),
        (0.0000464, 0.00001, 0.00008, "+0.00464 (+0.001 to +0.01)"),
        (0.0123, 0.0101, 0.0145, "+1.23 (+1.01 to +1.45)"),
    ],
)
def test_a_gain_that_is_next_to_nothing_in_a_wide_interval_is_none(median, lower, upper, shown):
    assert _signed(Interval(median, lower, upper), 100.0, 2, True) == shown
