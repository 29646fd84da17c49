"""One input: the files of a folder and a command line, drawn from a seed and a number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fuzz import arguments, columns, parquet
from benchmarks.fuzz.others import OTHERS
from benchmarks.fuzz.tables import MAPPING, TABLES, mapped, mixtures
from benchmarks.fuzz.values import KEYS, TOML, damaged

KINDS = {"csv": 0.4, "parquet": 0.2, "mapping": 0.2, "arguments": 0.2}
FITTED = {"csv": 0.02, "parquet": 0.01, "mapping": 0.01, "arguments": 0.1}
"""Share of the inputs that go through a fit as well, which takes a hundred times as long as reading."""


@dataclass(frozen=True)
class Case:
    """An input.

    Attributes:
        index: Its number; with the seed it makes the same input again.
        kind: What was mutated: a key of :data:`KINDS`, or one of :data:`OTHERS`.
        files: Name in the folder → content.
        args: The command line.
    """

    index: int
    kind: str
    files: dict[str, bytes]
    args: list[str]


def case(seed: int, index: int, *, fits: bool = True, kinds: Sequence[str] = ()) -> Case:
    """The input of this number.

    Args:
        seed: Of all inputs.
        index: Its number.
        fits: Whether some go through a fit.
        kinds: What is mutated, each as often; those of :data:`KINDS` by their shares unless told.
    """
    rng = random.Random(f"{seed}:{index}")
    (kind,) = [rng.choice(kinds)] if kinds else rng.choices(list(KINDS), weights=list(KINDS.values()))
    if kind in OTHERS:
        files, args = OTHERS[kind](rng)
        return Case(index, kind, files, arguments.inside(args))
    make = mapped if kind == "mapping" else rng.choice(TABLES)
    fit = fits and rng.random() < FITTED[kind]
    table = list(make().items())
    for _ in range(rng.choice((1, 1, 1, 2)) if kind in ("csv", "parquet") else 0):
        table = columns.changed(table, rng)
    name = "t.parquet" if kind == "parquet" else "t.csv"
    if kind == "parquet":
        files = {name: parquet.parquet_of(table, rng)}
    else:
        files = {name: columns.csv_of(table, rng if kind == "csv" else None)}
    if kind in ("mapping", "arguments"):
        files["m.toml"] = mapping(rng) if kind == "mapping" else MAPPING.encode()
    args = arguments.plain(name, make is mapped, rng, fit=fit, mixed=make is mixtures)
    if kind == "arguments":
        for _ in range(rng.choice((1, 1, 1, 2))):
            args = arguments.mangled(args, rng)
        args = arguments.cheap(args)
    elif rng.random() < 0.3:
        args = [*args, "--json", "new.json"]
    return Case(index, kind, files, arguments.inside([word.replace("\0", "") for word in args]))


def mapping(rng: random.Random) -> bytes:
    """The mapping with one to three changes: of a key, a value, a line or bytes."""
    lines = MAPPING.splitlines()
    for _ in range(rng.choice((1, 1, 1, 2))):
        at = rng.randrange(len(lines))
        key, equals, value = lines[at].partition(" = ")
        match rng.randrange(6):
            case 0:
                lines[at : at + 1] = []
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines.insert(at, f"{rng.choice(KEYS)} = {rng.choice(TOML)}")
            case 3:
                lines[at] = f"{rng.choice(KEYS)}{equals}{value}"
            case 4:
                lines[at] = f"[{rng.choice(KEYS)}.{rng.choice(KEYS)}]"
            case _:
                lines[at] = f"{key} = {rng.choice(TOML)}"
        if not lines:
            break
    data = "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"
    return damaged(data, rng) if rng.random() < 0.2 else data
