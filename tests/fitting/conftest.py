"""The joint fit of the shared ladder, made once a session."""

import jax
import pytest

from flpjax.fitting.draws import Draws
from flpjax.fitting.point import point
from flpjax.predictors.flp import FLP
from flpjax.runs.simulate import Simulated


@pytest.fixture(scope="session")
def joint(noisy: Simulated, key: jax.Array) -> Draws:
    return point(FLP(), noisy.runs, key, joint=True)
