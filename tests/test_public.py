"""The public surface: what a contributor needs is there by name, options are arguments, and old names warn."""

import importlib
import inspect
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
import typer

import flpjax
from flpjax.cli.app import app
from flpjax.errors import InputError, shown
from flpjax.fitting.discovery.method import Discovered
from flpjax.ladder.export import csv_of
from flpjax.renamed import FOLDERS, MODULES

COMMANDS = typer.main.get_command(app).commands
PYTHON = {
    "check": (flpjax.read_runs, flpjax.check),
    "forecast": (flpjax.read_runs, flpjax.method, flpjax.fit, flpjax.forecast),
    "backtest": (flpjax.read_runs, flpjax.method, flpjax.backtest),
    "review": (flpjax.read_runs, flpjax.method, flpjax.fit, flpjax.review),
    "mix": (
        flpjax.read_runs,
        flpjax.method,
        flpjax.fit,
        flpjax.Goal,
        flpjax.Constraints,
        flpjax.Target,
        flpjax.optimise_mix,
    ),
    "compare": (flpjax.read_runs, flpjax.compare),
    "plan": (
        flpjax.read_runs,
        flpjax.method,
        flpjax.plan,
        flpjax.next_runs,
    ),
    "report": (
        flpjax.read_runs,
        flpjax.method,
        flpjax.fit,
        flpjax.forecast,
        flpjax.review,
        flpjax.backtest,
        flpjax.plan,
        flpjax.optimise_mix,
    ),
    "score": (flpjax.read_runs, flpjax.score),
    "import": (flpjax.import_runs,),
    "speedup": (flpjax.read_runs, flpjax.read_groups, flpjax.speedup),
    "envelope": (flpjax.read_runs, flpjax.sweep_envelope),
    "tune": (flpjax.read_runs, flpjax.method, flpjax.fit, flpjax.tune),
    "discover": (flpjax.read_columns, flpjax.discover_law),
    "demo": (flpjax.fit, flpjax.forecast),
}
"""Command → what does the same in Python."""
OF_A_COMMAND = {
    "runs", "tables", "json", "force", "plot", "curve", "save", "fits", "all", "by_target", "log", "strict", "output",
    "log_file", "markdown", "mix", "register", "from", "predict", "level", "csv", "quiet",
}  # fmt: skip
"""Options about files and what is printed, which Python has no use for."""
OTHERWISE = {"seed": "key"}  # JAX's own


def plural(option):
    return option if option.endswith("s") else f"{option}s"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_called_as_arguments_are(command):
    """A repeatable option is the singular of its argument; runs are chosen by methods of Runs."""
    known = {name for function in PYTHON[command] for name in inspect.signature(function).parameters}
    lacking = []
    for parameter in COMMANDS[command].params:
        option = parameter.opts[0].removeprefix("--").replace("-", "_")
        name = OTHERWISE.get(option, option)
        there = name in known or (parameter.multiple and plural(name) in known) or hasattr(flpjax.Runs, name)
        if not there and option not in OF_A_COMMAND:
            lacking.append(option)
    assert not lacking


def test_every_name_is_there_and_has_a_docstring():
    for name in flpjax.__all__:
        assert getattr(flpjax, name).__doc__, name
    assert {"Law", "Parameter", "Method", "bind", "fit", "method", "datasets"} <= set(flpjax.__all__)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("auto", flpjax.Auto()),
        ("discovered", Discovered()),
        ("m3+discovered", Discovered("m3")),
        ("fp", flpjax.FP()),
    ],
)
def test_methods_by_name_as_on_the_command_line(name, method):
    assert flpjax.method(name) == method


def test_a_blend_is_not_bound(noisy):
    with pytest.raises(InputError, match=r"Auto blends several methods.*Use flpjax\.fit\(\)"):
        flpjax.bind(flpjax.method("auto"), noisy.runs)
    with pytest.raises(InputError, match=r"'flp' is the name of a method\. Give flpjax\.method\('flp'\)"):
        flpjax.bind("flp", noisy.runs)


def test_a_method_may_be_given_by_its_name(noisy, key):
    named, made = (flpjax.fit(m, noisy.runs, key, draws=8) for m in ("flp", flpjax.method("flp")))
    told = [
        flpjax.forecast(draws, target)
        for draws, target in ((named, "C=1e23"), (made, flpjax.Target("C=1e23", flops=1e23)))
    ]
    assert told[0].to_json() == told[1].to_json()
    cut = noisy.runs.hold_out(noisy.runs.largest(2))
    assert list(flpjax.backtest(["flp", "fp"], cut, key, draws=8).methods) == ["flp", "fp"]
    assert list(flpjax.backtest("flp", cut, key, draws=8).methods) == ["flp"]
    with pytest.raises(InputError, match="there is no method 'flq'"):
        flpjax.fit("flq", noisy.runs, key)


