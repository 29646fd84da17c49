"""What a shell completes: ladders and methods by name, without importing what fits them, which takes seconds."""

from __future__ import annotations

ALONE = ("auto", "discovered", "flp", "flp-average", "flp-m", "fp", "fp-gpt4", "fp-gpt4-all", "flat", "llama3")
MAPS = {
    ("power", "power-e", "chinchilla", "chinchilla-tied"): (
        "linear", "sigmoid", "sigmoid4", "skill", "exponential", "saturating", "hinge", "falling",
    ),
    (
        "m1", "m2", "m2-floor", "m3", "m3-e", "m4", "m4-floor", "mix-exponential", "bimix", "bimix-floor",
        "mix-chinchilla", "mix-power",
    ): ("network", "domain-linear", "domain-average", "domain-sigmoid"),
}  # fmt: skip
"""Laws of losses → the maps to scores that go behind them: ``chinchilla+sigmoid``."""


def ladders(incomplete: str) -> list[str]:
    """Ladders by name; a shell looks for files itself where none begins so."""
    from flpjax.readers.ladders import LADDERS

    return sorted(name for name in LADDERS if name.startswith(incomplete))


def methods(incomplete: str) -> list[str]:
    """Methods by name: those of one word and laws that a map goes behind, or, behind a plus, those maps."""
    pairs = [f"{law}+{own}" for laws, maps in MAPS.items() for law in laws for own in maps]
    if "+" in incomplete:
        return [pair for pair in pairs if pair.startswith(incomplete)]
    laws = list(dict.fromkeys(pair.partition("+")[0] + "+" for pair in pairs))
    return [name for name in (*ALONE, *laws) if name.startswith(incomplete)]
