"""Many posteriors at once: those of one by one, whatever the order and the neighbours, and what fails is named."""

from dataclasses import replace

import pytest

from flpjax.engine.many_chains import window_of
from flpjax.errors import FitError, InputError
from flpjax.fitting.posterior.posteriors import posteriors
from flpjax.ladder.simulate import LADDER, simulate_ladder
from flpjax.methods.flp import FLP
from flpjax.results.target import Target

FAR = (Target("far", flops=1e24, params=1e10, tokens=1.5e13),)
SIZES = [size for size in LADDER if size not in ("7B", "13B")]


def small(runs, tasks=2, domains=2):
    """Fewer tasks and losses: less to sample."""
    return replace(
        runs,
        tasks=runs.tasks[:tasks],
        score=runs.score[:, :tasks],
        stderr=runs.stderr[:, :tasks],
        domains=runs.domains[:domains],
        loss=runs.loss[:, :domains],
    )


@pytest.fixture(scope="module")
def ladders():
    """Of 12, 9 and 7 runs with 11, 7 and 13 checkpoints, centred elsewhere; and one that was measured without noise."""
    return {
        "long": small(simulate_ladder(1, checkpoints=11, sizes=SIZES).runs),
        "top": small(simulate_ladder(2, checkpoints=7, sizes=SIZES[3:]).runs),
        "late": small(simulate_ladder(3, checkpoints=13, sizes=SIZES[5:]).runs),
        "exact": small(simulate_ladder(4, checkpoints=5, noise=0.0, sizes=SIZES).runs),
    }


@pytest.fixture(scope="module")
def programs():
    return window_of._cache_size()


@pytest.fixture(scope="module")
def together(ladders, key, programs):
    return posteriors(FLP(), ladders, key)


def test_each_converges_or_is_named(together):
    assert set(together) == {"long", "top", "late"}
    assert set(together.failed) == {"exact"}
    with pytest.raises(FitError, match=r"exact: .*Narrow the priors"):
        together["exact"]
    with pytest.raises(InputError, match=r"there is no ladder .lng.\. Did you mean .long."):
        together["lng"]
    for draws in together.values():
        assert draws.sampling.max_rhat < 1.01
        assert draws.sampling.min_ess > 400
        assert draws.sampling.forecasts.passed
        assert len(draws) == 2000
    assert "3 posteriors of 4 converged" in str(together)
    assert [row["failed"] is None for row in together.table()] == [True, True, True, False]


def test_ladders_of_all_sizes_and_centres_share_a_program_each_stage(together, programs):
    assert window_of._cache_size() - programs == 2