FUNCTIONS = {name: f for name in flpjax.__all__ if inspect.isfunction(f := getattr(flpjax, name))}
IN_ORDER = {
    "method": flpjax.method("fp"), "chosen": flpjax.method("fp"), "methods": ["fp"], "targets": "C=1e23",
    "target": "C=1e23", "budget": 1e23, "spend": 1e22, "via": "c4", "path": None, "result": None, "priors": None,
}  # fmt: skip
"""What stands before a ladder, or must be there; none of it is looked at before the ladder is."""


def asked(function, **given):
    """Call a function with what is given, and something for each other argument that it must have."""
    arguments = inspect.signature(function).parameters.values()
    value = {**IN_ORDER, "key": jax.random.key(0), **given}
    return function(**{p.name: value[p.name] for p in arguments if p.default is p.empty or p.name in given})


def taking(kind):
    return [
        (name, p.name)
        for name, function in FUNCTIONS.items()
        for p in inspect.signature(function).parameters.values()
        if kind in str(p.annotation).replace("[", " ").replace("]", " ").split()
    ]


@pytest.mark.parametrize(("name", "ladder"), taking("Table"))
@pytest.mark.parametrize("odd", ["no/such.csv", 3, None])
def test_what_takes_a_ladder_takes_a_path_and_refuses_all_else_in_a_sentence(noisy, key, name, ladder, odd):
    if name == "mix_curve" and odd is None:
        return  # which takes none
    fitted = flpjax.fit("fp", noisy.runs, key, draws=0)
    draws = {"draws": fitted} if (name, "draws") in taking("Draws") else {}  # elsewhere a number
    scored = {"registration": flpjax.register(fitted, noisy.runs, "C=1e23")} if name == "score" else {}
    others = {other: noisy.runs for at, other in taking("Table") if at == name and other != ladder}
    with pytest.raises(InputError, match=r"there is no such file|a table can't be made of an object of type"):
        asked(FUNCTIONS[name], **draws | scored | others | {ladder: [odd] if ladder == "ladders" else odd})


def test_a_ladder_is_the_same_by_path_as_a_frame_in_an_object_and_read(noisy, tmp_path):
    path = tmp_path / "ladder.csv"
    path.write_text(csv_of(noisy.runs), encoding="utf-8")
    read = flpjax.read_runs(path)
    assert flpjax.read_runs(read) is read
    assert flpjax.read_runs(flpjax.Ladder(read)) is read
    for ladder in (str(path), path, pl.read_csv(path), flpjax.Ladder(path), flpjax.import_runs(path)):
        assert flpjax.check(ladder).runs == flpjax.check(read).runs
    with pytest.raises(InputError, match="runs take no mapping"):
        flpjax.read_runs(read, {})


@pytest.mark.parametrize("name", [name for name, argument in taking("Draws") if argument == "draws"])
@pytest.mark.parametrize("odd", ["ladder.csv", 3, None])
def test_what_takes_draws_says_how_to_get_some(noisy, name, odd):
    with pytest.raises(InputError, match=r"is no fit\. Fit a ladder first, flpjax\.fit\("):
        asked(FUNCTIONS[name], runs=noisy.runs, draws=odd)


COUNTS = {
    "fit": "auto: {} draws. Give a whole number, 2 at least; a blend has no point fit",
    "auto": "auto: {} draws. Give a whole number, 2 at least; a blend has no point fit",
    "bootstrap": "bootstrap: {} draws. Give a whole number, 1 at least; point() makes none",
    "posterior": "posterior: {} draws. Give a whole number, 8 at least",
    "backtest": "backtest: {} draws. Give a whole number, 0 at least",
    "plan": "a plan: {} draws. Give a whole number, 2 at least, or plan from draws of a point fit",
    "speedup": "a speed-up: {} draws. Give a whole number, 1 at least",
}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("odd", [7.5, -1, "8", True, float("nan")])
def test_what_is_no_number_of_draws_is_refused_in_one_sentence(noisy, name, odd):
    runs = noisy.runs.hold_out(noisy.runs.largest(2))
    ladders = {argument: runs for at, argument in taking("Table") if at == name}
    method = {"method": "auto"} if name == "fit" else {}
    with pytest.raises(InputError, match=re.escape(COUNTS[name].format(shown(odd)))):
        asked(FUNCTIONS[name], **ladders | method | {"draws": odd})


