"""The paper's selection of checkpoints, on tables small enough to see."""

import numpy as np
import pytest

from flpjax.ladder.select import Selection
from flpjax.ladder.tasks import Task
from flpjax.methods.registry import method

NAN = np.nan
ONE = (Task("t", chance=0.25),)


def select(runs, selection, domain="general"):
    loss = np.repeat(runs.loss_of(domain)[:, None], len(runs.tasks), axis=1)
    selected = selection.apply(runs, loss)
    return selected.keep, {why: n.tolist() for why, n in selected.dropped.items() if n.any()}


def test_each_row_counts_under_its_first_reason(table):
    # 20 checkpoints of one run: the first is in the warm-up, and nothing else of it counts
    loss = np.linspace(4.0, 2.1, 20)
    loss[9] = NAN  # no loss; its training loss stands
    train = loss.copy()
    train[9] = 3.1
    train[12] = train[11]  # not improving
    score = np.full(20, 0.5)
    score[0] = 0.1  # warm-up, and near chance too
    score[5] = NAN
    score[9] = 0.2  # no loss, and near chance too
    score[12] = 0.2  # not improving, and near chance too
    score[15] = 0.29
    runs = table({"general": loss[None]}, {"t": score[None]}, ONE, train_loss=train)
    keep, dropped = select(runs, Selection())
    assert dropped == {"no score": [1], "no loss": [1], "warm-up": [1], "not improving": [1], "near chance": [1]}
    assert np.flatnonzero(~keep[:, 0]).tolist() == [0, 5, 9, 12, 15]
    assert set(dropped) <= set(Selection().explain())


@pytest.mark.parametrize("seed", range(5))
def test_kept_and_dropped_add_up(table, seed):
    rng = np.random.default_rng(seed)
    loss = rng.uniform(2.0, 4.0, (5, 11))
    scores = {n: np.where(rng.random((5, 11)) < 0.2, NAN, rng.uniform(0.1, 0.6, (5, 11))) for n in ("t", "u", "v")}
    loss[rng.random((5, 11)) < 0.1] = NAN
    runs = table({"general": loss}, scores, tuple(Task(n, chance=0.25) for n in scores))
    for selection in (Selection(), Selection(monotone=True), Selection(improving=False, above_chance=None)):
        keep, dropped = select(runs, selection)
        assert (keep.sum(0) + sum(np.array(n) for n in dropped.values()) == 55).all()


