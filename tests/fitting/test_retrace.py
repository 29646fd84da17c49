"""Compiling takes longer than fitting: the same ladder with another seed reuses every program.

Each test compiles what it counts itself: what a session's fixtures compiled may have been forgotten since.
"""

import jax
import pytest

from flpjax.engine.lanes import advance
from flpjax.engine.settings import Settings
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.joint import _refine
from flpjax.fitting.point import point
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


def test_another_seed_of_a_joint_fit_compiles_nothing(noisy, key):
    point(FLP(), noisy.runs, key, joint=True)
    before = _refine._cache_size()
    assert before > 0
    point(FLP(), noisy.runs, jax.random.key(3), joint=True)
    assert _refine._cache_size() == before
