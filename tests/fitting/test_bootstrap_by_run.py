"""The bootstrap resamples runs: their checkpoints come and go together."""

import re
from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest
from scipy import stats

from flpjax.errors import FitError, InputError
from flpjax.fitting.bootstrap import CANDIDATES, RESAMPLE_SALT, bootstrap, resample_runs
from flpjax.fitting.point import bind, fit_stages
from flpjax.ladder.select import Selection
from flpjax.laws.law import REAL, Parameter
from flpjax.laws.power_law import Chinchilla, PowerLaw
from flpjax.methods.flp import FLP
from flpjax.numerics import generator

DRAWS = 7


@pytest.fixture(scope="module")
def plan(noisy):
    return bind(FLP(), noisy.runs)


def resampled(plan, key, draws):
    """The resamples of a bootstrap, and their levels."""
    rng = generator(key, RESAMPLE_SALT)
    return resample_runs(plan, rng, rng.uniform(size=CANDIDATES * draws), draws)


@pytest.fixture(scope="module")
def resamples(plan, key):
    return resampled(plan, key, DRAWS)


@pytest.fixture(scope="module")
def counts(resamples):
    return resamples[0]


def copied(values, run, count):
    """Every row as often as its run was drawn."""
    return np.repeat(values, count[run].astype(int))


def lines_of_draw(plan, count):
    """Unconstrained parameters of both stages, by ``np.polyfit`` on copied rows."""
    found = {}
    for stage in plan.stages:
        rows = []
        for i in range(len(stage.outputs)):
            keep = stage.weight[i] > 0
            run = stage.run[keep]
            if stage.name == "loss":
                x, y = stage.x.log_flops[i][keep] - stage.law.centre, np.log(stage.y[i][keep])
            else:
                x, y = stage.x[i][keep] - stage.law.centre, stage.y[i][keep]
            x, y, rows_taken = copied(x, run, count), copied(y, run, count), (count[run] > 0).sum()
            slope, level = np.polyfit(x, y, 1) if rows_taken >= 2 else (np.nan, np.nan)
            rows.append([level, slope])
        found[stage.name] = np.array(rows)
    return found


def test_a_draw_takes_whole_runs_and_two_at_least(counts):
    assert counts.shape == (DRAWS, 11)
    np.testing.assert_array_equal(counts, np.round(counts))
    assert (counts >= 0).all()
    assert ((counts > 0).sum(1) >= 2).all()
    assert len(np.unique(counts.sum(1))) > 2


def test_every_run_is_as_likely_and_sizes_are_chi_squared(plan):
    rng, draws = np.random.default_rng(5), 2003
    counts, uniform = resample_runs(plan, rng, rng.uniform(size=CANDIDATES * draws), draws)
    # given its size, a resample is multinomial; sizes have mean 9 and variance 18, for 11 runs and 2 parameters
    variance = 9 / 11 * (1 - 1 / 11) + 18 / 11**2
    assert np.abs(counts.mean(0) - 9 / 11).max() < 4 * np.sqrt(variance / draws)
    np.testing.assert_allclose(counts.var(0), variance, rtol=0.15)
    taken = counts.sum(1)
    assert taken.mean() == pytest.approx(9, abs=4 * np.sqrt(18 / draws))
    assert (np.abs(taken - np.maximum(stats.chi2(9).ppf(uniform), 2)) < 1).all()


def test_a_draw_is_a_fit_to_copies_of_whole_runs_in_both_stages(plan, counts, key):
    vectors, statuses, _ = fit_stages(plan, np.concatenate([np.ones((1, 11)), counts]), key, 8, None)
    for d, count in enumerate([np.ones(11), *counts]):
        for name, expected in lines_of_draw(plan, count).items():
            np.testing.assert_allclose(vectors[name][d], expected, rtol=1e-6, atol=1e-9, err_msg=f"{name} {d}")
            assert statuses[name].shape == (1 + DRAWS, len(expected))


def test_draws_of_a_bootstrap_are_those_fits_and_wider_for_tasks_that_few_runs_reached(plan, resamples, booted):
    counts, uniform = resamples
    best = lines_of_draw(plan, np.ones(11))
    had = 11 / stats.chi2(9).ppf(uniform)
    reached = [len(np.unique(plan.stages[1].run[w > 0])) for w in plan.stages[1].weight]
    assert reached == [3, 5, 3]
    for d, count in enumerate(counts):
        drawn = lines_of_draw(plan, count)
        for stage, (level, slope) in (("loss", ("log_level", "exponent")), ("score", ("level", "slope"))):
            found = np.stack([booted.params[stage][n][d] for n in (level, slope)], axis=-1)
            if stage == "loss":
                np.testing.assert_allclose(found, drawn[stage], rtol=1e-6)
                continue
            need = np.array([k / stats.chi2(k - 2).ppf(uniform[d]) for k in reached])
            factor = np.sqrt(np.maximum(need / had[d], 1.0))
            expected = best[stage] + factor[:, None] * (drawn[stage] - best[stage])
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            assert (factor[[0, 2]] > 1).all()


