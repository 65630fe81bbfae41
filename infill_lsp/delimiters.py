"""Strings, comments and brackets of a language that no grammar here knows, as Pygments sees them.

Pygments lexes hundreds of languages but does not say what their delimiters are. So small texts are
lexed, such as `/* x */`, and what becomes one comment or one string is a kind of it. Asked once for
each language.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from infill_lsp.languages import Delimited

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_LINE_COMMENTS = ("//", "#", "--", "%", ";", "!", "'", '"')
_BLOCK_COMMENTS = (
    *(("/*", "*/"), ("{-", "-}"), ("(*", "*)"), ("<!--", "-->"), ("{#", "#}"), ("<%--", "--%>")),
    *(("--[[", "]]"), ("#=", "=#"), ("#|", "|#"), ("<#", "#>"), ("%{", "%}")),
)
_QUOTES = ('"""', "'''", '"', "'", "`")
_TEXT = "ab"


@cache
def name_of(language_id: str, path: str) -> str:
    """Pygments' name for an editor's language id, else for a file's name; the id where it knows neither."""
    from pygments.lexers import find_lexer_class_by_name, find_lexer_class_for_filename
    from pygments.util import ClassNotFound

    try:
        if language_id and find_lexer_class_by_name(language_id).aliases[0] != "text":
            return language_id
    except ClassNotFound:
        pass
    found = find_lexer_class_for_filename(path.rpartition("/")[2]) if path else None
    return found.aliases[0] if found is not None and found.aliases else language_id


@cache
def delimiters_of(language: str) -> tuple[Delimited, ...]:
    """Kinds of strings and comments, in the order in which they are to be tried."""
    lexer = _lexer(language)
    if lexer is None:
        return ()
    blocks = [
        Delimited(start, end, lines=True, comment=True)
        for start, end in _BLOCK_COMMENTS
        if _is(lexer, f"{start} a\nb {end}\n", "Comment")
    ]
    lines = [
        Delimited(start, "\n", comment=True)
        for start in _LINE_COMMENTS
        if _is(lexer, f"{start} a b\n", "Comment")
    ]
    taken = {each.open for each in lines}
    strings = []
    for quote in _QUOTES:
        if quote in taken or not _is(lexer, f"{quote}{_TEXT}{quote}\n", "String"):
            continue
        inner = "'b\"" if len(quote) > 1 else "b"
        several = _is(lexer, f"{quote}a\n{inner}{quote}\n", "String")
        if several or len(quote) == 1:
            strings.append(Delimited(quote, quote, lines=several))
    return (*blocks, *strings[:0], *(each for each in strings if len(each.open) > 1), *lines, *(
        each for each in strings if len(each.open) == 1
    ))  # fmt: skip


@cache
def brackets_of(language: str) -> str:
    """The pairs that are punctuation in code, e.g. `()[]{}`; none in prose and templates."""
    from pygments.token import Text

    lexer = _lexer(language)
    if lexer is None or _is(lexer, "plain words here\n", "Text") or _is(lexer, "( )\n", "Text"):
        return ""
    found = ""
    for pair in ("()", "[]", "{}"):
        kinds = [
            kind
            for _, kind, value in lexer.get_tokens_unprocessed(f"{pair[0]} {pair[1]}\n")
            if value.strip()
        ]
        found += pair if kinds and not any(_within(kind, Text) for kind in kinds) else ""
    return found


@cache
def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language) if language else None
    except ClassNotFound:
        return None


def _is(lexer: Lexer, text: str, kind: str) -> bool:
    """Whether all of a text, white space aside, is of this kind."""
    from pygments.token import Comment, Token

    wanted = getattr(Token, kind) if kind != "String" else Token.Literal.String
    tokens = [found for _, found, value in lexer.get_tokens_unprocessed(text) if value.strip()]
    return bool(tokens) and all(
        _within(found, wanted) and not _within(found, Comment.Preproc) for found in tokens
    )


def _within(kind: Any, wanted: Any) -> bool:
    """Whether a token's kind is another one or a part of it."""
    return kind in wanted
