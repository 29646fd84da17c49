"""The spread of a bootstrap with few runs, against Student's t and against known truths."""

import re
from dataclasses import dataclass, replace
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from flpjax.engine.settings import Settings
from flpjax.errors import InputError
from flpjax.fitting.bootstrap import CANDIDATES, RESAMPLE_SALT, bootstrap, resample_runs, spread
from flpjax.fitting.staged import fit_stage
from flpjax.laws.law import REAL, Parameter
from flpjax.laws.residual import Residual
from flpjax.methods.method import BoundModel, Stage
from flpjax.numerics import generator

SETS, DRAWS = 1009, 101
NOT_T = "convex hull: 2 distinct runs at least, so |t| stays below t's 5 % tail; measured KS 0.08, coverage 75 %"


@dataclass(frozen=True)
class Mean:
    """A constant: the simplest law there is."""

    def parameters(self):
        return {"level": Parameter(REAL, 0.0, 1.0, "value")}

    def apply(self, params, x):
        return params["level"]

    def guess(self, x, y, weight):
        return {name: jnp.zeros(()) for name in self.parameters()}

    def constants(self, params):
        return {"level": params["level"]}


@dataclass(frozen=True)
class Line(Mean):
    def parameters(self):
        return {name: Parameter(REAL, 0.3, 1.7, "value") for name in ("level", "slope")}

    def apply(self, params, x):
        return params["level"] + params["slope"] * x


class Names:
    """As much of Runs as resampling and widening look at."""

    def __init__(self, count):
        self.names = tuple(f"r{i}" for i in range(count))
        self.source = "made up"


def plan_of(law, runs, outputs=1, weight=None, *, x=None, y=None, prior_sd=None):
    """One final value a run, of ``outputs`` data sets."""
    weight = np.ones((outputs, runs)) if weight is None else weight
    x = np.broadcast_to(np.zeros(runs) if x is None else x, weight.shape)
    names = tuple(f"o{i}" for i in range(len(weight)))
    residual = Residual(law, "linear", None, prior_sd)
    stage = Stage("loss", residual, names, x, weight if y is None else y, weight, np.arange(runs))
    return BoundModel(None, (stage,), Names(runs))


@dataclass(frozen=True, eq=False)
class Given:
    """A method that binds a plan made before to whatever runs it gets."""

    bound: BoundModel

    def bind(self, runs):
        return replace(self.bound, runs=runs)


def resampled(plan, draws, seed):
    rng = np.random.default_rng(seed)
    return resample_runs(plan, rng, rng.uniform(size=2 * draws), draws)  # 20 candidates a draw would take minutes


def bootstrapped_means(runs, seed):
    """Draws ``(set, draw)`` of the means of simulated data sets with truth 0, and Student's t of the same."""
    counts, _ = resampled(plan_of(Mean(), runs), SETS * DRAWS, seed)
    counts = counts.reshape(SETS, DRAWS, runs)
    y = np.random.default_rng(seed + 1).standard_normal((SETS, runs))
    drawn = np.einsum("sdr,sr->sd", counts, y) / counts.sum(-1)
    error = y.std(1, ddof=1) / np.sqrt(runs)
    return drawn, (drawn - y.mean(1)[:, None]) / error[:, None]


@cache
def bootstrapped_slopes(runs, seed):
    """The same for slopes of straight lines."""
    counts, _ = resampled(plan_of(Line(), runs), SETS * DRAWS, seed)
    counts = counts.reshape(SETS, DRAWS, runs)
    x = np.arange(runs) - (runs - 1) / 2
    y = np.random.default_rng(seed + 1).standard_normal((SETS, runs))

    def slope(c):
        total = c.sum(-1)
        mean_x, mean_y = c @ x / total, np.einsum("sdr,sr->sd", c, y) / total
        return (np.einsum("sdr,sr->sd", c * x, y) - total * mean_x * mean_y) / (c @ x**2 - total * mean_x**2)

    drawn, best = slope(counts), slope(np.ones((SETS, 1, runs)))
    rest = y - y.mean(1)[:, None] - best * x
    error = np.sqrt((rest**2).sum(1) / (runs - 2) / (x @ x))
    return drawn, (drawn - best) / error[:, None]


