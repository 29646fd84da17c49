"""Cells, words and numbers that tables, mappings and command lines were not written for."""

from __future__ import annotations

import random

CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "None", "null", "NA", "-", "0", "-0", "-1", "1", "1e-320", "1e59", "1e61",
    "1e308", "1e400", "-1e400", "9" * 400, "9" * 5000, "1_000", "1,5", "1,000", "0x10", "1e", ".", "+", "--1", "1e+",
    "true", "False", "yes", "5%", "7B", "1/3", "=1+1", "٣", "𝟛", "½", "x" * 100_000, "a b " * 5000, "'", '"', "#",
    "\x1b[2J", "\x00", "\ufeff", "\u202e", "\u00a0", "\n", "\r", "\r\n", "\t", ";", "|", "\\", "2024-01-01", "{}", "[]",
    "run 0", "c4", "hellaswag", "loss/c4", "Ω", "e\u0301", "🙂", "{x}", "%s", "%(x)s", "[bold]", "[/]", "$x", "*", "?",
    "%", "1.5 K", "1,000,000", "1 000", "±1", "#DIV/0!", "–",
)  # fmt: skip
NAMES = (
    "", " ", "run", "Run", "params", "tokens", "token", "flops", "FLOPs", "step", "_step", "final", "held_out",
    "layers", "width", "ffn", "context", "loss", "loss/", "loss/c4", "loss/ ", "loss/c4 ", "val_loss", "train_loss",
    "score/", "score/x", "score/mmlu", "stderr/mmlu", "stderr/x", "mix/", "mix/web", "mix/x", "los/c4", "Loss/C4",
    "x/y/z", "loss/" + "x" * 100_000, "x" * 100_000, "loss/\x1b[31m", "loss/a\nb", "[bold]", "run 0", "#run", "1",
    "٣", "🙂",
)  # fmt: skip
KEYS = (
    "table", "columns", "tasks", "final_average", "allow_missing", "ignore", "scale", "chance", "questions", "unit",
    "column", "run", "params", "tokens", '"loss/c4"', "loss/c4", "''", "mmlu", "nope", "x" * 5000, "product", "true",
    "separator", "decimal", "show", "final", '"score/mmlu"', "step",
)  # fmt: skip
TOML = (
    "1", "0", "-1", "1.5", "1e400", "inf", "-nan", "true", '""', "''", '"x"', "[]", "[1]", '["*"]', "{}", "{a=1}",
    '{ column = "name" }', '{ column = "" }', '{ column = "name", unit = "bits" }', "2024-01-01", "07:32:00",
    "2024-01-01T00:00:00Z", "9" * 30, "9" * 5000, "0x" + "f" * 5000, "[" * 3000 + "]" * 3000, "{a=" * 3000 + "1",
    '"' + "x" * 100_000 + '"', '"\\u0000"', '"\\uD800"', '"fraction"', '"points"', '"percent"', '"Bparams"', "'''",
    '{ product = ["tokens", 2] }', '{ product = ["tokens", "tokens", -1e300] }', '{ product = [] }',
    '{ column = "name", true = ["run 1"] }', '"centred"', '"perplexity"', '";"', '","', '{ product = ["nope"] }',
    '{ column = "tokens", unit = "perplexity" }', '{ column = "val_bits", unit = "perplexity" }',
    '"""', "[" + "'*'," * 3000 + "]", ".".join("a" * 20_000), '["' + "*a" * 3000 + 'b"]',
)  # fmt: skip
WORDS = (
    *(c for c in CELLS if "\x00" not in c), "code=0.3", "code", "code=", "=1", "code=x", "code=0.1:0.4", "code=2:1",
    "g=web+code:0:1", "web=0.5,code=0.5", "N=7e9,D=4e12", "C=1e23", "C=-1", "C=nan", "C=1e999", "N=1e9", "D=1", "N=,D=",
    "x:C=1e20", ":C=1e20", "C=1e20,mix/code=0.3,mix/web=0.7", "mix/code=2", "C=1e20,C=1e21", "C=1e20,x", "C=1e-300",
    "N=1e300,D=1e300", "power+sigmoid", "m3+network", "auto", "nope", "+", "a+b+c", "own", "mean", "cvar", "1e5", "2.5",
    "0.5", "1.0", "2", str(10**30),
)  # fmt: skip

BYTES = (
    b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\r", b"\n", b"\r\n", b'"',
    b"'", b",", b";", b"#", b"\t", b"\\", b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"\x80" * 7, b"\x7f" * 9, b"[", b"]",
    b"{", b"=", b".",
)  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One change of bytes: flipped, put in, cut out, repeated, moved, cut off, or in another encoding."""
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    piece = data[at : min(end, at + 50)]
    match rng.randrange(8):
        case 0 if at < len(data):
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + piece * rng.choice((2, 30)) + data[at:]
        case 2:
            return data[:at] + data[at + len(piece) :]
        case 3:
            return data[:at]
        case 4:
            return piece + data
        case 5 if not rng.randrange(4):
            return data.decode("latin-1").encode(rng.choice(("utf-16", "utf-16-le", "utf-8", "utf-32")))
        case _:
            return data[:at] + rng.choice(BYTES) * rng.choice((1, 1, 1, 40)) + data[at:]
