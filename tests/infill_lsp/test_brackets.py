"""The bracket scan agrees with a slow one that reads letter by letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.brackets import (
    PARTNER,
    around,
    balanced,
    closes_unopened,
    damage,
    lexicon_for,
    read,
)

code = st.lists(
    st.sampled_from(
        ("(", ")", "[", "]", "{", "}", '"', "'", "\\", "\n", "//", "/*", "*/", "`", "a")
    ),
    max_size=25,
).map("".join)


def slow_balanced(text: str) -> bool:
    """JavaScript's brackets, strings and comments, one letter after another."""
    stack: list[str] = []
    at, quote = 0, ""
    while at < len(text):
        letter, pair = text[at], text[at : at + 2]
        if quote in ('"', "'", "`"):
            if letter == "\\":
                at += 1
            elif letter == "\n" and quote != "`":
                return False
            elif letter == quote:
                quote = ""
        elif quote == "//":
            quote = "" if letter == "\n" else quote
        elif quote == "/*":
            if pair == "*/":
                quote, at = "", at + 1
        elif pair in ("//", "/*"):
            quote, at = pair, at + 1
        elif letter in "\"'`":
            quote = letter
        elif letter in "([{":
            stack.append(letter)
        elif letter in ")]}" and (not stack or stack.pop() != PARTNER[letter]):
            return False
        at += 1
    return not stack and quote in ("", "//")


@given(code)
def test_balanced_agrees_with_the_reference(text: str) -> None:
    assert balanced(text, "javascript") == slow_balanced(text)


@pytest.mark.parametrize(
    ("language", "text", "fine"),
    [
        ("python", "f('(', \"[\")  # {", True),
        ("python", '"""\n( [\n"""', True),
        ("python", "f((1)", False),
        ("rust", "fn f<'a>(x: &'a str) -> char { '(' }", True),
        ("go", "x := '{' + `\n(`", True),
        ("lua", "f(--[[ ( \n ]] [[ ) ]])", True),
        ("bash", "x=$#; echo ${#x} # }", True),
        ("html", "it's (not", True),
        ("c", "int x = 1'000; f('\\'', \"\\\"(\");", True),
        ("nothing we know", "( [ {", True),
    ],
)
def test_balanced_in_other_languages(language: str, text: str, fine: bool) -> None:
    assert balanced(text, language) is fine


@pytest.mark.parametrize(
    ("prefix", "suffix", "good", "bad"),
    [
        ("f(", ")", "x", "x)"),
        ("f(g(", ")", "x)", "x))"),
        ("f(", "\n}", "x)", "x]"),
        ('f("', '")', "x", 'x"'),
        ("{\n  a(", "\n}\n", "x)", "x)}"),
        ("", "", "{}", "}"),
        ("/* ", " */ f()", "( [ '", "*/ ("),
    ],
)
def test_damage_tells_a_fill_that_fits(prefix: str, suffix: str, good: str, bad: str) -> None:
    near = around(prefix, suffix, "javascript")
    assert damage(near, good) <= near.damage
    assert damage(near, bad) > near.damage


def test_closers_out_of_sight_are_taken_for_granted() -> None:
    far = "\n  call(1);" * 2000 + "\n}\n"
    near = around("function f() {\n  ", far, "javascript")
    assert damage(near, "a();") <= near.damage
    assert damage(near, "a();\n}") > near.damage


def test_a_tree_is_believed_against_the_scan() -> None:
    """The scan begins inside of a long string and takes its end for a beginning."""
    prefix = 'x = """\n' + "some (words\n" * 400 + '"""\nf('
    assert read(prefix[-2400:], lexicon_for("python")).inside is not None
    near = around(prefix, ")", "python", in_string=False)
    assert (near.inside, near.opened) == (None, "(")


@pytest.mark.parametrize(
    ("prefix", "suffix", "unopened"),
    [
        ("a = so", "))\n", True),
        ("a = f(", ")\n", False),
        ("a = f(", "))\n", True),
        ("a = f([", ")]\n", True),  # `)` takes `(` and `[` off
        ("a = '", ")'\n", False),
        ("a = f(", ") + g()\n)\n", False),  # only the gap's own line counts
    ],
)
def test_a_line_that_closes_what_nothing_opened(prefix: str, suffix: str, unopened: bool) -> None:
    near = around(prefix, suffix, "python", in_string=prefix.endswith("'"))
    assert closes_unopened(near) is unopened
