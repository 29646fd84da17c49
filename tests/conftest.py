"""The floor under every test: float64, no silent rank promotion, and public ladders where they are."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples every time, so that a red suite is red for everybody; HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("repeat", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public ladders, or a skip that says what to do."""
    folder = os.environ.get("FLPJAX_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("public ladders are absent: set FLPJAX_DATA to a folder that holds them")
    return Path(folder).resolve()
