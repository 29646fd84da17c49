"""The coverage that the benchmark counts: on 10 seeds here, on 100 there."""

import numpy as np
import pytest

from benchmarks.coverage import MEASURED, Hit, coverage, of_constants, of_forecasts, share
from flpjax.ladder.simulate import DOMAINS, TARGETS, TASKS

SEEDS = 10


@pytest.fixture(scope="module")
def hits():
    return coverage(range(SEEDS))


def test_no_cell_is_missing(hits):
    found = {(h.seed, h.kind, h.name, h.what) for h in hits}
    names = [("loss", domain) for domain in DOMAINS] + [("score", task) for task in TASKS]
    wanted = {(s, k, n, w) for s in range(SEEDS) for k, n in names for w in ("level", "slope", *TARGETS, *MEASURED)}
    assert found == wanted
    assert len(hits) == len(wanted) == 660


def test_intervals_hold_the_truth(hits):
    forecasts = [of_forecasts(hits, kind, what) for kind in ("loss", "score") for what in (TARGETS, MEASURED)]
    for group in (of_constants(hits), *forecasts):
        assert share(group)[0] >= 0.8


def test_intervals_of_too_few_draws_do_not():
    """A method that is overconfident on purpose: the interval of two draws holds a third at best."""
    hits = coverage(range(SEEDS), draws=2)
    assert share(of_constants(hits))[0] < 0.6


def test_other_methods_forecast_the_same_targets():
    hits = coverage([0], draws=100, name="auto", level=0.9)
    assert not of_constants(hits)
    assert len(hits) == (len(DOMAINS) + len(TASKS)) * (len(TARGETS) + len(MEASURED))
    for kind, most in (("loss", 0.05), ("score", 0.1)):
        errors = [abs(h.error) for h in of_forecasts(hits, kind)]
        assert 0.0 < np.mean(errors) < most


def test_the_standard_error_counts_seeds_not_cells():
    together = [Hit(seed, "loss", f"d{i}", "level", seed % 2 == 0) for seed in range(11) for i in range(7)]
    apart = [Hit(77 * i, h.kind, h.name, h.what, h.covered) for i, h in enumerate(together)]
    mean, error, cells = share(together)
    assert (mean, cells) == (pytest.approx(6 / 11), 77)
    assert error == pytest.approx(np.std([seed % 2 == 0 for seed in range(11)], ddof=1) / np.sqrt(11))
    assert share(apart)[1] == pytest.approx(error / np.sqrt(7), rel=0.05)
