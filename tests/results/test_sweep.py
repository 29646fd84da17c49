"""The lower envelope of sweeps of settings: bowls against their closed form, and no diverged run among them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.build import build_runs
from flpjax.results.allocation.plan import plan
from flpjax.results.allocation.sweep import is_sweep, sweep_envelope
from tests.results.allocation_truth import isoflops, law, optimum

RATES = np.geomspace(3e-4, 1e-2, 7)
BATCHES = np.array([32.0, 128.0, 512.0])


def swept(noise=0.0, seed=5):
    """Nine sizes at three budgets, seven learning rates and three batches each; rates above 6e-3 diverge."""
    base = isoflops(0.0, budgets=(1e18, 1e19, 1e20), reach=8.0, sizes=5).finals()
    rng = np.random.default_rng(seed)
    cell, rate, batch = (v.ravel() for v in np.meshgrid(np.arange(len(base)), RATES, BATCHES, indexing="ij"))
    params, tokens = base.params[cell], base.tokens[cell]
    best_rate, best_batch = 2e-3 * (params / 1e8) ** -0.1, 128.0
    off = 0.004 * np.log(rate / best_rate) ** 2 + 0.002 * np.log(batch / best_batch) ** 2
    loss = law(params, tokens) * np.exp(off + noise * rng.standard_normal(len(cell)))
    loss = np.where(rate > 6e-3, 9.0, loss)
    names = np.array([f"run {i}" for i in range(len(cell))], object)
    columns = {"run": names, "params": params, "tokens": tokens, "loss/web": loss, "x/lr": rate, "x/bsz": batch}
    return build_runs(columns), base


def test_bowls_find_what_the_best_setting_reaches():
    runs, base = swept()
    found = sweep_envelope(runs)
    assert len(found.cells) == len(base) == len(found.runs)
    for cell in found.cells:
        assert cell.bowl
        assert cell.loss == pytest.approx(law(cell.params, cell.tokens), rel=1e-4)
        assert cell.settings["lr"] == pytest.approx(2e-3 * (cell.params / 1e8) ** -0.1, rel=0.01)
        assert cell.settings["bsz"] == pytest.approx(128.0, rel=0.01)
        assert cell.lowest >= cell.loss - 1e-12


def test_no_diverged_run_is_on_the_envelope():
    runs, _ = swept(0.003)
    found = sweep_envelope(runs)
    diverged = {runs.names[i] for i in runs.run[runs.loss[:, 0] > 8.0]}
    assert {name for cell in found.cells for name in cell.diverged} == diverged
    assert not any(set(cell.on) & diverged or cell.best in diverged for cell in found.cells)
    assert (found.runs.loss < 8.0).all()
    assert "runs diverged" in found.words


def test_the_lowest_of_many_is_too_low_and_a_bowl_is_not():
    runs, _ = swept(0.005)
    cells = [c for c in sweep_envelope(runs).cells if c.bowl]
    assert len(cells) >= 10
    off = np.array([[np.log(v / law(c.params, c.tokens)) for v in (c.loss, c.lowest)] for c in cells])
    bowl, lowest = off.mean(axis=0)
    assert lowest < -0.003
    assert abs(bowl) < 0.0015


def test_a_plan_of_a_sweep_is_one_of_its_envelope(key):
    runs, _ = swept(0.002)
    assert is_sweep(runs, "web")
    found = plan(runs, 1e20, key, draws=29, compare=False)
    assert found.optima[0].params.median == pytest.approx(optimum(1e20), rel=0.25)
    assert any("315 runs sweep bsz, lr" in w or "315 runs sweep lr, bsz" in w for w in found.warnings)


def test_tables_and_refusals():
    runs, base = swept()
    found = sweep_envelope(runs)
    rows = json.loads(found.to_json())["cells"]
    assert len(rows) == len(found.to_dicts()) == 15
    assert all(set(row["on"]) <= set(runs.names) for row in rows)
    assert not is_sweep(base, "web")
    with pytest.raises(InputError, match=r"no setting varies at one N and D.*x/lr"):
        sweep_envelope(base)
    with pytest.raises(InputError, match=r"there is no loss domain 'wep'"):
        sweep_envelope(runs, "wep")
    with pytest.raises(InputError, match=r"a sweep needs losses, N and D"):
        sweep_envelope(replace(runs, domains=(), loss=runs.loss[:, :0]))
