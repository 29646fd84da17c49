"""The mapping file: what a table calls its columns, in which units, and facts about its tasks.

::

    [table]
    final_average = 1            # last evaluations averaged into a run's final losses and scores
    final_within = 0.1           # a final value stands within this share of a run's tokens from its end
    rows = "checkpoints"         # or "runs": each row is a training of its own, whatever its run is called
    mixture = "constant"         # or, where a run changes it: weights of the "current" stage, or of all tokens "so far"
    allow_missing = ["loss/c4"]  # losses that some run may lack; or true
    allow_negative = ["loss/uni"]  # losses that may be negative, as those relative to a unigram model
    ignore = ["core/*"]          # columns that only look like misspelt ones
    separator = ";"              # of a text file; a comma, unless told
    decimal = ","                # its decimal point

    [columns]                    # canonical = theirs, or { column = theirs, unit = ... }
    run = "name"
    flops = { column = "throughput/total_training_Gflops", unit = "GFLOPs" }
    tokens = { product = ["_step", "batch", 2048] }                  # columns and numbers; here with the context
    final = { column = "State", true = ["finished"] }                # the last rows of the runs that have ended
    "loss/c4" = { column = "val_bits", unit = "bits" }               # or "perplexity", or "nats"

    [tasks.mmlu]
    scale = "points"             # or "fraction", the default; of scores, standard errors and chance alike
    chance = 25                  # in that scale: 25 points, or the fraction 0.25; of "centred" scores, the
                                 # fraction that was taken off: (score - chance) / (1 - chance)
    questions = 14042

    [features.temperature]       # of a column "x/temperature"
    unit = "°C"                  # in words
    transform = "linear"         # or "log", the default: laws see logarithms, and values are positive

    [show]                       # what results are told in, where that is not the unit of the column
    "loss/wiki" = "bits"
    "score/core" = "centred"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from flpjax.errors import InputError, did_you_mean, short, shown
from flpjax.ladder.build import GROUPS, SHAPE, SINGLE, is_canonical, misspelt
from flpjax.ladder.features import Feature
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.readers.mapping_keys import ColumnKeys, FeatureKeys, MappingKeys, TableKeys, TaskKeys
from flpjax.readers.raw import missing_file, refuse_irregular
from flpjax.readers.table_map import TableMap
from flpjax.readers.units import LOSS, unit_of

LARGEST = 2**21  # bytes of a mapping file: some 20,000 columns
DOTTED = re.compile(r"""(?<![\w."'-])[\w"'-]+(?:[ \t]*\.[ \t]*[\w"'-]+){50}""")
"""A name of fifty parts: the mapping's own have three, and tomllib takes minutes over one of fifty thousand."""


def read_mapping(mapping: str | Path | Mapping[str, Any]) -> TableMap:
    """Read and check a mapping.

    Args:
        mapping: Path of a TOML file, or the same content as a dictionary.

    Raises:
        InputError: The file can't be read, or a key or a value in it is wrong; the message names the key.
    """
    if isinstance(mapping, Mapping):
        return _table_map(dict(mapping), "mapping")
    if not isinstance(mapping, str | Path):
        raise InputError(
            f"a mapping can't be made of an object of type {type(mapping).__name__}",
            remedy="Give a path or a dictionary",
        )
    path = Path(mapping)
    return _table_map(_toml(path), str(path))


def _toml(path: Path) -> dict[str, Any]:
    try:
        refuse_irregular(path, "TOML file")
        if not path.is_file():
            raise missing_file(path, (".toml",))
        if path.stat().st_size > LARGEST:
            raise InputError(
                f"a mapping file has at most {LARGEST:,} bytes", where=str(path), remedy="Is this the table itself?"
            )
        text = path.read_text(encoding="utf-8-sig")
        if deep := DOTTED.search(text):
            raise InputError(
                "a name has too many parts",
                where=f"{path}, line {text.count(chr(10), 0, deep.start()) + 1}",
                remedy="Put texts and names with dots in quotes",
            )
        return tomllib.loads(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another file") from error
    except (ValueError, RecursionError) as error:  # tomllib's own are ValueErrors
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError | UnicodeDecodeError) else "a number is too long"
        raise InputError(
            "brackets are nested too deeply" if isinstance(error, RecursionError) else f"this is no valid TOML: {why}",
            where=str(path),
            remedy="Names with a slash and texts stand in quotes: \"loss/c4\" = 'val_loss'",
        ) from error


