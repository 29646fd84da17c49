"""Command lines: valid ones, and what is done to them. A path is a name inside the current folder, always."""

from __future__ import annotations

import random

from benchmarks.fuzz.values import WORDS

READING = ["check"]
FITTING = (
    ["forecast", "--target", "C=1e19"],
    ["review", "--target", "N=1e9,D=2e10"],
    ["backtest", "--largest", "1"],
)
MIXING = ["mix", "--flops", "1e17"]
DRAWS = ["--draws", "3"]

OPTIONS = {
    "": ("--mapping", "--only", "--exclude", "--via", "--json"),
    "forecast": ("--target", "--level", "--seed", "--joint", "--fits", "--plot", "--draws", "--method"),
    "review": ("--target", "--seed", "--draws", "--method"),
    "backtest": ("--largest", "--hold-out", "--level", "--seed", "--method"),
    "mix": (
        "--flops", "--target", "--task", "--domain", "--over-draws", "--risk", "--over-tasks", "--no-worse", "--kl",
        "--prior", "--bound", "--fixed", "--available", "--repeats", "--group", "--outside", "--baseline", "--curve",
        "--level", "--seed",
    ),
}  # fmt: skip
PATHS = {"--mapping", "--json", "--plot", "--curve", "-m"}
FILES = (
    "t.csv", "t.parquet", "m.toml", "none.csv", "none", "folder", "folder/new.json", "none/new.json", "new.json",
    "new.png", "new.svg", "new", "new.", ".new.json", "neu \N{SNOWMAN}.json", "n" * 300, "", " ",
)  # fmt: skip
FLAGS = {"--joint", "--fits", "--no-worse", "--outside"}
ODD = ("--", "-", "--nope", "-x", "--help", "--draw", "--json")
SHORT = ("-1", "0", "1", "2", "3", "x", "", "1e3", "2.5", "nan", "9" * 30)
COSTLY = {
    "--draws": SHORT,
    "--repeats": (*SHORT, "1e300"),
    "--method": ("nope", "", "power+", "+", "llama3", "x" * 9999),
}
"""Options of which a large number or another word is valid and only takes long."""


def plain(table: str, mapped: bool, rng: random.Random, *, fit: bool, mixed: bool) -> list[str]:
    """A valid command line for a table."""
    if not fit:
        head = READING
    elif mixed and rng.random() < 0.5:
        head = MIXING
    else:
        head = rng.choice(FITTING)
    return cheap([head[0], table, *head[1:], *(["--mapping", "m.toml"] if mapped else [])])


def cheap(args: list[str]) -> list[str]:
    """The command line with a method that is fitted in no time, and few draws unless it says how many."""
    known = [name for name in ("forecast", "review", "backtest", "mix") if name in args[:2]]
    if not known or "--" in args:
        return args
    draws = [] if any(word.startswith("--draws") for word in args) else DRAWS
    return [*args, "--method", "m3+domain-linear" if known[0] == "mix" else "power+sigmoid", *draws]


def mangled(args: list[str], rng: random.Random) -> list[str]:
    """One change of a command line: an option more, a word less, twice, moved or another."""
    own = [*OPTIONS[""], *OPTIONS.get(args[0] if args else "", ())]
    at = rng.randrange(len(args) + 1)
    match rng.randrange(8):
        case 0:
            return args[:at] + args[at + 1 :]
        case 1:
            return args[:at] + args[at - 1 : at] + args[at:]
        case 2:
            return [
                *args[:at],
                rng.choice(("--", "-", "--nope", "-x", "--help", "--draw", "--json", *WORDS)),
                *args[at:],
            ]
        case 3 if 0 < at < len(args):
            path = args[at - 1] in PATHS or at == 1
            return [*args[:at], rng.choice(FILES if path else COSTLY.get(args[at - 1], WORDS)), *args[at + 1 :]]
    option = rng.choice(own)
    if option in FLAGS:
        return [*args[:1], option, *args[1:]]
    value = rng.choice(FILES if option in PATHS else COSTLY.get(option, WORDS))
    pair = [f"{option}={value}"] if rng.random() < 0.2 else [option, value]
    return args[:2] + pair + args[2:]


def inside(args: list[str]) -> list[str]:
    """The command line without any word that could name a place outside of the current folder."""
    return [
        "x" if word.startswith(("/", "~")) or ".." in word or "=/" in word or "=~" in word else word for word in args
    ]
