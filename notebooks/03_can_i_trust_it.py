# %% [markdown]
# # Can I trust it?
#
# A forecast is a claim about a run that nobody has seen. Three things tell whether to believe it: what the method would have said of runs that you
# have, what its review says, and what came of the forecasts that you wrote down.

# %%
import jax

jax.config.update("jax_enable_x64", True)

from dataclasses import replace

import numpy as np

import flpjax

runs = flpjax.datasets.ladder().at_mix({"code": 0.3})
runs = runs.without([name for name in runs.targets().names if "seed" in name])
ladder = flpjax.Ladder(runs, draws=2000)

# %% [markdown]
# ## Would it have been right?
#
# A backtest hides the largest runs, forecasts them from the others, and scores what was said. One method a row: the mean error, the share of
# truths that its 90 % intervals hold, their width, and CRPS, which is smaller if intervals are narrow *and* right. A method with the smallest
# error and a coverage of .5 is not the best: it does not know what it doesn't know. `flp` is the paper's
# method, with bootstrapped intervals; `fp-gpt4` goes from compute to scores, without losses. `ladder.backtest()` tries `auto`.

# %%
methods = {name: flpjax.method(name) for name in ("flp", "fp-gpt4")}
backtest = flpjax.backtest(methods, runs, jax.random.key(0), draws=100)
backtest

# %%
for row in backtest.summary():
    print(f"{row['method']:7} error {row['score_error']:.1%}, coverage {row['coverage']:.0%}, CRPS {row['crps']:.3f}")

# %% [markdown]
# The same as a picture: errors of every score, by how far beyond the ladder the run lies. A cloud that drifts off zero with distance is a law
# that bends away from the truth.

# %%
flpjax.plot_backtest(backtest)

# %% [markdown]
# ## What the review says
#
# `auto` keeps the forecasts of its own past: at each size it forecast the next ones, with the very draws that you would have got. The review holds
# the forecast at hand against that past, and against the table.

# %%
review = ladder.review()
review

# %% [markdown]
# ## A fault that it must see
#
# Half of all tables have a column in another unit. Here the losses of one run are in bits, as if by another script:

# %%
in_bits = runs.run == runs.names.index("1.6M-code0.3")
faulty = replace(runs, loss=runs.loss * np.where(in_bits, 1.0 / np.log(2.0), 1.0)[:, None])
for warning in flpjax.check(faulty).warnings:
    print("-", warning)

# %% [markdown]
# ## Write it down
#
# A forecast that is kept with its draws can be scored when the run is done: on the command line `flpjax forecast … --register 7B.flp`, later
# `flpjax score 7B.flp actual.csv`. After some of them, `flpjax score --log --plot calibration.png` says whether nine in ten held.

# %%
targets = flpjax.targets_of(runs.targets())
kept = flpjax.register(ladder.fitted, runs, targets, question="what will 8.8M and 19M reach?")
scored = flpjax.score(kept, runs.targets())
print(scored)

# %%
scored
