"""The features at which a law is lowest: a known bowl's optimum, its interval, and what is said where there is none."""

import jax
import numpy as np
import polars
import pytest

import flpjax
from flpjax.errors import InputError

KEY = jax.random.key(0)
BOWL = "E + A*N^-a + k*(log({lr}) - c0 - c1*log(N))^2 + q*(log({batch}) - d0)^2"
SLOPE, LEVEL, BATCH = -0.5, 2.0, 11.0  # log lr* = 2 − ½·log N, log batch* = 11
TARGET = flpjax.Target("1B", params=1e9, tokens=2e10)


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(3)
    size, rate, batch = (
        v.ravel()
        for v in np.meshgrid(np.geomspace(1e7, 3e8, 4), np.geomspace(1e-4, 1e-2, 5), np.geomspace(1e4, 3e5, 3))
    )
    away = np.log(rate) - LEVEL - SLOPE * np.log(size)
    loss = 1.8 + 30.0 * size**-0.2 + 0.02 * away**2 + 0.01 * (np.log(batch) - BATCH) ** 2
    columns = {
        "run": [f"r{i}" for i in range(size.size)],
        "params": size,
        "tokens": 20.0 * size,
        "x/lr": rate,
        "x/batch": batch,
        "loss/val": loss * np.exp(rng.normal(0.0, 0.002, size.size)),
    }
    return flpjax.read_runs(polars.DataFrame(columns))


@pytest.fixture(scope="module")
def drawn(runs):
    return flpjax.bootstrap(flpjax.method("bowl", laws={"bowl": flpjax.law(BOWL)}), runs, KEY, draws=40)


def test_a_bowls_optimum_beyond_the_ladder_with_its_interval(runs, drawn):
    found = flpjax.tune(drawn, runs, [TARGET])
    (tuned,) = found.tuned
    truth = {"lr": np.exp(LEVEL + SLOPE * np.log(1e9)), "batch": np.exp(BATCH)}
    assert tuple(tuned.best) == ("lr", "batch")
    for name, value in tuned.best.items():
        assert value.lower < truth[name] < value.upper
        assert value.median == pytest.approx(truth[name], rel=0.15)
        assert value.upper / value.lower < 2.0
    assert tuned.loss.median == pytest.approx(1.8 + 30.0 * 1e9**-0.2, rel=0.005)
    assert tuned.no_optimum == 0.0
    rows = found.to_dicts()
    assert [r["name"] for r in rows] == ["lr", "batch", "loss/val"]
    assert "1B  lr: 0.000" in str(found)
    assert '"best"' in found.to_json()


def test_each_draws_optimum_is_that_of_its_own_numbers(runs):
    point = flpjax.point(flpjax.method("bowl", laws={"bowl": flpjax.law(BOWL)}), runs, KEY)
    constants = {n: float(v[0]) for n, v in point.fits["loss"].constants.items()}
    (tuned,) = flpjax.tune(point, runs, [TARGET]).tuned
    assert np.log(tuned.best["lr"].median) == pytest.approx(constants["c0"] + constants["c1"] * np.log(1e9), abs=2e-3)
    assert np.log(tuned.best["batch"].median) == pytest.approx(constants["d0"], abs=2e-3)


def test_one_is_free_and_the_other_given(runs, drawn):
    target = flpjax.Target("T", params=1e8, tokens=2e9, features={"batch": 1e5})
    found = flpjax.tune(drawn, runs, [target], free=["lr"])
    assert tuple(found.tuned[0].best) == ("lr",)
    assert found.tuned[0].beyond == ()


def test_a_law_without_an_optimum_says_so(runs):
    law = flpjax.law("E + A*N^-a + B*{batch}^-b + k*(log({lr}) - c0 - c1*log(N))^2")
    drawn = flpjax.point(flpjax.method("falls", laws={"falls": law}), runs, KEY, strict=False)
    found = flpjax.tune(drawn, runs, [TARGET])
    assert found.tuned[0].best["batch"] is None
    assert any("falls on to the end of what was searched" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"free": ["lrr"]}, "reads no feature 'lrr'.*Did you mean 'lr'"),
        ({"via": "vall"}, "there is no loss 'vall'.*Did you mean 'val'"),
        ({"targets": []}, "there is no target"),
        (
            {"targets": [flpjax.Target("T", 1e9, 1e10, features={"lr": 1.0})], "free": ["lr"]},
            "'lr' is free, and a target",
        ),
    ],
)
def test_what_can_not_be_tuned_is_refused(runs, drawn, arguments, message):
    with pytest.raises(InputError, match=message):
        flpjax.tune(**{"draws": drawn, "runs": runs, "targets": [TARGET], **arguments})