def _table_map(content: dict[str, Any], where: str) -> TableMap:
    try:
        keys = MappingKeys.model_validate(content)
    except ValidationError as error:
        raise _plain(error, where) from error
    units: dict[str, Unit | None] = {}
    for name, entry in keys.columns.items():
        at = f"{where}, [columns], '{name}'"
        if not is_canonical(name):
            guess = misspelt(name)
            known = f"There is: {', '.join((*SINGLE, *SHAPE, *(g + '…' for g in GROUPS)))}"
            raise InputError(
                "this is no canonical column", where=at, remedy=f"Did you mean '{guess}'?" if guess else known
            )
        units[name] = unit_of(name, entry.unit, at)
        if entry.true is not None and name != "final":
            raise InputError("only 'final' has states", where=at, remedy="Leave the key 'true' out")
        if entry.product is not None and name in ("run", "group", "final", "held_out"):
            raise InputError(f"'{name}' is no product of numbers", where=at, remedy="Name a column")
    allow = keys.table.allow_missing
    tasks = {name: _task(name, entry, f"{where}, [tasks.{name}]") for name, entry in keys.tasks.items()}
    centred = [name for name, unit in keys.show.items() if name.startswith("score/") and unit == "centred"]
    return TableMap(
        columns={name: entry.column for name, entry in keys.columns.items() if entry.column is not None},
        products={name: tuple(entry.product) for name, entry in keys.columns.items() if entry.product is not None},
        units={name: unit for name, unit in units.items() if unit is not None},
        shown={name: _shown(name, unit, f"{where}, [show]") for name, unit in keys.show.items() if name not in centred},
        tasks=with_centred(tasks, centred),
        scales={name: entry.scale for name, entry in keys.tasks.items() if entry.scale != "fraction"},
        features={name: Feature(name, entry.unit, entry.transform) for name, entry in keys.features.items()},
        finished=_finished(keys.columns.get("final")),
        final_average=keys.table.final_average,
        final_within=keys.table.final_within,
        rows=keys.table.rows,
        mixture=keys.table.mixture,
        separator=keys.table.separator,
        decimal=keys.table.decimal,
        allow_missing=allow if isinstance(allow, bool) else tuple(allow),
        allow_negative=tuple(keys.table.allow_negative),
        ignore=tuple(keys.table.ignore),
        where=where,
    )


def _task(name: str, keys: TaskKeys, where: str) -> Task:
    known, centred = known_task(name), keys.scale == "centred"
    if keys.chance is None:
        return Task(name, known.chance, keys.questions, known.chance_known, centred)
    full = 100.0 if keys.scale == "points" else 1.0
    if keys.chance >= full:
        remedy = (
            f'Write {keys.chance / 100:g}, or scale = "points"'
            if full == 1 and keys.chance < 100
            else "Chance is below the best score"
        )
        raise InputError(f"chance = {keys.chance:g}, on a scale from 0 to {full:g}", where=where, remedy=remedy)
    if full == 100.0 and 0 < keys.chance < 1:
        raise InputError(
            f"chance = {keys.chance:g}, but chance is in points as the scores are",
            where=where,
            remedy=f'Write {100 * keys.chance:g}, or scale = "fraction"',
        )
    return Task(name, keys.chance / full, keys.questions, centred=centred)


def with_centred(tasks: dict[str, Task], columns: list[str]) -> dict[str, Task]:
    """Facts about tasks, some of which people tell with chance at 0."""
    names = [column.partition("/")[2] for column in columns]
    return tasks | {name: replace(tasks.get(name, known_task(name)), centred=True) for name in names}


def _finished(final: ColumnKeys | None) -> tuple[str, ...]:
    """States that mean the end of a run, in lower case."""
    return () if final is None or final.true is None else tuple(state.strip().lower() for state in final.true)


def _shown(name: str, unit: str, where: str) -> Unit:
    """The unit that results of a loss are shown in."""
    if not name.startswith("loss/"):
        remedy = 'Write "loss/<domain>" = "bits" or "perplexity", or "score/<task>" = "centred"'
        raise InputError(f"'{name}' is no loss", where=where, remedy=remedy)
    known = unit_of(name, unit, where)
    return LOSS["nats"] if known is None else known


def _plain(error: ValidationError, where: str) -> InputError:
    """The first complaint of pydantic in the project's words."""
    first = error.errors(include_url=False)[0]
    loc = [str(part) for part in first["loc"] if part not in ("bool", "list[str]")]  # which branch of a union
    if first["type"] == "extra_forbidden":
        known = _known_keys(loc)
        at = f"{where}, [{'.'.join(loc[:-1])}]" if len(loc) > 1 else where
        return InputError(f"there is no key '{short(loc[-1])}'", where=at, remedy=did_you_mean(loc[-1], known))
    if first["type"] == "missing":
        return InputError(f"the key '{loc[-1]}' is missing", where=f"{where}, [{'.'.join(loc[:-1])}]", remedy="Add it")
    got = first["input"]
    repeated = f"{shown(got)} " if isinstance(got, str | int | float | bool) else ""
    what = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return InputError(
        what if first["type"] == "value_error" else f"the value {repeated}{what}",
        where=f"{where}, key '{'.'.join(loc)}'",
        remedy="Correct it, or leave the key out",
    )


def _known_keys(loc: list[str]) -> list[str]:
    """The keys that may stand beside the last one of ``loc``."""
    if len(loc) == 1:
        return list(MappingKeys.model_fields)
    sections: dict[str, type[BaseModel]] = {
        "table": TableKeys,
        "columns": ColumnKeys,
        "tasks": TaskKeys,
        "features": FeatureKeys,
    }
    return list(sections[loc[0]].model_fields)
