"""Widths of found laws' intervals: closed forms, finite differences, and distances that are known."""

from dataclasses import replace

import numpy as np
import pytest

from flpjax.fitting.lawsearch.folds import Folds
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.structure import Monomial, Structure, Term, axis_of, basis
from flpjax.fitting.lawsearch.widths import (
    FREEDOM,
    SCALE2,
    _beyond,
    _slopes,
    carried_on,
    freedom,
    growth_of,
    scatter,
)

ROWS = 7
X = np.geomspace(1e6, 1e9, ROWS)
CONSTANT = Structure((Term(sign=0),))
POWERS = Structure((Term(), Term((Monomial("slope", 0), Monomial("square", 0)))))


def problem(space="linear", held_out=2):
    axes = (axis_of("n", X),)
    out = np.arange(ROWS) >= ROWS - held_out
    folds = Folds(np.array([np.ones(ROWS), ~out]), np.array([out & False, out]), ("all rows", "the largest of n"))
    return Problem(axes, X[None, None], np.full((1, ROWS), 2.0), np.ones((1, ROWS)), space, folds)


def test_the_mean_of_rows_is_known_as_textbooks_say():
    """Of a constant with a standard normal prior: ``1 / (n / s² + 1)``."""
    found = freedom(problem(), CONSTANT, np.array([2.0]), 0.3, 0, X[None, :3])
    np.testing.assert_allclose(found, 1.0 / (ROWS / 0.3**2 + 1.0))
    np.testing.assert_allclose(scatter(problem(), np.array([0.3]), 3.0), 0.3 * np.sqrt(7.0 / 4.0))


@pytest.mark.parametrize("space", ["linear", "log"])
def test_slopes_are_those_of_finite_differences(space):
    own = problem(space)
    vector, step = np.array([0.4, -0.2, -0.7, 0.1]), 1e-5
    second = np.stack([basis(own.axes, X[None], m) for m in (None, *POWERS.terms[1].monomials)], axis=1)

    def law(v):
        total = np.exp(v[0]) + np.exp(second @ v[1:])
        return np.log(total) if space == "log" else total

    numeric = [(law(vector + step * e) - law(vector - step * e)) / (2.0 * step) for e in np.eye(4)]
    np.testing.assert_allclose(_slopes(own, POWERS, vector, X[None]), np.stack(numeric, axis=1), rtol=1e-7, atol=1e-9)


def test_errors_grow_with_the_distance():
    """Rows one and two steps beyond those measured, and among them."""
    own, step = problem(held_out=0), X[1] / X[0]
    ahead, sd = X[-1] * step ** np.array([-1.0, 0.0, 1.0, 2.0]), np.log(step) / problem().axes[0].spread
    expected = [1.0, 1.0, np.hypot(1.0, 3.0 * sd), np.hypot(1.0, 6.0 * sd)]
    np.testing.assert_allclose(carried_on(own, 0, ahead[None], 3.0), expected, rtol=1e-6)


@pytest.mark.parametrize("truth", [3.0, 30.0])
def test_growth_is_what_held_out_errors_show(truth):
    """Errors drawn with a known growth, of many cells: found, and a little more."""
    cells, rng = 400, np.random.default_rng(5)
    own = problem()
    many = replace(
        own,
        columns=np.repeat(own.columns, cells, 0),
        y=np.repeat(own.y, cells, 0),
        weight=np.repeat(own.weight, cells, 0),
    )
    away = np.r_[np.zeros(5), 1.0, 2.0] * np.log(X[1] / X[0]) / own.axes[0].spread
    sd = np.hypot(1.0, truth * away)
    law = sd * rng.standard_t(FREEDOM, (2, 1, cells, ROWS)) * np.sqrt(SCALE2)
    alike, even = np.repeat(law, 3, axis=1), np.full(3, 1.0 / 3.0)  # three laws that say the same
    found = growth_of(many, alike, even)
    assert truth < found < 2.0 * truth
    assert growth_of(many, 10.0 * alike, even) > 3.0 * found
    apart = alike + sd * np.array([-1.0, 0.0, 1.0])[:, None, None]
    assert growth_of(many, apart, even) < found  # what laws part by, intervals hold without it


def test_rows_that_are_new_in_no_column_may_lie_outside_of_all():
    """Small models on many tokens and large ones on few do not tell of large ones on many: the corner lies outside."""
    steps = np.array([[0.0, 1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 1.0, 0.0, 2.0]])
    x = 1e6 * np.exp(steps)
    axes = tuple(axis_of(name, v) for name, v in zip("nd", x, strict=True))
    asked = 1e6 * np.exp(np.array([[1.0, 2.0, 0.5], [1.0, 2.0, 0.5]]))
    spread = axes[0].spread
    np.testing.assert_allclose(_beyond(axes, x, asked), [0.0, np.sqrt(2.0) / spread, 0.0], rtol=1e-6)
    assert spread == axes[1].spread
