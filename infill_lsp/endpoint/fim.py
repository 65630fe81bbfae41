"""Fill-in-the-middle prompts: what clients write for other models, taken apart again.

A client that believes it talks to Qwen sends one text with that model's marks in it. Here the text
before and after the gap come out of it, and the other files that some put in front.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine import Snippet


@dataclass(frozen=True, slots=True)
class _Format:
    """`begin` prefix `hole` suffix `end`."""

    begin: str
    hole: str
    end: str
    file: str | None = None
    """Stands before another file: its path, a line break, its text."""
    repository: str = ""


_FORMATS = (
    # Qwen 2.5 Coder and CodeGemma
    _Format("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>", "<|repo_name|>"),
    # StarCoder, Stable Code
    _Format("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<repo_name>"),
    # CodeLlama: the spaces belong to the marks
    _Format("<PRE> ", " <SUF>", " <MID>"),
    # DeepSeek Coder: not ASCII's bars
    _Format("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a prompt says."""

    prefix: str
    suffix: str
    path: str = ""
    snippets: tuple[Snippet, ...] = ()


def parts_of(prompt: str) -> Parts | None:
    """The parts of a fill-in-the-middle prompt; None when it is none that is known."""
    for known in _FORMATS:
        text = prompt.rstrip("\n")
        if text.endswith(known.end) and known.begin in text:
            head, hole, suffix = text.removesuffix(known.end).partition(known.hole)
            if hole:
                return _with_files(head, suffix, known)
    return None


def _with_files(head: str, suffix: str, known: _Format) -> Parts:
    """`head` is everything before the hole: other files, then this one's prefix."""
    *others, this = head.split(known.file) if known.file else [head]
    path, begin, prefix = this.partition(known.begin)
    if not begin:  # the mark stands before the other files
        path, _, prefix = this.partition("\n")
    snippets = []
    for other in others:
        name, _, text = other.replace(known.begin, "").partition("\n")
        if text.strip() and not (known.repository and name.startswith(known.repository)):
            snippets.append(Snippet(text, name.strip()))
    path = path.strip()
    one_name = "\n" not in path and not (known.repository and path.startswith(known.repository))
    return Parts(prefix, suffix, path if one_name else "", tuple(snippets))
