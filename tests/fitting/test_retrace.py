"""Compiling takes longer than fitting: the same ladder with another seed reuses every program."""

import jax
import pytest

from flpjax.engine.lanes import advance
from flpjax.engine.settings import Settings
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.joint import _refine
from flpjax.fitting.point import point
from flpjax.predictors.direct import FP
from flpjax.predictors.flp import FLP


def test_another_seed_compiles_nothing(noisy, booted):
    before = advance._cache_size()
    assert before > 0
    bootstrap(FLP(), noisy.runs, jax.random.key(3), draws=len(booted))
    assert advance._cache_size() == before


@pytest.mark.parametrize(("predictor", "stages"), [(FP(), 1), (FLP(), 2), (FLP(prior=True), 2)])
def test_point_fit_and_bootstraps_of_any_size_share_one_program(noisy, key, predictor, stages):
    settings = Settings(steps=193)  # which no other test has
    before = advance._cache_size()
    point(predictor, noisy.runs, key, settings=settings)
    assert advance._cache_size() == before + stages
    for draws in (3, 5):
        bootstrap(predictor, noisy.runs, key, draws=draws, settings=settings)
        assert advance._cache_size() == before + stages


def test_another_seed_of_a_joint_fit_compiles_nothing(noisy, joint):
    before = _refine._cache_size()
    assert before > 0
    point(FLP(), noisy.runs, jax.random.key(3), joint=True)
    assert _refine._cache_size() == before