KEY = jax.random.key(0)
ODD = {
    "a level in words": (lambda runs, d: flpjax.forecast(d, "C=1e23", level="90"), "the level '90' is no probability"),
    "a level in per cent": (lambda runs, d: flpjax.forecast(d, "C=1e23", level=90), "the level 90 is no probability"),
    "a budget in words": (lambda runs, d: flpjax.plan(runs, "1e23", KEY), "a budget of '1e23' FLOPs. Give a positive"),
    "no budget": (lambda runs, d: flpjax.plan(runs, None, KEY), "a budget of None FLOPs. Give a positive number"),
    "a spend in words": (lambda runs, d: flpjax.next_runs(d, "C=1e23", "1e22"), "the spend is '1e22'. Give a positive"),
    "no method": (lambda runs, d: flpjax.method(None), "None is no name of a method"),
    "a law as text": (
        lambda runs, d: flpjax.Ladder(runs, laws={"mine": "E+A*N^-a"}).forecast("C=1e23"),
        "laws, 'mine': 'E+A*N^-a' is no law. Make one: flpjax.law(",
    ),
    "one name": (lambda runs, d: flpjax.speedup(runs, runs, KEY, names=("a",)), "('a',) are no two names"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_argument_is_refused_in_one_sentence(noisy, key, kind):
    call, said = ODD[kind]
    with pytest.raises(InputError, match=re.escape(said)):
        call(noisy.runs, flpjax.fit("fp", noisy.runs, key, draws=8))


@pytest.mark.parametrize("odd", [0, None, "a", 1.5])
def test_what_is_no_key_is_refused_in_one_sentence(noisy, odd):
    for name in ("fit", "point", "speedup"):
        ladders = {argument: noisy.runs for at, argument in taking("Table") if at == name}
        with pytest.raises(InputError, match=rf"{odd!r} is no random key\. Give jax\.random\.key\(0\)"):
            asked(FUNCTIONS[name], **ladders | {"key": odd})


OLD = [*FOLDERS, *(old for olds in MODULES.values() for old in olds.split())]


@pytest.mark.parametrize("old", OLD)
def test_every_old_module_leads_to_one_that_is_there(old, monkeypatch):
    back = {new: old for old, new in FOLDERS.items()}
    top, dot, rest = old.partition(".")
    name = f"flpjax.{back.get(top, top)}{dot}{rest}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=rf"{name} is now flpjax\.") as said:
        importlib.import_module(name)
    importlib.import_module(str(said[-1].message).rpartition(" ")[2])


def test_old_modules_hold_what_the_new_ones_do_by_old_names_too(monkeypatch):
    monkeypatch.delitem(sys.modules, "flpjax.forms.form", raising=False)
    with pytest.warns(DeprecationWarning, match=r"flpjax\.forms\.form is now flpjax\.laws\.law"):
        form = importlib.import_module("flpjax.forms.form")
    assert form.Form is form.Law is flpjax.Law
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("flpjax.forms.nothing")


@pytest.mark.parametrize("name", ["chinchilla+sigmoid", "auto"])
def test_what_draws_expect_is_a_function_like_any_other(noisy, key, name):
    draws = flpjax.fit(name, noisy.runs, key, draws=8)

    def loss(log_params):
        log_tokens = jnp.log(2e11)
        log_sizes = {"params": log_params, "tokens": log_tokens, "flops": log_params + log_tokens + np.log(6.0)}
        return draws.expected(flpjax.Features({n: jnp.reshape(v, 1) for n, v in log_sizes.items()})).loss.mean()

    at, step = np.log(1e10), 1e-4
    there = float(loss(at))
    slope = float(loss(at + step) - loss(at - step)) / (2 * step)
    assert float(jax.grad(loss)(at)) == pytest.approx(slope, rel=1e-5)
    assert float(jax.jit(jax.grad(loss))(at)) == pytest.approx(slope, rel=1e-5)
    assert float(jax.jit(loss)(at)) == pytest.approx(there, rel=1e-9)
    assert jax.jit(jax.vmap(loss))(np.array([at, at])).tolist() == pytest.approx([there] * 2, rel=1e-9)