def distances(t, freedom):
    """Kolmogorov and Smirnov's, of departures over their standard error: from Student's t, and from a normal."""
    laws = stats.t(freedom).cdf, "norm"
    # Distances are the same by any method; their exact probabilities, for which nobody asks, would take long.
    return tuple(stats.kstest(t.ravel(), law, method="asymp").statistic for law in laws)


def coverage(drawn):
    """How often a 90 % interval ``(…, draw)`` holds the truth, 0."""
    low, high = np.quantile(drawn, [0.05, 0.95], axis=-1)
    return ((low <= 0.0) & (high >= 0.0)).mean()


@pytest.mark.parametrize(
    ("runs", "near", "tail"),
    [
        pytest.param(4, 0.03, 0.02, marks=pytest.mark.xfail(strict=True, reason=NOT_T)),
        (7, 0.013, 0.022),
        (8, 0.008, 0.012),
        (11, 0.006, 0.003),
    ],
)
def test_means_depart_as_students_t(runs, near, tail):
    _, t = bootstrapped_means(runs, 3)
    from_t, from_normal = distances(t, runs - 1)
    assert from_t < near
    assert from_t < 0.65 * from_normal
    for share in (0.1, 0.05):
        assert (np.abs(t) > stats.t(runs - 1).isf(share / 2)).mean() == pytest.approx(share, abs=tail)


def test_the_yardstick_tells_students_t_from_a_normal():
    """Samples of exact t with 3 degrees of freedom, and exact normals: the test above can fail either way."""
    rng = np.random.default_rng(3)
    from_t, from_normal = distances(rng.standard_t(3, (SETS, DRAWS)), 3)
    assert from_t < 0.004 < 0.04 < from_normal
    from_t, from_normal = distances(rng.standard_normal((SETS, DRAWS)), 3)
    assert from_normal < 0.004 < 0.04 < from_t


@pytest.mark.parametrize(("runs", "near", "widest"), [(5, 0.085, 2.6), (11, 0.04, 1.8), (13, 0.03, 1.6)])
def test_slopes_depart_as_students_t_with_two_fewer_or_wider(runs, near, widest):
    """Resamples of few runs are short lines too, which only adds spread: 3 degrees of freedom are no normal."""
    _, t = bootstrapped_slopes(runs, 3)
    from_t, from_normal = distances(t, runs - 2)
    assert from_t < near
    assert from_t < 0.75 * from_normal
    for share in (0.1, 0.05, 0.01):
        assert (np.abs(t) > stats.t(runs - 2).isf(share / 2)).mean() > 0.98 * share
    assert (np.abs(t) > stats.t(runs - 2).isf(0.05)).mean() < 0.1 * widest


@pytest.mark.parametrize("runs", [4, 7])
def test_a_bootstrap_draws_the_means_of_its_resamples(noisy, key, runs):
    """End to end; what the other tests find of means of resamples holds for the draws of a bootstrap."""
    data_sets, draws = 29, 101
    y = 1.3 * np.random.default_rng(runs).standard_normal((data_sets, runs))
    ladder = noisy.runs.training()
    ladder = ladder.only(ladder.names[:runs])
    booted = bootstrap(Given(plan_of(Mean(), runs, data_sets, y=y)), ladder, key, draws=draws)
    rng = generator(key, RESAMPLE_SALT)
    counts, _ = resample_runs(plan_of(Mean(), runs), rng, rng.uniform(size=CANDIDATES * draws), draws)
    np.testing.assert_allclose(booted.params["loss"]["level"], counts @ y.T / counts.sum(1)[:, None], atol=1e-6)


@pytest.mark.parametrize("runs", [pytest.param(4, marks=pytest.mark.xfail(strict=True, reason=NOT_T)), 7, 11])
def test_intervals_of_a_bootstrapped_mean_cover_the_truth(runs):
    """On many small samples: a plain bootstrap covers too rarely."""
    draws = 1009
    y = 1.3 * np.random.default_rng(runs).standard_normal((4001, runs))
    counts, _ = resampled(plan_of(Mean(), runs), draws, 3)
    plain = np.random.default_rng(3).multinomial(runs, np.full(runs, 1 / runs), size=draws) / runs
    covered = coverage(y @ (counts / counts.sum(1)[:, None]).T)
    assert covered == pytest.approx(0.9, abs=0.03)
    assert covered > coverage(y @ plain.T) + 0.03


