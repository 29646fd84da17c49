"""The six tasks of the ladder, made from documents that are invented here, and their marking."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.ladder.questions import choice, exact
from benchmarks.ladder.questions.alike import ORDER, NGrams
from benchmarks.ladder.questions.build import TASKS, build_questions
from benchmarks.ladder.questions.question import Item, lay_out
from benchmarks.ladder.questions.scoring import choice_right, exact_right, standard_error
from benchmarks.ladder.questions.spread import APART, apart, in_turn, spread
from flpjax import InputError

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ASKED, SEED = 53, 23
CHOICE, EXACT = [t.name for t in TASKS if t.chance], [t.name for t in TASKS if not t.chance]


def vocabulary(rng, words=211):
    return ["".join(rng.choice(list(LETTERS), size=n)) for n in rng.integers(2, 12, size=words)]


def english(rng, words, sentences=83):
    def sentence():
        return " ".join(rng.choice(words, size=rng.integers(6, 19))).capitalize() + "."

    return " ".join(sentence() for _ in range(sentences)).encode()


def python(rng, words, functions=41):
    """Functions whose argument has a name of its own."""

    def function():
        name = "".join(rng.choice(list(LETTERS), size=11))
        a, b, c, d = rng.choice([w for w in words if len(w) > 5], size=4)
        return (
            f"def {a}_{b}({name}):\n    if {c}({d}({name})):\n        return {a}_{c}_{d}({b})\n"
            f"    {b}_{d}_value = {a}_call({c}, {d})\n    return {b}_{a}_{c}_{d}({name})\n\n\n"
        )

    return "".join(function() for _ in range(functions)).encode()


def c(rng, words, functions=41):
    return python(rng, words, functions).replace(b":\n", b") {\n").replace(b")\n", b");\n}\n")


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(7)
    words = vocabulary(rng)
    make = {"dictionary": english, "documentation": english, "prose": english, "python": python, "c": c}
    return {domain: [of(rng, words) for _ in range(5)] for domain, of in make.items()}


@pytest.fixture(scope="module")
def built(documents):
    return {q.task: q for q in build_questions(documents, seed=SEED, count=ASKED)}


def asked(questions):
    return [questions.text(i) for i in range(len(questions))]


def test_there_are_six_tasks_and_the_door_keeps_their_order(built):
    assert list(built) == [t.name for t in TASKS] == ["continuation", "gap", "next_line", "word", "indent", "recall"]
    for task in TASKS:
        q = built[task.name]
        assert (q.chance, len(q), q.note) == (task.chance, ASKED, "")
        assert q.tokens.shape == q.answer.shape == (ASKED, 4 if task.chance else 1, task.length)
        assert (q.tokens.dtype, q.answer.dtype, q.correct.dtype) == (np.uint8, bool, np.int64)


def test_the_same_seed_makes_the_same_questions_and_another_makes_others(documents, built):
    again = build_questions(documents, seed=SEED, count=ASKED)
    other = build_questions(documents, seed=SEED + 1, count=ASKED)
    for a, b in zip(again, other, strict=True):
        np.testing.assert_array_equal(a.tokens, built[a.task].tokens)
        np.testing.assert_array_equal(a.answer, built[a.task].answer)
        np.testing.assert_array_equal(a.correct, built[a.task].correct)
        assert not np.array_equal(a.tokens, b.tokens)


@pytest.mark.parametrize("task", [t.name for t in TASKS])
def test_options_share_the_context_and_the_right_one_is_in_the_text(task, built, documents):
    q = built[task]
    domains = next(t.domains for t in TASKS if t.name == task)
    text = b"\0".join(d for domain in domains for d in documents[domain])
    np.testing.assert_array_equal(q.answer, np.broadcast_to(q.answer[:, :1], q.answer.shape))
    for i, (context, options) in enumerate(asked(q)):
        right = options[q.correct[i]]
        assert len(set(options)) == len(options)
        assert context + right in text
        assert all(context + o not in text for o in options if o != right)
        shared = np.where(q.answer[i], 0, q.tokens[i])
        assert (shared == shared[0]).all()


@pytest.mark.parametrize("task", [t.name for t in TASKS])
def test_neither_padding_nor_the_first_byte_is_scored_and_padding_comes_last(task, built):
    q = built[task]
    pad = q.tokens == 0
    assert not q.answer[pad].any()
    assert not q.answer[..., 0].any()
    assert (np.diff(pad.astype(int), axis=-1) >= 0).all()
    assert q.answer.any(axis=-1).all()


@pytest.mark.parametrize("task", CHOICE)
def test_each_place_is_right_equally_often(task, built):
    counts = np.bincount(built[task].correct, minlength=4)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("task", CHOICE)
def test_an_oracle_is_always_right_and_its_opposite_never(task, built):
    q = built[task]
    right = np.arange(4) == q.correct[:, None]
    log_probs = jnp.where(right[..., None], -0.1, -0.2) * jnp.ones(q.tokens.shape)
    assert choice_right(log_probs, q.answer, q.correct).tolist() == [1.0] * ASKED
    assert choice_right(-log_probs, q.answer, q.correct).tolist() == [0.0] * ASKED


@pytest.mark.parametrize("task", CHOICE)
def test_a_model_that_finds_all_equally_likely_scores_chance(task, built):
    q = built[task]
    for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
        right = choice_right(jnp.full(q.tokens.shape, -np.log(256.0), dtype), q.answer, q.correct)
        assert right.tolist() == [0.25] * ASKED


def test_two_that_tie_share_the_point_and_nan_has_none():
    log_probs = jnp.array([[-1.0, -1.0, -2.0, -3.0]] * 3 + [[-1.0, jnp.nan, -2.0, -3.0]])[..., None]
    right = choice_right(log_probs, jnp.ones(log_probs.shape, bool), jnp.array([0, 1, 2, 0]))
    assert right.tolist() == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("task", EXACT)
def test_exact_match_needs_every_byte_of_the_answer_and_no_other(task, built):
    q = built[task]
    assert exact_right(jnp.asarray(q.answer), q.answer).tolist() == [1.0] * ASKED
    for at in (0, -1):  # the first or the last byte of each answer missed
        missed = q.answer.copy()
        where = [np.flatnonzero(row)[at] for row in q.answer[:, 0]]
        missed[np.arange(ASKED), 0, where] = False
        assert exact_right(jnp.asarray(missed), q.answer).tolist() == [0.0] * ASKED


@pytest.mark.parametrize("task", EXACT)
def test_equal_logits_are_no_exact_match(task, built):
    q = built[task]
    first = jnp.argmax(jnp.zeros((*q.tokens.shape, 256)), axis=-1)
    assert float(exact_right(first == q.tokens, q.answer).sum()) == 0.0


def test_marking_compiles(built):
    q = built["gap"]
    log_probs = jax.random.normal(jax.random.key(3), q.tokens.shape)
    jitted = jax.jit(choice_right)(log_probs, q.answer, q.correct)
    np.testing.assert_array_equal(jitted, choice_right(log_probs, q.answer, q.correct))


def test_the_standard_error_is_binomial():
    assert float(standard_error(jnp.array([1.0, 0.0, 0.0, 0.0]))) == pytest.approx(np.sqrt(0.25 * 0.75 / 4))


def test_wrong_options_are_what_the_tasks_say(built):
    for context, options in asked(built["gap"]):
        words = [o[: o.index(b" ")].strip(b".,") for o in options]
        assert len({len(o) for o in options}) == 1
        assert len({o[len(w) :] for o, w in zip(options, words, strict=True)}) == 1
        assert context.endswith(b" ")
    for _, options in asked(built["next_line"]):
        assert {len(o) for o in options} == {choice.LINE}
        assert not any(b"\n" in o or o[:1].isspace() for o in options)


def test_what_is_asked_in_exact_match_is_what_the_tasks_say(built):
    for context, (answer,) in asked(built["word"]):
        given = context[-exact.GIVEN :]
        assert context[-exact.GIVEN - 1 : -exact.GIVEN] == b" "
        assert (given + answer[:-1]).isalpha()
        assert len(given + answer[:-1]) >= 8
        assert not answer[-1:].isalpha()
    for context, (answer,) in asked(built["recall"]):
        # What is asked for is in view, with the byte after it, and nothing else starts like it.
        assert context[-exact.GIVEN :] + answer in context[:-1]
        assert len(answer) + exact.GIVEN - 1 >= exact.SHORT
    for _, (answer,) in asked(built["indent"]):
        closers, rest = answer.split(b"\n")
        assert not closers.strip(b")]}:;,{ ")
        assert len(rest.lstrip()) == 1 < len(rest)


def test_what_the_ngram_model_finds_likeliest_is_right_one_time_in_four():
    """Even where the right option is no passage like the others: here it follows its own context."""
    rng = np.random.default_rng(31)
    words = vocabulary(rng, 41)
    one, two = english(rng, words), english(rng, words)
    judge, ranks = NGrams([one, two]).without(one), Counter()
    for at in rng.integers(100, len(one) - 20, size=701):
        pool = [one[i : i + 13] for i in rng.integers(0, len(one) - 20, size=17)]
        context, right = one[at - 31 : at], one[at : at + 13]
        options = judge.matched(right, [o for o in pool if o != right], context, rng)
        if options:
            bits = judge.bits(context, options)
            ranks[int((bits < bits[0]).sum())] += 1
    total = sum(ranks.values())
    assert total > 100
    for rank in range(4):  # 4 standard errors
        assert ranks[rank] / total == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / total))


def test_the_ngram_model_is_that_of_the_other_documents():
    rng = np.random.default_rng(41)
    words = vocabulary(rng)
    one, two, three = (english(rng, words, 17) for _ in range(3))
    context, options = one[200 : 200 + ORDER], [one[300:331], two[100:131]]
    # Joined texts differ in the n-grams across the seam only.
    left = NGrams([one, two + three]).without(one).bits(context, options)
    single_model_share = NGrams([two + three]).without(b"zz").bits(context, options)
    np.testing.assert_allclose(left, single_model_share, rtol=0.02)
    assert NGrams([one, two]).without(b"zz").bits(context, options)[0] < 0.5 * left[0]


def test_documents_take_turns_and_places_lie_apart():
    def find(document, rng):
        def make(at):
            return Item(document[:at], (document[at : at + 1] + b"%d" % at,)) if at else None

        return apart(range(len(document)), make, rng)

    rng = np.random.default_rng(5)
    domains = {"long": [b"a" * 5003, b"b" * 5003], "short": [b"c" * 307]}
    few = spread(find, domains, rng, 4)
    assert {i.options[0][:1] for i in few} == {b"a", b"b", b"c"}
    many = spread(find, domains, rng, 10_000)
    stretches = Counter((i.options[0][:1], int(i.options[0][1:]) // APART) for i in many)
    assert set(stretches.values()) == {1}
    assert len(many) == 20 + 20 + 2


def test_in_turn_leaves_out_what_has_run_dry():
    assert list(in_turn([iter("abc"), iter("d"), iter("ef")])) == list("adebfc")


def test_copies_are_asked_once():
    def find(document, rng):
        yield Item(document[:64], (document[64:80],))

    text = bytes(range(1, 101))
    assert len(spread(find, {"c": [text, text]}, np.random.default_rng(1), 10)) == 1


def test_fewer_questions_than_asked_are_said(documents):
    questions = build_questions({d: own[:2] for d, own in documents.items()}, seed=SEED, count=100_000)
    for q in questions:
        assert 30 <= len(q) < 100_000
        assert f"{q.task}: {len(q):,} questions, 100,000 were asked for" in q.note


def test_too_little_text_is_an_error_that_says_what_to_do(documents):
    little = {domain: [d[:701] for d in own] for domain, own in documents.items()}
    with pytest.raises(InputError, match=r"gap: \d+ questions? in 3,505 bytes, 30 are needed. Give more or longer"):
        build_questions(little, seed=SEED, count=ASKED)


def test_a_domain_that_is_missing_is_named(documents):
    without = {domain: own for domain, own in documents.items() if domain != "documentation"}
    with pytest.raises(InputError, match="gap: there are no documents of 'documentation'"):
        build_questions(without, seed=SEED, count=ASKED)


def test_an_empty_document_holds_no_question(documents):
    more = {domain: [b"", b"ab", *own] for domain, own in documents.items()}
    assert [len(q) for q in build_questions(more, seed=SEED, count=37)] == [37] * 6


def test_a_row_cuts_the_context_on_its_left():
    items = [Item(b"0123456789", (b"ab",)), Item(b"xyz", (b"c",))]
    q = lay_out(items, np.random.default_rng(1), task="t", chance=0.0, length=7, asked=2)
    assert q.text(0) == (b"56789", (b"ab",))
    assert q.text(1) == (b"xyz", (b"c",))
    assert q.tokens[1, 0].tobytes() == b"xyzc\0\0\0"