BROKEN = {
    "none": ({}, []),
    "a spike": ({(1, 3): 9.8}, [(1, 3)]),
    "two spikes of one run": ({(1, 3): 9.8, (1, 6): 5.1}, [(1, 3), (1, 6)]),
    "a last evaluation": ({(2, 7): 9.8}, [(2, 7)]),
    "a run that diverged": ({(0, 5): 3.6, (0, 6): 4.4, (0, 7): 6.0}, [(0, 5), (0, 6), (0, 7)]),
    "a dip, which the score may have followed": ({(1, 3): 1.4}, []),
    "a column that jumps in most runs": ({(r, 3): 9.8 for r in range(4)}, []),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_loss_that_its_run_contradicts_says_nothing_of_the_score(table, kind):
    """One loss of 9.8 at a run's end took ten points from the forecast of every score, and tripled the interval."""
    changed, broken = BROKEN[kind]
    loss = np.linspace(3.6, 2.2, 8)[None] - 0.1 * np.arange(5)[:, None]
    for place, value in changed.items():
        loss[place] = value
    runs = table({"general": loss}, {"t": np.full((5, 8), 0.5)}, ONE)
    keep, dropped = select(runs, Selection(improving=False, above_chance=None, warmup=0.0))
    assert [(int(i) // 8, int(i) % 8) for i in np.flatnonzero(~keep[:, 0])] == broken
    assert dropped == ({"broken loss": [len(broken)]} if broken else {})


def test_improvement_is_of_the_loss_rounded_to_two_decimals(table):
    train = [3.0, 2.994, 2.996, 2.99, 2.985, 2.984, 2.99, 2.97]
    # rounds to 3.00, 2.99, 3.00, 2.99, 2.98 or 2.99 (half to even of a float), …: brute force decides
    best, improves = np.inf, []
    for value in train:
        improves.append(round(value, 2) < best)
        best = min(best, round(value, 2))
    runs = table({"general": np.full((1, 8), 2.5)}, {"t": np.full((1, 8), 0.9)}, ONE, train_loss=train)
    keep, _ = select(runs, Selection(warmup=0.0))
    assert keep[:, 0].tolist() == improves
    assert improves[:4] == [True, True, False, False]


def test_each_run_improves_on_its_own_past_only(table):
    loss = np.array([[2.0, 1.9], [3.0, 2.9]])
    keep, dropped = select(table({"general": loss}, {"t": np.full((2, 2), 0.9)}, ONE), Selection(warmup=0.0))
    assert keep.all()
    assert dropped == {}


def test_the_validation_loss_stands_in_for_a_missing_training_loss(table):
    loss = np.array([[3.0, 2.8, 2.9, 2.7]])
    keep, _ = select(table({"general": loss}, {"t": np.full((1, 4), 0.9)}, ONE), Selection(warmup=0.0))
    assert keep[:, 0].tolist() == [True, True, False, True]


def test_a_gap_in_the_training_loss_is_no_record(table):
    loss, train = np.array([[3.0, 2.8, 2.9, 2.7]]), [3.1, 2.9, NAN, 2.75]
    runs = table({"general": loss}, {"t": np.full((1, 4), 0.9)}, ONE, train_loss=train)
    keep, _ = select(runs, Selection(warmup=0.0))
    assert keep[:, 0].tolist() == [True, True, False, True]


def test_the_threshold_is_the_tasks_own_chance_plus_five_points(table):
    score = np.array([[0.29, 0.30, 0.56, 0.54]])
    loss = np.array([[3.0, 2.8, 2.6, 2.4]])
    tasks = (Task("t", chance=0.25), Task("u", chance=0.5))
    keep, _ = select(table({"general": loss}, {"t": score, "u": score}, tasks), Selection(warmup=0.0))
    assert keep.T.tolist() == [[False, True, True, True], [False, False, True, False]]


def test_monotone_judges_the_isotonic_fit_and_not_the_row(table):
    # By falling loss: .22 .34 .27 .35 .33 .40. Pools of adjacent violators: .22 | .305 .305 | .34 .34 | .40
    loss = np.array([[4.0, 3.5], [3.2, 3.0], [2.8, 2.5]])
    score = np.array([[0.22, 0.34], [0.27, 0.35], [0.33, 0.40]])
    runs = table({"general": loss}, {"t": score}, ONE)
    by_row, _ = select(runs, Selection(improving=False, warmup=0.0))
    by_fit, _ = select(runs, Selection(improving=False, warmup=0.0, monotone=True))
    assert by_row[:, 0].tolist() == [False, True, False, True, True, True]
    assert by_fit[:, 0].tolist() == [False, True, True, True, True, True]


def test_monotone_drops_the_lucky(table):
    # one checkpoint at a high loss got .31 by luck; its neighbours pull its pool under .30
    loss = np.array([[4.0, 3.9, 3.8, 2.0]])
    score = np.array([[0.25, 0.31, 0.24, 0.6]])
    keep, dropped = select(
        table({"general": loss}, {"t": score}, ONE), Selection(improving=False, warmup=0.0, monotone=True)
    )
    assert keep[:, 0].tolist() == [False, False, False, True]
    assert dropped == {"near chance": [3]}


def test_maps_with_a_floor_take_what_has_not_emerged(table):
    loss = np.array([[4.0, 3.5, 3.0, 2.5], [3.8, 3.3, 2.8, 2.3], [3.7, 3.2, 2.7, 2.2]])
    runs = table({"general": loss}, {"t": np.full((3, 4), 0.25)}, ONE)
    assert method("power+linear").bind(runs).model.tasks == ()
    assert method("power+sigmoid").bind(runs).model.tasks == ("t",)
