"""Laws of one's own, as text: changed formulas go to ``--law``, and to a fit where they can't be refused before it."""

from __future__ import annotations

import random
import re

from benchmarks.fuzz import columns
from benchmarks.fuzz.sources import Files
from benchmarks.fuzz.tables import with_features

FORMULAS = (
    "E + A*N^-alpha + B*D^-beta",
    "E + A*C^-alpha",
    "E + (A/N)^a + (B/D)^b * (1 + k*log(D/N)^2)",
    "exp(a + b*log(C)) + E",
    "E + A*N^-alpha*(1 + c*{web})",
    "s/(1 + exp(k*(L - L0)))",
    "E + A*(N*{experts}^g)^-alpha + min(B, C)^-beta",
)
PIECES = (
    "N", "D", "C", "L", "E", "A", "alpha", "a", "x", "_", "0", "1", "-1", "1e400", "1e-400", "9" * 400, ".5", "1.2.3",
    "+", "-", "*", "/", "^", "**", "//", "%", "(", ")", "((", "))", "{", "}", "{web}", "{lr}", "{}", "{a b}", "[", "]",
    "log", "exp", "sqrt", "min", "max", "tanh", "sin", "log(", "exp(exp(exp(", ",", ";", "=", "==", "<", " ", "\t",
    "\n", "\x00", "\x1b[2J", "\u202e", "λ", "α", "٣", "🙂", "__import__('os')", "().__class__", "lambda: 0", "'", '"',
    "import os", "#", "\\", "N" * 500, "(" * 300, "-" * 300, "2^" * 100, "+".join("abcdefghij"), "1/0", "0*N", "N-N",
    "log(0)", "__feature_0__",
)  # fmt: skip
NAMES = ("mine", "mine", "mine", "flp", "auto", "chinchilla", "", " ", "a+b", "x/y", "[bold]", "\x1b[2J", "m" * 300)
TARGET = "N=1e9,D=2e10,web=0.5,experts=16"
FITTED = 0.03  # share of the inputs that may go through a fit, which compiles a program each
TOKEN = re.compile(r"\{\w+\}|[A-Za-z]\w*|[\d.]+|\S")
ALIKE = (
    ("N", "D", "C", "{web}", "{experts}", "0*N", "(N-N)", "(D/N)"),
    ("E", "A", "B", "alpha", "beta", "a", "b", "g", "s", "mine", "lambda", "N0"),
    ("0", "1", "2", "1e300", "1e-300", "0.5", "-3", "1e16"),
    ("+", "-", "*", "/", "^"),
    ("log", "exp", "sqrt", "min", "max", "tanh"),
)
"""Tokens that may stand for each other, so that what is changed is still a formula, if an odd one."""


def law(rng: random.Random) -> tuple[Files, list[str]]:
    """A formula with one to three changes, and the command that fits it; most name a table that isn't there."""
    fitted = rng.random() < FITTED
    text = rng.choice(FORMULAS)
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = exchanged(text, rng) if fitted and rng.random() < 0.8 else broken(text, rng)
    name = rng.choice(NAMES[:1] if fitted else NAMES)
    named = f"{name}={text}".replace("\0", "")
    args = ["forecast", "t.csv" if fitted else "none.csv", "--law", named, "--target", TARGET, "--draws", "0"]
    args += ["--method", rng.choice((name, f"{name}+sigmoid")).replace("\0", "")] if rng.random() < 0.7 else []
    return {"t.csv": columns.csv_of(list(with_features().items()), None)}, args


def broken(text: str, rng: random.Random) -> str:
    """A piece of anything in the place of some characters."""
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + rng.choice((0, 0, 1, 1, 3, 9)))
    return text[:at] + rng.choice((*PIECES, "", "")) + text[end:]


def exchanged(text: str, rng: random.Random) -> str:
    """One token in the place of another of its kind."""
    tokens = TOKEN.findall(text)
    able = [(i, kind) for i, token in enumerate(tokens) for kind in ALIKE if token in kind]
    if not able:
        return text
    at, kind = rng.choice(able)
    return " ".join((*tokens[:at], rng.choice(kind), *tokens[at + 1 :]))
