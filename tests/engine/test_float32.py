"""Half the precision on laws that are centred: what it costs, measured, and that nothing is computed wide."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from flpjax.engine import host_rounds, lanes, resident
from flpjax.engine.batch import Solution, solve
from flpjax.engine.padding import room
from flpjax.engine.settings import Settings, Status
from flpjax.laws.residual import Residual
from tests.engine.ladders import FORMS, PROBLEMS, ROWS, robust_problems, starts_around

STARTS, DRAWS = 17, 11


@cache
def table(name, seed=21):
    """Data, starts, and counts of rows ``(draw, row)``."""
    law, truth, space = FORMS[name]
    rng = np.random.default_rng(seed)
    data = robust_problems(law, truth, space, rng)
    starts = starts_around(law, truth, STARTS, rng)
    return data, starts, rng.multinomial(ROWS, np.full(ROWS, 1 / ROWS), DRAWS).astype(float)


@cache
def bootstrap(name, corner, precision, follow="all") -> Solution:
    """All draws of the table."""
    data, starts, counts = table(name)
    settings = Settings(precision=precision, follow=follow)
    weight = np.ones((PROBLEMS, ROWS))
    return solve(residual(name, corner), data, weight, counts, starts, huber=corner, settings=settings)


def residual(name, corner):
    law, _, space = FORMS[name]
    return Residual(law, space, huber=corner)


def objective(name, corner, found):
    """``(draw, problem)`` at the optima found, in full precision."""
    data, _, counts = table(name)
    rows = jax.vmap(jax.vmap(residual(name, corner), (None, 0)))
    r = np.asarray(jax.jit(jax.vmap(rows, (0, None)))(jnp.asarray(found.vector, jnp.float64), data))
    return np.einsum("dpr,dr->dp", 0.5 * r**2 if corner is None else special.huber(corner, r), counts)


CASES = [  # twice what was measured of 33 fits: by how much the optimum found is higher, and its value is off
    pytest.param("Chinchilla", 0.004, 9e-7, 3e-5),
    # In one draw the loss has no floor, and the share runs off: to 9 in float32, to 29 in float64.
    pytest.param("Chinchilla", None, 9e-7, 2e-5),
    pytest.param("PowerLawE", 0.004, 4e-9, 6e-5),
]


@pytest.mark.parametrize(("name", "corner", "optimum", "value"), CASES)
def test_float32_finds_the_float64_optimum(name, corner, optimum, value):
    wide, narrow = (bootstrap(name, corner, precision) for precision in ("float64", "float32"))
    assert np.all(wide.status == Status.CONVERGED)
    assert np.all(narrow.status == Status.CONVERGED)
    np.testing.assert_allclose(narrow.value, wide.value, rtol=value)
    np.testing.assert_allclose(objective(name, corner, wide), wide.value, rtol=1e-12)
    assert np.all(objective(name, corner, narrow) <= wide.value * (1 + optimum))


@pytest.fixture(scope="module")
def narrow() -> Solution:
    return bootstrap("PowerLawE", 0.004, "float32")


def test_starts_agree(narrow):
    assert narrow.agree.min() > 0.5


def test_the_answer_is_narrow(narrow):
    for name in ("vector", "value", "gradient"):
        assert getattr(narrow, name).dtype == np.float32, name
    assert narrow.starts.vector.dtype == narrow.starts.value.dtype == np.float32
    assert narrow.status.dtype == narrow.starts.status.dtype == narrow.starts.steps.dtype == np.int32


def test_nothing_is_computed_wide(monkeypatch):
    """Every array of rows in the compiled programs: one in 64 bits would drag all that touch it along."""
    texts = {}
    for name in ("advance", "scout"):
        program = getattr(lanes, name)

        def spy(*args, name=name, program=program):
            texts[name] = program.lower(*args).as_text()
            return program(*args)

        for rounds in (host_rounds, resident):  # whichever this machine has
            monkeypatch.setattr(rounds, name, spy)
    bootstrap("PowerLawE", 0.004, "float32", follow="promising")
    assert sorted(texts) == ["advance", "scout"]
    rows = room(2, ROWS)[1]  # with padding
    for text in texts.values():
        assert f"x{rows}xf32" in text
        wide = [line.strip() for line in text.splitlines() if f"x{rows}xf64" in line]
        assert not wide, wide[:3]
