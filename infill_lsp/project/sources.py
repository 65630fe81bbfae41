"""Where pieces for a gap come from: one function a source, from a question to candidate pieces.

imports   definitions behind the file's imports, in the workspace and the installed packages
sibling   the outline of the test's subject, of the subject's test, or of the header
called    signatures of what is named near the gap and defined in few places
similar   the regions of other files that share the gap's rarer words

(`recent`, the fifth source, is `ring`.) Candidates are in the order in which they are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from infill_lsp.context import Context
from infill_lsp.grammars import GRAMMARS
from infill_lsp.project.files import Files
from infill_lsp.project.index import REGION, WORD, Index
from infill_lsp.project.modules import Import, imports_of
from infill_lsp.project.private import beside
from infill_lsp.project.symbols import Symbol

NEAR_BEFORE, NEAR_AFTER = 1500, 400
"""Characters before and after the gap whose words are looked up."""
FEW_PLACES = 3
"""A name with more definitions than this is a common word."""
MOST_MEMBERS = 12
"""Members of a class that are shown, those named near the gap first."""
LONGEST_OUTLINE = 500
"""Characters of one file's definitions."""
MOST_SIMILAR = 4
SHOWN_LINES = 12
"""Lines that are shown of a region."""

_CALLED = re.compile(r"([A-Za-z_]\w{2,})\s*(?=\()|\.([A-Za-z_]\w{2,})")
_WORD = re.compile(r"[A-Za-z_]\w+")
_TEST = re.compile(r"^(?:test_(?P<a>.+)|(?P<b>.+?)(?:_test|Tests?|[.-](?:test|spec)))$")
_HEADERS = {".c": (".h",), ".cc": (".h", ".hh"), ".cpp": (".h", ".hpp"), ".h": (".c", ".cpp")}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the project: a gap, as far as other files may matter to it."""

    path: str
    """Relative to the workspace folder."""
    language: str
    imports: tuple[str, ...]
    """Source text of the file's import statements."""
    before: str
    """The text just before the gap."""
    after: str

    @property
    def near(self) -> str:
        return self.before + self.after


@dataclass(frozen=True, slots=True)
class Piece:
    """Text from another file that may help."""

    source: str
    path: str
    line: int
    """Of the file where it begins, from 0."""
    text: str
    beside_secret: bool = False
    """Whether a secret is close, which the text itself need not show: the body of a key, say."""


def question(context: Context, path: str | None = None) -> Question:
    """The question for a gap. path: relative to the workspace folder, where `context` has less."""
    return Question(
        path=context.path if path is None else path,
        language=context.language,
        imports=context.imports,
        before=context.prefix[-NEAR_BEFORE:],
        after=context.suffix[:NEAR_AFTER],
    )


def imports(asked: Question, index: Index, files: Files) -> Iterator[Piece]:
    """What the file's imports define, a piece for each file: what was imported by name, or what is
    named near the gap."""
    near = set(_WORD.findall(asked.near))
    wanted: dict[str, set[str]] = {}
    for each in imports_of(asked.language, asked.imports, asked.path):
        for path in _meant(each, index, files):
            wanted.setdefault(path, set()).update(each.names or near)
    for path, names in wanted.items():
        if path == asked.path:
            continue
        symbols = _symbols(path, names, index, files)
        missing = names - {symbol.name for symbol in symbols}
        yield from _outlined("imports", path, symbols, names, near, asked.language)
        yield from _passed_on(path, missing & near, near, index, files, asked.language)


def sibling(asked: Question, index: Index, files: Files) -> Iterator[Piece]:
    """The file that belongs to this one, by its name."""
    near = set(_WORD.findall(asked.near))
    for path in sibling_paths(asked.path, index):
        symbols = index.symbols(path)
        yield from _outlined("sibling", path, symbols, None, near, asked.language)


def called(asked: Question, index: Index, files: Files) -> Iterator[Piece]:
    """Signatures of names that are used near the gap, the nearest first."""
    names = [a or b for a, b in _CALLED.findall(asked.before)]
    own = {symbol.name for symbol in index.symbols(asked.path)}
    for name in dict.fromkeys(reversed(names)):
        if name in own:
            continue
        for found in index.defined(name, FEW_PLACES):
            if (
                found.path != asked.path
                and _akin(asked.language, index.language(found.path))
                and (is_test(asked.path) or not is_test(found.path))
            ):
                yield _piece("called", found.path, [found.symbol], asked.language)


def similar(asked: Question, index: Index, files: Files) -> Iterator[Piece]:
    """Regions of other files that are like the gap's surroundings."""
    for region in index.similar(asked.near, MOST_SIMILAR, but_not=asked.path):
        text = files.read(region.path)
        if text is not None:
            line, part = _likest(text.split("\n"), region.line, set(WORD.findall(asked.near)))
            close = beside(files.secrets(region.path), line, line + SHOWN_LINES)
            yield Piece("similar", region.path, line, part, close)


