"""An open document, kept in step with the editor, and the frozen snapshots that requests read.

Knows text, versions and trees. Knows nothing of the protocol's types (a change is our `Change`) nor
of what a tree is asked. A small document has one tree, edited with each change and brought up to
date when somebody asks; of a big one, an excerpt is parsed afresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tree_sitter import Point, Range, Tree

from infill_lsp.excerpt import excerpt
from infill_lsp.grammars import GRAMMARS, language_for, parser_for
from infill_lsp.indentation import Around
from infill_lsp.positions import Encoding, LineIndex

Position = tuple[int, int]
"""(line, character), both from 0, character in units of the document's encoding."""

WHOLE_TREE = 20_000
"""Characters up to which the whole text has one tree."""
NO_TREE = 1_000_000
"""Characters beyond which there is no tree at all."""

BOM = "\ufeff"
"""A byte-order mark, which editors may leave at a text's start. It is no part of the first line."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


@dataclass(frozen=True, slots=True)
class Change:
    """One content change. `range` None replaces the whole text."""

    text: str
    range: tuple[Position, Position] | None = None


@dataclass(slots=True)
class _WholeTree:
    """The tree of a small document: edited at once, parsed again when asked for."""

    tree: Tree | None = None
    stale: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document as it was at one version. Never changes; cheap to take."""

    uri: str
    path: str
    """For the model to see: workspace-relative where known, else the file's name."""
    language_id: str
    language: str | None
    """Our grammar's name, or None for plain text."""
    version: int
    text: str
    encoding: Encoding
    no_tree: str | None
    """Why there is no tree (unknown language, file too big, ...); None when there is one."""
    index: LineIndex
    around: Around = field(compare=False, repr=False)
    """What is known of the file's indentation besides its text."""
    beside: tuple[str, str] = field(compare=False, repr=False)
    """The text of a notebook's cells before and after this one."""
    _whole: _WholeTree = field(compare=False, repr=False)

    @property
    def whole_tree(self) -> bool:
        """Whether `tree_at` gives a tree of the whole text."""
        return self.no_tree is None and len(self.text) <= WHOLE_TREE

    def offset_at(self, line: int, character: int) -> int:
        """See `positions.offset_at`."""
        return self.index.offset_at(self.text, line, character, self.encoding)

    def position_at(self, offset: int) -> Position:
        """See `positions.position_at`."""
        return self.index.position_at(self.text, offset, self.encoding)

    def tree_at(self, offset: int) -> Tree | None:
        """A tree that is right around `offset` (of the whole text where that is quick enough).
        Its byte offsets are offsets in `text`. None: see `no_tree`, or a very long line."""
        if self.no_tree is not None or self.language is None:
            return None
        if not self.whole_tree:
            spans = excerpt(
                self.text, offset, closing_words=bool(GRAMMARS[self.language].block_end)
            )
            return parse(self.language, self.text, spans=spans) if spans else None
        if self._whole.stale:
            self._whole.tree = parse(self.language, self.text, old=self._whole.tree)
            self._whole.stale = False
        return self._whole.tree


