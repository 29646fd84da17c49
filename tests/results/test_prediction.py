"""Intervals of a bootstrap of very few runs are as wide as Student's t."""

from dataclasses import replace

import numpy as np
import pytest

from flpjax.results.forecast import forecast
from flpjax.results.prediction import factor_of, widened
from flpjax.results.target import Target


@pytest.mark.parametrize(("runs", "factor"), [(2, 3.84), (3, 3.84), (4, 1.78), (5, 1.0), (11, 1.0)])
def test_the_factor_is_that_of_the_two_laws(booted, runs, factor):
    """6.314 and 2.920 are Student's 95 % points of one and two degrees of freedom, 1.645 the normal one."""
    few = replace(booted, ladder=replace(booted.ladder, runs=runs))
    assert factor_of(few) == pytest.approx(factor, abs=0.005)
    assert factor_of(replace(few, kind="point")) == 1.0


def test_three_runs_are_wider_and_it_is_told(booted):
    target = [Target("big", params=1e10, tokens=1e12)]
    few = forecast(replace(booted, ladder=replace(booted.ladder, runs=3)), target)
    many = forecast(booted, target)
    for name, value in many.loss[0].items():
        wider = np.log(few.loss[0][name].upper / few.loss[0][name].median)
        assert wider == pytest.approx(3.84 * np.log(value.upper / value.median), rel=0.01)
        assert few.loss[0][name].median == pytest.approx(value.median)
    assert any(w.startswith("3 runs only: intervals are 3.8 × as wide as the fits'") for w in few.warnings)
    assert not any("Student" in w for w in many.warnings)


def test_what_no_draw_knows_stays_unknown(booted):
    loss = np.full((7, 1, 2), np.nan)
    loss[:, :, 0] = np.linspace(2.0, 2.6, 7)[:, None]
    few = replace(booted, ladder=replace(booted.ladder, runs=4))
    wide, score, _ = widened(few, loss, np.empty((7, 1, 0)))
    assert np.isnan(wide[:, :, 1]).all()
    assert wide[:, 0, 0].min() < 2.0 < 2.6 < wide[:, 0, 0].max()
    assert score.shape == (7, 1, 0)
