"""Prompts as real clients write them for other models, taken apart."""

from __future__ import annotations

import pytest

from engine import Snippet
from infill_lsp.endpoint.fim import Parts, parts_of

PREFIX, SUFFIX = "def f(a):\n    return ", "\n\nprint(f(1))\n"
QWEN = "<|fim_prefix|>{}<|fim_suffix|>{}<|fim_middle|>"


@pytest.mark.parametrize(
    "template",
    [
        QWEN,
        "<fim_prefix>{}<fim_suffix>{}<fim_middle>",
        "<PRE> {} <SUF>{} <MID>",
        "<｜fim▁begin｜>{}<｜fim▁hole｜>{}<｜fim▁end｜>",
    ],
)
def test_one_file(template: str) -> None:
    assert parts_of(template.format(PREFIX, SUFFIX)) == Parts(PREFIX, SUFFIX)
    assert parts_of(template.format("", "")) == Parts("", "")


@pytest.mark.parametrize(
    "prompt",
    [
        "def f():\n    return ",
        "",
        "<|fim_prefix|>x<|fim_suffix|>y",
        "x<|fim_middle|>",
        "the mark <fim_middle> in a text",
        "<|fim_prefix|>x<fim_suffix>y<fim_middle>",
    ],
)
def test_other_texts_are_none(prompt: str) -> None:
    assert parts_of(prompt) is None


def test_other_files_in_front() -> None:
    """As Continue has it: a repository, files, and this file's path before the marks."""
    head = "<|repo_name|>shop\n<|file_sep|>src/tax.py\nRATE = 0.2\n<|file_sep|>src/till.py\n"
    assert parts_of(head + QWEN.format(PREFIX, SUFFIX)) == Parts(
        PREFIX, SUFFIX, "src/till.py", (Snippet("RATE = 0.2\n", "src/tax.py"),)
    )


def test_other_files_behind_the_first_mark() -> None:
    text = "<fim_prefix><file_sep>a.py\nA = 1\n<file_sep>b.py\nB = <fim_suffix>\n<fim_middle>"
    assert parts_of(text) == Parts("B = ", "\n", "b.py", (Snippet("A = 1\n", "a.py"),))


def test_a_repository_is_no_path() -> None:
    parts = parts_of("<|repo_name|>shop\n" + QWEN.format(PREFIX, SUFFIX))
    assert parts == Parts(PREFIX, SUFFIX)
