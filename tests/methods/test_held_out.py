"""No fit sees a held-out run, whatever is in it."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.fitting.point import point
from flpjax.methods.registry import method


def ruined(runs):
    """The same ladder with nonsense in every held-out row."""
    rng = np.random.default_rng(5)
    bad = runs.held_out[runs.run]

    def put(values, low, high):
        values = np.array(values)
        values[bad] = rng.uniform(low, high, values[bad].shape)
        return values

    return replace(
        runs,
        params=put(runs.params, 1.0, 1e3),
        tokens=put(runs.tokens, 1e30, 1e31),
        flops=put(runs.flops, 1e40, 1e41),
        loss=put(runs.loss, 1e3, 1e6),
        train_loss=put(runs.train_loss, 1e-6, 1e-5),
        score=put(runs.score, 0.0, 1.0),
    )


@pytest.mark.parametrize("name", ["flp", "fp", "power-e+sigmoid"])
def test_held_out_values_never_reach_a_fit(noisy, key, name):
    clean, dirty = (point(method(name), runs, key) for runs in (noisy.runs, ruined(noisy.runs)))
    assert clean.model == dirty.model
    assert clean.ladder == dirty.ladder
    assert clean.warnings == dirty.warnings
    jax.tree.map(np.testing.assert_array_equal, clean.params, dirty.params)


def test_the_same_values_do_reach_it_when_they_are_not_held_out(noisy, key):
    runs = ruined(noisy.runs)
    clean = point(method("fp"), noisy.runs, key)
    dirty = point(method("fp"), replace(runs, held_out=np.zeros(len(runs.names), bool)), key, strict=False)
    assert not np.array_equal(clean.params["score"]["exponent"], dirty.params["score"]["exponent"])
