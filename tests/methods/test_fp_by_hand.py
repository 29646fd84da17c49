"""FP is a curve through the final scores: the same curve from scipy."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.mixture_loss import M3
from flpjax.laws.power_law import LogPowerLaw
from flpjax.methods.direct import FP
from flpjax.results.forecast import forecast
from flpjax.results.target import targets_of


def test_a_law_of_mixtures_counts_the_parameters_of_the_ladders_sources():
    """M3 has three parameters for two sources, and four for three."""
    ratios = ((0.0, 0.0), (0.3, 0.0), (0.1, 0.4))
    runs = simulate_mixtures(0, checkpoints=1, sizes=("1B",), ratios=ratios, sources=3).runs
    assert len(runs.names) == 3
    with pytest.raises(InputError, match="3 runs with a final value, and M3 has 4 parameters"):
        FP(M3()).bind(runs.hold_out([]))


def eq_3(log_flops, level, alpha):
    return np.exp(level + alpha * (log_flops - 47.0))


def eq_6(log_flops, level, alpha):
    return np.exp(-np.exp(level + alpha * (log_flops - 47.0)))


@pytest.mark.parametrize(
    ("method", "curve", "start"), [(FP(), eq_3, (-1.0, 0.1)), (FP(LogPowerLaw()), eq_6, (0.0, -0.1))]
)
def test_fp_is_scipys_curve_through_emerged_finals(noisy, key, method, curve, start):
    runs = noisy.runs
    draws = point(method, runs, key)
    seen = forecast(draws, targets_of(runs.targets()))
    assert draws.model.domains == ()
    assert [dict(loss) for loss in seen.loss] == [{}, {}]
    last = np.array([np.flatnonzero(runs.run == i)[-1] for i in np.flatnonzero(~runs.held_out)])
    for i, task in enumerate(runs.tasks):
        score = runs.score_of(task.name)[last]
        rows = last[score >= task.chance + 0.05]
        assert 2 < len(rows) <= len(last)
        best, _ = curve_fit(
            curve, np.log(runs.flops[rows]), runs.score_of(task.name)[rows], start, ftol=1e-14, xtol=1e-14, gtol=1e-14
        )
        exponent = draws.params["score"]["exponent"][0, i]
        np.testing.assert_allclose(exponent, best[1], rtol=1e-6)
        for j, target in enumerate(seen.targets):
            expected = min(curve(np.log(target.flops), *best), 1.0)
            np.testing.assert_allclose(seen.score[j][task.name].median, expected, rtol=1e-7)


def test_the_constants_are_the_papers(noisy, key):
    draws = point(FP(), noisy.runs, key)
    found = draws.fits["score"].constants
    flops = 1.3e22
    straight = (flops / found["C_N"]) ** found["alpha_N"]
    seen = forecast(draws, targets_of(noisy.runs.targets()))
    at = (seen.targets[0].flops / found["C_N"]) ** found["alpha_N"]
    np.testing.assert_allclose(seen.score_draws[0, 0], np.minimum(at, 1.0), rtol=1e-9)
    assert (straight < at).all()


def test_no_threshold_takes_every_final(noisy, key):
    bound = FP(above_chance=None).bind(noisy.runs.training())
    (stage,) = bound.stages
    assert stage.weight.shape == (3, 11)
    assert stage.weight.all()
    kept = FP().bind(noisy.runs.training()).stages[0].weight
    assert kept.sum() < stage.weight.sum()