@pytest.mark.parametrize(("runs", "most"), [(5, 0.98), (11, 0.94), (13, 0.93)])
def test_intervals_of_a_bootstrapped_slope_cover_the_truth(runs, most):
    assert 0.89 < coverage(bootstrapped_slopes(runs, 3)[0]) < most


@pytest.mark.parametrize(("law", "parameters"), [(Mean(), 1), (Line(), 2)])
@pytest.mark.parametrize("runs", [5, 11])
def test_sizes_of_resamples_follow_chi_squared(law, parameters, runs):
    counts, uniform = resampled(plan_of(law, runs), 20_011, 3)
    assert counts.shape == (20_011, runs)
    assert uniform.shape == (20_011,)
    np.testing.assert_array_equal(counts, np.round(counts))
    taken, wanted = counts.sum(1), stats.chi2(runs - parameters).ppf(uniform)
    assert (taken >= parameters).all()
    assert ((counts > 0).sum(1) >= 2).all()
    assert (np.abs(taken - np.maximum(wanted, parameters)) < 1).all()
    assert len(np.unique(taken)) > 8
    free = wanted > 9  # too many for a resample to be passed over, as good as ever
    assert (taken - wanted)[free].mean() == pytest.approx(0.0, abs=4 * 0.5 / np.sqrt(free.sum()))


@pytest.mark.parametrize(("law", "parameters"), [(Mean(), 1), (Line(), 2)])
def test_sizes_have_the_mean_and_spread_of_chi_squared(law, parameters):
    counts, uniform = resampled(plan_of(law, 23), 20_011, 3)
    freedom = 23 - parameters
    taken = counts.sum(1)
    assert taken.mean() == pytest.approx(freedom, abs=4 * np.sqrt(2 * freedom / len(taken)))
    assert taken.var() == pytest.approx(2 * freedom + 1 / 6, rel=0.05)  # and the rounding
    assert stats.kstest(uniform, "uniform").pvalue > 0.01
    assert (
        stats.kstest(taken + np.random.default_rng(4).uniform(-0.5, 0.5, len(taken)), stats.chi2(freedom).cdf)[0] < 0.02
    )


def test_a_stage_that_few_runs_inform_is_resampled_as_few_runs():
    """Of 11 runs, 7 have a loss, in one domain or another: draws take ``χ²(7 − 1)`` of those."""
    weight = np.zeros((2, 11))
    weight[0, 2:7] = weight[1, 4:9] = 1.0
    counts, uniform = resampled(plan_of(Mean(), 11, weight=weight), 20_011, 3)
    wanted = stats.chi2(6).ppf(uniform) * 11 / 7
    assert (np.abs(counts.sum(1) - np.maximum(wanted, 1)) < 1).all()
    inside = counts[:, 2:9]
    assert ((inside > 0).sum(1) >= 2).all()
    assert 6.0 < inside.sum(1).mean() < 6.6  # a little more than 6: resamples with fewer than 2 of them are passed over


def test_a_draw_has_as_many_distinct_runs_as_parameters():
    @dataclass(frozen=True)
    class Five(Mean):
        def parameters(self):
            return {f"p{i}": Parameter(REAL, 0.0, 1.0, "any") for i in range(5)}

    counts, _ = resampled(plan_of(Five(), 13), 2003, 3)
    distinct = (counts > 0).sum(1)
    assert distinct.min() == 5
    assert distinct.max() > 9


