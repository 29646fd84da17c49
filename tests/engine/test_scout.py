"""Following promising starts only: the same optimum as following all, whatever their number."""

import numpy as np
import pytest

from flpjax.engine import lanes
from flpjax.engine.batch import Solution, solve
from flpjax.engine.lanes import GROUP, SURVIVORS
from flpjax.engine.settings import Settings, Status
from flpjax.laws.residual import Residual
from tests.engine.ladders import FORMS, PROBLEMS, ROWS, robust_problems, starts_around

pytestmark = pytest.mark.usefixtures("optimised_solver")

DRAWS, CORNER = 5, 0.004
FORM, TRUTH, SPACE = FORMS["Chinchilla"]
RESIDUAL = Residual(FORM, SPACE, huber=CORNER)


def table(seed=2):
    return robust_problems(FORM, TRUTH, SPACE, np.random.default_rng(seed))


def counts(draws=DRAWS):
    return np.random.default_rng(6).multinomial(ROWS, np.full(ROWS, 1 / ROWS), draws).astype(float)


def starts(count):
    return starts_around(FORM, TRUTH, count, np.random.default_rng(count))


def fit(first, follow="promising", draws=None, resample=None, data=None) -> Solution:
    return solve(
        RESIDUAL,
        table() if data is None else data,
        np.ones((PROBLEMS, ROWS)),
        counts() if resample is None else resample,
        first,
        draws=draws,
        huber=CORNER,
        settings=Settings(follow=follow),
    )


def assert_same_optimum(scouted, everywhere):
    """Parameters are known as well as the objective's tolerance knows them."""
    assert np.all(everywhere.status == Status.CONVERGED)
    np.testing.assert_array_equal(scouted.status, everywhere.status)
    np.testing.assert_allclose(scouted.value, everywhere.value, rtol=1e-11)
    np.testing.assert_allclose(scouted.vector, everywhere.vector, atol=1e-5)


@pytest.mark.parametrize("count", [SURVIVORS + 1, 300, 700])
def test_same_optimum_as_all_starts(count):
    first = starts(count)
    scouted = fit(first)
    groups = -(-count // GROUP)
    assert scouted.starts.vector.shape == (DRAWS, PROBLEMS, groups * SURVIVORS, len(TRUTH))
    assert_same_optimum(scouted, fit(first, follow="all"))
    assert np.all(scouted.agree > 0.5)
    steps = scouted.starts.steps[scouted.starts.status == Status.CONVERGED]
    assert np.all(steps > 0)


@pytest.mark.parametrize("count", [1, SURVIVORS])
def test_few_starts_are_all_followed(count):
    first = starts(count)
    for few, everywhere in zip(fit(first)[:-1], fit(first, follow="all")[:-1], strict=True):
        np.testing.assert_array_equal(few, everywhere)


def test_each_draw_is_what_it_is_alone():
    first = starts(300)
    together, alone = fit(first), fit(first, draws=[3, 1])
    for name in ("vector", "value", "status", "agree"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[[3, 1]], err_msg=name)


@pytest.mark.parametrize(("count", "good"), [(300, 1), (300, 7)])
def test_starts_that_are_not_finite_are_not_promising(count, good):
    """The few good ones go on, wherever they stand, and the others don't take their places."""
    first = starts(count)
    there = np.random.default_rng(good).choice(count, good, replace=False)
    spoilt = np.full_like(first, np.nan)
    spoilt[:, there] = first[:, there]
    scouted, everywhere = fit(spoilt), fit(first[:, there], follow="all")
    np.testing.assert_allclose(scouted.value, everywhere.value, rtol=1e-11)
    np.testing.assert_array_equal(scouted.status, everywhere.status)


def test_nothing_but_failures():
    found = fit(np.full((PROBLEMS, 300, len(TRUTH)), np.nan))
    assert np.all(found.status == Status.ALL_FAILED)
    assert np.all(found.agree == 0.0)


def test_steps_of_scouting_count():
    """A limit below what scouting takes is kept."""
    law, truth, space = FORMS["PowerLaw"]
    rng = np.random.default_rng(8)
    data, first = robust_problems(law, truth, space, rng), starts_around(law, truth, 61, rng)
    options = {"huber": CORNER, "settings": Settings(steps=3, follow="promising")}
    found = solve(Residual(law, space, huber=CORNER), data, np.ones((PROBLEMS, ROWS)), counts(), first, **options)
    assert found.starts.steps.max() == 3


@pytest.fixture(scope="module")
def warm():
    fit(starts(300))


def caches():
    return lanes.advance._cache_size(), lanes.scout._cache_size()


def test_nothing_is_compiled_for_other_draws(warm):
    before = caches()
    fit(starts(300), draws=[2])
    fit(starts(300), draws=range(1, DRAWS), data=table(seed=3))
    assert caches() == before


def test_nothing_is_compiled_for_another_number_of_draws(warm):
    before = caches()
    fit(starts(300), resample=counts(DRAWS + 2))
    assert caches() == before


def test_nothing_is_compiled_for_another_number_of_starts(warm):
    before = caches()
    fit(starts(301))
    assert caches() == before
