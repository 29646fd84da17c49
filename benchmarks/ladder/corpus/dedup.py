"""What a corpus says once: files that are no text dropped, repeated paragraphs dropped, long documents cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from string import ascii_letters
from string import digits as ten_digits

LEAST = 200  # bytes of a document; less is a remainder
PARAGRAPH = 100  # characters, blanks not counted twice; shorter ones repeat by right: "return 0;", "See also"
MOST = 200_000  # bytes of a document; longer ones are cut into several

# Of all characters that are no blank.
DIGITS = 0.25
LETTERS = 0.45
LINE = {"python": 400, "c": 400}  # characters of the longest line of source; longer ones are data or generated
OTHERWISE = 20_000  # of paragraphs, which are one line each in what was HTML


def is_text(text: str, domain: str) -> bool:
    """Whether a file reads like text or source: no table of numbers, no packed data, no generated line.

    The text is ASCII, as `clean.plain` makes it.
    """
    signs = text.encode("ascii").translate(None, b" \t\n")
    if len(signs) < LEAST // 2:
        return False
    digits, letters = (len(signs) - len(signs.translate(None, kind.encode())) for kind in (ten_digits, ascii_letters))
    longest = max(map(len, text.split("\n")))
    return digits <= DIGITS * len(signs) and letters >= LETTERS * len(signs) and longest <= LINE.get(domain, OTHERWISE)


class Seen:
    """Documents and paragraphs seen so far, by their hashes.

    One object goes through all documents in the order of the list of packages, BEFORE the split: what validation
    holds, no document of train repeats.
    """

    def __init__(self) -> None:
        self._held: set[bytes] = set()

    def fresh(self, text: str) -> str:
        """The text without paragraphs seen before; empty if the whole was, or if little is left.

        A paragraph is what stands between blank lines; two are the same if they differ in blanks only.
        """
        if self._again("\0" + text):
            return ""
        parts = re.split(r"\n[ \t]*\n", text)
        kept = [part for part in parts if len(key := " ".join(part.split())) < PARAGRAPH or not self._again(key)]
        if len(kept) < len(parts):
            text = "\n\n".join(kept)
        return text if len(text) >= LEAST else ""

    def _again(self, key: str) -> bool:
        digest = blake2b(key.encode(), digest_size=10).digest()
        if digest in self._held:
            return True
        self._held.add(digest)
        return False


def pieces(text: str, most: int = MOST) -> Iterator[str]:
    """The text cut at paragraphs, or at lines where a paragraph is too long, into pieces of at most ``most``."""
    while len(text) > most:
        at = max(text.rfind("\n\n", 0, most), 0) or max(text.rfind("\n", 0, most), 0) or most
        yield text[:at]
        text = text[at:].lstrip("\n")
    if len(text) >= LEAST:
        yield text
