"""What the paper claims, figure by figure, held against the figures found: nothing here looks at the runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.paper import ablations, chance, losses, mixed, single
from benchmarks.paper.errors import Errors
from benchmarks.paper.ladders import AVERAGE
from benchmarks.paper.optimum_claims import of_optimum
from benchmarks.paper.verdicts import NOTHING, Verdict, less, most
from benchmarks.report import percent

Figures = dict[str, Any]
NEAR, FAR = 0.05, 0.10  # the paper's margins: of 7B and 13B in figure 3; the larger one of mixtures and of MMLU, too
LAW_MARGIN = 0.025  # of figure 7
POWER = 0.99  # R² of eq. 1
STRAIGHT = 0.9  # R² of a line; the paper's average is .93


def of_losses(figures: Figures) -> list[Verdict]:
    """Figure 2, of the average loss: the line of the paper's figure."""
    found = {
        name: [domains[AVERAGE][name]["r_squared"] for domains in figures["ratios"].values() if AVERAGE in domains]
        for name in losses.METHODS
    }
    ours = found[losses.POWER]
    return [
        Verdict(
            "Figure 2",
            "final losses follow eq. 1",
            ", ".join(f"{name} R² {min(r):.4f} to {max(r):.4f}" for name, r in found.items() if r)
            + f", {len(ours)} ratios",
            f"R² of eq. 1 in logarithms, average loss, is {POWER:.0%} at least at every ratio",
            min(ours) >= POWER if ours else None,
        )
    ]


def of_single(figures: Figures) -> list[Verdict]:
    """Figures 1, 10, 3, 11 and 12."""
    methods = {name: found["errors"] for name, found in figures["methods"].items()}
    shares = [found["share"] for found in figures["emerged"].values()]
    early = sum(share < 0.5 for share in shares)
    fits = [found["r_squared"] for found in figures["linear"].values()]
    straight = sum(fits) / len(fits) if fits else None
    llama = single.LLAMA if methods[single.LLAMA] else single.LLAMA_AVERAGE
    return [
        most(
            "Figure 1",
            "on most tasks few sampling models end above chance",
            early,
            len(shares),
            "tasks: fewer than half",
        ),
        Verdict(
            "Figure 10",
            "score is linear in the loss once emerged, mean R² 93 %",
            f"mean R² {percent(straight, 1)} %" if fits else NOTHING,
            f"R² is {STRAIGHT:.0%} at least",
            None if straight is None else straight >= STRAIGHT,
        ),
        _margins(figures["methods"][single.FLP_NAME]["by_size"]),
        less("Figure 3", "FLP errs less than FP on all tasks", methods, single.FLP_NAME, single.FP_NAME),
        less("Figure 11", "FLP errs less than GPT-4's form on all tasks", methods, single.FLP_NAME, single.GPT4),
        less("Figure 12", "FLP errs less than Llama 3's two stages", methods, single.FLP_NAME, llama),
    ]


def of_mixed(figures: Figures) -> list[Verdict]:
    """Figure 5, in either split."""
    verdicts = []
    for split in (name for name in figures if name != "tasks"):
        methods = {name: found["errors"] for name, found in figures[split].items()}
        what = f"Figure 5, {split}"
        said = "over mixtures FLP-M errs less than FLP on the average loss"
        verdicts.append(less(what, said, methods, mixed.FLPM_NAME, mixed.FLP_NAME))
        errors = methods[mixed.FLPM_NAME]
        within = sum(error <= FAR for error in errors.values())
        verdicts.append(most(what, "FLP-M is within 10 % on most tasks", within, len(errors), "tasks"))
    return verdicts


def of_laws(figures: Figures) -> list[Verdict]:
    """Table 3 and figure 7."""
    verdicts = []
    for split, forms in figures.items():
        known = {law: found["mean"] for law, found in forms.items() if found["mean"] is not None}
        average = {law: found["average"] for law, found in forms.items() if found["average"] is not None}
        whole = len(known) == len(forms)
        plain = average.pop("M1", None)
        errors: Errors = forms["M4"]["domains"]
        within = sum(error <= LAW_MARGIN for error in errors.values())
        verdicts += [
            Verdict(
                f"Table 3, {split}",
                "errors M1 2.9, M2 2.6, M3 1.7, M4 1.4 %: M4 errs least",
                ", ".join(f"{law} {percent(error)}" for law, error in known.items()) + " %",
                "M4 has the smallest mean error of domain losses",
                min(known, key=lambda law: known[law]) == "M4" if whole else None,
            ),
            Verdict(
                f"Figure 7, {split}",
                "of the average loss, richer forms can be worse than M1",
                f"M1 {percent(plain)}, " + ", ".join(f"{law} {percent(error)}" for law, error in average.items()),
                "one of M2 to M4 errs more than M1",
                None if plain is None or not average else max(average.values()) > plain,
            ),
            most(f"Figure 7, {split}", "M4 is within 2.5 % on most domains", within, len(errors), "domains"),
        ]
    return verdicts


