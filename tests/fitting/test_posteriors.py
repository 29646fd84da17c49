"""Many posteriors at once: those of one by one, whatever the order and the neighbours, and what fails is named."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.engine.many_chains import window_of
from flpjax.errors import FitError, InputError, PrecisionError
from flpjax.fitting.posterior.posteriors import posteriors
from flpjax.ladder.simulate import LADDER, simulate_ladder
from flpjax.methods.flp import FLP
from flpjax.results.forecast import forecast
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
    """Of 12, 9 and 7 runs with 11, 7 and 13 checkpoints, centred elsewhere; and one whose losses lie on two lines."""
    torn = small(simulate_ladder(5, checkpoints=5, sizes=SIZES).runs)
    loss = torn.loss.copy()
    loss[torn.run < 5] *= 1.5
    return {
        "long": small(simulate_ladder(1, checkpoints=11, sizes=SIZES).runs),
        "torn": replace(torn, loss=loss),
        "top": small(simulate_ladder(2, checkpoints=7, sizes=SIZES[3:]).runs),
        "late": small(simulate_ladder(3, checkpoints=13, sizes=SIZES[5:]).runs),
        "lone": small(simulate_ladder(3, checkpoints=3, sizes=SIZES[:1]).runs),
    }


@pytest.fixture(scope="module")
def before():
    """Programs that there are before any is needed here."""
    return window_of._cache_size()


@pytest.fixture(scope="module")
def together(ladders, key, before):
    return posteriors(FLP(), ladders, key)


def test_each_converges_or_is_named(together):
    assert list(together) == ["long", "top", "late"]
    assert list(together.failed) == ["torn", "lone"]
    with pytest.raises(
        FitError, match=r"torn: loss '(general|code)' has chains that do not come together.*Narrow the priors"
    ):
        together["torn"]
    with pytest.raises(FitError, match=r"lone: .*one run only with a final value"):
        together["lone"]
    with pytest.raises(InputError, match=r"there is no ladder 'lng'\. Did you mean 'long'"):
        together["lng"]
    for draws in together.values():
        assert draws.sampling.max_rhat < 1.01
        assert draws.sampling.min_ess > 400
        assert draws.sampling.forecasts.passed
        assert len(draws) == 2000
        assert set(draws.fits) == {"loss", "score"}
    assert "3 posteriors of 5 converged" in str(together)
    assert [row["failed"] is None for row in together.to_dicts()] == [True, True, True, False, False]


def test_ladders_of_all_sizes_and_centres_share_a_program_each_stage(together, before):
    assert len({draws.model.compute_loss.centre for draws in together.values()}) > 1
    assert window_of._cache_size() - before == 2


def test_neither_the_order_nor_the_neighbours_matter(together, ladders, key, before):
    again = posteriors(FLP(), {name: ladders[name] for name in ("late", "long")}, key)
    assert window_of._cache_size() - before == 2
    for name, draws in again.items():
        for stage, params in draws.params.items():
            for parameter, values in params.items():
                np.testing.assert_allclose(values, together[name].params[stage][parameter], rtol=1e-5)
        own, theirs = (found[name].fits["loss"].constants["C_N"] for found in (again, together))
        np.testing.assert_allclose(own, theirs, rtol=1e-6)


def test_the_fast_path_alike(together, ladders, key):
    chosen = {name: ladders[name] for name in ("long", "late", "lone")}
    fast = posteriors(FLP(), chosen, key, method="laplace")
    assert list(fast) == ["long", "late"]
    assert list(fast.failed) == ["lone"]
    for name, draws in fast.items():
        assert draws.sampling.max_khat < 0.7
        told, exact = (forecast(d, FAR, measured=False) for d in (draws, together[name]))
        for values in ("loss_draws", "score_draws"):
            a, b = (getattr(f, values)[:, 0] for f in (told, exact))
            np.testing.assert_allclose((np.median(a, axis=0) - np.median(b, axis=0)) / b.std(axis=0), 0.0, atol=0.2)
            np.testing.assert_allclose(*(np.ptp(np.quantile(v, [0.1, 0.9], axis=0), axis=0) for v in (a, b)), rtol=0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "hcm"}, "there is no method 'hcm'. Did you mean 'hmc'"),
        ({"chains": 1}, "posteriors: 1 chains"),
        ({"ladders": {}}, "posteriors: there are no ladders"),
        ({"priors": {"loss/exponnent": (0.0, 1.0)}}, "there is no parameter 'loss/exponnent'. Did you mean"),
    ],
)
def test_bad_arguments_are_refused(ladders, key, arguments, message):
    with pytest.raises(InputError, match=message):
        posteriors(FLP(), **({"ladders": {"long": ladders["long"]}, "key": key} | arguments))


def test_no_ladder_carries_the_method(ladders, key):
    with pytest.raises(InputError, match="none of 1 ladder carries the method: one run only"):
        posteriors(FLP(), [ladders["lone"]], key)


def test_single_precision_is_refused(ladders, key):
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="float64"):
        posteriors(FLP(), ladders, key)
