"""Nearest points and best vertices against scipy; what infeasible constraints are blamed on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from flpjax.engine.polytope import Polytope, conflict, land, linear_max, project, simplex

nearest, vertex = jax.jit(project), jax.jit(linear_max)


def feasible_polytope(rng, size, groups):
    """Around a random mixture; sometimes a bound is met, a source is fixed, or a group is."""
    inside = rng.dirichlet(np.full(size, 0.5))
    lower = np.maximum(inside - 0.2 * rng.random(size), 0) * (rng.random(size) < 0.6)
    upper = np.minimum(inside + 0.3 * rng.random(size), 1)
    fixed = rng.random(size) < 0.1
    lower, upper = np.where(fixed, inside, lower), np.where(fixed, inside, upper)
    group = rng.integers(-1, groups, size) if groups else np.full(size, -1)
    sums = np.array([inside[group == g].sum() for g in range(groups)])
    welded = rng.random(groups) < 0.2
    slack = np.where(welded, 0.0, 0.1) * rng.random((2, groups))
    return Polytope(lower, upper, group.astype(np.int32), np.maximum(sums - slack[0], 0), sums + slack[1])


def members(polytope):
    return np.array([polytope.group == g for g in range(len(polytope.group_lower))], float).reshape(
        -1, len(polytope.lower)
    )


def assert_feasible(polytope, point, atol=1e-14):
    assert np.all(point >= polytope.lower)
    assert np.all(point <= polytope.upper)
    sums = members(polytope) @ point
    assert abs(point.sum() - 1) <= 1e-15 * len(point) + atol
    assert np.all(sums >= polytope.group_lower - atol)
    assert np.all(sums <= polytope.group_upper + atol)


def best_value(polytope, gradient):
    """The maximum of ``gradient · w``, by HiGHS."""
    inside = members(polytope)
    return -linprog(
        -gradient,
        A_ub=np.vstack([inside, -inside]) if len(inside) else None,
        b_ub=np.concatenate([polytope.group_upper, -polytope.group_lower]) if len(inside) else None,
        A_eq=np.ones((1, len(gradient))),
        b_eq=[1.0],
        bounds=list(zip(polytope.lower, polytope.upper, strict=True)),
    ).fun


@pytest.mark.parametrize("groups", [0, 1, 3])
@given(seed=st.integers(0, 10**6), scale=st.floats(-2, 3))
def test_projection(groups, seed, scale):
    """Feasible, idempotent, and no feasible point lies in the direction of the vector: then it is the nearest."""
    rng = np.random.default_rng(seed)
    polytope = feasible_polytope(rng, 7, groups)
    vector = 10.0**scale * rng.normal(size=7)
    point = np.asarray(nearest(polytope, vector))
    assert_feasible(polytope, point)
    np.testing.assert_allclose(nearest(polytope, point), point, atol=1e-14)
    away = vector - point
    assert best_value(polytope, away) - away @ point <= 1e-8 * (1 + np.abs(vector).max())
    assert away @ (np.asarray(vertex(polytope, away)) - point) <= 1e-12 * (1 + np.abs(vector).max()) ** 2


@pytest.mark.parametrize("groups", [0, 2])
def test_projection_against_a_general_solver(groups):
    rng = np.random.default_rng(groups)
    for _ in range(5):
        polytope, vector = feasible_polytope(rng, 4, groups), rng.normal(size=4)
        inside = members(polytope)
        constraints = [{"type": "eq", "fun": lambda w: w.sum() - 1}]
        constraints += [
            {"type": "ineq", "fun": lambda w, m=m, b=b: m @ w - b}
            for m, b in zip(inside, polytope.group_lower, strict=True)
        ]
        constraints += [
            {"type": "ineq", "fun": lambda w, m=m, b=b: b - m @ w}
            for m, b in zip(inside, polytope.group_upper, strict=True)
        ]
        found = minimize(
            lambda w, v=vector: np.sum((w - v) ** 2),
            np.asarray(vertex(polytope, vector)),
            bounds=list(zip(polytope.lower, polytope.upper, strict=True)),
            constraints=constraints,
            method="SLSQP",
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(nearest(polytope, vector), found.x, atol=1e-6)


def test_projection_by_hand():
    point = np.asarray(nearest(simplex(3), np.array([0.9, 0.3, -5.0])))
    np.testing.assert_allclose(point, [0.8, 0.2, 0.0], atol=1e-15)
    assert point[2] == 0.0
    pinned = simplex(3)._replace(group=np.array([0, 0, -1]), group_lower=np.zeros(1), group_upper=np.array([0.4]))
    np.testing.assert_allclose(nearest(pinned, np.array([0.9, 0.7, 0.0])), [0.3, 0.1, 0.6], atol=1e-15)


@pytest.mark.parametrize("groups", [0, 1, 3])
@given(seed=st.integers(0, 10**6))
def test_best_vertex(groups, seed):
    rng = np.random.default_rng(seed)
    polytope = feasible_polytope(rng, 7, groups)
    gradient = rng.normal(size=7).round(1)  # with ties
    point = np.asarray(vertex(polytope, gradient))
    assert_feasible(polytope, np.clip(point, polytope.lower, polytope.upper))
    assert gradient @ point == pytest.approx(best_value(polytope, gradient), abs=1e-9)


def test_the_face_is_the_derivative():
    """What a small move of the vector does to the nearest point is the part of the move along the face."""
    rng = np.random.default_rng(3)
    jacobian = jax.jit(lambda p, v: land(p, v).matrix())
    for groups in (0, 2):
        polytope, vector, move = feasible_polytope(rng, 5, groups), rng.normal(size=5), 1e-7 * rng.normal(size=5)
        by_hand = np.asarray(nearest(polytope, vector + move)) - np.asarray(nearest(polytope, vector - move))
        np.testing.assert_allclose(np.asarray(jacobian(polytope, vector)) @ (2 * move), by_hand, atol=1e-13)
        along = jax.jit(lambda p, v, x: land(p, v).along(x))(polytope, vector, jnp.eye(5))
        np.testing.assert_allclose(along, jacobian(polytope, vector), atol=1e-15)


def boxed(lower, upper, group=(-1, -1, -1), least=(), most=()):
    return Polytope(
        *(np.asarray(x, float) for x in (lower, upper)),
        np.asarray(group),
        *(np.asarray(x, float) for x in (least, most)),
    )


@pytest.mark.parametrize(
    ("polytope", "pair", "needs", "allows"),
    [
        (boxed([0.5, 0.1, 0.6], [1, 1, 1]), [("lower", 2), ("lower", 0)], 1.2, 1.0),
        (boxed([0, 1.5, 0], [1, 2, 1]), [("lower", 1), ("total", -1)], 1.5, 1.0),
        (boxed([0, 0.3, 0], [1, 0.2, 1]), [("lower", 1), ("upper", 1)], 0.3, 0.2),
        (boxed([0, np.nan, 0], [1, 1, 1]), [("lower", 1), ("upper", 1)], np.nan, 1.0),
        (boxed([0, 0, 0], [0.5, 0.0, 0.3]), [("upper", 2), ("upper", 0)], 1.0, 0.8),
        (boxed([0.2, 0.3, 0], [1, 1, 1], [0, 0, -1], [0], [0.4]), [("lower", 1), ("group_upper", 0)], 0.5, 0.4),
        (boxed([0, 0, 0], [0.2, 0.1, 1], [0, 0, -1], [0.4], [1]), [("group_lower", 0), ("upper", 1)], 0.4, 0.3),
        (boxed([0, 0, 0], [1, 1, 1], [0, 0, -1], [0.4], [0.3]), [("group_lower", 0), ("group_upper", 0)], 0.4, 0.3),
        (
            boxed([0, 0, 0], [1, 1, 1], [0, 1, 1], [0.6, 0.5], [1, 1]),
            [("group_lower", 0), ("group_lower", 1)],
            1.1,
            1.0,
        ),
        (boxed([0, 0, 0.5], [1, 1, 1], [0, 0, -1], [0.6], [1]), [("group_lower", 0), ("lower", 2)], 1.1, 1.0),
        (boxed([0, 0, 0], [1, 1, 0.3], [0, 0, -1], [0], [0.5]), [("upper", 2), ("group_upper", 0)], 1.0, 0.8),
        (boxed([0, 0, 0], [1, 1, 1], least=[0.1], most=[1]), [("group_lower", 0), ("members", 0)], 0.1, 0.0),
    ],
)
def test_what_conflicts(polytope, pair, needs, allows):
    found = conflict(polytope)
    assert [limit[:2] for limit in found[:2]] == pair
    assert [found.needs, found.allows] == pytest.approx([needs, allows], nan_ok=True)


@pytest.mark.parametrize("groups", [0, 3])
@given(seed=st.integers(0, 10**6))
def test_conflict_agrees_with_a_linear_programme(groups, seed):
    rng = np.random.default_rng(seed)
    polytope = feasible_polytope(rng, 5, groups)
    assert conflict(polytope) is None
    moved = polytope._replace(
        upper=polytope.upper * rng.uniform(0.3, 1.2, 5), lower=polytope.lower * rng.uniform(0.5, 1.3, 5)
    )
    inside = members(moved)
    answer = linprog(
        np.zeros(5),
        A_ub=np.vstack([inside, -inside]) if groups else None,
        b_ub=np.concatenate([moved.group_upper, -moved.group_lower]) if groups else None,
        A_eq=np.ones((1, 5)),
        b_eq=[1.0],
        bounds=[(a, max(a, b)) for a, b in zip(moved.lower, moved.upper, strict=True)],
    )
    possible = answer.status == 0 and bool(np.all(moved.lower <= moved.upper))
    assert (conflict(moved) is None) == possible
