"""Half the precision on forms that are centred: what it costs, measured, and that nothing is computed wide."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from flpjax.engine import lanes
from flpjax.engine.batch import Solution, solve
from flpjax.engine.settings import Settings
from flpjax.engine.status import USABLE, Status
from flpjax.forms.residual import Residual
from tests.engine.ladders import FORMS, PROBLEMS, ROWS, robust_problems, starts_around

STARTS, DRAWS = 17, 11


def both(name, corner, seed=21, follow="all"):
    """The same bootstrap in either precision: residual, data, counts of rows, solutions."""
    form, truth, space = FORMS[name]
    rng = np.random.default_rng(seed)
    data = robust_problems(form, truth, space, rng)
    starts = starts_around(form, truth, STARTS, rng)
    counts = rng.multinomial(ROWS, np.full(ROWS, 1 / ROWS), DRAWS).astype(float)
    residual, weight = Residual(form, space, huber=corner), np.ones((PROBLEMS, ROWS))
    found = {}
    for precision in ("float64", "float32"):
        settings = Settings(precision=precision, follow=follow)
        found[precision] = solve(residual, data, weight, counts, starts, huber=corner, settings=settings)
    return residual, data, counts, found["float64"], found["float32"]


def excess(residual, data, counts, corner, wide, narrow):
    """``(draw, problem)`` by which share the narrow optimum lies above the wide one, in full precision."""

    @jax.jit
    def values(vector):
        return jax.vmap(lambda v: jax.vmap(jax.vmap(residual, (None, 0)))(v, data))(vector)

    r = np.asarray(values(jnp.asarray(narrow.vector, jnp.float64)))
    loss = 0.5 * r**2 if corner is None else special.huber(corner, r)
    return np.einsum("dpr,dr->dp", loss, counts) / wide.value - 1.0


@pytest.mark.parametrize(
    ("name", "corner", "optimum", "value", "agree"),
    [  # twice what was measured
        ("Chinchilla", 0.004, 1.0, 1.0, 0.0),
        ("Chinchilla", None, 1.0, 1.0, 0.0),
        ("PowerLawE", 0.004, 1.0, 1.0, 0.0),
        ("PowerLawE", None, 1.0, 1.0, 0.0),
    ],
)
def test_float32_finds_the_float64_optimum(name, corner, optimum, value, agree):
    residual, data, counts, wide, narrow = both(name, corner)
    assert np.all(wide.status == Status.CONVERGED)
    print(name, corner, np.unique(narrow.status, return_counts=True), np.unique(narrow.starts.status, return_counts=True), narrow.starts.steps.max(), wide.starts.steps.max(), "excess", excess(residual, data, counts, corner, wide, narrow).max(), "value", np.abs(narrow.value / wide.value - 1.0).max(), narrow.agree.min(), wide.agree.min(), "vec", np.abs(narrow.vector-wide.vector).max())
    assert np.all(np.isin(narrow.status, USABLE))
    assert excess(residual, data, counts, corner, wide, narrow).max() < optimum
    np.testing.assert_allclose(narrow.value, wide.value, rtol=value)
    assert narrow.agree.min() > agree


@pytest.fixture(scope="module")
def narrow() -> Solution:
    return both("PowerLawE", 0.004)[-1]


def test_the_answer_is_narrow(narrow):
    for name in ("vector", "value", "gradient"):
        assert getattr(narrow, name).dtype == np.float32, name
    assert narrow.starts.vector.dtype == narrow.starts.value.dtype == np.float32
    assert narrow.status.dtype == narrow.starts.status.dtype == narrow.starts.steps.dtype == np.int32


@pytest.mark.parametrize("follow", ["all", "promising"])
def test_nothing_is_computed_wide(monkeypatch, follow):
    """Every array of the compiled programs: one in 64 bits would drag all that touch it along."""
    texts = []
    for name in ("advance", "scout"):
        program = getattr(lanes, name)

        def spy(*args, program=program):
            texts.append(program.lower(*args).as_text())
            return program(*args)

        monkeypatch.setattr(f"flpjax.engine.devices.{name}", spy)
    both("PowerLawE", 0.004, follow=follow)
    assert any("xf64" in text for text in texts)  # the wide one, or the search finds nothing
    narrow = [text for text in texts if "xf32>" in text]
    assert narrow
    for text in narrow:
        wide = [line.strip() for line in text.splitlines() if re.search(r"\dxf64", line)]  # constants may be
        assert not wide, wide[:3]
