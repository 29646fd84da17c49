"""Compiling takes longer than fitting: the same ladder with another seed reuses every program.

Each test compiles what it counts itself: what a session's fixtures compiled may have been forgotten since.
"""

import jax
import numpy as np
import pytest

from flpjax.engine.lanes import advance
from flpjax.engine.settings import Settings, Status
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.fit import method
from flpjax.fitting.joint import _refine
from flpjax.fitting.point import point
from flpjax.fitting.staged import _describe, _guess
from flpjax.methods.flp import FLP


@pytest.mark.parametrize("method", [FLP(), FLP(prior=True)])
def test_point_fit_and_bootstraps_of_any_size_and_seed_share_one_program_a_stage(noisy, key, method):
    settings = Settings(steps=193)  # which no other test has
    before = advance._cache_size()
    point(method, noisy.runs, key, settings=settings)
    assert advance._cache_size() == before + 2
    for draws, seed in ((3, key), (5, jax.random.key(3))):
        bootstrap(method, noisy.runs, seed, draws=draws, settings=settings)
        assert advance._cache_size() == before + 2


def test_point_fits_of_ladders_of_other_lengths_and_sizes_share_one_program(table, key):
    """Their runs, their checkpoints and where they are centred are numbers, not programs."""
    programs, compiled = (advance, _guess, _describe), []
    for runs, steps, times in ((7, 3, 1.0), (11, 5, 1.0), (5, 2, 3e3)):
        params = np.repeat(times * 1e7 * 2.0 ** np.arange(runs), steps)
        tokens = 20.0 * params * np.resize(np.arange(1, steps + 1) / steps, len(params))
        noise = np.exp(0.002 * np.random.default_rng(runs).standard_normal(len(params)))
        loss = (1.7 + 400.0 / params**0.34 + 400.0 / tokens**0.34) * noise
        ladder = table({"c4": loss.reshape(runs, steps)}, {}, params=params, tokens=tokens)
        assert point(method("chinchilla-tied+sigmoid"), ladder, key).fits["loss"].status[0] == Status.CONVERGED
        compiled.append([program._cache_size() for program in programs])
    assert min(compiled[0]) > 0
    assert compiled[1:] == 2 * compiled[:1]


def test_another_seed_of_a_joint_fit_compiles_nothing(noisy, key):
    point(FLP(), noisy.runs, key, joint=True)
    before = _refine._cache_size()
    assert before > 0
    point(FLP(), noisy.runs, jax.random.key(3), joint=True)
    assert _refine._cache_size() == before
