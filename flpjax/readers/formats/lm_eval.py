"""lm-evaluation-harness results: one file or a tree of them, several dates a model, groups beside their tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flpjax.errors import InputError, count, some_of
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.tasks import Task
from flpjax.readers.formats.files import LOOKED_AT, files, load_json_or_none
from flpjax.readers.formats.lm_eval_file import Evaluation, ResultsFile, is_results, results_file
from flpjax.readers.formats.lm_eval_metrics import Chosen, chosen_metrics, questions_of
from flpjax.readers.formats.models import run_and_step
from flpjax.readers.formats.records import Choices, Format, Records, RunRecords, columns_of_rows

MOST_LISTED = 6


@dataclass(frozen=True)
class _Row:
    """The last results of one model, task by task."""

    model: str
    tasks: Mapping[str, Evaluation]
    files: tuple[Path, ...]


def recognises(path: Path) -> bool:
    """Whether a file is a results file, or the first JSON files of a folder hold one."""
    named = sorted(files(path, (".json",)), key=lambda each: not each.name.startswith("results"))
    return any(is_results(load_json_or_none(each)) for each in named[:LOOKED_AT])


def read(path: Path, choices: Choices) -> Records:
    """Read all results at a path, the last of each model and task.

    Raises:
        InputError: A file can't be read, or none is of the harness.
    """
    found = [file for each in files(path, (".json",)) if (file := results_file(each)) is not None]
    if not found:
        raise InputError("no file holds results of lm-evaluation-harness", where=str(path), remedy="Name its folder")
    rows, notes = _latest(found)
    doubts = _limits(found) + _several_folders(found)
    groups: Mapping[str, tuple[str, ...]] = {group: tasks for file in found for group, tasks in file.groups.items()}
    rows, groups, new_notes = _by_shots(rows, groups)
    notes += new_notes
    kept, new_notes = _kept(rows, groups, choices.subtasks)
    notes += new_notes
    picked, new_notes = chosen_metrics(rows, kept, choices)
    notes += new_notes
    return Records(
        source=str(path),
        runs=tuple(_runs(rows, picked)),
        tasks={task: _fact(task, rows, c.key, groups) for task, c in picked.items() if not c.loss},
        origin={c.column: f"{task}: {c.key}" for task, c in picked.items()},
        shown={c.column: c.unit for c in picked.values() if c.loss and c.unit.name != "nats"},
        notes=tuple(notes),
        doubts=tuple(doubts + _versions(rows, picked)),
    )


def _latest(found: Sequence[ResultsFile]) -> tuple[list[_Row], list[str]]:
    """Models in order, each with the last results of every task."""
    by_model: dict[str, dict[str, Evaluation]] = {}
    paths: dict[str, list[Path]] = {}
    again: dict[str, set[str]] = {}
    for file in sorted(found, key=lambda each: each.date):
        there = by_model.setdefault(file.model, {})
        paths.setdefault(file.model, []).append(file.path)
        again.setdefault(file.model, set()).update(there.keys() & file.tasks.keys())
        there.update(file.tasks)
    notes = [f"{count(len(found), 'file')} of {count(len(by_model), 'model')}"]
    repeated = [f"{model} ({count(len(tasks), 'task')})" for model, tasks in again.items() if tasks]
    if repeated:
        notes.append(f"evaluated more than once, the last date counts: {some_of(repeated, MOST_LISTED)}")
    return [_Row(model, tasks, tuple(paths[model])) for model, tasks in sorted(by_model.items())], notes


def _several_folders(found: Sequence[ResultsFile]) -> list[str]:
    """Models that were evaluated on one task in several folders, where each may hold a model of its own."""
    where: dict[tuple[str, str], set[Path]] = {}
    for file in found:
        for task in file.tasks:
            where.setdefault((file.model, task), set()).add(file.path.parent)
    several = list(dict.fromkeys(model for (model, _), folders in where.items() if len(folders) > 1))
    if not several:
        return []
    return [
        f"evaluated in several folders, the last date counts: {some_of(several, MOST_LISTED)}; if these are several "
        "models, give their paths names of their own, or import the folders apart"
    ]


def _by_shots(
    rows: Sequence[_Row], groups: Mapping[str, tuple[str, ...]]
) -> tuple[list[_Row], Mapping[str, tuple[str, ...]], list[str]]:
    """A task of which models were shown different numbers of examples becomes as many tasks, and so do groups."""
    shots: dict[str, set[int | None]] = {}
    for row in rows:
        for name, task in row.tasks.items():
            shots.setdefault(name, set()).add(task.shots)
    mixed = sorted(name for name, numbers in shots.items() if len(numbers - {None}) > 1)
    if not mixed:
        return list(rows), groups, []

    def named(name: str, number: int | None) -> str:
        return f"{name}_{number or 0}shot" if name in mixed else name

    renamed = [_Row(r.model, {named(n, t.shots): t for n, t in r.tasks.items()}, r.files) for r in rows]
    numbers = {number for name in mixed for number in shots[name]}
    of_shots = {named(g, k): tuple(named(t, k) for t in tasks) for g, tasks in groups.items() for k in numbers}
    return (
        renamed,
        of_shots,
        [f"models were shown different numbers of examples, a column each: {some_of(mixed, MOST_LISTED)}"],
    )


def _kept(rows: Sequence[_Row], groups: Mapping[str, tuple[str, ...]], subtasks: bool) -> tuple[list[str], list[str]]:
    """Names of tasks to keep: a group with a score of its own stands for its tasks, or the reverse."""
    names = list(dict.fromkeys(name for row in rows for name in row.tasks))
    scored = [n for n in names if n in groups and any(r.tasks[n].metrics for r in rows if n in r.tasks)]
    inside = {task for group in scored for task in _below(group, groups)}
    left_out = set(scored) if subtasks else inside
    kept = [n for n in names if n not in left_out and any(r.tasks[n].metrics for r in rows if n in r.tasks)]
    if not left_out & set(names):
        return kept, []
    top = [g for g in scored if g not in inside]
    what = f"{count(len(top), 'group')} ({some_of(top, MOST_LISTED)})"
    within = count(len(inside & set(names)), "task")
    if subtasks:
        return kept, [f"{what} left out: their {within} are kept"]
    return kept, [f"{what} stand for their {within}, which are left out; --subtasks keeps these in their place"]


def _below(group: str, groups: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All tasks and groups inside a group."""
    found: set[str] = set()
    waiting = list(groups.get(group, ()))
    while waiting:
        task = waiting.pop()
        if task not in found and task != group:
            found.add(task)
            waiting += groups.get(task, ())
    return found


