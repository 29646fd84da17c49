"""Best mixtures against closed forms, brute-force grids and a linear programme."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from flpjax.engine import climbers
from flpjax.engine.ascent import AscentStatus, ascend, spread_starts
from flpjax.engine.polytope import Polytope, simplex
from flpjax.errors import InputError


def line(w, a):
    return jnp.sum(a * w)


def utility(w, a):
    return jnp.sum(a * jnp.log(w))


def bowl(w, target):
    return -0.5 * jnp.sum((w - target) ** 2 * jnp.arange(1.0, len(w) + 1.0))


def worst(w, pieces):
    """Concave, with kinks."""
    slope, level = pieces
    return jnp.min(slope @ w + level)


def ramps(w, layers):
    """A network: kinks of both kinds, several summits."""
    inner, shift, outer = layers
    return jnp.sum(outer * jnp.maximum(inner @ w + shift, 0.0))


def curve(w, law):
    """A power law of effective data, as losses of mixtures are."""
    level, scale, power = law
    return -jnp.mean(level + (scale @ w + 0.03) ** (-power))


def starts(size, count=13, polytope=None):
    return spread_starts(simplex(size) if polytope is None else polytope, count, np.random.default_rng(5))


def grid(size):
    """All mixtures in hundredths."""
    points = [p for p in itertools.product(range(101), repeat=size - 1) if sum(p) <= 100]
    return np.array([(*p, 100 - sum(p)) for p in points]) / 100


def laws(rng, problems, size, tasks=5):
    return (
        rng.uniform(1, 2, (problems, tasks)),
        rng.lognormal(-1, 1, (problems, tasks, size)),
        rng.uniform(0.1, 0.5, (problems, tasks)),
    )


def test_a_line_ends_at_its_best_vertex():
    slope = np.array([[0.3, 0.9, 0.1], [1.0, -2.0, 0.5]])
    found = ascend(line, slope, starts(3), simplex(3))
    np.testing.assert_array_equal(found.weights, [[0, 1, 0], [1, 0, 0]])
    assert list(found.status) == [AscentStatus.CONVERGED] * 2
    np.testing.assert_allclose(found.gap, 0.0, atol=1e-15)
    np.testing.assert_array_equal(found.agree, 1.0)


def test_logarithms_share_by_their_weights():
    """And starts at which the value is not finite (corners) spoil no other."""
    a = np.random.default_rng(0).uniform(0.05, 1.0, (7, 5))
    first = np.concatenate([np.eye(5), np.full((1, 5), 0.2), [[0.9, 0.04, 0.03, 0.02, 0.01]]])
    found = ascend(utility, a, first, simplex(5))
    np.testing.assert_allclose(found.weights, a / a.sum(1, keepdims=True), atol=1e-8)
    assert set(found.status) == {AscentStatus.CONVERGED}
    np.testing.assert_allclose(found.agree, 2 / 7)


def test_nothing_finite():
    found = ascend(utility, np.ones((2, 3)), np.eye(3), simplex(3))
    assert list(found.status) == [AscentStatus.NON_FINITE] * 2
    assert np.all(found.value == -np.inf)
    assert np.all(found.agree == 0)


def test_a_bowl_on_a_face_under_bounds_and_groups():
    """The optimality conditions by hand: on the free sources of a block all slopes are alike."""
    target = np.array([[0.5, 0.4, -0.2, 0.3, 0.6]])
    held = Polytope(
        np.array([0.0, 0, 0, 0, 0.1]),
        np.array([1.0, 1, 1, 0.05, 0.1]),
        np.array([0, 0, 1, 1, -1]),
        np.array([0.0, 0.25]),
        np.array([1.0, 1.0]),
    )
    found = ascend(bowl, target, starts(5, polytope=held), held)
    # Source 4 is fixed, source 3 at its upper bound, group 1 at its lower one; 0 and 1 share .65.
    np.testing.assert_allclose(found.weights, [[0.5 - 0.5 / 3, 0.4 - 0.25 / 3, 0.2, 0.05, 0.1]], atol=1e-12)
    assert found.status[0] == AscentStatus.CONVERGED
    assert found.gap[0] < 1e-8


def test_a_set_of_one_point():
    only = np.array([0.2, 0.0, 0.8])
    found = ascend(bowl, np.zeros((2, 3)), starts(3), simplex(3)._replace(lower=only, upper=only))
    np.testing.assert_array_equal(found.weights, [only, only])
    assert set(found.status) == {AscentStatus.CONVERGED}


@pytest.mark.parametrize("size", [2, 3])
def test_no_point_of_a_grid_is_better(size):
    rng = np.random.default_rng(size)
    points = grid(size)
    level, scale, power = law = laws(rng, 11, size)
    found = ascend(curve, law, starts(size), simplex(size))
    everywhere = -np.mean(level[:, None] + (np.einsum("pts,gs->pgt", scale, points) + 0.03) ** -power[:, None], axis=-1)
    assert np.all(found.value >= everywhere.max(1) - 1e-15)
    assert np.all(found.kkt <= 1e-8)
    # The value is flat at a summit: the best grid point lies near it as far as the value says.
    assert np.all(everywhere.max(1) >= found.value - 1e-3)


@pytest.mark.parametrize("size", [2, 3])
def test_no_point_of_a_grid_is_better_where_there_are_kinks(size):
    rng = np.random.default_rng(size)
    points = grid(size)
    slope, level = rng.normal(size=(31, 7, size)), 0.1 * rng.normal(size=(31, 7))
    found = ascend(worst, (slope, level), starts(size), simplex(size))
    everywhere = (np.einsum("pts,gs->pgt", slope, points) + level[:, None]).min(-1)
    assert np.all(found.value >= everywhere.max(1) - 1e-9)
    assert set(found.status) <= {AscentStatus.CONVERGED, AscentStatus.KINK}
    assert AscentStatus.KINK in found.status

    layers = rng.normal(size=(31, 7, size)), 0.5 * rng.normal(size=(31, 7)), rng.normal(size=(31, 7))
    found = ascend(ramps, layers, starts(size, 64), simplex(size))
    inner = np.einsum("pts,gs->pgt", layers[0], points) + layers[1][:, None]
    everywhere = (np.maximum(inner, 0) * layers[2][:, None]).sum(-1)
    assert np.all(found.value >= everywhere.max(1) - 1e-9)


def test_the_worst_of_many_against_a_linear_programme():
    rng = np.random.default_rng(8)
    slope, level = rng.normal(size=(3, 13, 7)), 0.1 * rng.normal(size=(3, 13))
    found = ascend(worst, (slope, level), starts(7), simplex(7))
    for i in range(3):
        best = linprog(
            np.append(np.zeros(7), -1.0),
            A_ub=np.column_stack([-slope[i], np.ones(13)]),
            b_ub=level[i],
            A_eq=np.append(np.ones(7), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0, 1)] * 7 + [(None, None)],
        )
        assert found.value[i] == pytest.approx(-best.fun, abs=1e-9)
    assert set(found.status) == {AscentStatus.KINK}
    assert np.all(found.kkt > 1e-3)


def test_out_of_steps():
    found = ascend(curve, laws(np.random.default_rng(1), 3, 7), starts(7, 1), simplex(7), steps=1, tolerance=0.0)
    assert set(found.status) <= {AscentStatus.STEP_LIMIT, AscentStatus.KINK}


def test_the_best_of_several_summits():
    """A convex value has a summit at each vertex; agreement says how many starts found the best."""
    found = ascend(convex, np.array([[0.1, 0.0, 0.2]]), np.eye(3), simplex(3))
    np.testing.assert_array_equal(found.weights, [[0, 0, 1]])
    assert found.agree[0] == pytest.approx(1 / 3)


def convex(w, a):
    return jnp.sum(w**2) + jnp.sum(a * w)


def test_a_batch_is_its_problems():
    law = laws(np.random.default_rng(2), 5, 7)
    together = ascend(curve, law, starts(7), simplex(7))
    for i in (0, 3):
        alone = ascend(curve, tuple(leaf[i : i + 1] for leaf in law), starts(7), simplex(7))
        np.testing.assert_allclose(alone.weights[0], together.weights[i], atol=1e-8)
        np.testing.assert_allclose(alone.value[0], together.value[i], rtol=1e-13)


def test_nothing_is_compiled_twice():
    def sizes():
        return [p._cache_size() for p in (climbers._start, climbers._advance, climbers._report)]

    rng = np.random.default_rng(2)
    ascend(curve, laws(rng, 5, 7), starts(7), simplex(7))
    before = sizes()
    ascend(curve, laws(rng, 5, 7), starts(7), simplex(7)._replace(upper=np.full(7, 0.4)), tolerance=1e-7, steps=50)
    assert sizes() == before


def test_starts_are_feasible_and_spread():
    held = simplex(5)._replace(
        lower=np.full(5, 0.05),
        group=np.array([0, 0, -1, 1, 1]),
        group_lower=np.array([0.3, 0]),
        group_upper=np.array([0.5, 0.4]),
    )
    points = starts(5, 17, held)
    assert points.shape == (17, 5)
    np.testing.assert_allclose(points.sum(1), 1.0, atol=1e-14)
    assert np.all(points >= 0.05)
    assert np.all(np.abs(points[:, :2].sum(1) - 0.4) <= 0.1 + 1e-14)
    assert len(np.unique(points.round(9), axis=0)) == 17
    np.testing.assert_array_equal(points, starts(5, 17, held))
    assert np.sum(np.isclose(starts(5, 13), 1.0)) == 5  # all vertices of the simplex


@pytest.mark.parametrize(
    ("data", "first", "polytope", "message"),
    [
        (np.ones((2, 3)), np.eye(4), simplex(3), r"starts \(4, 4\) don't fit 2 problems of 3 sources"),
        (np.ones((2, 3)), np.ones((5, 4, 3)), simplex(3), r"starts \(5, 4, 3\) don't fit 2 problems"),
        ((np.ones((2, 3)), np.ones(3)), np.eye(3), simplex(3), "don't share a first axis"),
        (
            np.ones((2, 3)),
            np.eye(3),
            simplex(3)._replace(lower=np.array([0.7, 0, 0.6])),
            "lower 0 conflicts with lower 2",
        ),
    ],
)
def test_bad_calls(data, first, polytope, message):
    with pytest.raises(InputError, match=message):
        ascend(line, data, first, polytope)
