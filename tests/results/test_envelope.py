"""The lower envelope of training curves, against the optimum of the law that they follow."""

import numpy as np
import pytest

from flpjax.ladder.build import build_runs
from flpjax.results.allocation.envelope import curves_of, envelope, envelope_line
from tests.results.allocation_truth import isoflops, law, optimum


@pytest.fixture(scope="module")
def curves():
    """41 sizes with 60 checkpoints each, every one as good as a run that ends there."""
    sizes, checkpoints = np.geomspace(1e7, 1e10, 41), 60
    params = np.repeat(sizes, checkpoints)
    tokens = params * np.tile(np.geomspace(0.3, 300.0, checkpoints), len(sizes))
    names = np.repeat(np.array([f"run {i}" for i in range(len(sizes))], object), checkpoints)
    columns = {"run": names, "params": params, "tokens": tokens, "loss/web": law(params, tokens)}
    return curves_of(build_runs(columns), "web")


def test_the_envelope_follows_the_optimum(curves):
    found = envelope(curves)
    flops = np.exp(found.log_flops)
    inside = (flops > 1e18) & (flops < 1e20)
    off = found.log_params[inside] - np.log(optimum(flops[inside]))
    assert np.abs(off).max() < 0.12  # sizes are .17 apart, and losses are interpolated
    best = law(optimum(flops[inside]), flops[inside] / 6 / optimum(flops[inside]))
    np.testing.assert_allclose(found.loss[inside], best, rtol=1e-3)


def test_a_line_through_it_and_its_resamples(curves):
    at = np.log([1e19, 1e21])
    lines = envelope_line(curves, np.ones((2, len(curves.run))), at)
    np.testing.assert_array_equal(lines[0], lines[1])
    slope = (lines[0, 1] - lines[0, 0]) / np.log(100)
    assert slope == pytest.approx(0.28 / 0.62, abs=0.05)  # at the ends few sizes bound it
    alone = np.zeros((1, len(curves.run)))
    alone[0, 3] = 1.0
    assert np.isnan(envelope_line(curves, alone, at)).all()


def test_runs_without_curves_have_no_envelope():
    assert curves_of(isoflops(0.0), "web") is None


def test_few_sizes_do_not_flatten_the_line():
    """The smallest and the largest of four sizes are the best over half of the compute for want of others."""
    sizes, ratios, checkpoints = np.geomspace(2e8, 1.3e9, 4), (20.0, 40.0, 100.0, 200.0), 50
    params = np.repeat(np.repeat(sizes, 4), checkpoints)
    tokens = params * np.repeat(np.tile(ratios, 4), checkpoints) * np.tile(np.linspace(0.02, 1.0, checkpoints), 16)
    names = np.repeat(np.array([f"run {i}" for i in range(16)], object), checkpoints)
    few = curves_of(
        build_runs({"run": names, "params": params, "tokens": tokens, "loss/web": law(params, tokens)}), "web"
    )
    top = float((6.0 * params * tokens).max())
    (line,) = envelope_line(few, np.ones((1, 16)), np.log([top, 100.0 * top]))
    assert line == pytest.approx(np.log([optimum(top), optimum(100.0 * top)]), abs=0.25)
    flat = envelope(few)
    slope, _ = np.polyfit(flat.log_flops, flat.log_params, 1)
    assert slope < 0.9 * (0.28 / 0.62)  # of the envelope as it is
