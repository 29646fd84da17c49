# %% [markdown]
# # A law of your own
#
# You believe that losses follow another formula. Write it down, and it does all that the laws that ship do: intervals, backtests, reviews,
# pictures, mixing with the others.

# %%
import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp

import flpjax

runs = flpjax.datasets.ladder().at_mix({"code": 0.3})
runs = runs.without([name for name in runs.targets().names if "seed" in name])
key = jax.random.key(0)

# %% [markdown]
# ## In a line
#
# N, D and C are parameters, tokens and FLOPs; names in braces are columns `x/<name>` of the table; what else has a name is fitted. Supports and
# weak priors follow from what a parameter does: a level multiplies a term, an exponent falls.

# %%
line = flpjax.law("E + A*C^-a")
for name, parameter in line.parameters().items():
    print(f"{name}: {parameter}")

# %% [markdown]
# ## As a function
#
# What no formula holds is a function of parameters and features, in JAX. This one has a loss that falls as a power of the logarithm of compute.


# %%
@flpjax.law(
    features=("C",),
    parameters={"E": flpjax.positive(0.5), "A": flpjax.positive(1.0), "a": flpjax.positive(1.0)},
)
def slow(p, x):
    """Falls with the logarithm of compute, slower than any power."""
    return p["E"] + p["A"] * (jnp.log(x["C"]) / 30.0) ** -p["a"]


laws = {"line": line, "slow": slow}

# %% [markdown]
# ## Which is better?
#
# A backtest says it, on runs that no fit saw, beside the paper's method: a power law without a constant, and a line from losses to scores. Yours have a sigmoid to scores.

# %%
names = ("line+sigmoid", "slow+sigmoid", "flp")
backtest = flpjax.backtest({name: flpjax.method(name, laws=laws) for name in names}, runs, key, draws=30)
backtest

# %%
flpjax.plot_backtest(backtest)

# %% [markdown]
# ## Its forecast
#
# The constants, in the formula's own symbols, and the law in the picture.

# %%
ladder = flpjax.Ladder(runs, method="line+sigmoid", laws=laws, draws=100)
print(ladder.fitted)

# %%
forecast = ladder.forecast()
forecast.plot()

# %% [markdown]
# On the command line `--law "line=E + A*C^-a" --method line+sigmoid` does the same; without `--method`, `auto` takes your law as one of its
# own, gives it a discrepancy, and weighs it by the probability of what was measured. If you don't know the formula, `flpjax discover` searches one.
