"""What a workspace's modules contradict in a fill: names that it imports from one that has no such name,
and members of an imported module or class that are nowhere in it. Says nothing of what is not indexed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infill_lsp.documents import parse
from infill_lsp.members import CLOSED, WORD, class_of, uses_in, words_of_class
from infill_lsp.project.files import Files
from infill_lsp.project.index import Index
from infill_lsp.project.modules import imports_of
from infill_lsp.syntax import imports as imports_in

_PASSES_ON = re.compile(
    r"import\s+\*|export\s+\*|__getattr__|\bglobals\(\)|pub\s+use\s+[^;]*\*|module\.exports\s*=\s*require"
)
"""A module that has names which its own text does not show."""
_MODULE = re.compile(
    r"^import\s+(?P<plain>\w+)\s*$|^import\s+[\w.]+\s+as\s+(?P<alias>\w+)\s*$"
    r"|^import\s+\*\s*as\s+(?P<star>\w+)"
)
_FROM = re.compile(r"^from\s+[\w.]+\s+import\s+\(?(?P<names>[^)]*)\)?\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Claim:
    """A fill, as far as other modules may contradict it."""

    path: str
    """Of the document, relative to the workspace folder."""
    language: str
    imports: tuple[str, ...]
    """The document's import statements."""
    before: str
    """The text just before the gap."""
    fill: str


def contradiction(claim: Claim, index: Index, files: Files) -> str | None:
    """The name that a fill takes from a module of the workspace which has no such name."""
    tree = parse(claim.language, claim.fill)
    own = imports_in(tree, claim.fill, claim.language) if tree is not None else ()
    for statement in own:
        for name, words in _imported(statement, claim, index, files):
            if name not in words:
                return name
    if claim.language not in CLOSED:
        return None
    statements = (*claim.imports, *own)
    modules = dict(_modules(statements, claim, index, files))
    for owner, member in uses_in(claim.language, claim.fill):
        if owner in modules:
            if member not in modules[owner]:
                return f"{owner}.{member}"
            continue
        kind = class_of(owner, claim.before)
        known = _class(kind, statements, claim, index, files) if kind is not None else None
        if known is not None and member not in known:
            return f"{owner}.{member}"
    return None


def _imported(
    statement: str, claim: Claim, index: Index, files: Files
) -> Iterator[tuple[str, frozenset[str]]]:
    """The names that a statement takes from a module, and all words of that module."""
    found = imports_of(claim.language, (statement,), claim.path)
    for each in found:
        words = _words(index.resolve(each), index, files)
        if words is None:
            continue
        for name in each.names:
            submodule = any(
                not other.names and index.resolve(other)
                for other in found
                if any(
                    re.search(rf"(?:^|/){re.escape(name)}(?:\.|/|$)", path) for path in other.paths
                )
            )
            if not submodule:
                yield name, words


def _modules(
    statements: tuple[str, ...], claim: Claim, index: Index, files: Files
) -> Iterator[tuple[str, frozenset[str]]]:
    """The modules of the workspace that the document knows by a name, and all their words."""
    for statement in statements:
        found = imports_of(claim.language, (statement,), claim.path)
        if (module := _MODULE.match(statement)) is not None:
            name = module["plain"] or module["alias"] or module["star"]
            paths = index.resolve(found[0]) if found else []
            if (words := _words(paths, index, files)) is not None:
                yield name, words
        elif (several := _FROM.match(statement)) is not None:
            aliases = {
                part.split()[0]: part.split()[-1]
                for part in several["names"].split(",")
                if part.split()
            }
            for each in found[1:]:  # `from package import module`
                name = each.paths[0].rpartition("/")[2].removesuffix(".py")
                if (words := _words(index.resolve(each), index, files)) is not None:
                    yield aliases.get(name, name), words


def _class(
    name: str, statements: tuple[str, ...], claim: Claim, index: Index, files: Files
) -> frozenset[str] | None:
    """All words of a class that the document imports from a module of the workspace."""
    for statement in statements:
        for each in imports_of(claim.language, (statement,), claim.path):
            if name in each.names:
                for path in index.resolve(each):
                    text = files.read(path)
                    return (
                        None if text is None else words_of_class(claim.language, text, None, name)
                    )
    return None


def _words(paths: list[str], index: Index, files: Files) -> frozenset[str] | None:
    """All words of a module's files, and the names of those beside it if it is a package; None where the
    workspace does not know it whole."""
    words: set[str] = set()
    for path in paths:
        text = files.read(path)
        if text is None or _PASSES_ON.search(text):
            return None
        words.update(WORD.findall(text))
        if path.endswith("__init__.py"):
            folder = path.removesuffix("__init__.py").rstrip("/")
            inside = (other[len(folder) :].lstrip("/") for other in index.paths(under=folder))
            words.update(each.partition("/")[0].partition(".")[0] for each in inside)
    return frozenset(words) if paths else None
