"""The lowest point of a grid and finer ones, against closed forms."""

import numpy as np

from flpjax.results.lowest_point import lowest_point

TRUE = np.array([[0.31, -0.72], [-0.44, 0.05], [0.8, 0.33]])  # (draw, feature)


def tilted(points):
    """Bowls with a cross term, whose lowest points are known; (draw, point)."""
    u, v = np.moveaxis(points - TRUE[:, None], -1, 0)
    return 2.0 + u**2 + 0.6 * u * v + v**2


def test_a_tilted_bowl():
    axis = np.linspace(-1.0, 1.0, 11)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    place, value = lowest_point(tilted, grid, tilted(grid[None]), np.full(2, 0.2), 9)
    np.testing.assert_allclose(place, TRUE, atol=2e-3)
    np.testing.assert_allclose(value, 2.0, atol=1e-6)


def test_a_parabola_is_exact_and_a_limit_is_kept():
    def losses(points):
        return (points[..., 0] - TRUE[:, :1]) ** 2

    grid = np.linspace(-1.0, 0.5, 16)[:, None]
    place, value = lowest_point(losses, grid, losses(grid[None]), np.array([0.1]), 3, np.array([0.5]))
    np.testing.assert_allclose(place[:, 0], [0.31, -0.44, 0.5], atol=1e-12)
    np.testing.assert_allclose(value[:2], 0.0, atol=1e-12)


def test_what_is_not_finite_is_not_the_lowest():
    grid = np.linspace(-1.0, 1.0, 21)[:, None]

    def losses(points):
        z = points[..., 0]
        return np.where(z < 0, np.nan, (z - 0.3) ** 2 + 0.0 * TRUE[:, :1])

    place, _ = lowest_point(losses, grid, losses(grid[None]), np.array([0.1]), 3)
    np.testing.assert_allclose(place[:, 0], 0.3, atol=1e-12)
