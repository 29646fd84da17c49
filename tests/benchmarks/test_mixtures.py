"""The figures that the benchmark of mixtures claims, on few runs, by the functions that it calls."""

import sys

import jax
import numpy as np
import pytest

from benchmarks.mixtures import datablations, mixinglaws, peers, regmix, search
from benchmarks.mixtures.laws import OURS, fit, losses, spearman, true_rank
from flpjax import read_runs
from flpjax.fitting.point import point
from flpjax.ladder.compute import six_nd
from flpjax.results.problem import BEST_TRIED, mixture_problem

pytestmark = [pytest.mark.public, pytest.mark.usefixtures("optimised_solver")]


@pytest.fixture(autouse=True)
def _ladders(public_data, monkeypatch):
    monkeypatch.setenv("FLPJAX_DATA", str(public_data))


@pytest.fixture(scope="module")
def runs(public_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLPJAX_DATA", str(public_data))
        return read_runs("regmix")


@pytest.fixture(scope="module")
def on_32(runs):
    return regmix.record(runs, regmix.by_law(OURS), 32, 2)


def test_32_runs_rank_unseen_mixtures_at_every_scale(on_32):
    assert on_32["failures"] == []
    found = on_32["pile_cc"]["spearman"]
    assert found["1M"] >= 0.95
    assert found["60M"] >= 0.95
    assert found["1B"] >= 0.96
    assert max(on_32["pile_cc"]["best_1b_true_ranks"]) <= 2
    assert on_32["mean13"]["spearman"]["1M"] >= 0.96
    assert on_32["mean13"]["spearman"]["60M"] >= 0.95


def test_a_figure_is_the_mean_of_its_subsets(on_32):
    figure = on_32["pile_cc"]
    for scale, values in figure["values"].items():
        assert len(values) == 2
        assert figure["spearman"][scale] == pytest.approx(np.mean(values))
        assert figure["se"][scale] == pytest.approx(abs(values[0] - values[1]) / 2.0)


def test_shares_alone_rank_the_largest_too(on_32):
    found = on_32["shares_1b"]["pile_cc"]
    assert len(found["values"]) == 2
    assert found["mean"] >= 0.96
    assert found["values"] != on_32["pile_cc"]["values"]["1B"]


def test_subsets_are_the_ones_named(runs):
    known = regmix.subset(runs, 16, 3)
    chosen = np.random.default_rng(3).permutation(512)[:16]
    assert set(known.names) == {f"1m-train-{i + 1}" for i in chosen}
    assert len(regmix.subset(runs, 512, 0).names) == 512


def test_scales_hold_the_published_numbers_of_runs_and_the_best_of_them(runs):
    unseen = runs.targets()
    rows = {scale: regmix.unseen_rows(unseen, pattern) for scale, pattern in regmix.SCALES.items()}
    assert {scale: len(found) for scale, found in rows.items()} == {"1M": 256, "60M": 256, "1B": 64}
    largest = unseen.loss_of(regmix.DOMAIN)[rows["1B"]]
    assert largest.min() == pytest.approx(2.8171, abs=1e-4)


def test_a_method_that_knows_the_truth_has_the_ceilings_figures(runs):
    """A perfect method ranks all; one that knows 1M losses ranks 60M no better than the ceiling."""
    record = regmix.record(runs, lambda _, unseen, __: regmix.Predicted(unseen.finals().loss, 1.0), 16, 1)
    for what in ("pile_cc", "mean13", "mean_loss"):
        assert record[what]["spearman"] == pytest.approx(dict.fromkeys(regmix.SCALES, 1.0))
        assert record[what]["best_1b_true_rank"] == 1
    ceiling = regmix.ceiling(runs)
    assert ceiling["pile_cc"] == pytest.approx(0.994, abs=1e-3)
    assert ceiling["mean_loss"] == pytest.approx(0.966, abs=1e-3)


def test_reach_at_1b_is_of_mixtures_that_no_smaller_model_saw(runs, monkeypatch):
    monkeypatch.setattr(
        regmix, "by_law", lambda _: lambda known, new, seed: regmix.Predicted(new.loss, 1.0, (), -new.loss)
    )
    found = regmix.reach_at_1b(runs)
    assert found["distance"]["least"] > 0.05
    assert set(found) == {"distance", "1M, 512 runs", "1M, 256 unseen runs", "60M, 256 unseen runs"}
    for name in set(found) - {"distance"}:
        for what, rank in (("tokens", 1.0), ("shares", -1.0)):
            assert found[name][what] == pytest.approx(dict.fromkeys((*runs.domains, "mean13"), rank))


def test_what_failed_is_told_and_has_no_rank(runs):
    def broken(_, unseen, seed):
        loss = np.array(unseen.finals().loss)
        if seed == 1:
            loss[:, unseen.domains.index(regmix.DOMAIN)] = np.nan
        return regmix.Predicted(loss, 1.0)

    record = regmix.record(runs, broken, 16, 2)
    assert record["failures"] == [{"seed": 1, "domains": [regmix.DOMAIN]}]
    assert record["pile_cc"]["values"]["1M"] == [pytest.approx(1.0), None]
    assert record["mean13"]["values"]["1M"][1] is None
    assert record["pile_cc"]["best_1b_true_ranks"] == [1, None]


def test_ranks():
    truth = np.array([3.0, 1.0, 2.0])
    assert spearman(truth, np.exp(truth)) == pytest.approx(1.0)
    assert spearman(np.ones(3), truth) is None
    assert spearman(np.array([1.0, np.nan, 2.0]), truth) is None
    assert true_rank(np.array([5.0, 4.0, 3.0]), truth) == 2
    assert true_rank(np.ones(3), truth) is None


def test_unseen_mixtures_of_five_sources_are_predicted_to_a_percent():
    found = mixinglaws.errors(mixinglaws.at_step("70M", mixinglaws.STEP))
    assert list(found) == ["published", "random 0", "random 1", "random 2"]
    assert not any(split["failed"] for split in found.values())
    assert np.mean([split["mae"] for split in found.values()]) <= 0.015


def test_splits_side_by_side_are_fitted_as_each_alone():
    """One batch, in which what a split holds out is missing: the published split alone has the same errors."""
    runs = mixinglaws.at_step("70M", mixinglaws.STEP)
    whole = mixinglaws.side_by_side(dict(mixinglaws.splits(runs)))
    assert not whole.held_out.any()
    assert np.isnan(whole.loss).sum(axis=0).tolist() == [mixinglaws.UNSEEN] * (4 * len(runs.domains))
    fitted, unseen = fit(runs), runs.targets()
    gap = (losses(fitted.draws, unseen.law_inputs) - unseen.loss) @ mixinglaws.valid_weights(runs.domains)
    assert mixinglaws.errors(runs)["published"]["mae"] == pytest.approx(np.abs(gap).mean(), rel=1e-5)


def test_splits_hold_out_six_and_the_published_one_is_the_authors_last():
    runs = mixinglaws.at_step("160M", mixinglaws.STEP)
    splits = dict(mixinglaws.splits(runs))
    assert all(int(split.held_out.sum()) == 6 for split in splits.values())
    unseen = splits["published"].targets().mix
    np.testing.assert_allclose(
        np.sort(unseen, axis=0), np.sort(mixinglaws.proportions()[-6:], axis=0), rtol=0, atol=1e-12
    )


def test_tokens_carry_losses_over_in_training_and_shares_carry_ranks():
    """160M from step 3,000 to 30,000: the choice of tokens is no win on both counts."""
    found = mixinglaws.transfer("160M")
    assert found["failed"] == []
    assert found["tokens"]["mae"] < found["shares"]["mae"]
    assert found["tokens"]["spearman"] < found["shares"]["spearman"]


def test_gradients_find_what_random_mixtures_do_not(runs, monkeypatch):
    monkeypatch.setattr(search, "REPEATS", 1)
    draws = point(search.LAW, regmix.subset(runs, 64, 0), jax.random.key(0), starts=1)
    target = search._target(runs)
    assert target.flops is None
    assert six_nd(target.params, target.tokens) == pytest.approx(runs.only(["60m-*"]).flops[0])
    ours = search.ours(draws, target)
    others = search.random_search(draws, target, runs.training().finals().mix.mean(axis=0))
    assert ours["ours"] < others["best_of_100000"] <= others["top128_mean"] + 0.1
    assert sum(ours["weights"].values()) == pytest.approx(1.0)
    problem = mixture_problem(draws, target, search.GOAL, search.ANYWHERE, BEST_TRIED)
    value = problem.value(np.array(list(ours["weights"].values())), problem.scene)
    assert -float(value) == pytest.approx(ours["ours"], rel=1e-9)


def test_candidates_are_mixtures_of_both_kinds():
    mean = np.array([0.5, 0.3, 0.2])
    drawn = search.candidates(mean)
    assert drawn.shape == (search.CANDIDATES, 3)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(drawn[: search.CANDIDATES // 2].mean(axis=0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(drawn[search.CANDIDATES // 2 :].mean(axis=0), mean, atol=0.01)


def test_the_average_of_scores_is_the_published_one():
    runs = datablations.code_runs()
    average = dict(zip(runs.mix[:, 1].round(1), datablations.rescaled(runs, runs.score, "all 19 tasks"), strict=True))
    assert average[0.5] == pytest.approx(0.238, abs=5e-4)
    assert average[0.9] == pytest.approx(0.193, abs=5e-4)
    without = datablations.measured(runs, "without bAbI")
    assert without["best_share"] == pytest.approx(0.1)
    assert {0.0, 0.5} <= {round(share, 1) for share in without["within_2_errors"]}
    error = dict(zip(runs.mix[:, 1].round(1), datablations.seed_errors(runs, "all 19 tasks"), strict=True))
    assert error[0.2] == pytest.approx(0.015)


def test_without_lightgbm_there_is_a_note(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    assert peers.lightgbm_method() == (None, peers.ABSENT)
