"""What the benchmark counts on 24 ladders, on 3 here and with two methods."""

import numpy as np

from benchmarks.targets_in_flops import held, simulate
from flpjax.methods.registry import Auto


def test_intervals_of_targets_in_flops_hold_what_comes():
    methods = Auto(("power+sigmoid", "chinchilla-tied+sigmoid"))
    assert np.sum([held(seed, methods, 101) for seed in range(3)]) >= 5


def test_the_path_scatters():
    runs, truth = simulate(0)
    assert len(runs) == 8
    assert (truth < runs.loss.min()).all()
