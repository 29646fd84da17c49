"""Losses read off where scores stand, of evaluations that were logged in rows of their own."""

import numpy as np

from flpjax.ladder.build import build_runs
from flpjax.ladder.joined import joined_in_words, losses_at_scores

NAN = np.nan


def alternating(tokens, loss, score, run="a"):
    return build_runs(
        {
            "run": np.array([run] * len(tokens) if isinstance(run, str) else run, object),
            "params": np.full(len(tokens), 1e3),
            "tokens": np.array(tokens, float),
            "loss/c4": np.array(loss, float),
            "score/t": np.array(score, float),
        }
    )


def test_a_power_law_is_met_to_a_thousandth():
    tokens = np.arange(11.0, 71.0)
    law = 1.8 + 9.0 * tokens**-0.3
    odd = np.arange(60) % 2 == 1
    runs = alternating(tokens, np.where(odd, NAN, law), np.where(odd, 0.4, NAN))
    filled = losses_at_scores(runs)[:, 0]
    np.testing.assert_allclose(filled, law, rtol=1e-3)
    np.testing.assert_array_equal(filled[~odd], law[~odd])  # what was measured stays


def test_what_lies_too_far_from_measured_losses_stays_blank():
    far = alternating([1, 3, 9, 10], [5, NAN, 4, NAN], [NAN, 0.1, NAN, 0.2])
    np.testing.assert_allclose(losses_at_scores(far)[:, 0], [5, NAN, 4, 4 + (4 - 5) * np.log(10 / 9) / np.log(9)])
    past = alternating([80, 90, 91, 99, 101], [4, 3.9, NAN, NAN, NAN], [NAN, NAN, 0.1, 0.2, 0.3])
    assert np.isfinite(losses_at_scores(past)[:, 0]).tolist() == [True, True, True, True, False]
    before = alternating([8, 9, 10], [NAN, 4, 3.9], [0.1, NAN, NAN])
    assert np.isnan(losses_at_scores(before)[0, 0])
    one = alternating([88, 100, 105, 112], [NAN, 4, NAN, NAN], [0.1, NAN, 0.2, 0.3])
    np.testing.assert_array_equal(losses_at_scores(one)[:, 0], [NAN, 4, 4, NAN])
    dense = alternating([10, 99, 100, 105], [NAN, 4.1, 4.0, NAN], [0.1, NAN, NAN, 0.2])
    assert losses_at_scores(dense)[3, 0] == 4.0  # a line through neighbours so close would lead anywhere


def test_no_run_is_filled_from_another():
    runs = alternating([10, 11, 10.5, 12], [4, 3.9, NAN, NAN], [NAN, NAN, 0.1, 0.2], run=["a", "a", "b", "b"])
    assert np.isnan(losses_at_scores(runs)[2:, 0]).all()


def test_rows_without_a_score_and_whole_tables_are_left_as_they_are():
    runs = alternating([10, 11, 12], [4, NAN, 3.9], [0.1, NAN, 0.2])
    assert losses_at_scores(runs) is runs.loss
    assert joined_in_words(runs) is None


def test_it_says_what_was_read_off():
    runs = alternating([10, 11, 12], [4, NAN, 3.9], [0.1, 0.15, NAN])
    assert joined_in_words(runs).startswith("1 row with a score and no loss 'c4': there it is read off the losses")
    assert runs.finals().loss_of("c4").tolist() == [3.9]  # final losses are measured ones
