"""The widening of a bootstrap with few runs, against Student's t."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from flpjax.fitting.bootstrap import spread
from flpjax.forms.form import REAL, Parameter
from flpjax.forms.residual import Residual
from flpjax.predictors.predictor import Plan, Stage


@dataclass(frozen=True)
class Mean:
    """A constant: the simplest law there is."""

    def parameters(self):
        return {"level": Parameter(REAL, 0.0, 1.0, "value")}

    def apply(self, params, x):
        return params["level"]


@dataclass(frozen=True)
class Straight(Mean):
    def parameters(self):
        return {name: Parameter(REAL, 0.0, 1.0, "value") for name in ("level", "slope")}


class Names:
    """As much of Runs as the widening looks at."""

    def __init__(self, count):
        self.names = tuple(f"r{i}" for i in range(count))


def plan_of(form, runs, outputs=1, weight=None, name="loss"):
    weight = np.ones((outputs, runs)) if weight is None else weight
    stage = Stage(
        name, Residual(form, "linear"), tuple(f"o{i}" for i in range(outputs)), weight, weight, weight, np.arange(runs)
    )
    return Plan(None, (stage,), Names(runs))


@pytest.mark.parametrize("runs", [2, 3, 5, 11])
def test_a_mean_departs_as_students_t(runs):
    """A bootstrapped mean is normal about the point fit with variance ``s²·(k − 1)/k²``, s² the unbiased estimate."""
    draws, rng = 20_011, np.random.default_rng(runs)
    s, best = 0.7, 3.1
    drawn = best + s * np.sqrt((runs - 1) / runs**2) * rng.standard_normal((draws, 1, 1))
    wide = spread(plan_of(Mean(), runs), {"loss": drawn}, {"loss": np.full((1, 1, 1), best)}, rng)["loss"]
    t = (wide[:, 0, 0] - best) / (s / np.sqrt(runs))
    assert stats.kstest(t, stats.t(runs - 1).cdf).pvalue > 0.01
    assert stats.kstest((drawn[:, 0, 0] - best) / (s / np.sqrt(runs)), stats.t(runs - 1).cdf).pvalue < 1e-3


@pytest.mark.parametrize("runs", [3, 7])
def test_a_slope_departs_as_students_t_with_two_fewer(runs):
    """Of a line, least squares have residual variance ``RSS/k``, too small by ``(k − 2)/k``."""
    draws, rng = 20_011, np.random.default_rng(runs)
    x = np.arange(runs) - (runs - 1) / 2
    s = 0.7
    error = s / np.sqrt((x**2).sum())  # the slope's standard error, from the unbiased s
    drawn = error * np.sqrt((runs - 2) / runs) * rng.standard_normal((draws, 1, 2))
    wide = spread(plan_of(Straight(), runs), {"loss": drawn}, {"loss": np.zeros((1, 1, 2))}, rng)["loss"]
    assert stats.kstest(wide[:, 0, 1] / error, stats.t(runs - 2).cdf).pvalue > 0.01


@pytest.mark.parametrize("runs", [4, 7])
def test_intervals_of_a_bootstrapped_mean_cover_the_truth(runs):
    """End to end, on many small samples: a plain bootstrap covers too rarely, the widened one as it should."""
    data_sets, draws = 1009, 601
    rng = np.random.default_rng(runs)
    truth = -0.4
    y = truth + 1.3 * rng.standard_normal((data_sets, runs))
    counts = rng.multinomial(runs, np.full(runs, 1 / runs), size=draws)
    drawn = (counts @ y.T / runs)[:, :, None]
    best = y.mean(1)[None, :, None]
    wide = spread(plan_of(Mean(), runs, data_sets), {"loss": drawn}, {"loss": best}, rng)["loss"]

    def coverage(values):
        low, high = np.quantile(values[:, :, 0], [0.05, 0.95], axis=0)
        return ((low <= truth) & (truth <= high)).mean()

    assert coverage(drawn) < 0.84
    assert 0.86 < coverage(wide) < 0.94


def test_many_runs_need_no_widening():
    runs, rng = 1_000_000, np.random.default_rng(3)
    drawn = rng.standard_normal((5, 1, 1))
    wide = spread(plan_of(Mean(), runs), {"loss": drawn}, {"loss": np.zeros((1, 1, 1))}, rng)["loss"]
    np.testing.assert_allclose(wide, drawn, rtol=0.01)
    assert (wide != drawn).all()


def test_no_departure_is_not_widened():
    same = np.full((3, 1, 1), 2.5)
    wide = spread(plan_of(Mean(), 4), {"loss": same}, {"loss": same[:1]}, np.random.default_rng(3))["loss"]
    np.testing.assert_array_equal(wide, same)


def test_a_task_that_few_runs_reached_is_widened_as_few_runs():
    """Two outputs in one draw have one uniform number, and each its own degrees of freedom."""
    runs, draws = 11, 20_011
    weight = np.ones((2, runs))
    weight[1, 3:] = 0.0
    drawn = np.ones((draws, 2, 1))
    rng = np.random.default_rng(3)
    wide = spread(plan_of(Mean(), runs, 2, weight), {"loss": drawn}, {"loss": np.zeros((1, 2, 1))}, rng)["loss"]
    chi_squared = np.array([11, 3]) / wide[:, :, 0] ** 2
    for i, freedom in enumerate((10, 2)):
        assert stats.kstest(chi_squared[:, i], stats.chi2(freedom).cdf).pvalue > 0.01
    assert stats.spearmanr(chi_squared[:, 0], chi_squared[:, 1]).statistic > 0.999


def test_a_failed_draw_stays_failed():
    drawn = np.array([1.0, np.nan, 3.0])[:, None, None]
    wide = spread(plan_of(Mean(), 4), {"loss": drawn}, {"loss": np.ones((1, 1, 1))}, np.random.default_rng(3))["loss"]
    assert np.isnan(wide[:, 0, 0]).tolist() == [False, True, False]
