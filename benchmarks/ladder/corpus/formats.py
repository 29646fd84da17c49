"""From a file of a package to its documents, cleaned: one reader a format."""

from __future__ import annotations

import gzip
import io
import re
import sqlite3
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from benchmarks.ladder.corpus import clean
from benchmarks.ladder.corpus.packages import Package, matches

TOGETHER = 4_000  # bytes of neighbouring entries in one document

# A string in R's files: its kind (ASCII or UTF-8), then its size.
R_STRING = re.compile(rb"\x00(?:\x04\x00|\x00\x80)\x09(\x00[\x00-\xff]{3})")
BOOK = 50_000  # bytes; smaller objects are names and attributes

Reader = Callable[[Package, Path], Iterable[tuple[str, str]]]


def documents(package: Package) -> Iterator[tuple[str, str]]:
    """Names, the same in every build of the same version, and plain texts of a package's documents."""
    read = READERS[package.format]
    for inside, path in package.files():
        for name, text in read(package, path):
            yield f"{package.name}/{inside}#{name}", clean.plain(text)


def together(entries: Iterable[str], joint: str = "\n\n", least: int = TOGETHER) -> Iterator[tuple[str, str]]:
    """Neighbouring entries gathered to documents: kin (abbot, abbotship) then fall on one side of the split."""
    held: list[str] = []
    size = count = 0
    for entry in entries:
        held.append(entry)
        size += len(entry)
        if size >= least:
            yield str(count), joint.join(held)
            held, size, count = [], 0, count + 1
    if held:
        yield str(count), joint.join(held)


def data(path: Path) -> bytes:
    """A file's bytes, unpacked if gzip packed it."""
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def _whole(of: Callable[[str], str]) -> Reader:
    return lambda package, path: [("", of(clean.decode(data(path))))]


def _man(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    page = data(path)
    if not page.startswith(b".so "):  # another name of another page
        yield "", clean.man(page)


def _dictd(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    text = clean.decode(data(path))
    # GCIDE ends each sense with where it is from.
    text = re.sub(r"\n?[ \t]*\[[^\]\n]*(?:1913 Webster|WordNet|PJC)[^\]\n]*\]", "", text)
    yield from together(re.split(r"\n\s*\n(?=\S)", text))


def _wordnet(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    yield from together(filter(None, map(synset, clean.decode(data(path)).splitlines())), "\n")


def synset(line: str) -> str:
    """``word, word: gloss; examples`` of a line of WordNet's ``data`` files; empty for the licence's lines."""
    facts, bar, gloss = line.partition(" | ")
    fields = facts.split(" ")
    if not bar or not fields[0]:
        return ""
    words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    return ", ".join(re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in words) + ": " + gloss.strip()


def _fortune(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    yield from together(clean.decode(data(path)).split("\n%\n"))


def _strings(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    """What stands between quotes in a game's files: what people say and how things look."""
    found = re.findall(package.pattern, clean.decode(data(path)))
    told = (re.sub(r"\\[nt]", "\n", text).replace('""', '"').replace('\\"', '"').replace("\\", "") for text in found)
    yield from together(
        dict.fromkeys(re.sub(r"[ \t]*\n[ \t]*", "\n", re.sub(r"</?[\w= '#/]*>", "", text)) for text in told)
    )


def _sqlite(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    with sqlite3.connect(path) as held:
        for name, rows in groupby(held.execute(package.query), key=lambda row: row[0]):
            yield str(name), "\n".join(row[1] for row in rows)


def _rdata(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    """Chapters of books in R's data: objects packed by zlib, the size of each before it, one string a line."""
    held, book = path.read_bytes(), 0
    while held:
        worker = zlib.decompressobj()
        body = worker.decompress(held[4:])
        held = worker.unused_data
        lines = [body[at.end() : at.end() + int.from_bytes(at[1])] for at in R_STRING.finditer(body)]
        if sum(map(len, lines)) > BOOK:
            chapters = re.split(r"\n(?=CHAPTER |Chapter )", clean.decode(b"\n".join(lines)))
            yield from ((f"{book}.{i}", chapter) for i, chapter in enumerate(chapters))
            book += 1


def _tar(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes()), mode="r|*") as held:
        for member in held:
            if member.isfile() and matches(member.name, package.inside) and not matches(member.name, package.leave):
                opened = held.extractfile(member)
                if opened is not None:
                    yield member.name, clean.decode(opened.read())


READERS: dict[str, Reader] = {
    "text": _whole(str),
    "code": _whole(str),
    "html": _whole(clean.html),
    "mallard": _whole(clean.mallard),
    "pod": _whole(clean.pod),
    "man": _man,
    "dictd": _dictd,
    "wordnet": _wordnet,
    "fortune": _fortune,
    "strings": _strings,
    "sqlite": _sqlite,
    "rdata": _rdata,
    "tar": _tar,
}
