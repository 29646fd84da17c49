"""The joint fit of the shared ladder, made once a session."""

import jax
import pytest

from flpjax.fitting.draws import Draws
from flpjax.fitting.point import point
from flpjax.ladder.simulate import Simulated
from flpjax.methods.flp import FLP


@pytest.fixture(scope="session")
def joint(noisy: Simulated, key: jax.Array) -> Draws:
    return point(FLP(), noisy.runs, key, joint=True)
