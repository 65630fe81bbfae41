"""Blocks that words, tags and fences begin and end, by the text alone: `{% for %}` and `{% endfor %}`,
`<ul>` and `</ul>`, ``` and ```, `#if` and `#endif`, `\\begin{x}` and `\\end{x}`.

Templates and prose have them in whatever language, and a tree of the language around them does not. A
fill must not end a block that the text after it ends. Knows no language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

FAR = 20_000
"""Characters on each side of a gap whose blocks count."""

_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
_TOKEN = re.compile(
    r"^[ \t>]*(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$"
    r"|\{%[-+~]?\s*(?P<template>\w+)"
    r"|\{\{[~-]?\s*(?P<mark>[#^/])\s*(?:else\s+)?(?P<mustache>[\w.-]+)"
    r"|\{\{-?\s*(?P<go>if|range|with|block|define|end)\b"
    r"|\{(?P<sign>[#/:@])(?P<svelte>if|each|await|key|snippet)\b"
    r"|\{(?P<smarty_end>/)?(?P<smarty>[a-z]\w*)(?:\s[^{}\n]*)?\}"
    r"|^[ \t]*@(?P<blade>end)?(?P<directive>[a-z]\w*)\b"
    r"|^[ \t]*#[ \t]*(?P<condition>if(?!\s*\([^)\n]*[$])|ifdef|ifndef|endif|region|endregion)\b"
    r"|#(?P<velocity>if|foreach|macro|define|end)\b(?=\s*\(|\s*$)"
    r"|<%[-=]?\s*(?P<erb>[^%]*?)\s*-?%>"
    r"|</(?P<close>[A-Za-z][\w:.-]*)\s*>"
    r"|<(?P<tag>[A-Za-z][\w:.-]*)(?:\s[^<>]*?)?(?P<empty>/?)>"
    r"|\\(?P<tex>begin|end)\{(?P<environment>[^}\n]*)\}",
    re.MULTILINE,
)
_ERB_OPENS = re.compile(
    r"(?:\bdo\b(?:\s*\|[^|]*\|)?|^(?:if|unless|case|for|while|until|begin)\b.*|\{)$"
)
_ERB_ENDS = re.compile(r"^(?:end\b|\})")


class Token(NamedTuple):
    """What begins or ends a block."""

    name: str
    opens: bool
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The beginnings and ends of blocks, in order. A fence's `opens` only says that it has an info string:
    one without may do either."""
    for found in _TOKEN.finditer(text):
        for name, opens in _meanings(found):
            yield Token(name, opens, found.start(), found.end())


def surplus(fill: str, prefix: str, suffix: str) -> int | None:
    """Offset in a fill from which it ends blocks that the text after it ends, or leaves open what that
    text then has too many ends for. None: it is harmless."""
    before = _open_in(prefix[-FAR:])
    after = tuple(tokens(suffix[:FAR]))
    found = tuple(tokens(fill))
    if not found:
        return None
    harmless = _wrong(before, (), after)
    if _wrong(before, found, after) <= harmless:
        return None
    for count in range(len(found) - 1, -1, -1):
        if _wrong(before, found[:count], after) <= harmless:
            return found[count].start
    return found[0].start


def _wrong(before: tuple[str, ...], fill: tuple[Token, ...], after: tuple[Token, ...]) -> int:
    """How many ends have no beginning, and how many fences no end."""
    stack = list(before)
    wrong = 0
    for token in (*fill, *after):
        wrong += _step(stack, token)
    fenced = any(_is_fence(name) for name in (*before, *(token.name for token in after)))
    return wrong + (sum(map(_is_fence, stack)) if fenced else 0)


def _is_fence(name: str) -> bool:
    return name.startswith(("```", "~~~"))


def _step(stack: list[str], token: Token) -> int:
    """Take one more token; 1 when it ends what nothing begins."""
    if token.opens or (_is_fence(token.name) and token.name not in stack):
        stack.append(token.name)
        return 0
    if token.name not in stack:
        return 1
    while stack.pop() != token.name:
        pass
    return 0


@lru_cache(maxsize=16)
def _open_in(text: str) -> tuple[str, ...]:
    stack: list[str] = []
    for token in tokens(text):
        _step(stack, token)
    return tuple(stack)


def _meanings(found: re.Match[str]) -> Iterator[tuple[str, bool]]:
    if found["fence"]:
        yield found["fence"][:3], False
    elif name := found["template"]:
        yield f"{{%{name.removeprefix('end')}", not name.startswith("end")
    elif found["mark"]:
        yield f"{{{{{found['mustache']}", found["mark"] != "/"
    elif name := found["go"]:
        yield "{{end", name != "end"
    elif found["sign"]:
        if found["sign"] in "#/":
            yield f"{{{found['svelte']}", found["sign"] == "#"
    elif name := found["smarty"]:
        yield f"{{{name}", found["smarty_end"] is None
    elif name := found["directive"]:
        yield f"@{name}", found["blade"] is None
    elif name := found["velocity"]:
        yield "#velocity", name != "end"
    elif found["erb"] is not None:
        if _ERB_ENDS.match(found["erb"]):
            yield "<%end", False
        if _ERB_OPENS.search(found["erb"]):
            yield "<%end", True
    elif name := found["close"]:
        yield f"<{name.lower()}", False
    elif name := found["tag"]:
        if not found["empty"] and name.lower() not in _VOID:
            yield f"<{name.lower()}", True
    elif found["tex"]:
        yield f"\\{found['environment']}", found["tex"] == "begin"
    elif name := found["condition"]:
        region = name.endswith("region")
        yield ("#region" if region else "#if"), not name.startswith("end")
