"""The panel: real ladders by name, each with its targets held out, and the experiment that it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from benchmarks.unseen import tables
from flpjax import Runs, read_runs

Kind = Literal["loss", "score"]
BOTH: tuple[Kind, ...] = ("loss", "score")
SHARES = ("0", "0.1", "0.2", "0.3", "0.4", "0.5")  # of code, of our ladder
SECOND = "-seed1"
GADRE = {"c4": "C4", "rpj": "RedPajama", "rw": "RefinedWeb"}
GADRE_TASKS = (
    "avg17", "bigbench_operators", "pubmed_qa_labeled", "hellaswag_zeroshot", "boolq", "arc_easy", "coqa",
    "bigbench_dyck_languages", "lambada_openai", "bigbench_novel_concepts", "winograd", "bigbench_cs_algorithms",
    "commonsense_qa", "bigbench_qa_wikidata", "hellaswag", "copa", "squad", "piqa",
)  # fmt: skip
"""The 17 tasks that the authors average, and their mean; the other 29 are near chance throughout."""
TOP = 0.1  # share of Chinchilla's points that are targets
LARGEST = {"mixinglaws-3": ("410M",), "mixinglaws-5": ("410M", "1B"), "mixinglaws-rpj": ("410M", "1B")}
REGMIX_SMALL, REGMIX_MIDDLE = 96, 64  # runs of 1M and of 60M parameters that RegMix's 1B runs are forecast from
REGMIX_SEED = 5


@dataclass(frozen=True)
class Ladder:
    """A ladder of the panel; called, it gives its runs.

    Attributes:
        read: Its reader.
        experiment: What it shares with its siblings: models, data, code, or authors' choices. Whatever is learned from
            ladders is learned with the whole experiment left out.
        about: What is forecast from what.
        kinds: Which of its outputs are scored.
    """

    read: Callable[[], Runs]
    experiment: str
    about: str
    kinds: tuple[Kind, ...] = BOTH

    def __call__(self) -> Runs:
        """The runs, targets held out."""
        return self.read()


def _outputs(runs: Runs, domains: tuple[str, ...], tasks: tuple[str, ...]) -> Runs:
    """The same runs with these losses and scores only."""
    losses = [runs.domains.index(d) for d in domains]
    scores = [runs.task_names.index(t) for t in tasks]
    return replace(
        runs,
        domains=domains,
        loss=runs.loss[:, losses],
        tasks=tuple(runs.tasks[i] for i in scores),
        score=runs.score[:, scores],
        stderr=runs.stderr[:, scores],
    )


def _olmo_losses() -> Runs:
    runs = read_runs("olmo-ladder")
    return _outputs(runs, runs.general_domains, ())


def _gadre(corpus: str) -> Runs:
    runs = read_runs(f"gadre2024-{corpus}")
    return _outputs(runs, runs.domains, GADRE_TASKS)


def _by_size(name: str) -> Runs:
    """Mixtures of Data Mixing Laws: the largest sizes held out, whatever their mixture."""
    return read_runs(name).hold_out([f"{size}_*" for size in LARGEST[name]])


def _regmix() -> Runs:
    """RegMix's 1B runs held out, some runs of 1M and 60M to forecast them from: all would take long and add little."""
    runs = read_runs("regmix")
    rng = np.random.default_rng(REGMIX_SEED)
    chosen = [
        name
        for pattern, count in (("1m-train-*", REGMIX_SMALL), ("60m-*", REGMIX_MIDDLE))
        for name in rng.choice(runs.only([pattern]).names, count, replace=False)
    ]
    return runs.only([*chosen, "1b-*"]).hold_out(["1b-*"])


def _share(share: str) -> Runs:
    """One share of code of our ladder: a plain ladder."""
    runs = read_runs("ladder")
    runs = runs.only([name for name in runs.names if name.removesuffix(SECOND).endswith(f"-code{share}")])
    return replace(runs, sources=(), mix=np.empty((len(runs), 0)), source=f"ladder, {share} code")


def _isoflops(experiment: str, group: str) -> Ladder:
    return Ladder(partial(tables.isoflops, experiment), group, "isoFLOP; the two largest budgets")


HOFFMANN, MARIN, MIXINGLAWS, STEPS = "hoffmann2022", "marin", "mixinglaws", "predictable-scale"
PANEL: dict[str, Ladder] = {
    "olmo-losses": Ladder(_olmo_losses, "olmo", "11 sets of text at 3B-10xC, 7B, 13B", ("loss",)),
    "olmo-tasks": Ladder(partial(read_runs, "olmo-ladder"), "olmo", "8 tasks at 3B-10xC, 7B, 13B", ("score",)),
    **{
        f"gadre2024-{corpus}": Ladder(partial(_gadre, corpus), "gadre2024", f"trained on {name}; 1.4B long, 7B")
        for corpus, name in GADRE.items()
    },
    "chinchilla": Ladder(partial(tables.chinchilla, TOP), HOFFMANN, "points of figure 4; the tenth with most compute"),
    "isoflops/epochai_chinchilla": _isoflops("epochai_chinchilla", HOFFMANN),
    "isoflops/ml_scalefit": _isoflops("ml_scalefit", HOFFMANN),
    **{f"isoflops/marin_{data}": _isoflops(f"marin_202603__{data}", MARIN) for data in ("comma", "dclm", "nemotron")},
    "farseer": Ladder(partial(tables.splits, "farseer", ("N", "D"), "loss"), STEPS, "its test split, to 25B"),
    "lr_bsz": Ladder(tables.best_settings, STEPS, "best rate and batch per (N, D); above 10²⁰ FLOPs"),
    "data_constrained": Ladder(
        partial(tables.splits, "data_constrained", ("params", "tokens"), "loss", {"unique_tokens": "unique_tokens"}),
        "datablations",
        "repeated data; its test split",
    ),
    "datablations": Ladder(tables.little_repeated, "datablations", "up to 4 passes; above 7·10²⁰ FLOPs"),
    **{name: Ladder(partial(_by_size, name), MIXINGLAWS, f"{' and '.join(of)}") for name, of in LARGEST.items()},
    "regmix": Ladder(_regmix, "regmix", "1B from 1M and 60M"),
    "ours": Ladder(partial(read_runs, "ladder"), "ours", "8.8M and 19M, all shares of code"),
    **{f"ours-code{share}": Ladder(partial(_share, share), "ours", f"8.8M at {share} code") for share in SHARES},
}
"""Name → its reader."""
QUICK_WITHOUT = (
    "regmix", "mixinglaws-5", "mixinglaws-rpj", "gadre2024-c4", "gadre2024-rw",
    *(f"ours-code{share}" for share in SHARES[1:]),
)  # fmt: skip
"""What a quick run leaves out: the slowest, and ladders with siblings that stay."""
