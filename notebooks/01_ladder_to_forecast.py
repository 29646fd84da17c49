# %% [markdown]
# # From a ladder to a forecast
#
# You have trained small models and are about to train a large one. How good will it be, and how sure is that?
#
# The ladder here comes with flpjax: byte-level language models of 0.16M to 4.8M parameters, trained on English with 30 % code, two seeds
# each. Two larger ones, of 8.8M and 19M, were trained too, but no fit sees them: they are the truth that a forecast is held to. Put
# `flpjax.Ladder("ladder.csv")` in the first cell, and the rest works on your own runs.

# %%
import jax

jax.config.update("jax_enable_x64", True)  # flpjax fits in float64, and leaves that switch to you

import flpjax

runs = flpjax.datasets.ladder().at_mix({"code": 0.3})
runs = runs.without([name for name in runs.targets().names if "seed" in name])
ladder = flpjax.Ladder(runs, draws=2000)

# %% [markdown]
# ## Look before you fit
#
# What is in the table, which tasks have risen above chance, and what is likely wrong with it. A loss in the wrong unit or a diverged run
# costs more than any choice of method.

# %%
ladder.check()

# %%
for doubt in runs.doubts:
    print("doubt:", doubt)

# %% [markdown]
# ## Forecast
#
# Without a target, the runs that are held out are forecast, and stand beside what they reached. For a model of your own:
# `ladder.forecast("N=7e9,D=4e12")`. The first answer takes some seconds, since it fits; the others don't.
#
# The method is `auto`. It fits several laws of losses and several maps from losses to scores, lets each be wrong by a smooth discrepancy
# that widens with distance, and averages them by the probability of what was measured.

# %%
forecast = ladder.forecast()
forecast

# %% [markdown]
# Grey is what was measured, blue the law with its 90 % band and the forecast, crosses are the held-out runs. On the left losses against compute,
# then every task's score against the loss that it goes through.

# %%
forecast.plot()

# %% [markdown]
# ## How far off was it?
#
# Each row is a number that you would have planned with. An interval that holds nine in ten is what was promised.

# %%
frame = forecast.table()
truth = runs.targets().finals()
held = 0
for row in frame.to_dicts():
    at = truth.names.index(row["target"])
    values = truth.score_of(row["name"]) if row["kind"] == "score" else truth.loss_of(row["name"])
    held += row["lower"] <= values[at] <= row["upper"]
print(f"{held} of {len(frame)} intervals hold the truth")

# %% [markdown]
# ## What to doubt
#
# A forecast comes with a review: named checks, each with a figure and a remedy. PASS is no promise, FAIL is a reason not to show the forecast to
# anybody.

# %%
review = ladder.review()
review

# %% [markdown]
# On the command line the same takes a line, and another writes it all on a page:
#
# ```sh
# flpjax forecast ladder.csv --target N=7e9,D=4e12 --plot forecast.png
# flpjax report ladder.csv --target N=7e9,D=4e12 -o report.html
# ```
#
# Next: [which data](02_best_mixture.py), [whether to believe it](03_can_i_trust_it.py), [a law of your own](04_your_own_law.py).
