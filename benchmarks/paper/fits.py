"""Fits with intervals that more than one figure needs, each made once."""

from __future__ import annotations

from functools import cache

from benchmarks.methods import key
from flpjax import Runs
from flpjax.fitting.draws import Draws
from flpjax.fitting.fit import fit, method

DRAWS = 100  # of a network, each of which is trained
BLEND_DRAWS = 400


@cache
def fitted(name: str, runs: Runs) -> Draws:
    """A method's draws on the runs that are not held out; the same object for the same table."""
    return fit(method(name), runs, key(), draws=BLEND_DRAWS if name == "auto" else DRAWS)
