"""The study of bias: its truths, its designs, and how errors are summed up."""

import numpy as np
import pytest

from benchmarks.plan import bias


@pytest.mark.parametrize("name", bias.LAWS)
def test_optima_are_those_of_the_laws(name):
    truth = bias.LAWS[name]
    params = np.geomspace(1e6, 1e12, 200_001)
    for flops in (1e18, 1e21):
        best = params[truth.loss(params, flops / 6 / params).argmin()]
        assert truth.optimum(flops) == pytest.approx(best, rel=1e-3)


def test_designs_lie_where_they_say():
    truth = bias.LAWS["lopsided"]
    known = np.log([truth.optimum(c) for c in bias.BUDGETS])
    centres = {}
    for design in bias.DESIGNS:
        runs = bias.sweep(truth, bias.Task(design, 0.01, 0, 0))
        log_n = np.log(runs.params).reshape(len(bias.BUDGETS), bias.SIZES)
        assert np.ptp(log_n, axis=1) == pytest.approx(2 * bias.DESIGNS[design][0])
        centres[design] = log_n.mean(axis=1) - known
    np.testing.assert_allclose(centres["wide"], 0.0, atol=1e-9)
    np.testing.assert_allclose(centres["off-centre"], np.log(3.0))
    np.testing.assert_allclose(centres["drifting"], np.linspace(-1, 1, 5) * np.log(3.0), atol=1e-9)


def test_errors_are_summed_up_by_approach():
    each = np.zeros((10, len(bias.APPROACHES), 3))
    each[:, 0] = [0.1, 1.0, 0.5]  # error, whether held, width
    each[:, 1] = [-0.05, 0.0, 0.5]
    each[:, 2] = [0.2, 1.0, 0.5]
    each[:, 3] = [0.055, 1.0, 0.5]
    each[0, 2] = np.nan
    told = bias._summary(each)
    assert told["approaches"]["law"] == pytest.approx(
        {"bias": 0.1, "rms": 0.1, "covered": 1.0, "width": 0.5, "failed": 0.0}
    )
    assert told["approaches"]["parabolas"]["covered"] == 0.0
    assert told["approaches"]["parabolas, corrected"]["failed"] == pytest.approx(0.1)
    assert told["blend_over_best"] == pytest.approx(1.1)
