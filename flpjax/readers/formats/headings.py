"""Units in the headings of tables: ``Params (M)``, ``tokens in billions``, ``FLOPs [1e18]``, ``HellaSwag (%)``."""

from __future__ import annotations

import re

from flpjax.ladder.units import Unit
from flpjax.readers.units import FLOPS, LOSS, PARAMS, SHARE, TOKENS

IN_BRACKETS = re.compile(r"(.+?)\s*[(\[]([^()\[\]]{1,40})[)\]]")
IN_WORDS = re.compile(r"(.+?)(?:,\s*|\s+in\s+)([^,]{1,40})", re.IGNORECASE)
BEHIND = re.compile(r"(.+)[_ ]((?:[kmbt]|thousand|million|billion|trillion)s?|(?:1|10\^?)?e\d{1,2})", re.IGNORECASE)
POWER = re.compile(r"(?:[x×]\s*)?(?:1?e\+?|10\s*(?:\^|\*\*)\s*)(\d{1,2})")
WORDS = {"thousand": "K", "million": "M", "mln": "M", "mio": "M", "billion": "B", "bn": "B", "trillion": "T"}
SELF = {"params": r"param(?:eter)?s?", "tokens": r"tok(?:en)?s?", "flops": r"flops?"}
"""How the unit repeats the quantity: ``B tokens``, ``M params``."""
PLAIN = {"params": ("non embedding", "nonembedding", "non emb", "no embedding", "without embeddings"), "tokens": ()}
"""Words in brackets that say what is counted, and are the canonical unit."""
LOSSES = {
    **dict.fromkeys(("nats", "nat", "nats/token", "nats per token", "ce", "cross entropy"), "nats"),
    **dict.fromkeys(("bits", "bit", "bits/byte", "bits per byte", "bits/token", "bits per token", "bpb"), "bits"),
    **dict.fromkeys(("ppl", "perplexity"), "perplexity"),
}
PERCENT = ("%", "percent", "pct", "points", "0-100", "in %")
FRACTION = ("fraction", "share", "0-1", "0 to 1")
FRACTION_UNIT, PERCENT_UNIT = SHARE["fraction"], SHARE["percent"]


def split_heading(name: str) -> list[tuple[str, str]]:
    """A heading's name and what may be the unit behind it, by each way of writing one; none where there is no unit."""
    return [(found[1], found[2]) for way in (IN_BRACKETS, IN_WORDS, BEHIND) if (found := way.fullmatch(name))]


def unit_in_heading(canonical: str, text: str) -> Unit | None:
    """The unit that a heading's words name for a column of this meaning; None if they name none.

    Args:
        canonical: What the column means.
        text: ``M``, ``billions``, ``1e18``, ``GFLOPs``, ``nats``, ``%`` …
    """
    kind = canonical.partition("/")[0]
    words = re.sub(r"[\s_-]+", " ", text.strip().lower()) if "0-1" not in text else text.strip()
    if kind in ("score", "stderr", "mix"):
        return PERCENT_UNIT if words in PERCENT else FRACTION_UNIT if words in FRACTION else None
    if kind in ("loss", "train_loss"):
        return LOSS[LOSSES[words]] if words in LOSSES else None
    if kind not in SELF:
        return None
    number = re.sub(rf"\s*{SELF[kind]}$", "", words).strip()
    if found := POWER.fullmatch(number):
        return Unit(f"1e{found[1]} {kind}", 10.0 ** int(found[1]))
    units = {"params": PARAMS, "tokens": TOKENS, "flops": FLOPS}[kind]
    if words in PLAIN.get(kind, ()) or (not number and words):
        return next(iter(units.values()))
    letter = WORDS.get(number.removesuffix("s"), number.upper())
    by_lower = {name.lower(): unit for name, unit in units.items()}
    return by_lower.get(letter.lower()) or by_lower.get(f"{letter}{kind}".lower()) or by_lower.get(words)