def of_maps(figures: Figures) -> list[Verdict]:
    """Figure 8 and Table 4."""
    maps = {name: found["errors"] for name, found in figures["maps"].items()}
    order = ["flops", "average", "domain-linear", "domain-neural"]
    shared = [task for task in figures["tasks"] if all(task in maps[name] for name in order)]
    means = {name: sum(maps[name][task] for task in shared) / len(shared) for name in order} if shared else {}
    ranked = sorted(means, key=lambda name: -means[name])
    said = "discovery errs more than the network on all tasks"
    return [
        Verdict(
            "Figure 8",
            "errors fall in the order " + " > ".join(order),
            " > ".join(f"{name} {percent(means[name], 1)}" for name in ranked) + f" %, {len(shared)} tasks"
            if shared
            else NOTHING,
            "mean errors have that order on the tasks that all forecast",
            ranked == order if shared else None,
        ),
        less("Table 4", said, maps, "domain-neural", ablations.DISCOVERY),
    ]


def of_within(figures: Figures) -> list[Verdict]:
    """Figure 9."""
    methods = {name: found["errors"] for name, found in figures["methods"].items()}
    one, every = figures["condition"]["one mixture"], figures["condition"]["all mixtures"]
    known = one is not None and every is not None
    return [
        less("Figure 9", "within one mixture FLP errs less than FLP-M", methods, mixed.FLP_NAME, mixed.FLPM_NAME),
        Verdict(
            "Figure 9",
            "the reason is that domain losses are collinear there",
            f"condition number {one:.3g}, over all mixtures {every:.3g}" if known else NOTHING,
            "the condition number is larger within one mixture",
            one > every if known else None,
        ),
    ]


def of_chance(figures: Figures) -> list[Verdict]:
    """Figure 13."""
    found, chosen = figures[chance.BIGGER]["errors"], figures["chosen"]
    known = [task for task in chosen if task in found]
    error = sum(found[task] for task in known) / len(known) if known else None
    where = "at chance" if figures["at_chance"] else "seldom above chance"
    return [
        Verdict(
            "Figure 13",
            "MMLU, from a bigger model's checkpoints: 3.54 %",
            f"{percent(error, 1)} % on {', '.join(known)}, of {len(chosen)} {where}" if known else NOTHING,
            "the error is 10 % at most",
            None if error is None else error <= FAR,
        )
    ]


def of_targets(figures: Figures) -> list[Verdict]:
    """Intervals, of which the paper has none."""
    held = {
        name: f"{name} {percent(found['coverage']['90 %']['scores'], 0)} % of scores"
        for name, found in figures["methods"].items()
        if found["coverage"]
    }
    return [
        Verdict(
            "Intervals",
            "none",
            "90 % intervals hold: " + ", ".join(held.values()),
            "the paper has no intervals to compare with",
            None,
        )
    ]


def _margins(by_size: dict[str, Errors]) -> Verdict:
    """Figure 3: every task within the margin of its target."""
    sizes = list(by_size)
    worst = {size: max(by_size[size].values()) for size in sizes if by_size[size]}
    limits = {size: FAR if i else NEAR for i, size in enumerate(sizes)}
    return Verdict(
        "Figure 3",
        "FLP is within 5 % (7B) and 10 % (13B) on all tasks",
        ", ".join(f"{size} at most {percent(error, 1)} %" for size, error in worst.items()) or NOTHING,
        "the smaller target is within 5, the larger within 10 %",
        all(worst[size] <= limits[size] for size in worst) if worst else None,
    )


OF: dict[str, Callable[[Figures], list[Verdict]]] = {
    "losses": of_losses,
    "single": of_single,
    "mixed": of_mixed,
    "laws": of_laws,
    "maps": of_maps,
    "within": of_within,
    "chance": of_chance,
    "optimum": of_optimum,
    "targets": of_targets,
}
