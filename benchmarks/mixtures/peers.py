"""LightGBM, which RegMix is published with: 1,000 trees a domain, and no look at a test set to stop at."""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.mixtures.laws import Floats, Predicted, Rival
from flpjax import Runs

TREES = 1000
SETTINGS = {"objective": "regression", "learning_rate": 1e-2, "seed": 42, "verbosity": -1}
ABSENT = "lightgbm is not installed (pip install lightgbm): left out"


def lightgbm() -> Any | None:
    """The package, if it is installed."""
    try:
        return import_module("lightgbm")
    except ImportError:
        return None


def boosted(package: Any, weights: Floats, loss: Floats) -> Any:
    """Trees from mixtures ``(run, source)`` to losses ``(run,)``."""
    settings = SETTINGS | {"num_threads": os.cpu_count() or 1}
    return package.train(settings, package.Dataset(weights, loss), TREES)


def lightgbm_method() -> tuple[Rival | None, str]:
    """LightGBM as a method, and a note on it; None where it is absent."""
    package = lightgbm()
    if package is None:
        return None, ABSENT

    def method(known: Runs, unseen: Runs, seed: int) -> Predicted:
        finals, new = known.finals(), unseen.finals().mix
        begun = time.perf_counter()
        trees = [boosted(package, finals.mix, finals.loss_of(d)) for d in unseen.domains]
        seconds = time.perf_counter() - begun
        return Predicted(np.stack([t.predict(new) for t in trees], axis=1), seconds)

    return method, f"version {package.__version__}, {TREES} trees, all defaults else; seconds are of all 13 domains"