class Document:
    """The mutable document. Used from one thread (the server's event loop)."""

    def __init__(
        self,
        uri: str,
        text: str,
        *,
        version: int = 0,
        language_id: str = "",
        path: str = "",
        encoding: Encoding = "utf-16",
    ) -> None:
        """`path` is what the model is shown; empty: the file's name out of `uri`."""
        self.uri = uri
        self.path = path or _last_name(uri)
        self.language_id = language_id
        self.encoding: Encoding = encoding
        self.version = version
        self.text = text
        self._language = language_for(language_id, self.path)
        self._around = Around()
        self._beside = ("", "")
        self._index = LineIndex.build(text)
        self._whole = _WholeTree()
        self._snapshot: Snapshot | None = None

    @property
    def around(self) -> Around:
        """What is known of the file's indentation besides its text."""
        return self._around

    @around.setter
    def around(self, around: Around) -> None:
        if around != self._around:
            self._around, self._snapshot = around, None

    @property
    def beside(self) -> tuple[str, str]:
        """The text of a notebook's cells before and after this one."""
        return self._beside

    @beside.setter
    def beside(self, beside: tuple[str, str]) -> None:
        if beside != self._beside:
            self._beside, self._snapshot = beside, None

    def apply(self, changes: Iterable[Change], version: int) -> None:
        """Apply changes in order, each relative to the text after the one before it."""
        for change in changes:
            if change.range is None:
                self.text = change.text
                self._index = LineIndex.build(change.text)
                self._whole = _WholeTree()
            else:
                start, end = sorted(
                    self._index.offset_at(self.text, line, character, self.encoding)
                    for line, character in change.range
                )
                self._replace(start, end, change.text)
        self.version = version
        self._snapshot = None

    def snapshot(self) -> Snapshot:
        """The document as it is now. The same object until the next change."""
        if self._snapshot is None:
            self._snapshot = Snapshot(
                uri=self.uri,
                path=self.path,
                language_id=self.language_id,
                language=self._language,
                version=self.version,
                text=self.text,
                encoding=self.encoding,
                no_tree=self._no_tree(),
                index=self._index,
                around=self._around,
                beside=self._beside,
                _whole=self._whole,
            )
        return self._snapshot

    def _replace(self, start: int, end: int, inserted: str) -> None:
        before = self.text
        self.text = before[:start] + inserted + before[end:]
        self._index = self._index.edited(self.text, start, end, len(inserted))
        tree = self._whole.tree
        if tree is None or len(self.text) > WHOLE_TREE:
            self._whole = _WholeTree()
            return
        # A copy, because older snapshots hold the tree as it was; copying is O(1).
        tree = tree.copy()
        new_end = start + len(inserted)
        tree.edit(
            start,
            end,
            new_end,
            _point(before, start),
            _point(before, end),
            _point(self.text, new_end),
        )
        self._whole = _WholeTree(tree)

    def _no_tree(self) -> str | None:
        if self._language is None:
            return f"no grammar for {self.language_id or 'this kind of file'}"
        if parser_for(self._language) is None:
            return f"the {self._language} grammar cannot be loaded (see infill-lsp doctor)"
        if len(self.text) > NO_TREE:
            return f"the file has more than {NO_TREE:,} characters"
        return None


def _last_name(uri: str) -> str:
    try:
        path = urlsplit(uri).path
    except ValueError:  # e.g. half an IPv6 address where the host would be
        path = uri
    return unquote(path).rpartition("/")[2]


def parse(
    language: str, text: str, *, old: Tree | None = None, spans: list[tuple[int, int]] | None = None
) -> Tree | None:
    """Parse `text`, or only `spans` of it. The tree's byte offsets are offsets in `text`.

    old: a tree of an earlier text, edited to match; makes the parse quick.
    None where the grammar cannot be loaded.
    """
    parser = parser_for(language)
    if parser is None:
        return None
    # Bytes, not a function that gives them piece by piece: py-tree-sitter 0.26 never frees a piece.
    if spans is None:
        data = _one_byte_each(text)
    else:
        parser.included_ranges = _ranges(text, spans)
        data = _only(text, spans)
    return parser.parse(data, old) if old else parser.parse(data)


def _only(text: str, spans: list[tuple[int, int]]) -> bytes:
    """The text up to the last span's end, blank where no span is."""
    data = bytearray(b" ") * spans[-1][1]
    for start, end in spans:
        data[start:end] = _one_byte_each(text[start:end])
    return bytes(data)


def _one_byte_each(text: str) -> bytes:
    """What the parser reads: every character in one byte, so that its offsets are ours. Letters
    beyond ASCII become `x`; names and literals are always read from the text itself."""
    if not text.isascii():
        text = _NOT_ASCII.sub(_plain, text)
    return text.encode("ascii")


def _plain(found: re.Match[str]) -> str:
    return "".join(" " if letter.isspace() or letter == BOM else "x" for letter in found[0])


def _ranges(text: str, spans: list[tuple[int, int]]) -> list[Range]:
    ranges = []
    row, at = 0, 0
    for start, end in spans:
        first = row + text.count("\n", at, start)
        row, at = first + text.count("\n", start, end), end
        ranges.append(
            Range(Point(first, 0), Point(row, end - 1 - text.rfind("\n", start, end)), start, end)
        )
    return ranges


def _point(text: str, offset: int) -> Point:
    """Row and column as the parser counts them: only line feeds end a row."""
    return Point(text.count("\n", 0, offset), offset - 1 - text.rfind("\n", 0, offset))
