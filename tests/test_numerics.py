"""Programs that compile quickly are the programs of ``jax.jit``."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax import numerics


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


def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
    """A later XLA has dropped the old emitter."""
    monkeypatch.setattr(numerics, "FASTER_COMPILATION", {"xla_cpu_no_such_option": False})
    assert numerics._compiler_options() == numerics.FASTER_COMPILATION_ON_CPU
    assert float(numerics.compiled(double, static_argnums=0)(1, 0.0)) == 2.0


def test_where_jax_is_told_not_to_optimise_we_don_t(monkeypatch):
    monkeypatch.setattr(numerics, "FASTER_COMPILATION", {})
    assert numerics._compiler_options() == numerics.FASTER_COMPILATION_ON_CPU
    numerics._compiler_options.cache_clear()
    jax.config.update("jax_disable_most_optimizations", True)
    assert numerics._compiler_options() == {}


def test_options_of_ones_own_must_be_known():
    wrong = numerics.compiled(double, static_argnums=0, options={"xla_cpu_no_such_option": False})
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_cpu_no_such_option"):
        wrong(1, 0.0)