def repeated(runs, which, times):
    """The same ladder with each checkpoint of some runs ``times`` over, a hair apart in tokens."""
    copies = np.where(np.isin(runs.run, which), times, 1)
    rows = np.repeat(np.arange(len(runs)), copies)
    nth = np.concatenate([np.arange(c) for c in copies])
    by_row = (
        "run",
        "params",
        "tokens",
        "flops",
        "final",
        "loss",
        "score",
        "stderr",
        "mix",
        "extra",
        "train_loss",
        "step",
    )
    longer = replace(runs, **{name: getattr(runs, name)[rows] for name in by_row})
    last = nth == copies[rows] - 1
    return replace(longer, tokens=longer.tokens * (1 + 1e-9 * nth), final=longer.final & last)


def test_a_long_history_of_one_run_leaves_compute_to_loss_alone(noisy, key, booted):
    runs = repeated(noisy.runs, [4], 50)
    assert len(runs) == len(noisy.runs) + 13 * 49
    none = np.empty((len(runs), 0))
    runs = replace(runs, tasks=(), score=none, stderr=none)
    draws = bootstrap(FLP(), runs, key, draws=DRAWS)
    jax.tree.map(np.testing.assert_array_equal, draws.params["loss"], booted.params["loss"])


def test_histories_told_twice_say_nothing_new_about_scores(noisy, key):
    method = FLP(selection=Selection(improving=False))
    runs = noisy.runs
    once, twice = (
        bootstrap(method, r, key, draws=DRAWS) for r in (runs, repeated(runs, np.arange(len(runs.names)), 2))
    )
    assert twice.fits["score"].outputs == once.fits["score"].outputs
    for name in ("level", "slope"):
        a, b = (np.asarray(d.params["score"][name]) for d in (once, twice))
        assert (a.std(0) > 1e-3 * np.abs(a.mean(0))).all()
        np.testing.assert_allclose(b, a, rtol=1e-5)  # by row, twice the rows would leave 71 % of the spread


def test_a_law_through_all_its_runs_has_no_interval(noisy, key):
    runs = noisy.runs.only(["0.12B", "0.2B", "0.32B", "0.72B", "3B"])
    text = (
        "simulated ladder (seed 3): Chinchilla passes exactly through 5 runs, which leaves nothing to "
        "say how sure it is. Give more runs, choose a form with fewer parameters, or forecast without an interval "
        "(draws=0)"
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        bootstrap(FLP(Chinchilla()), runs, key, draws=DRAWS)


@dataclass(frozen=True)
class Nine(PowerLaw):
    """A law of nine parameters."""

    def parameters(self):
        return {f"p{i}": Parameter(REAL, 0.0, 1.0, "any") for i in range(9)}


def test_too_few_runs_to_resample_are_refused(noisy, key):
    plan = FLP(Nine()).bind(noisy.runs.training().without(["3B"]))
    text = (
        "simulated ladder (seed 3): 10 runs are too few to resample for 9 parameters. Give more runs, choose a form "
        "with fewer parameters, or forecast without an interval (draws=0)"
    )  # 1 resample in 250 has nine runs of ten
    with pytest.raises(FitError, match=f"^{re.escape(text)}$"):
        resampled(plan, key, 200)
    with pytest.raises(FitError, match=f"^{re.escape(text)}$"):
        bootstrap(FLP(Nine()), noisy.runs.without(["3B"]), key)


def test_resamples_that_miss_a_late_task_are_left_out_and_counted(noisy, key):
    runs = noisy.runs
    score = np.array(runs.score)
    early = ~np.isin(np.array(runs.names)[runs.run], ["1B", "3B", "7B", "13B"])
    score[early, 0] = 0.0  # only two runs are left that tell about the first task
    runs = replace(runs, score=score)
    plan = bind(FLP(), runs)
    counts, _ = resampled(plan, key, 53)
    used = np.array([runs.training().names.index(n) for n in ("1B", "3B")])
    missed = (counts[:, used] == 0).all(1)
    assert 0.05 < missed.mean() < 0.5
    draws = bootstrap(FLP(), runs, key, draws=53, strict=False)
    lost = np.isnan(draws.params["score"]["slope"])
    np.testing.assert_array_equal(lost[:, 0], missed)
    rows = np.stack([[(w * (c[plan.stages[1].run] > 0)).sum() for w in plan.stages[1].weight] for c in counts])
    np.testing.assert_array_equal(lost, rows < 2)
    assert np.isfinite(draws.params["loss"]["exponent"]).all()
    share = lost.mean(0)
    named = ", ".join(f"'{t}'" for t, s in zip(runs.task_names, share, strict=True) if s == share[0])
    text = f"score {named}: {share[0]:.0%} of the resamples could not be fitted: intervals leave them out"
    assert text in draws.warnings
    assert "score 'bbh' (2)" in " ".join(draws.warnings)


def test_resamples_that_are_left_out_are_not_open_as_well(plan, booted):
    assert np.isnan(booted.params["score"]["slope"]).any()
    assert not [w for w in booted.warnings if "leave a direction of the parameters open" in w]
