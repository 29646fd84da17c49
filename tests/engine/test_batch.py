"""Resampling is a matter of weights, and a batch is nothing but its lanes: exactness, and no program compiled twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.engine.batch import solve
from flpjax.engine.lanes import advance
from flpjax.engine.padding import MOST_PADDING, room
from flpjax.engine.settings import Status
from flpjax.ladder.features import Features
from flpjax.laws.power_law import PowerLawE
from flpjax.laws.residual import Residual

PROBLEMS, ROWS, STARTS, DRAWS = 3, 19, 2, 11
CORNER = 0.01
PATH = 1e-6
"""Relative difference of parameters whose objectives agree to 1e-12: other rounding may stop a step apart."""


def residual(centre=46.0):
    return Residual(PowerLawE(centre), "log", huber=CORNER)


def ladder(seed=0, rows=ROWS, problems=PROBLEMS):
    """Problems with one x, each its own law and noise with outliers."""
    rng = np.random.default_rng(seed)
    log_flops = np.tile(np.linspace(42.0, 50.0, rows), (problems, 1))
    level, slope = np.resize([0.3, 0.5, 0.1], (problems, 1)), np.resize([0.2, 0.25, 0.15], (problems, 1))
    law = 1.4 + np.exp(level - slope * (log_flops - 46.0))
    y = law * np.exp(0.004 * rng.standard_t(2, (problems, rows)))
    return Features.of_logs(log_flops - 26.0, log_flops - 24.0, log_flops), y


def fit(data, weight=None, resample=None, own=None, **options):
    data = jax.tree.map(jnp.asarray, data)
    problems, rows = data[1].shape
    weight = np.ones((problems, rows)) if weight is None else weight
    resample = np.ones((1, rows)) if resample is None else resample
    starts = np.tile(np.array([0.7, 0.2, -1.5]), (problems, STARTS, 1)) + 0.3 * np.arange(STARTS)[:, None]
    return solve(own or residual(), data, jnp.asarray(weight), jnp.asarray(resample), starts, huber=CORNER, **options)


def assert_same(one, two):
    np.testing.assert_array_equal(one.status, two.status)
    np.testing.assert_allclose(one.value, two.value, rtol=1e-12)
    np.testing.assert_allclose(one.vector, two.vector, rtol=PATH)
    np.testing.assert_array_equal(one.agree, two.agree)


@pytest.fixture(scope="module")
def counts():
    """How often each draw takes each row, ``(draw, row)``; the first takes every row once."""
    drawn = np.random.default_rng(5).multinomial(ROWS, np.full(ROWS, 1 / ROWS), DRAWS).astype(float)
    drawn[0] = 1.0
    return drawn


@pytest.fixture(scope="module")
def bootstrap(counts):
    found = fit(ladder(), resample=counts)
    assert np.all(found.status == Status.CONVERGED)
    return found


def test_integer_weights_are_repeated_rows(bootstrap, counts):
    x, y = ladder()
    for draw in (0, 7):
        rows = np.repeat(np.arange(ROWS), counts[draw].astype(int))  # a bootstrap keeps the number of rows
        again = fit((jax.tree.map(lambda leaf, rows=rows: leaf[:, rows], x), y[:, rows]))
        np.testing.assert_allclose(bootstrap.value[draw], again.value[0], rtol=1e-12)
        np.testing.assert_allclose(bootstrap.vector[draw], again.vector[0], rtol=PATH)


def test_weights_multiply(bootstrap, counts):
    """A problem's weights and a draw's counts are one product."""
    again = fit(ladder(), weight=np.tile(counts[4], (PROBLEMS, 1)))
    np.testing.assert_allclose(again.value[0], bootstrap.value[4], rtol=1e-12)
    np.testing.assert_allclose(again.vector[0], bootstrap.vector[4], rtol=PATH)


@pytest.mark.parametrize("junk", [1e30, -1e30, 0.0, np.nan, np.inf])
def test_rows_of_weight_zero_are_not_there(junk):
    x, y = ladder()
    keep = ~np.isin(np.arange(ROWS), [0, 6, 18])
    weight = np.tile(keep.astype(float), (PROBLEMS, 1))
    spoilt = np.where(keep, y, junk), jax.tree.map(lambda leaf: np.where(keep, leaf, 1e3), x)
    clean, dirty = fit((x, y), weight), fit((spoilt[1], spoilt[0]), weight)
    assert np.all(dirty.status == Status.CONVERGED)
    assert_same(dirty, clean)


@pytest.mark.parametrize("draws", [[0], [9, 2, 5], range(1, DRAWS)], ids=str)
def test_a_subset_of_draws_is_the_subset(bootstrap, counts, draws):
    found, rows = fit(ladder(), resample=counts, draws=draws), list(draws)
    np.testing.assert_array_equal(found.vector, bootstrap.vector[rows])
    np.testing.assert_array_equal(found.value, bootstrap.value[rows])
    np.testing.assert_array_equal(found.status, bootstrap.status[rows])
    assert found.starts.vector.shape == (len(rows), PROBLEMS, STARTS, 3)


def test_lanes_are_in_their_places(bootstrap, counts):
    """Draw, problem and start of prime sizes: each lane is what it is alone."""
    x, y = ladder()
    for draw, problem in ((0, 2), (10, 1), (3, 0)):
        alone = fit((x, np.tile(y[problem], (PROBLEMS, 1))), np.tile(counts[draw], (PROBLEMS, 1)))
        np.testing.assert_allclose(alone.vector[0, 0], bootstrap.vector[draw, problem], rtol=PATH)


def test_nothing_is_compiled_twice(bootstrap, counts):
    """Not for other weights, draws or centres, nor for more or fewer rows and problems."""
    before = advance._cache_size()
    fit(ladder(seed=9), resample=counts)
    fit(ladder(), resample=counts, draws=[3, 1])
    fit(ladder(), resample=counts, draws=range(1, DRAWS))
    fit(ladder(), weight=np.random.default_rng(0).uniform(size=(PROBLEMS, ROWS)), resample=counts)
    fit(ladder(), resample=counts, own=residual(46.0))
    fit(ladder(), resample=counts, own=residual(45.0))
    fit(ladder(), resample=counts[:7])
    for problems, rows in ((2, 5), (13, 61)):
        fit(ladder(rows=rows, problems=problems))
    assert advance._cache_size() == before
    fit(ladder(rows=67))  # and the count does count
    assert advance._cache_size() == before + 1


def test_padding_adds_nothing():
    """Answers are the same in a program for more rows and problems, where all that is added weighs nothing."""
    x, y = ladder()
    more = jax.tree.map(lambda leaf: np.pad(leaf, [(0, 17 - PROBLEMS), (0, 67 - ROWS)]), (x, y))
    weight = np.zeros(more[1].shape)
    weight[:PROBLEMS, :ROWS] = 1.0
    alone, among = fit((x, y)), fit(more, weight)
    np.testing.assert_array_equal(among.status[:, :PROBLEMS], alone.status)
    np.testing.assert_allclose(among.value[:, :PROBLEMS], alone.value, rtol=1e-12)
    np.testing.assert_allclose(among.vector[:, :PROBLEMS], alone.vector, rtol=PATH)


def test_padding_takes_no_more_time_than_compiling():
    assert [room(p, r) for p, r in ((1, 1), (2, 64), (16, 65), (17, 257))] == [(1, 64), (16, 64), (16, 256), (64, 1024)]
    for rows in (65, 100, 245, 1000, 160_000):
        for lanes in (10, 10_000, 10_000_000):
            spare = room(1, rows, lanes)[1] - rows
            assert spare >= 0
            assert spare * lanes <= MOST_PADDING or spare <= max(rows / 4, 3)
            exact = room(1, rows, lanes, exact=True)[1] - rows
            assert exact == 0 or (exact == spare and spare * lanes <= MOST_PADDING)


def test_a_problem_without_rows_does_not_spoil_the_others():
    """Nothing finite stands in it, and nothing can be fitted; its neighbours are what they are."""
    x, y = ladder()
    weight = np.ones((PROBLEMS, ROWS))
    weight[1] = 0.0
    spoilt = fit((x, np.where(weight > 0, y, np.nan)), weight)
    clean = fit((x, y))
    for problem in (0, 2):
        assert spoilt.status[0, problem] == Status.CONVERGED
        np.testing.assert_allclose(spoilt.value[0, problem], clean.value[0, problem], rtol=1e-12)
    assert Status(spoilt.status[0, 1]) is not Status.CONVERGED
