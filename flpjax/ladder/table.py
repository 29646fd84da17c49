"""The table of checkpoints: frozen, plain NumPy, one row a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.errors import count as counted
from flpjax.ladder.features import STANDARD, Feature, Features
from flpjax.ladder.finals import FINAL_WITHIN, ends_of
from flpjax.ladder.position import index_of as index_of
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.shown import number, span

Floats = NDArray[np.float64]
AVERAGE = "average"
"""The loss domain that :meth:`Runs.with_average` adds."""
SAME_WEIGHT = 1e-6
MOST_LISTED = 8  # mixtures named in an error


@dataclass(frozen=True, eq=False)
class Runs:
    """A ladder: checkpoints of several training runs, sorted by run and, within a run, by tokens.

    Build one with :func:`flpjax.read_runs` or :func:`flpjax.ladder.build.build_runs`, which check every value. NaN
    means *not measured*, never *bad*: bad values don't get in.

    Attributes:
        names: ``(run,)`` names of the runs.
        run: ``(row,)`` index into ``names``.
        params: ``(row,)`` non-embedding parameters N; NaN in all rows of a table without them.
        tokens: ``(row,)`` training tokens D so far; the same.
        flops: ``(row,)`` training FLOPs C so far.
        final: ``(row,)`` whether the row is its run's end: the last, converged checkpoint.
        held_out: ``(run,)`` whether a run is a target that no fit may see.
        domains: ``(domain,)`` names of the validation domains.
        loss: ``(row, domain)`` validation losses, nats per token unless the domain says otherwise.
        tasks: ``(task,)`` the tasks with their chance levels.
        score: ``(row, task)`` scores as fractions, 0 to 1.
        stderr: ``(row, task)`` standard errors of the scores.
        sources: ``(source,)`` names of the data sources.
        mix: ``(row, source)`` mixture weights.
        extra_features: ``(feature,)`` what else a loss may depend on: the columns ``x/<name>``.
        extra: ``(row, feature)`` their values.
        train_loss: ``(row,)`` training loss.
        step: ``(row,)`` optimiser step.
        final_average: How many of a run's last measured values are averaged into its final losses and scores.
        final_within: How far from a run's end a final value may stand, as a share of the run's tokens.
        source: Where the table came from.
        notes: What reading the table did to it, in words.
        doubts: What may have been read in another sense than was meant, each with a remedy.
        shown: Loss domain → what its losses are shown in to people, where that is not nats.
        signed: Loss domains that may be negative, as its owner said, such as losses relative to a unigram model.
        grouped: Whether each loss is of one group of runs only, ``val@A``: they are fitted separately.
    """

    names: tuple[str, ...]
    run: NDArray[np.int64]
    params: Floats
    tokens: Floats
    flops: Floats
    final: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    domains: tuple[str, ...]
    loss: Floats
    tasks: tuple[Task, ...]
    score: Floats
    stderr: Floats
    sources: tuple[str, ...]
    mix: Floats
    extra_features: tuple[Feature, ...]
    extra: Floats
    train_loss: Floats
    step: Floats
    final_average: int = 1
    source: str = "table"
    notes: tuple[str, ...] = field(default=())
    final_within: float = FINAL_WITHIN
    doubts: tuple[str, ...] = field(default=())
    shown: Mapping[str, Unit] = field(default_factory=dict)
    signed: tuple[str, ...] = field(default=())
    grouped: bool = False

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __len__(self) -> int:
        return len(self.run)

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """``(task,)`` names of the tasks."""
        return tuple(t.name for t in self.tasks)

    @property
    def general_domains(self) -> tuple[str, ...]:
        """The loss domains that are no task's own loss; all of them, if every one is."""
        return tuple(d for d in self.domains if d not in self.task_names) or self.domains

    @property
    def features(self) -> dict[str, Floats]:
        """Name → values ``(row,)`` of the features there are, as they were given; of the mixture ``(row, source)``."""
        sizes = {"params": self.params, "tokens": self.tokens, "flops": self.flops}
        there = {name: values for name, values in sizes.items() if not np.isnan(values).all() or not len(values)}
        mix = {"mix": self.mix} if self.sources else {}
        return there | mix | {f.name: self.extra[:, i] for i, f in enumerate(self.extra_features)}

    @property
    def progress(self) -> Floats:
        """``(row,)`` how far a row is in its run: its tokens, or its FLOPs in a table without tokens."""
        return self.flops if "tokens" not in self.features else self.tokens

    @property
    def feature_facts(self) -> dict[str, Feature]:
        """Name → unit, transform, and whether it is the same in all rows of each run, of the features there are."""
        declared = STANDARD | {f.name: f for f in self.extra_features}
        within = self.run[1:] == self.run[:-1]
        return {
            name: replace(declared[name], constant=not np.diff(values, axis=0)[within].any())
            for name, values in self.features.items()
        }

    @property
    def law_inputs(self) -> Features:
        """The features of every row as laws see them, leaves ``(row,)``; those of the mixture ``(row, source)``."""
        declared = STANDARD | {f.name: f for f in self.extra_features}
        return Features({name: declared[name].transformed(values) for name, values in self.features.items()})

    def rows(self, keep: NDArray[np.bool_]) -> Runs:
        """The rows where ``keep`` ``(row,)`` is true; runs without a row left are gone."""
        kept = np.unique(self.run[keep])
        renumber = np.zeros(len(self.names), np.int64)
        renumber[kept] = np.arange(len(kept))
        by_row = ("params", "tokens", "flops", "final", "loss", "score", "stderr", "mix", "extra", "train_loss", "step")
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            run=renumber[self.run[keep]],
            held_out=self.held_out[kept],
            **{name: getattr(self, name)[keep] for name in by_row},
        )

    def only(self, names: Iterable[str]) -> Runs:
        """The runs of these names; ``*`` and ``?`` match as in a shell.

        Raises:
            InputError: A name matches no run.
        """
        return self.rows(self._matching(names)[self.run])

    def without(self, names: Iterable[str]) -> Runs:
        """All runs but these; ``*`` and ``?`` match as in a shell.

        Raises:
            InputError: A name matches no run.
        """
        return self.rows(~self._matching(names)[self.run])

    exclude = without  # as the command line calls it

    def training(self) -> Runs:
        """The runs that a fit may see: those not held out."""
        return self.rows(~self.held_out[self.run])

    def targets(self) -> Runs:
        """The runs that are held out."""
        return self.rows(self.held_out[self.run])

    def hold_out(self, names: Iterable[str]) -> Runs:
        """The same table with exactly these runs held out.

        Raises:
            InputError: A name matches no run.
        """
        return replace(self, held_out=self._matching(names))

    def at_mix(self, mix: Mapping[str, float]) -> Runs:
        """The runs of one mixture, to a millionth.

        Args:
            mix: Source → weight; a source that is not named may have any.

        Raises:
            InputError: There is no such source, or no run of this mixture.
        """
        keep = np.ones(len(self), bool)
        for source, weight in mix.items():
            keep &= np.abs(self.mix[:, index_of(source, self.sources, "source", self.source)] - weight) < SAME_WEIGHT
        if not keep.any():
            wanted = ", ".join(f"{source} {weight:g}" for source, weight in mix.items())
            there = sorted({tuple(row) for row in self.mix.round(6)})
            listed = "; ".join(" ".join(f"{w:g}" for w in row) for row in there[:MOST_LISTED])
            raise InputError(
                f"no run has the mixture {wanted}",
                where=self.source,
                remedy=f"Choose one of those there are ({', '.join(self.sources)}): {listed}",
            )
        return self.rows(keep)

    def largest(self, count: int) -> tuple[str, ...]:
        """The names of the ``count`` runs with the most training FLOPs, largest last.

        Raises:
            InputError: There are fewer runs.
        """
        if not 0 <= count <= len(self.names):
            raise InputError(
                f"asked for the {count} largest of {counted(len(self.names), 'run')}",
                where=self.source,
                remedy="Ask for fewer; runs that the table holds out are no part of them",
            )
        most = np.array([self.flops[self.run == i].max() for i in range(len(self.names))])
        return tuple(self.names[i] for i in np.argsort(most, kind="stable")[len(most) - count :])

    def with_average(self) -> Runs:
        """The same table with the mean loss of all general domains as its first domain, ``average``; NaN if one is."""
        if AVERAGE in self.domains:
            return self
        general = [self.domains.index(d) for d in self.general_domains]
        mean = self.loss[:, general].mean(axis=1, keepdims=True)
        signed = (AVERAGE, *self.signed) if {*self.signed} & {*self.general_domains} else self.signed
        return replace(self, domains=(AVERAGE, *self.domains), loss=np.hstack([mean, self.loss]), signed=signed)

    def finals(self) -> Runs:
        """One row a run that has any final value: of each loss and score the last measured, near the run's end.

        A value is final if it stands within :attr:`final_within` of the run's tokens from its end; it is the mean of
        the last :attr:`final_average` measured. N, D, C and mixture are those of the row of the latest final loss (of
        the latest final score, in a run without), so that they belong to what was measured.
        """
        return self._finals

    def ends(self) -> Runs:
        """As :meth:`finals`, with the runs that have an end but no final value: NaN, and N, D, C of the end itself."""
        return self._ends

    @cached_property
    def _finals(self) -> Runs:
        ends = self._ends
        return ends.rows(np.isfinite(np.hstack([ends.loss, ends.score])).max(axis=1, initial=False))

    @cached_property
    def _ends(self) -> Runs:
        return ends_of(self)

    def loss_of(self, domain: str) -> Floats:
        """``(row,)`` losses of one domain.

        Raises:
            InputError: There is no such domain.
        """
        return self.loss[:, index_of(domain, self.domains, "loss domain", self.source)]

    def score_of(self, task: str) -> Floats:
        """``(row,)`` scores of one task.

        Raises:
            InputError: There is no such task.
        """
        return self.score[:, index_of(task, self.task_names, "task", self.source)]

    def _matching(self, names: Iterable[str]) -> NDArray[np.bool_]:
        found = np.zeros(len(self.names), bool)
        for name in [names] if isinstance(names, str) else names:
            hits = [name == n or fnmatchcase(n, name) for n in self.names]
            if not any(hits):
                raise InputError(f"no run is named '{name}'", where=self.source, remedy=did_you_mean(name, self.names))
            found |= hits
        return found

    def __str__(self) -> str:
        if not len(self):
            return f"{self.source}: no runs"
        held = int(self.held_out.sum())
        named = {"params": "N", "flops": "C"} | {f.name: f.name for f in self.extra_features}
        there = ((named[name], values) for name, values in self.features.items() if name in named)
        texts = {"N": number, "C": "{:.3g}".format}
        ranges = [f"{n} {span((v.min(), v.max()), texts.get(n, '{:.4g}'.format))}" for n, v in there]
        return (
            f"{self.source}: {counted(len(self.names), 'run')}{f' ({held} held out)' if held else ''}, "
            f"{counted(len(self), 'checkpoint')}, {counted(len(self.domains), 'loss domain')}, "
            f"{counted(len(self.tasks), 'task')}, " + ", ".join(ranges)
        )
