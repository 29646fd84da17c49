"""Tables with a column ``group`` (a recipe or corpus, say): each group's losses are columns, fitted separately."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, some_of
from flpjax.ladder.check import Place
from flpjax.ladder.table import Runs

GROUP = "group"
"""Name of the column that says which group a run belongs to."""
GROUP_SEPARATOR = "@"
"""Joins the name of a loss and of a group: ``val@A``."""


def split_by_group(
    columns: Mapping[str, NDArray[Any]], place: Place, notes: MutableSequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Replace each column ``loss/val`` by one a group, ``loss/val@A``, NaN in the rows of other groups.

    Args:
        columns: Values ``(row,)`` by column name, with ``run``, and ``group`` if runs have groups.
        place: The table's file and row numbers, for error messages.
        notes: Remarks to the user; one is appended if there are several groups.

    Returns:
        The columns, without ``group``; and the name of each loss → its name before, both without ``loss/``.

    Raises:
        InputError: A run has no group or several, or there are scores, each of which would go through one group's loss.
    """
    losses = [name for name in columns if name.startswith("loss/")]
    ungrouped = {name: values for name, values in columns.items() if name != GROUP}
    if GROUP not in columns:
        return ungrouped, {n[5:]: n[5:] for n in losses}
    groups = ["" if cell is None or cell != cell else str(cell).strip() for cell in columns[GROUP]]
    of_run: dict[str, str] = {}
    for i, (run, group) in enumerate(zip(columns["run"], groups, strict=True)):
        if not group:
            raise InputError("the row has no group", where=place.at(i, GROUP), remedy="Every row needs one, or none")
        if of_run.setdefault(str(run), group) != group:
            raise InputError(
                f"run '{run}' is of the groups '{of_run[str(run)]}' and '{group}'",
                where=place.at(i, GROUP),
                remedy="Give each training a run name of its own",
            )
    names = list(dict.fromkeys(groups))
    if len(names) == 1:
        return ungrouped, {n[5:]: n[5:] for n in losses}
    if any(name.startswith("score/") for name in columns):
        raise InputError(
            f"there are {count(len(names), 'group')} and scores: through which group's loss each goes is not known",
            where=f"{place.source}, column '{GROUP}'",
            remedy="Forecast one group at a time, with --only, or leave the scores out; to fit all together, list "
            "'group' under ignore in a mapping's [table]",
        )
    split = {name: values for name, values in ungrouped.items() if name not in losses}
    original: dict[str, str] = {}
    group_of_row = np.array(groups, object)
    for loss in losses:
        for name in names:
            split[f"{loss}{GROUP_SEPARATOR}{name}"] = np.where(group_of_row == name, columns[loss], np.nan)
            original[f"{loss[5:]}{GROUP_SEPARATOR}{name}"] = loss[5:]
    notes.append(
        f"losses of {count(len(names), 'group')} ({some_of(names)}) are fitted separately, each as "
        f"LOSS{GROUP_SEPARATOR}GROUP; to fit them together, list 'group' under ignore in a mapping's [table]"
    )
    return split, original


def joined_groups(runs: Runs) -> dict[str, NDArray[Any]]:
    """Canonical columns ``(row,)``, ``group`` and a loss for those of all groups: what :func:`split_by_group` split.

    Args:
        runs: A ladder; of one without groups, or with a run of which no loss tells its group, nothing is returned.
    """
    if not runs.grouped:
        return {}
    loss_and_group = [domain.rpartition(GROUP_SEPARATOR)[::2] for domain in runs.domains]
    of_run = np.full(len(runs.names), "", object)
    losses = {f"loss/{loss}": np.full(len(runs), np.nan) for loss, _ in loss_and_group}
    for (loss, group), values in zip(loss_and_group, runs.loss.T, strict=True):
        known = np.isfinite(values)
        of_run[runs.run[known]] = group
        losses[f"loss/{loss}"][known] = values[known]
    return {GROUP: of_run[runs.run], **losses} if all(of_run) else {}
