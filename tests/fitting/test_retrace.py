"""Compiling takes longer than fitting: the same ladder with another seed reuses every program."""

import jax

from flpjax.engine.batch import _chunk
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.joint import _refine
from flpjax.fitting.point import point
from flpjax.predictors.direct import FP
from flpjax.predictors.flp import FLP


def test_another_seed_compiles_nothing(noisy, booted):
    before = _chunk._cache_size()
    assert before > 0
    bootstrap(FLP(), noisy.runs, jax.random.key(3), draws=len(booted))
    assert _chunk._cache_size() == before


def test_point_fit_and_draws_of_a_bootstrap_share_one_program(noisy, key):
    before = _chunk._cache_size()
    bootstrap(FP(), noisy.runs, key, draws=19)
    assert _chunk._cache_size() == before + 1


def test_another_seed_of_a_joint_fit_compiles_nothing(noisy, joint):
    before = _refine._cache_size()
    assert before > 0
    point(FLP(), noisy.runs, jax.random.key(3), joint=True)
    assert _refine._cache_size() == before
