"""From pieces of text to the token ids that the model reads before the canvas.

The order is fixed so that the prompt cache lives: path, snippets and far suffix, which seldom change,
stand first; the prefix, which changes with every key, stands last. What does not fit is dropped in
this order: snippets, the far end of the suffix, the far end of the prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby
from pathlib import PurePath
from typing import NamedTuple

from engine.models.base import ModelSpec
from engine.request import InfillRequest
from engine.tokenizer import Tokenizer

CHARS_PER_TOKEN = 6
"""More than code has on average (about 3), so that a window of this many holds enough tokens."""
BLOCK = 4096
"""Characters. Pieces are remembered up to a multiple of this, so that typing seldom moves it."""
RIGHT_ANCHOR = 20
"""Most tokens of the suffix that stand in the canvas: two lines or three."""
SMALLEST_BLOCK = 4
"""Lines. A prompt starts at a multiple of this, or of a power of two times this."""
SUFFIX_SHARE = 0.25
SNIPPET_SHARE = 0.25
"""Most of the room that the far suffix, and all snippets together, may take."""
PATH_PARTS, PATH_TOKENS = 2, 32
"""Most of a path: its last folder and its name."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What `encode` reads, and what the canvas needs to join on to it."""

    ids: list[int]
    left: list[int]
    """The prefix's last tokens: they stand in the canvas as its left anchor, not in `ids`."""
    heal: bytes
    """The prefix's very end, taken back: the first gap's text must begin with it (`heal`)."""
    dropped_chars: int
    settled: int = 0
    """How many of `ids` stay together when a line is added before the gap: their end may be moved in the
    cache. What is behind them changes with every key. 0: nothing moves, the prefix stands last."""


class Piece(NamedTuple):
    """A run of the document's text that is kept or dropped whole."""

    ids: tuple[int, ...]
    chars: int
    line: int
    """Line breaks before its end, counted from the start of the document."""


class PromptPieces:
    """One request's text as token ids; `cut` makes a prompt of any size of it, cheaply."""

    def __init__(self, request: InfillRequest, tokenizer: Tokenizer, spec: ModelSpec, room: int):
        """`room`: the largest that `cut` will be asked for, so no more text is tokenized."""
        self._spec = spec
        self._joint = tokenizer.encode("\n\n")
        self._path = path_ids(request.path, request.language, tokenizer, spec)
        kept, self._heal = (
            (request.prefix + request.begins, b"")
            if request.begins
            else heal(request.prefix, tokenizer, one_token=spec.order == "any")
        )
        self._prefix_chars = len(kept)
        self._prefix = prefix_pieces(kept, tokenizer, room)
        self._suffix = (
            suffix_pieces(request.suffix, tokenizer, int(room * SUFFIX_SHARE))
            if spec.suffix_in_prompt
            else []
        )
        self._snippets = [
            (tokenizer.encode(snippet.text), len(snippet.text)) for snippet in request.snippets
        ]
        begin = [spec.bos_id if spec.bos_id is not None else spec.eos_ids[0]]
        self._start = [] if spec.opening else begin

    def cut(self, room: int) -> Prompt:
        """The most useful `room` tokens, `left` included. `room` is at least 1."""
        suffix: list[int] = []
        for piece in self._suffix:
            if len(suffix) + len(piece.ids) > room * SUFFIX_SHARE:
                break
            suffix.extend(piece.ids)
        snippets: list[list[int]] = []
        taken = dropped = 0
        for ids, chars in self._snippets:
            if taken + len(ids) + len(self._joint) > room * SNIPPET_SHARE:
                dropped += chars
                continue
            snippets.append(ids)
            taken += len(ids) + len(self._joint)
        pieces = before_prefix(self._spec, self._joint, self._path, snippets, suffix)
        head = [*self._spec.opening, *pieces, *self._spec.before_prefix]
        prefix, chars = fit_end(self._prefix, room - len(head) - len(self._start))
        whole = chars == self._prefix_chars
        ids = [*head, *(self._start if whole else []), *prefix][-room:] or self._start
        return Prompt(ids[:-1], ids[-1:], self._heal, dropped + self._prefix_chars - chars)


def before_prefix(
    spec: ModelSpec, joint: list[int], path: list[int], snippets: Sequence[list[int]],
    suffix: list[int],
) -> list[int]:  # fmt: skip
    """All of a prompt that stands before the prefix. `joint`: the ids of a blank line, which ends a
    snippet for a model that has no separator."""
    separator = [] if spec.separator_id is None else [spec.separator_id]
    ids = list(path)
    for snippet in snippets:
        ids += [*separator, *snippet, *([] if separator else joint)]
    if suffix:
        ids += [*separator, *suffix]
    return [*ids, *separator] if ids else []


