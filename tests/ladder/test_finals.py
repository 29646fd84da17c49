"""Final is the last measured value of each column, near the end of its run."""

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.build import build_runs
from flpjax.ladder.unfinished import reasons_in_words, without_final

TOKENS = np.array([10.0, 50, 90, 95, 100, 20, 60, 100, 110, 120.0])
"""Two runs of five rows; the second ends at 120."""
RUN = np.array(["a"] * 5 + ["b"] * 5, object)
NAN = np.nan


def rows_of_their_own(**kw):
    """Losses, scores and training losses stand in rows of their own; neither run's last row has a loss or a score."""
    columns = {
        "run": RUN,
        "params": np.where(RUN == "a", 2.0, 3.0),
        "tokens": TOKENS,
        "loss/c4": np.array([5, 4.5, 4, NAN, NAN, 4, 3.5, NAN, 3, NAN]),
        "score/t": np.array([0.1, NAN, NAN, 0.3, NAN, NAN, NAN, 0.4, NAN, NAN]),
        "stderr/t": np.array([0.01, NAN, NAN, 0.03, NAN, NAN, NAN, 0.04, NAN, NAN]),
        "train_loss": np.arange(10.0, 0.0, -1.0),
    }
    return build_runs(columns | kw.pop("columns", {}), **kw)


def test_each_column_has_its_own_last_value():
    finals = rows_of_their_own().finals()
    assert finals.names == ("a", "b")
    assert finals.loss_of("c4").tolist() == [4.0, 3.0]
    np.testing.assert_array_equal(finals.score_of("t"), [0.3, NAN])  # that of b stands at 83 % of its tokens
    np.testing.assert_array_equal(finals.stderr[:, 0], [0.03, NAN])
    assert finals.train_loss.tolist() == [6.0, 1.0]
    assert finals.final.all()


def test_a_run_of_next_to_no_tokens_is_held_against_its_own_rows():
    """Its share of another run's tokens is beyond any bound, and says nothing of its own loss."""
    numbers = {"params": [2.0, 3.0], "tokens": [1e-49, 120.0], "loss/c4": [NAN, 3.0]}
    columns = {"run": np.array(["a", "b"], object)} | {name: np.array(values) for name, values in numbers.items()}
    assert build_runs(columns).finals().loss_of("c4").tolist() == [3.0]


def test_compute_is_that_of_the_row_with_the_loss():
    """So that a law is fitted to the tokens that the loss was measured at: exact, whatever the distance."""
    finals = rows_of_their_own().finals()
    assert finals.tokens.tolist() == [90.0, 110.0]
    assert finals.flops.tolist() == [6 * 2 * 90.0, 6 * 3 * 110.0]


def test_the_distance_is_counted_from_the_end_and_includes_its_edge():
    assert rows_of_their_own(final_within=0.1).finals().names == ("a", "b")  # a's loss stands at 90 %
    near = rows_of_their_own(final_within=0.09).finals()
    np.testing.assert_array_equal(near.loss_of("c4"), [NAN, 3.0])
    assert near.tokens.tolist() == [95.0, 110.0]  # without a final loss, the row of the final score
    assert rows_of_their_own(final_within=0.0).finals().names == ()
    everything = rows_of_their_own(final_within=1.0).finals()
    assert everything.score_of("t").tolist() == [0.3, 0.4]


@pytest.mark.parametrize("within", [-0.1, 1.1, NAN])
def test_a_distance_that_is_no_share_is_refused(within):
    with pytest.raises(InputError, match=r"final_within is .*Give a share from 0 to 1"):
        rows_of_their_own(final_within=within)


def test_a_declared_end_is_where_one_looks_back_from():
    final = np.isin(np.arange(10), [3, 9])  # a ends at 95
    finals = rows_of_their_own(columns={"final": final}).finals()
    assert finals.tokens.tolist() == [90.0, 110.0]
    assert finals.score_of("t")[0] == 0.3
    only_a = rows_of_their_own(columns={"final": np.arange(10) == 2}).finals()
    assert only_a.names == ("a",)
    np.testing.assert_array_equal(
        only_a.score_of("t"), [NAN]
    )  # at 11 % of the 90 where it ends; later ones don't count


def test_averages_are_of_what_was_measured_last():
    finals = rows_of_their_own(final_average=2).finals()
    assert finals.loss_of("c4").tolist() == [4.25, 3.25]
    np.testing.assert_allclose(rows_of_their_own(final_average=3).finals().loss_of("c4"), [4.5, 3.5])


def test_finals_of_finals_are_the_same():
    once = rows_of_their_own().finals()
    twice = once.finals()
    for name in ("tokens", "loss", "score", "stderr"):
        np.testing.assert_array_equal(getattr(once, name), getattr(twice, name))


def test_runs_that_end_without_any_value_have_an_end_all_the_same():
    runs = rows_of_their_own(final_within=0.05)
    assert runs.finals().names == ("a",)
    ends = runs.ends()
    assert ends.names == ("a", "b")
    assert ends.tokens.tolist() == [95.0, 120.0]
    assert np.isnan(ends.loss[1]).all()


def test_every_run_without_a_final_value_is_named_with_the_reason():
    silent = np.where(RUN == "a", rows_of_their_own().score_of("t"), NAN)
    runs = rows_of_their_own(columns={"score/t": silent}, final_within=0.09)
    assert without_final(runs, "loss", "c4") == {"a": "its last loss/c4 stands at 90% of its tokens"}
    assert without_final(runs, "score", "t") == {"b": "no value of score/t"}
    marked = rows_of_their_own(columns={"final": np.arange(10) == 9})
    assert without_final(marked, "loss", "c4") == {"a": "none of its rows is marked final"}
    reasons = {"x": "no value of loss/c4", "y": "none of its rows is marked final", "z": "no value of loss/c4"}
    assert reasons_in_words(reasons) == "'x', 'z' (no value of loss/c4); 'y' (none of its rows is marked final)"


def test_finals_agree_with_a_loop_over_runs_and_columns():
    """Brute force on a table with gaps anywhere."""
    rng = np.random.default_rng(5)
    size = 211
    run = np.sort(rng.integers(0, 17, size))
    tokens = np.concatenate([np.cumsum(rng.uniform(1, 9, (run == r).sum())) for r in np.unique(run)])
    loss = np.where(rng.random((size, 3)) < 0.7, NAN, rng.uniform(1, 5, (size, 3)))
    columns = {"run": run.astype(str).astype(object), "params": 1.0 + run, "tokens": tokens}
    runs = build_runs(columns | {f"loss/{i}": loss[:, i] for i in range(3)}, final_within=0.2)
    ends = runs.ends()
    for i, name in enumerate(ends.names):
        own = np.flatnonzero(np.array(runs.names)[runs.run] == name)
        for j in range(3):
            known = own[np.isfinite(runs.loss[own, j])]
            last = known[-1] if len(known) else None
            near = last is not None and runs.tokens[last] >= 0.8 * runs.tokens[own[-1]]
            np.testing.assert_array_equal(ends.loss[i, j], runs.loss[last, j] if near else NAN)
