import numpy as np
import pytest

from flpjax.fitting.lawsearch.departure import CORNER, Departure, _alike, departure_of

ROWS = 61
X = np.linspace(-2.0, 2.0, ROWS)[:, None]


def noise(seed, count=ROWS):
    return 0.1 * np.random.default_rng(seed).standard_normal(count)


def test_noise_is_no_departure():
    assert sum(departure_of([X], [noise(seed)]) is not None for seed in range(40)) <= 3


def test_what_is_alike_nearby_is_found_and_fades_away():
    wave = np.sin(2.0 * X[:, 0])
    found = departure_of([X], [wave + noise(1)])
    np.testing.assert_allclose(found.mean(0, X), wave, atol=0.1)
    assert abs(found.mean(0, np.array([[60.0]]))[0]) < 1e-9


def test_its_mean_is_that_of_a_gaussian_process_by_the_textbook():
    """Rasmussen & Williams 2006, eq. 2.25: ``k*ᵀ (K + σ² I)⁻¹ r``, here of variance `ratio` and noise 1."""
    residual = np.sin(2.0 * X[:, 0])
    found = departure_of([X], [residual])
    away = np.sqrt(3.0) * np.abs(X - X.T) / found.length
    within = found.ratio * (1.0 + away) * np.exp(-away)
    expected = within @ np.linalg.inv(within + np.eye(ROWS)) @ residual
    np.testing.assert_allclose(found.mean(0, X), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.diag(_alike(X, X, 0.6)), 1.0)


def test_cells_share_a_length_and_have_departures_of_their_own():
    half = X[:17]
    found = departure_of([X, half], [np.sin(2.0 * X[:, 0]) + noise(2), 3.0 + noise(3, 17)])
    assert isinstance(found, Departure)
    assert found.mean(0, X).shape == (ROWS,)
    np.testing.assert_allclose(found.mean(1, half), 3.0, atol=0.3)
    assert "alike over" in str(found)


def test_one_odd_row_does_not_bend_it():
    wave = np.sin(2.0 * X[:, 0])
    odd = wave.copy()
    odd[30] = 500.0
    found = departure_of([X], [odd])
    largest = CORNER * 1.48 * np.median(np.abs(wave)) * 1.1
    assert np.abs(found.mean(0, X)).max() < largest


@pytest.mark.parametrize("value", [0.0, 1e-200])
def test_residuals_of_nothing_are_no_departure(value):
    assert departure_of([X], [np.full(ROWS, value)]) is None
