import numpy as np

from flpjax.fitting.averaging.lanes import countable


def test_lanes_whose_squares_are_not_finite_do_not_count():
    lanes = np.ones((5, 3, 2))
    lanes[1, 2, 0], lanes[2, 0, 1], lanes[3, 1, 1] = np.nan, -np.inf, -1e160
    assert countable(lanes).tolist() == [True, False, False, False, True]
