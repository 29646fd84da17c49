"""The 104 models of Gadre et al. 2024: their own recipe and every method on the 7B and the over-trained 1.4B."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.methods import all_methods, key, record_json
from benchmarks.published import GADRE
from benchmarks.report import percent, show
from flpjax import FLP, Chinchilla, Exponential, Runs, backtest, point, read_runs
from flpjax.methods.method import Method
from flpjax.methods.registry import ALL_EMERGED
from flpjax.results.backtest import record_of
from flpjax.results.record import Cell, Record

CORPORA = {"rpj": "rpj", "c4": "c4_original", "rw": "rw_original"}  # ladder gadre2024-<key> → prefix of its runs
DOMAIN, TASK = "c4_val", "avg17"
COLUMNS = ("loss", "rate", "known", "held")
SIZES = {"open_lm_7b": "7B", "open_lm_1b": "1.4B"}
OWN = "gadre"
# Their recipe: both stages on these, stage 2 also on the 1.4B at multiplier 1.
LOSS_RUNS = (
    "d=96_l=8_h=4-1.0", "d=512_l=8_h=4-1.0", "d=576_l=24_h=8-1.0", "d=1024_l=24_h=8-1.0", "d=96_l=8_h=4-16.0",
)  # fmt: skip
ALSO_SCORE = "open_lm_1b-1.0"
NEAR = 3.6  # nats of C4 loss below which runs tell how a run's mean error rate scatters


def read_corpus(corpus: str) -> Runs:
    """The ladder of one corpus, with the C4 loss and the mean of 17 tasks only."""
    runs = read_runs(f"gadre2024-{corpus}")
    domain, task = runs.domains.index(DOMAIN), runs.task_names.index(TASK)
    return replace(
        runs,
        domains=(DOMAIN,),
        loss=runs.loss[:, [domain]],
        tasks=(runs.tasks[task],),
        score=runs.score[:, [task]],
        stderr=runs.stderr[:, [task]],
    )


def own_recipe(corpus: str, runs: Runs) -> Record:
    """The authors' fit: ``α N^b + β 6^{b/2} (M N)^b + E`` in plain least squares, then ``ε − k e^{−γ L}``.

    Stage 1 fits final checkpoints only and stage 2 every row, so a run that is marked as not final informs stage 2
    alone.
    """
    prefix = CORPORA[corpus]
    both = {f"{prefix}-{run}" for run in LOSS_RUNS}
    ladder = runs.only([*both, f"{prefix}-{ALSO_SCORE}"])
    ladder = replace(ladder, final=np.array([ladder.names[run] in both for run in ladder.run]))
    law = FLP(Chinchilla(tied=True), Exponential(), via=DOMAIN, selection=ALL_EMERGED, space="linear")
    return record_of(point(law, ladder, key()), runs, method=OWN)


def gadre_records(corpus: str, draws: int, methods: Mapping[str, Method] | None = None) -> dict[str, Record]:
    """Method → its record; the authors' recipe first, then methods on all runs that are not held out.

    Args:
        corpus: A key of :data:`CORPORA`.
        draws: Bootstrap draws; 0 for point fits.
        methods: Name → method, all methods if None.
    """
    runs = read_corpus(corpus)
    others = backtest(all_methods() if methods is None else methods, runs, key(), draws=draws)
    return {OWN: own_recipe(corpus, runs), **others.methods}


def size_of(run: str) -> str:
    """``7B`` or ``1.4B``."""
    return next(size for part, size in SIZES.items() if part in run)


def loss_error(record: Record, size: str) -> float | None:
    """Signed relative error of the C4 loss."""
    return next((c.rel_error for c in record.losses if size_of(c.target) == size), None)


def error_rate_error(record: Record, size: str, *, true_loss: bool = False) -> float | None:
    """Signed relative error of the mean error rate of 17 tasks, ``1 − score``, which is what the authors forecast."""
    cell = _score(record, size)
    score = None if cell is None else cell.true_loss if true_loss else cell.predicted
    return None if cell is None or score is None else (1.0 - score) / (1.0 - cell.actual) - 1.0


def scatter(runs: Runs) -> float:
    """S.d. of one run's mean error rate about a cubic in the C4 loss, targets included, as a share of 7B's error rate.

    No forecast can be expected to come nearer than this: it is what is left if the curve is known beyond its end.
    """
    finals = runs.finals()
    near = finals.loss[:, 0] < NEAR
    loss, rate = finals.loss[near, 0], 1.0 - finals.score[near, 0]
    off = np.polyval(np.polyfit(loss, rate, 3), loss) - rate
    largest = rate[finals.flops[near].argmax()]
    return float(np.sqrt((off**2).sum() / (len(loss) - 4)) / largest)


def gadre(draws: int) -> dict[str, Any]:
    """Run, print and return everything about these ladders."""
    result = {}
    for corpus in CORPORA:
        records = gadre_records(corpus, draws)
        noise = scatter(read_corpus(corpus))
        show(
            f"Gadre et al., {corpus}, %: absolute relative errors of the C4 loss and of the error rate",
            ("method", *(f"{size} {what}" for size in SIZES.values() for what in COLUMNS)),
            _rows(records, corpus, draws),
            "rate: the mean error rate of 17 tasks, 1 − score. known: the same from the target's own loss, stage 2 "
            "alone. held: the 90 % interval of the score holds it. gadre: their recipe on 5 and 6 runs, a point fit; "
            "the others: all runs but the targets."
            f"\nOne run scatters by {percent(noise)} % of 7B's rate about a cubic in the loss, targets included."
            + "".join(f"\n{n}: {r.failed}" for n, r in records.items() if r.failed),
        )
        drawn = {name: 0 if name == OWN else draws for name in records}
        result[corpus] = {
            "scatter": noise,
            "methods": {n: record_json(r, drawn[n]) | {"sizes": _sizes(r)} for n, r in records.items()},
            "published": {
                "unit": "percent, absolute",
                **{size: {"loss": a, "error_rate": b} for size, (a, b) in GADRE[corpus].items()},
            },
        }
    return result


def _rows(records: Mapping[str, Record], corpus: str, draws: int) -> Iterable[tuple[object, ...]]:
    published = [(*GADRE[corpus][size], None, None) for size in SIZES.values()]
    yield "published (Gadre et al.)", *published[0], *published[1]
    for name, record in records.items():
        row: list[object] = []
        for size in SIZES.values():
            loss, rate = loss_error(record, size), error_rate_error(record, size)
            known, cell = error_rate_error(record, size, true_loss=True), _score(record, size)
            hit = None if cell is None or name == OWN or not draws else "yes" if cell.covered else "no"
            row += [*(percent(None if v is None else abs(v), 3) for v in (loss, rate, known)), hit]
        yield name, *row


def _sizes(record: Record) -> dict[str, dict[str, float | None]]:
    return {
        size: {
            "loss_error": loss_error(record, size),
            "error_rate_error": error_rate_error(record, size),
            "error_rate_error_true_loss": error_rate_error(record, size, true_loss=True),
        }
        for size in SIZES.values()
    }


def _score(record: Record, size: str) -> Cell | None:
    return next((c for c in record.scores if size_of(c.target) == size), None)