def path_ids(path: str, language: str, tokenizer: Tokenizer, spec: ModelSpec) -> list[int]:
    """The piece that names the file, or its language where it has no name yet; empty for a model that
    was not trained with it."""
    if spec.path_id is None or not (path or language):
        return []
    named = "/".join(PurePath(path).parts[-PATH_PARTS:]) or language
    return [spec.path_id, *tokenizer.encode(named)[:PATH_TOKENS]]


def heal(prefix: str, tokenizer: Tokenizer, one_token: bool = False) -> tuple[str, bytes]:
    """Split the prefix before the end that the fill then has to begin with (`Tokenizer.stump`).

    A cursor inside a word (`pri‸`) or behind an indentation cuts a token in two, and the model has
    never seen what follows such a stump. Taking it back and allowing only tokens that go on with its
    text lets the model choose `print`, and costs nothing where the cut was clean.
    """
    end = tokenizer.stump(prefix, one_token)
    return prefix[: len(prefix) - len(end)], end.encode()


def right_anchor(suffix: str, tokenizer: Tokenizer) -> list[int]:
    """The suffix's first tokens, for the canvas. The last one that is looked at may have been cut
    in two, so it is used only where the suffix ends with it."""
    head = suffix[: RIGHT_ANCHOR * 8]
    ids = tokenizer.encode(head)
    whole = len(head) == len(suffix)
    return ids[: RIGHT_ANCHOR if whole else min(RIGHT_ANCHOR, len(ids) - 1)]


def prefix_pieces(prefix: str, tokenizer: Tokenizer, room: int) -> list[Piece]:
    """The prefix's end, at least `room` tokens of it where it has them, in reading order.

    All but its last few thousand characters are remembered from the last call, for typing changes
    only the end.
    """
    start = max(0, len(prefix) - room * CHARS_PER_TOKEN) // BLOCK * BLOCK
    settled = tokenizer.find_cut(prefix, max(start, (len(prefix) - BLOCK) // BLOCK * BLOCK))
    split = start if settled is None else settled
    line = prefix.count("\n", 0, start)
    pieces = list(_remembered_pieces(prefix[start:split], tokenizer, line))
    pieces += _pieces(prefix[split:], tokenizer, pieces[-1].line if pieces else line)
    # A window that starts inside the text starts inside a line: its first piece is a stump.
    return pieces[1:] if start and len(pieces) > 1 else pieces


def _pieces(text: str, tokenizer: Tokenizer, line: int) -> tuple[Piece, ...]:
    """`line`: line breaks before `text`."""
    pieces = []
    for chunk in tokenizer.chunks(text):
        line += chunk.count("\n")
        pieces.append(Piece(tokenizer.encode_chunk(chunk), len(chunk), line))
    return tuple(pieces)


@lru_cache(maxsize=8)
def _remembered_pieces(text: str, tokenizer: Tokenizer, line: int) -> tuple[Piece, ...]:
    """The same in larger pieces, which end where every block of lines does (see `fit_end`)."""
    blocks = groupby(_pieces(text, tokenizer, line), lambda piece: piece.line // SMALLEST_BLOCK)
    return tuple(_joined(list(block)) for _, block in blocks)


def _joined(pieces: list[Piece]) -> Piece:
    ids = tuple(chain.from_iterable(piece.ids for piece in pieces))
    return Piece(ids, sum(piece.chars for piece in pieces), pieces[-1].line)


def suffix_pieces(suffix: str, tokenizer: Tokenizer, room: int) -> list[Piece]:
    """The suffix's start, at most about `room` tokens of it."""
    chunks = tokenizer.chunks(suffix[: room * CHARS_PER_TOKEN])
    pieces = [Piece(tokenizer.encode_chunk(chunk), len(chunk), 0) for chunk in chunks]
    return pieces[:-1] if len(suffix) > room * CHARS_PER_TOKEN and len(pieces) > 1 else pieces


def fit_end(pieces: list[Piece], room: int) -> tuple[list[int], int]:
    """The longest end of `pieces` in `room` tokens that starts where it also will start after the
    next keys: at a multiple of a number of lines. Otherwise each new line would move the prompt's
    start and nothing in the cache could be reused.

    Returns the ids and the characters they stand for.
    """
    # lines in about a quarter of the room
    block = max(SMALLEST_BLOCK, 1 << max(0, (room // 40).bit_length() - 1))
    first, tokens = len(pieces), 0
    while first > 0 and tokens + len(pieces[first - 1].ids) <= room:
        first -= 1
        tokens += len(pieces[first].ids)
    if first > 0:
        stable = first
        while stable < len(pieces) and (
            pieces[stable].line // block == pieces[stable - 1].line // block
        ):
            stable += 1
        first = stable if stable < len(pieces) else first
    if first == len(pieces) and pieces:  # one line is longer than the room: keep its end
        last = pieces[-1]
        ids = list(last.ids[-room:])
        return ids, round(last.chars * len(ids) / len(last.ids))
    kept = pieces[first:]
    ids = list(chain.from_iterable([piece.ids for piece in kept]))
    return ids, sum([piece.chars for piece in kept])
