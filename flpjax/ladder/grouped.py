"""Runs of several groups, such as recipes or corpora, in one table: each group's losses are outputs of their own."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, some_of
from flpjax.ladder.check import Place

GROUP = "group"
"""The column that says which group a run is of."""
AT = "@"
"""Between a loss and its group: ``val@A``."""


def apart(
    columns: Mapping[str, NDArray[Any]], place: Place, notes: MutableSequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """One loss a group in place of each, blank where a run is of another: laws are fitted apart, as one batch.

    Args:
        columns: By canonical names.
        place: For messages.
        notes: To which is added that groups are apart.

    Returns:
        The columns, without the group; and loss → what it was called before.

    Raises:
        InputError: A run has no group or several, or there are scores, each of which would go through one group's loss.
    """
    losses = [name for name in columns if name.startswith("loss/")]
    plain = {name: values for name, values in columns.items() if name != GROUP}
    if GROUP not in columns:
        return plain, {n[5:]: n[5:] for n in losses}
    text = ["" if cell is None or cell != cell else str(cell).strip() for cell in columns[GROUP]]
    of_run: dict[str, str] = {}
    for i, (run, group) in enumerate(zip(columns["run"], text, strict=True)):
        if not group:
            raise InputError("the row has no group", where=place.at(i, GROUP), remedy="Every row needs one, or none")
        if of_run.setdefault(str(run), group) != group:
            raise InputError(
                f"run '{run}' is of the groups '{of_run[str(run)]}' and '{group}'",
                where=place.at(i, GROUP),
                remedy="Give each training a run name of its own",
            )
    names = list(dict.fromkeys(text))
    if len(names) == 1:
        return plain, {n[5:]: n[5:] for n in losses}
    if any(name.startswith("score/") for name in columns):
        raise InputError(
            f"there are {count(len(names), 'group')} and scores: through which group's loss each goes is not known",
            where=f"{place.source}, column '{GROUP}'",
            remedy="Forecast one group at a time, with --only, or leave the scores out; to fit all together, list "
            "'group' under ignore in a mapping's [table]",
        )
    found = {name: values for name, values in plain.items() if name not in losses}
    before: dict[str, str] = {}
    member = np.array(text, object)
    for loss in losses:
        for name in names:
            found[f"{loss}{AT}{name}"] = np.where(member == name, columns[loss], np.nan)
            before[f"{loss[5:]}{AT}{name}"] = loss[5:]
    notes.append(
        f"losses of {count(len(names), 'group')} ({some_of(names)}) are fitted apart, each as LOSS{AT}GROUP; to fit "
        "them together, list 'group' under ignore in a mapping's [table]"
    )
    return found, before
