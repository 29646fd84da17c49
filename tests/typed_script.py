"""A user's script, which mypy checks as ``--strict`` does: every public call that it makes has types, none is ``Any``.

It is not run: what it says of types is the test, in the same run of mypy as the package.
"""

from pathlib import Path
from typing import Any, assert_type

import jax
import polars
from numpy.typing import NDArray

import flpjax

jax.config.update("jax_enable_x64", True)

# From a table to a forecast, a step at a time.
runs = flpjax.read_runs("ladder.csv", mapping="mapping.toml")
assert_type(runs, flpjax.Runs)
assert_type(flpjax.datasets.ladder().at_mix({"code": 0.3}).training().names, tuple[str, ...])
assert_type(flpjax.check(runs), flpjax.Check)
mine = flpjax.law("E + A*N^-a + B*D^-b")
draws = flpjax.fit(flpjax.method("mine", laws={"mine": mine}), runs, jax.random.key(0), draws=101)
assert_type(draws, flpjax.Draws)
targets = [flpjax.Target("7B", params=7e9, tokens=4e12), *flpjax.targets_of(runs.targets())]
forecast = flpjax.forecast(draws, targets, level=0.8)
assert_type(forecast, flpjax.Forecast)
assert_type(forecast.score[0]["mmlu"].lower, float)
assert_type(forecast.table(), polars.DataFrame)
assert_type(forecast.to_dicts(), list[dict[str, Any]])
assert_type(forecast.to_json(), str)
verdict = flpjax.review(draws, runs, targets).verdict
assert_type(verdict, flpjax.Verdict)

# Kept, and scored when the run is done.
draws.save("draws.flp")
assert_type(flpjax.read_columns(Path("configs.csv")), dict[str, NDArray[Any]])

# How well methods forecast what is known already.
backtest = flpjax.backtest({"flp": flpjax.FLP(), "auto": flpjax.method("auto")}, runs, jax.random.key(1))
assert_type(backtest, flpjax.Backtest)
assert_type(backtest.best(), str | None)
assert_type(backtest.methods["flp"].means("score").error, float | None)
found = flpjax.compare(runs, jax.random.key(2))
assert_type(found, flpjax.Comparison)

# What to train.
allocation = flpjax.plan(runs, [1e23, 1e24], jax.random.key(3))
assert_type(allocation, flpjax.Allocation)
chosen = flpjax.next_runs(draws, targets[0], 1e21)
assert_type(chosen.runs, tuple[flpjax.NextRun, ...])
goal = flpjax.Goal(tasks={"mmlu": 2.0}, over_draws="cvar")
mix = flpjax.optimise_mix(draws, targets[0], jax.random.key(4), goal=goal, constraints=flpjax.Constraints())
assert_type(mix, flpjax.Mix)
assert_type(mix.mixture, dict[str, float])
curve = flpjax.mix_curve(draws, targets[0])
assert_type(curve, flpjax.MixCurve)
gained = flpjax.speedup(runs, runs, jax.random.key(5))
assert_type(gained, flpjax.Speedup)

# `flpjax.Ladder`.
ladder = flpjax.Ladder("ladder.csv", draws=101)
assert_type(ladder.forecast("N=7e9,D=4e12"), flpjax.Answer[flpjax.Forecast])
assert_type(ladder.review().result.verdict, flpjax.Verdict)
assert_type(ladder.backtest("flp").result, flpjax.Backtest)
assert_type(ladder.best_mix("C=1e23").result.gain.median, float)

# Pictures are matplotlib's figures.
flpjax.plot_forecast(forecast, runs, "general", path=flpjax.forecast_path(draws, runs, targets[0])).savefig(
    "forecast.svg"
)
flpjax.plot_mix(curve, mix).savefig("mix.pdf")

try:
    flpjax.datasets.ladder()
except flpjax.InputError as error:
    raise SystemExit(2) from error
