"""Losses that may be negative: read where the table says so, fitted by laws of one's own, refused elsewhere."""

import jax
import numpy as np
import polars
import pytest

import flpjax
from flpjax.errors import InputError
from flpjax.results.record import Cell, Means

KEY = jax.random.key(1)
ALLOWED = {"table": {"allow_negative": ["loss/uni"]}}
LAW = {"mine": flpjax.law("A*N^-a + B*D^-b - E")}
NOISE = 0.02


def frame(both=False):
    """A ladder of 5 sizes × 5 lengths whose losses, relative to a unigram model, pass through 0."""
    size, length = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5)))
    noise = np.random.default_rng(0).normal(0.0, NOISE, size.size)
    value = 2.0 * (size / 1e8) ** -0.3 + 1.0 * (length / 1e10) ** -0.4 - 3.0 + noise
    found = {"run": [f"r{i}" for i in range(size.size)], "params": size, "tokens": length, "loss/uni": value}
    return polars.DataFrame(found | ({"loss/plain": value + 6.0} if both else {}))


@pytest.fixture(scope="module")
def runs():
    return flpjax.read_runs(frame(), mapping=ALLOWED)


def test_a_negative_loss_needs_a_statement():
    with pytest.raises(InputError, match=r'loss/uni.*must be a positive number.*allow_negative = \["loss/uni"\]'):
        flpjax.read_runs(frame())
    with pytest.raises(InputError, match=r"there is no column 'loss/un'.*Did you mean 'loss/uni'"):
        flpjax.read_runs(frame(), mapping={"table": {"allow_negative": ["loss/un"]}})


def test_a_law_of_ones_own_is_fitted_as_they_are_and_measured_values_scatter_by_difference(runs):
    assert runs.signed == ("uni",)
    method = flpjax.method("mine", laws=LAW)
    drawn = flpjax.bootstrap(method, runs, KEY, draws=60)
    assert drawn.model.signed == (True,)
    assert drawn.noise.loss[0, 0] == pytest.approx(NOISE, rel=0.35)
    near_zero = flpjax.Target("T", params=1e8, tokens=1e10)  # truth 0: no ratio says anything there
    target = flpjax.Target("U", params=1e10, tokens=1e12)
    truth = 2.0 * 100**-0.3 + 100**-0.4 - 3.0
    inside, beyond = (each["uni"] for each in flpjax.forecast(drawn, [near_zero, target]).loss)
    assert abs(inside.median) < NOISE
    assert 2.0 * NOISE < inside.upper - inside.lower < 6.0 * NOISE
    assert beyond.lower < truth < beyond.upper
    assert beyond.upper - beyond.lower < 0.6
    check = flpjax.check(runs)
    assert not check.warnings
    findings = {f.name: f.verdict for f in flpjax.review(drawn, runs, [near_zero, target]).findings}
    assert findings["interval widths"] == flpjax.Verdict.PASS


@pytest.mark.parametrize("name", ["chinchilla+sigmoid", "flp"])
def test_laws_of_positive_losses_are_refused(runs, name):
    with pytest.raises(InputError, match=r"loss 'uni' may be negative, and \w+ is of positive losses.*law of your own"):
        flpjax.bind(flpjax.method(name), runs)


def test_what_takes_logarithms_says_so(runs):
    with pytest.raises(InputError, match=r"'uni' may be negative, and auto weighs laws of positive losses.*--law"):
        flpjax.fit(flpjax.method("auto"), runs, KEY)
    with pytest.raises(InputError, match=r"may be negative, and a posterior is of log losses.*bootstrap"):
        flpjax.posterior(flpjax.method("mine", laws=LAW), runs, KEY)


def test_beside_others_they_are_left_out_by_laws_of_positive_losses():
    runs = flpjax.read_runs(frame(both=True), mapping=ALLOWED)
    drawn = flpjax.point(flpjax.method("chinchilla+sigmoid"), runs, KEY)
    assert drawn.model.domains == ("plain",)
    assert any("loss 'uni' is not forecast: it may be negative" in w for w in drawn.warnings)
    both = flpjax.point(flpjax.method("mine", laws=LAW), runs, KEY)
    assert both.model.domains == ("uni", "plain")
    assert both.model.signed == (True, False)


def test_backtests_of_negative_losses_err_by_their_size(runs):
    cell = Cell("r", "uni", predicted=-1.9, lower=-2.1, upper=-1.8, actual=-2.0, crps=0.02)
    assert cell.rel_error == pytest.approx(0.05)
    assert Means.of([cell], intervals=True, relative=True).width == pytest.approx(0.15)
    found = flpjax.backtest({"mine": flpjax.method("mine", laws=LAW)}, runs.hold_out(["r24"]), KEY, draws=10)
    (record,) = found.methods.values()
    assert abs(record.losses[0].rel_error) < 0.05