def sibling_paths(path: str, index: Index) -> list[str]:
    """Files that belong to `path` by their name: its test or what it tests, its header."""
    place = PurePosixPath(path)
    stem, ending = place.stem, place.suffix
    test = _TEST.match(stem)
    if test is not None:
        names = [(test["a"] or test["b"]) + ending]
    else:
        dots = [f"{stem}.test{ending}", f"{stem}.spec{ending}"]
        names = [f"test_{stem}{ending}", f"{stem}_test{ending}", f"{stem}Test{ending}", *dots]
    names += [stem + other for other in _HEADERS.get(ending, ())]
    found = (index.ending(name) for name in names)
    return [each for each in found if each is not None and each != path]


def is_test(path: str) -> bool:
    """Whether a file holds tests, by its name."""
    return _TEST.match(PurePosixPath(path).stem) is not None


def _meant(wanted: Import, index: Index, files: Files) -> list[str]:
    """The files that an import in the workspace means: its own, else the installed one."""
    return index.resolve(wanted) or (files.installed(wanted) if wanted.anywhere else [])


def _symbols(path: str, names: set[str], index: Index, files: Files) -> Sequence[Symbol]:
    """What a file defines, at least what has one of these names or belongs to it."""
    return index.symbols(path, names) if path in index else files.outline(path).symbols


def _imports(path: str, names: set[str], index: Index, files: Files) -> list[Import]:
    """What a file imports by statements that hold one of these names; the others are not read."""
    language = index.language(path)
    statements = files.outline(path).imports if language is None else index.imports(path)
    holding = tuple(each for each in statements if not names.isdisjoint(_WORD.findall(each)))
    return imports_of(language or "python", holding, path)


def _passed_on(
    path: str, names: set[str], near: set[str], index: Index, files: Files, language: str
) -> Iterator[Piece]:
    """Definitions of names that a file only passes on, e.g. a package's `__init__.py`."""
    if not names:
        return
    for each in _imports(path, names, index, files):
        taken = names.intersection(each.names)
        if not taken:
            continue
        found = _meant(each, index, files) if path in index else files.installed(each)
        for target in found[:1]:
            if target != path:
                symbols = _symbols(target, taken, index, files)
                yield from _outlined("imports", target, symbols, taken, near, language)


def _outlined(
    source: str,
    path: str,
    symbols: Sequence[Symbol],
    names: set[str] | None,
    near: set[str],
    language: str,
) -> Iterator[Piece]:
    """A piece with the signatures of `names` (None: of all) and of their members. Where a class has
    many members, those named near the gap are kept."""
    chosen = []
    members: dict[str, int] = {}
    for symbol in symbols:
        if symbol.owner:
            if names is not None and symbol.owner not in names:
                continue
            members[symbol.owner] = members.get(symbol.owner, 0) + 1
            if members[symbol.owner] > MOST_MEMBERS and symbol.name not in near:
                continue
        elif names is not None and symbol.name not in names:
            continue
        chosen.append(symbol)
    if chosen:
        yield _piece(source, path, chosen, language)


def _piece(source: str, path: str, symbols: list[Symbol], language: str) -> Piece:
    """As many whole lines as a piece may have."""
    shown: list[str] = []
    size = 0
    for symbol in symbols:
        line = ("    " if symbol.owner else "") + symbol.signature
        size += len(line) + 1
        if shown and size > LONGEST_OUTLINE:
            break
        if line not in shown:
            shown.append(line)
    return Piece(source, path, symbols[0].line, "\n".join(shown))


def headed(piece: Piece, language: str) -> str:
    """The piece as the model reads it: a comment with its path first, where there are comments."""
    comment = GRAMMARS[language].line_comment if language in GRAMMARS else ""
    return f"{comment} {piece.path}\n{piece.text}" if comment else piece.text


def _likest(lines: list[str], first: int, words: set[str]) -> tuple[int, str]:
    """The part of the region at `first` that has most of the words: its first line and its text."""

    def shared(start: int) -> int:
        return len(words.intersection(WORD.findall("\n".join(lines[start : start + SHOWN_LINES]))))

    last = max(first, min(first + REGION, len(lines)) - SHOWN_LINES)
    best = max(range(first, last + 1, 3), key=shared)
    return best, "\n".join(lines[best : best + SHOWN_LINES]).strip("\n")


_FAMILIES = ({"c", "cpp"}, {"javascript", "typescript", "tsx"})


def _akin(language: str, other: str | None) -> bool:
    return language == other or any({language, other} <= family for family in _FAMILIES)
