"""The mapping file that explains an imported table: facts about its tasks, and what its columns are in the source."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from flpjax.errors import printable, short
from flpjax.ladder.export import columns_of
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.readers.formats.records import Floats, Records
from flpjax.version import __version__

MADE_BY = "# made by flpjax"
"""How such a file begins."""
LONGEST = 200  # characters of a comment


def mapping_of(runs: Runs, records: Records, kind: str) -> str:
    """TOML text.

    Args:
        runs: The table.
        records: What it was made of.
        kind: The name of the source's format.
    """
    lines = [
        f"{MADE_BY} {__version__}: what flpjax import made of {_comment(records.source)} ({kind})",
        *(f"# {_comment(name)}: {_comment(theirs)}" for name, theirs in records.origin.items() if _there(name, runs)),
        "",
    ]
    columns = columns_of(runs)
    lacking = [name for name, values in columns.items() if name.startswith("loss/") and _some_lack(runs, values)]
    signed = [name for name in columns if name.startswith("loss/") and np.nanmin(columns[name]) <= 0.0]
    if lacking or signed:
        said = {"allow_missing": (lacking, "  # some runs lack these"), "allow_negative": (signed, "")}
        told = [f"{key} = {json.dumps(each, ensure_ascii=True)}{why}" for key, (each, why) in said.items() if each]
        lines += ["[table]", *told, ""]
    for task in runs.tasks:
        lines += _task(task)
    shown = {f"loss/{d}": unit.name for d, unit in runs.shown.items()}
    shown |= {f"score/{task.name}": "centred" for task in runs.tasks if task.centred}
    if shown:
        lines += ["[show]", *(f"{_key(name)} = {_key(unit)}" for name, unit in shown.items()), ""]
    return "\n".join(lines)


def _task(task: Task) -> Sequence[str]:
    """The section of a task, if there is more to say than its name does."""
    known = known_task(task.name)
    entries = []
    if task.chance_known and (known.chance != task.chance or not known.chance_known or task.centred):
        entries.append(f"chance = {task.chance!r}")
    if task.questions is not None:
        entries.append(f"questions = {task.questions}")
    return [f"[tasks.{_key(task.name)}]", *entries, ""] if entries else []


def _some_lack(runs: Runs, loss: Floats) -> bool:
    """Whether some run that is not held out has no value of a loss ``(row,)``."""
    measured = np.bincount(runs.run, weights=np.isfinite(loss), minlength=len(runs.names)) > 0
    return bool((~measured & ~runs.held_out).any())


def _there(name: str, runs: Runs) -> bool:
    group, slash, own = name.partition("/")
    return not slash or own in {"loss": runs.domains, "score": runs.task_names}.get(group, (own,))


def _key(text: str) -> str:
    """A quoted key or text of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=True)


def _comment(text: str) -> str:
    return short(printable(text), LONGEST)
