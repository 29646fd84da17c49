"""A small simulation-based calibration: the posterior passes, one that is overconfident on purpose does not."""

import numpy as np
import pytest

from benchmarks.sbc.designs import posed
from benchmarks.sbc.simulations import ranks
from benchmarks.sbc.statistics import DRAWS, Ranks


@pytest.fixture(scope="module")
def found():
    return ranks(posed("flp"), 23, 3, "laplace")


def test_the_posterior_is_calibrated(found):
    ranked = found["as it is"]
    assert ranked.passed
    assert len(ranked.of) == 2 * 5 + 2 * 5 + 2 * 4  # parameters of two losses and two scores, two targets


def test_the_planted_overconfident_posterior_is_caught(found):
    assert not found["halved"].passed
    assert found["halved"].dispersion > 10


def test_the_statistics_on_ranks_that_are_known():
    rng = np.random.default_rng(0)
    uniform = Ranks({str(i): rng.integers(0, DRAWS + 1, 200) for i in range(20)})
    assert uniform.passed
    shy = Ranks({str(i): rng.integers(DRAWS // 4, 3 * DRAWS // 4, 200) for i in range(20)})
    assert shy.dispersion < -3
    assert not shy.passed
    off = Ranks({**uniform.of, "off": rng.integers(0, DRAWS // 2, 200)})
    assert min(off.p_values, key=off.p_values.get) == "off"
    assert not off.passed