def _runs(rows: Sequence[_Row], picked: Mapping[str, Chosen]) -> Iterable[RunRecords]:
    """Models whose names differ by a step are checkpoints of one run."""
    by_run: dict[str, list[tuple[_Row, dict[str, float]]]] = {}
    for row in rows:
        run, step = run_and_step(row.model)
        values = {} if step is None else {"step": step}
        for task, chosen in picked.items():
            if task in row.tasks:
                values |= chosen.values(row.tasks[task])
        by_run.setdefault(run, []).append((row, values))
    for run, members in by_run.items():
        yield RunRecords(
            run,
            columns_of_rows([values for _, values in members]),
            [str(row.files[-1]) for row, _ in members],
            [row.model for row, _ in members],
        )


def _fact(task: str, rows: Sequence[_Row], key: str, groups: Mapping[str, tuple[str, ...]]) -> Task:
    """What the files say of a task, or of the tasks inside a group, and else what is known by its name."""
    asked, chances = [], []
    for name in (task, *sorted(_below(task, groups) - groups.keys())):
        there = [row.tasks[name] for row in rows if name in row.tasks]
        questions = [n for e in there if (n := questions_of(e, key)) is not None]
        chance = next((e.chance for e in there if e.chance is not None), None)
        asked.append(max(questions, default=0))
        chances.append(chance if chance is not None or not there else _known_chance(name))
    own, *within = asked
    number = own or (sum(within) if all(within) else 0) or None
    known = known_task(task, number)
    if known.chance_known:
        return known
    if task in groups and len(within) and all(within) and None not in chances[1:]:
        chances[0] = sum(n * c for n, c in zip(within, chances[1:], strict=True) if c is not None) / sum(within)
    return known if chances[0] is None else Task(task, chances[0], number)


def _known_chance(name: str) -> float | None:
    known = known_task(name)
    return known.chance if known.chance_known else None


def _limits(found: Sequence[ResultsFile]) -> list[str]:
    limits = {file.limit for file in found} - {None}
    if not limits:
        return []
    listed = ", ".join(f"{limit:g}" for limit in sorted(x for x in limits if x is not None))
    some = [file for file in found if file.limit is not None]
    return [
        f"{count(len(some), 'file')} of {len(found)} with --limit {listed}: scores are of the first questions only; "
        "evaluate without a limit"
    ]


def _versions(rows: Sequence[_Row], picked: Mapping[str, Chosen]) -> list[str]:
    """Tasks whose definition changed between models."""
    versions = {t: {r.tasks[t].version for r in rows if t in r.tasks} - {""} for t in picked}
    mixed = sorted(task for task, each in versions.items() if len(each) > 1)
    if not mixed:
        return []
    return [f"models were scored by different versions of {some_of(mixed, MOST_LISTED)}: evaluate them again by one"]


LM_EVAL = Format("lm-eval", "results of lm-evaluation-harness 0.3 to 0.4; a file or a folder", recognises, read)