@pytest.mark.parametrize("runs", [2, 5])
def test_a_line_through_all_the_runs_that_it_sees_has_no_interval(runs):
    weight = np.zeros((2, runs))
    weight[:, :2] = 1.0
    text = (
        "made up: Line passes exactly through 2 runs, which leaves nothing to say how sure it is. Give more runs, "
        "choose a form with fewer parameters, or forecast without an interval (draws=0)"
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        resampled(plan_of(Line(), runs, weight=weight), 7, 3)


def widened(plan, vectors, uniform):
    return spread(plan, {"loss": vectors}, uniform)["loss"]


@pytest.mark.parametrize("law", [Mean(), Line()])
@pytest.mark.parametrize("runs", [3, 11])
def test_outputs_that_all_runs_inform_are_left_alone(law, runs):
    rng = np.random.default_rng(runs)
    vectors = rng.standard_normal((1 + 503, 2, len(law.parameters())))
    wide = widened(plan_of(law, runs, 2), vectors, rng.uniform(size=503))
    np.testing.assert_allclose(wide, vectors[1:], rtol=0, atol=4e-16 * 8)  # best + (drawn − best)


def test_outputs_that_all_runs_inform_are_left_alone_beside_one_that_few_do():
    rng = np.random.default_rng(3)
    weight = np.ones((2, 11))
    weight[1, 3:] = 0.0
    vectors = np.concatenate([np.zeros((1, 2, 1)), rng.standard_normal((503, 2, 1))])
    wide = widened(plan_of(Mean(), 11, weight=weight), vectors, rng.uniform(size=503))
    np.testing.assert_array_equal(wide[:, 0], vectors[1:, 0])
    assert (np.abs(wide[:, 1]) >= np.abs(vectors[1:, 1])).all()
    assert (wide[:, 1] != vectors[1:, 1]).mean() > 0.8


@pytest.mark.parametrize(("law", "parameters"), [(Mean(), 1), (Line(), 2)])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_a_task_that_few_runs_reached_is_widened_the_rest_of_the_way(law, parameters, k):
    """From ``√(n / χ²(n − p))`` to ``√(k / χ²(k − p))`` at one level, never back; every parameter by one factor."""
    n, uniform = 11, np.random.default_rng(3).uniform(size=503)
    weight = np.ones((2, n))
    weight[1, k:] = 0.0
    best = np.array([0.4, -3.0])[:parameters]
    off = np.array([1.5, -0.2])[:parameters]
    vectors = np.concatenate(
        [np.broadcast_to(best, (1, 2, parameters)), np.broadcast_to(best + off, (503, 2, parameters))]
    )
    wide = widened(plan_of(law, n, weight=weight), vectors, uniform)
    had = n / stats.chi2(n - parameters).ppf(uniform)
    need = k / stats.chi2(max(k - parameters, 1)).ppf(uniform)
    factor = np.sqrt(np.maximum(need / had, 1.0))
    np.testing.assert_allclose((wide[:, 1] - best) / off, factor[:, None] * np.ones(parameters), rtol=1e-9)
    assert factor.max() > 1.5


@pytest.mark.parametrize(("k", "least", "raw_most"), [(3, 0.86, 0.80), (4, 0.87, 0.85), (7, 0.87, 0.89)])
def test_intervals_of_a_task_that_few_runs_reached_cover_the_truth(k, least, raw_most):
    n, sets, draws = 11, 1009, 201
    weight = np.ones((2, n))
    weight[1, k:] = 0.0
    plan = plan_of(Mean(), n, weight=weight)
    counts, uniform = resampled(plan, sets * draws, 3)
    y = np.random.default_rng(4).standard_normal((sets, k))
    inside = counts.reshape(sets, draws, n)[:, :, :k]
    total = inside.sum(-1)
    drawn = np.einsum("sdr,sr->sd", inside, y) / np.where(total > 0, total, np.nan)
    best = np.repeat(y.mean(1), draws)  # one output of many draws: departures from a point fit at 0
    off = drawn.ravel() - best
    vectors = np.concatenate([np.zeros((1, 2, 1)), np.stack([off, off], axis=1)[:, :, None]])
    wide = (widened(plan, vectors, uniform)[:, 1, 0] + best).reshape(sets, draws)

    def covers(values):
        low, high = np.nanquantile(values, [0.05, 0.95], axis=1)
        return ((low <= 0) & (high >= 0)).mean()

    assert covers(drawn) < raw_most
    assert least < covers(wide) < 0.94


def test_no_departure_is_not_widened():
    weight = np.ones((2, 5))
    weight[1, 3:] = 0.0
    same = np.full((4, 2, 1), 2.5)
    wide = widened(plan_of(Mean(), 5, weight=weight), same, np.array([0.01, 0.5, 0.99]))
    np.testing.assert_array_equal(wide, same[1:])


@pytest.mark.parametrize("k", [3, 5])
def test_a_failed_draw_stays_failed(k):
    weight = np.ones((2, 5))
    weight[1, k:] = 0.0
    vectors = np.array([0.0, 1.0, np.nan, 3.0])[:, None, None] * np.ones((1, 2, 1))
    wide = widened(plan_of(Mean(), 5, weight=weight), vectors, np.array([0.2, 0.5, 0.7]))
    assert np.isnan(wide[:, :, 0]).tolist() == [[False, False], [True, True], [False, False]]


@pytest.mark.parametrize(("share_of_last", "warns"), [(1, True), (5, False)])
def test_resamples_that_leave_a_direction_open_are_counted(noisy, key, share_of_last, warns):
    """All but the last runs stand at one place: resamples without those are points, not lines."""
    ladder, draws = noisy.runs.training(), 97
    n = len(ladder.names)
    x = np.where(np.arange(n) >= n - share_of_last, 1.0, -1.0)
    y = np.random.default_rng(3).standard_normal((2, n))
    plan = plan_of(Line(), n, 2, x=x, y=y)
    rng = generator(key, RESAMPLE_SALT)
    counts, _ = resample_runs(plan, rng, rng.uniform(size=CANDIDATES * draws), draws)
    open_ = ((counts[:, x > 0] == 0).all(1) | (counts[:, x < 0] == 0).all(1)).mean()
    assert (open_ > 0.05) == warns
    booted = bootstrap(Given(plan), ladder, key, draws=draws)
    text = (
        f"loss 'o0', 'o1': {open_:.0%} of the resamples leave a direction of the parameters open: use fewer "
        "parameters, or weigh the priors in"
    )
    assert booted.warnings == ((text,) if warns else ())
    assert np.isfinite(booted.params["loss"]["slope"]).all()  # what the open direction is, the forecast may not need


def fitted(plan, counts, seed=3):
    vectors, *_ = fit_stage(plan.stages[0], counts, np.random.default_rng(seed), 2, Settings())
    return vectors


def test_with_a_prior_what_data_leave_open_has_the_priors_spread():
    """All runs at one place: the slope is the prior's, 0.3 ± 1.7, the same pull for all outputs of a draw."""
    draws = 2003
    plan = plan_of(Line(), 5, 2, y=np.full((2, 5), 0.7), prior_sd=0.01)
    slopes = fitted(plan, np.ones((1 + draws, 5)))[:, :, 1]
    np.testing.assert_allclose(slopes[0], 0.3, atol=1e-7)
    assert stats.kstest(slopes[1:, 0], stats.norm(0.3, 1.7).cdf).pvalue > 0.01
    np.testing.assert_allclose(slopes[:, 0], slopes[:, 1], atol=1e-6)


def test_with_a_prior_a_draw_is_the_most_probable_level_given_its_own_pull():
    """Randomise, then optimise: ``(Σ count·y + λ·centre) / (Σ count + λ)``, with λ the prior's worth in runs."""
    runs, draws, noise = 5, 2003, 2.0
    y = np.array([[0.3, -0.4, 1.1, 0.8, -1.7]])
    counts, _ = resampled(plan_of(Mean(), runs), draws, 3)
    counts = np.concatenate([np.ones((1, runs)), counts])
    level = fitted(plan_of(Mean(), runs, y=y, prior_sd=noise), counts)[:, 0, 0]
    worth = noise**2
    centre = (level * (counts.sum(1) + worth) - counts @ y[0]) / worth
    assert centre[0] == pytest.approx(0.0, abs=1e-7)
    assert stats.kstest(centre[1:], "norm").pvalue > 0.01


def test_without_a_prior_there_is_no_pull():
    y = np.array([[0.3, -0.4, 1.1, 0.8, -1.7]])
    counts = np.concatenate([np.ones((1, 5)), resampled(plan_of(Mean(), 5), 53, 3)[0]])
    np.testing.assert_allclose(
        fitted(plan_of(Mean(), 5, y=y), counts)[:, 0, 0], counts @ y[0] / counts.sum(1), atol=1e-9
    )
