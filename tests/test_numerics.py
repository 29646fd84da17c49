"""Programs that compile quickly are the programs of ``jax.jit``."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax import numerics
from flpjax.laws.loss_score import Linear

FASTER = numerics.FASTER_COMPILATION_ON_CPU if jax.default_backend() == "cpu" else {}


def double(times, x):
    """So many times."""
    return 2.0**times * jnp.exp(x)


@pytest.fixture(autouse=True)
def _anew():
    """As a program has it that set nothing: the suite turns optimisations off."""
    jax.config.update("jax_disable_most_optimizations", False)
    numerics._compiler_options.cache_clear()
    yield
    jax.config.update("jax_disable_most_optimizations", True)
    numerics._compiler_options.cache_clear()


def test_it_is_jit_with_options():
    quick = numerics.compiled(double, static_argnums=0)
    x = np.linspace(-3.0, 3.0, 7)
    np.testing.assert_allclose(quick(3, x), jax.jit(double, static_argnums=0)(3, x), rtol=1e-14)
    assert (quick.__name__, quick.__doc__) == ("double", "So many times.")
    assert quick._cache_size() == 1
    assert "exponential" in quick.lower(3, x).as_text()


def test_laws_that_differ_in_their_centres_share_a_program():
    value = numerics.compiled(
        lambda law, times, level: times * law.apply({"level": level, "slope": 1.0}, 3.0), static_argnums=0
    )
    assert [float(value(Linear(centre), 2.0, 0.5)) for centre in (2.0, 1.0, 0.5)] == [3.0, 5.0, 6.0]
    assert float(value(law=Linear(1.5), times=2.0, level=0.5)) == 4.0
    assert value._cache_size() == 1


def test_one_that_needs_its_centre_when_it_is_traced_gets_it():
    traced = []

    def program(law, x):
        traced.append(law.centre)
        return x + math.floor(law.centre)

    value = numerics.compiled(program, static_argnums=0)
    assert [float(value(Linear(centre), 0.0)) for centre in (2.5, 1.5, 2.5)] == [2.0, 1.0, 2.0]
    assert traced[1:] == [2.5, 1.5]  # the first is no number


def test_it_is_differentiated_batched_and_part_of_other_programs():
    """XLA takes options for whole programs only."""
    cube = numerics.compiled(lambda n, x: x**n, static_argnums=0)
    for wrapped in (lambda f: f, jax.jit):
        assert float(wrapped(lambda x: cube(3, x))(2.0)) == 8.0
        assert float(wrapped(jax.grad(lambda x: cube(3, x)))(2.0)) == 12.0
        assert float(wrapped(jax.grad(jax.grad(lambda x: cube(3, x))))(2.0)) == 12.0
        assert wrapped(jax.vmap(lambda x: cube(3, x)))(np.array([1.0, 2.0])).tolist() == [1.0, 8.0]


@pytest.mark.parametrize("seed", [0, 17, 2**40 + 5, -3])
def test_keys_are_those_of_jax(seed):
    assert jax.random.key(seed) == numerics.random_key(seed)


def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
    """A later XLA has dropped the old emitter."""
    monkeypatch.setattr(numerics, "FASTER_COMPILATION", {"xla_cpu_no_such_option": False})
    assert numerics._compiler_options() == FASTER
    assert float(numerics.compiled(double, static_argnums=0)(1, 0.0)) == 2.0


def test_where_jax_is_told_not_to_optimise_we_don_t(monkeypatch):
    monkeypatch.setattr(numerics, "FASTER_COMPILATION", {})
    assert numerics._compiler_options() == FASTER
    numerics._compiler_options.cache_clear()
    jax.config.update("jax_disable_most_optimizations", True)
    assert numerics._compiler_options() == {}


def test_options_of_ones_own_must_be_known():
    wrong = numerics.compiled(double, static_argnums=0, options={"xla_cpu_no_such_option": False})
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_cpu_no_such_option"):
        wrong(1, 0.0)
