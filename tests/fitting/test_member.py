"""Origins: the ladder as it stood when it was smaller."""

import numpy as np
import pytest

from flpjax.fitting.blending.member import FEWEST_RUNS, MOST, Origins


def of(runs, seed=3):
    return Origins.of(runs, np.random.default_rng(seed))


def size_of(runs):
    return np.array([np.log(runs.flops[runs.run == i].max()) for i in range(len(runs.names))])


def by_hand(table, runs, steps=2, **columns):
    return table({"general": np.linspace(3.5, 2.5, runs * steps).reshape(runs, steps)}, {}, **columns)


def test_masks_of_a_ladder_by_hand(table):
    origins = of(by_hand(table, 5))
    assert origins.train_mask.astype(int).tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    assert origins.forecast_mask.astype(int).tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]
    fold = np.log(2.0**2.1)  # C = 6·N·D with D ∝ N^1.1, and N doubles
    expected = [[0] * 5, [0, 0, 0, fold, 2 * fold], [0, 0, 0, 0, fold]]
    np.testing.assert_allclose(origins.distance, expected, atol=1e-9)


def test_the_smallest_see_the_larger(noisy):
    runs = noisy.runs.training()
    origins, size = of(runs), size_of(runs)
    assert 3 < len(origins.train_mask) <= MOST + 1
    assert origins.train_mask[0].all()
    assert not origins.forecast_mask[0].any()
    for seen, ahead in zip(origins.train_mask[1:], origins.forecast_mask[1:], strict=True):
        assert FEWEST_RUNS <= seen.sum() < len(seen)
        assert size[seen].max() < size[~seen].min()
        np.testing.assert_array_equal(ahead, ~seen)


def test_a_ladder_of_one_scale_is_cut_into_folds(table):
    same = np.full(14, 1e8)
    tokens = np.tile([1e9, 2e9], 7)
    origins = of(by_hand(table, 7, params=same, tokens=tokens))
    assert origins.forecast_mask.any(axis=0).all(), "every run is forecast from some origin"
    assert (origins.distance == 0.0).all()
    np.testing.assert_array_equal(origins.forecast_mask[1:].sum(axis=0), 1)


def test_other_folds_with_another_seed(table):
    runs = by_hand(table, 11, params=np.full(22, 1e8), tokens=np.tile([1e9, 2e9], 11))
    assert (of(runs, 3).train_mask == of(runs, 3).train_mask).all()
    assert (of(runs, 3).train_mask != of(runs, 4).train_mask).any()


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_few_runs_are_never_fitted_to_fewer_than_three(table, runs):
    origins = of(by_hand(table, runs))
    assert origins.train_mask[0].all()
    assert (origins.train_mask[1:].sum(axis=1) >= FEWEST_RUNS).all()
    assert len(origins.train_mask) > 1 or runs <= FEWEST_RUNS


def test_unfinished_runs_are_seen_and_not_forecast(table):
    final = np.tile([0, 1], 6)
    final[-1] = 0  # the largest run is still going
    runs = by_hand(table, 6, final=final)
    origins = of(runs)
    assert not origins.forecast_mask[:, -1].any()
    assert origins.forecast_mask[:, -2].any()
    assert origins.train_mask[0, -1]


def test_reruns_are_one_step(table):
    params = np.repeat([1e7, 2e7, 4e7, 8e7, 16e7, 16e7, 16e7], 2)
    tokens = np.tile([1e9, 2e9], 7)
    origins = of(by_hand(table, 7, params=params, tokens=tokens))
    assert origins.train_mask[1:].sum(axis=1).tolist() == [3, 4], "the three largest are seen together, or not at all"
    assert origins.forecast_mask[2].sum() == 3
