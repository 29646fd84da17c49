"""A column 'group': each group's losses are fitted separately, all of them as one batch."""

import jax
import numpy as np
import polars
import pytest

import flpjax
from flpjax.errors import InputError

KEY = jax.random.key(0)
LEVELS = {"A": 1.7, "B": 2.1}


def frame(**others):
    size, length = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 3)))
    both = {"params": np.tile(size, 2), "tokens": np.tile(length, 2)}
    group = np.repeat(list(LEVELS), size.size)
    level = np.repeat(list(LEVELS.values()), size.size)
    noise = np.random.default_rng(1).normal(0.0, 0.002, group.size)
    loss = (level + 400.0 * both["params"] ** -0.34 + 410.0 * both["tokens"] ** -0.28) * np.exp(noise)
    return polars.DataFrame(
        {"run": [f"r{i}" for i in range(group.size)], "group": group, **both, "loss/val": loss} | others
    )


@pytest.fixture(scope="module")
def runs():
    return flpjax.read_runs(frame())


def test_each_group_has_a_loss_of_its_own(runs):
    assert runs.domains == ("val@A", "val@B")
    assert np.isfinite(runs.loss).sum(axis=0).tolist() == [12, 12]
    assert any("losses of 2 groups (A, B) are fitted separately" in note for note in runs.notes)
    found = flpjax.check(runs)
    assert not found.warnings
    assert all(row["final_loss"] is not None and row["finished"] for row in found.runs)


def test_they_are_fitted_apart_in_one_batch(runs):
    method = flpjax.method("chinchilla+sigmoid")
    drawn = flpjax.point(method, runs, KEY, starts=4)
    alone = flpjax.point(method, flpjax.read_runs(frame().filter(polars.col("group") == "B")), KEY, starts=4)
    target = [flpjax.Target("T", params=1e10, tokens=2e11)]
    together = flpjax.forecast(drawn, target).loss[0]
    for name, level in LEVELS.items():
        truth = level + 400.0 * 1e10**-0.34 + 410.0 * 2e11**-0.28
        assert together[f"val@{name}"].median == pytest.approx(truth, rel=0.02)
    assert drawn.warnings == ()
    assert together["val@B"].median == pytest.approx(flpjax.forecast(alone, target).loss[0]["val"].median, rel=1e-5)


def test_resamples_and_a_law_in_a_line(runs):
    law = {"mine": flpjax.law("E + A*N^-alpha + B*D^-beta")}
    drawn = flpjax.bootstrap(flpjax.method("mine", laws=law), runs, KEY, draws=12, starts=2)
    found = flpjax.forecast(drawn, [flpjax.Target("T", params=2e9, tokens=2e11)])
    assert all(v.lower < v.median < v.upper for v in found.loss[0].values())
    assert flpjax.review(drawn, runs, [flpjax.Target("T", params=2e9, tokens=2e11)]).verdict is not None


def test_one_group_or_an_ignored_column_leaves_the_table_as_it_is():
    assert flpjax.read_runs(frame().with_columns(polars.lit("A").alias("group"))).domains == ("val",)
    assert flpjax.read_runs(frame(), mapping={"table": {"ignore": ["group"]}}).domains == ("val",)


def test_negative_losses_of_groups():
    low = frame().with_columns(polars.col("loss/val") - 2.5)
    runs = flpjax.read_runs(low, mapping={"table": {"allow_negative": ["loss/val"]}})
    assert runs.signed == ("val@A", "val@B")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"score/t": np.full(24, 0.5)}, r"2 groups and scores.*--only"),
        ({"run": ["r"] + ["s"] * 23}, "run 's' is of the groups 'A' and 'B'"),
        ({"group": ["A"] * 12 + [None] + ["B"] * 11}, "the row has no group"),
    ],
)
def test_what_groups_can_not_be_is_refused(others, message):
    with pytest.raises(InputError, match=message):
        flpjax.read_runs(frame(**others))
