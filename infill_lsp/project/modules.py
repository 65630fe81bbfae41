"""From import statements to the files they may mean. Reads statements only; knows no disk.

As far as it is simple and right: Python, JavaScript and TypeScript (relative), Go, Rust, Java, PHP,
and includes in C and C++.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PYTHON = re.compile(r"^from\s+(\.*)([\w.]*)\s+import\s+(.+)$|^import\s+(.+)$", re.DOTALL)
_SCRIPT = re.compile(r"""^import\s+(?:type\s+)?(.*?)\s*(?:from\s*)?["']([^"']+)["']""", re.DOTALL)
_GO = re.compile(r'"([^"]+)"')
_RUST = re.compile(r"^(?:pub(?:\([^)]*\))?\s+)?use\s+(.+?);?$", re.DOTALL)
_JAVA = re.compile(r"^import\s+(?:static\s+)?([\w.]+)")
_PHP = re.compile(r"^use\s+(?:function\s+)?([\w\\]+)")
_INCLUDE = re.compile(r'^#\s*include\s*["<]([^">]+)[">]')
_SCRIPT_ENDINGS = ("", ".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", "/index.ts", "/index.js")


@dataclass(frozen=True, slots=True)
class Import:
    """One thing that is imported."""

    paths: tuple[str, ...]
    """Where its file may be, likeliest first: relative to the workspace, with forward slashes. A
    path that ends with `/` is a folder, all of whose files are meant."""
    names: tuple[str, ...] = ()
    """What is taken from it; empty: the module itself."""
    anywhere: bool = True
    """The paths are the ends of paths: an import root may lie deeper, or in an environment."""


def imports_of(language: str, statements: tuple[str, ...], path: str) -> list[Import]:
    """What the import statements of the file at `path` may mean."""
    read = READERS.get(language)
    if read is None:
        return []
    return [each for statement in statements for each in read(statement.strip(), path)]


def _python(statement: str, path: str) -> Iterator[Import]:
    found = _PYTHON.match(re.sub(r"#[^\n]*|[()\\]", " ", statement))
    if found is None:
        return
    if found[4]:  # import a.b as c, d
        for module in _names(found[4]):
            yield Import(_python_files(module.replace(".", "/")))
        return
    dots, module, names = found[1], found[2], _names(found[3])
    base = module.replace(".", "/")
    if dots:
        folder = posixpath.dirname(path)
        for _ in dots[1:]:
            folder = posixpath.dirname(folder)
        base = posixpath.join(folder, base).rstrip("/")
    yield Import(_python_files(base), names, anywhere=not dots)
    for name in names:  # which may be a module itself
        yield Import(_python_files(f"{base}/{name}".lstrip("/")), anywhere=not dots)


def _python_files(base: str) -> tuple[str, ...]:
    return (f"{base}.py", f"{base}/__init__.py", f"{base}.pyi") if base else ("__init__.py",)


def _script(statement: str, path: str) -> Iterator[Import]:
    found = _SCRIPT.match(statement)
    if found is None or not found[2].startswith("."):
        return
    base = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
    stem = re.sub(r"\.[cm]?jsx?$", "", base)  # TypeScript imports `./a.ts` as `./a.js`
    paths = dict.fromkeys([base, *(stem + ending for ending in _SCRIPT_ENDINGS)])
    names = [name for name in _names(re.sub(r"[{}]", ",", found[1])) if not name.startswith("*")]
    yield Import(tuple(paths), tuple(names), anywhere=False)


def _go(statement: str, path: str) -> Iterator[Import]:
    for module in _GO.findall(statement):
        parts = module.split("/")
        if "." in parts[0]:  # the standard library has no dot
            yield Import(tuple("/".join(parts[start:]) + "/" for start in range(1, len(parts))))


def _rust(statement: str, path: str) -> Iterator[Import]:
    found = _RUST.match(statement)
    if found is None:
        return
    head, _, inner = re.sub(r"\s", "", found[1]).partition("{")
    parts = [part for part in head.split("::") if part]
    if not parts or parts[0] not in ("crate", "super", "self"):
        return
    inside = re.split(r"[,{}]", inner) if inner else []
    names = tuple(name.rpartition("::")[2] for name in inside if name and name != "self")
    if not inner:
        names, parts = (parts[-1].partition("as")[0] or parts[-1],), parts[:-1]
    if parts and parts[0] == "crate":
        base = "src"
    else:
        base = posixpath.dirname(path)
        if parts[:1] == ["super"] and posixpath.basename(path) in ("mod.rs", "lib.rs"):
            base = posixpath.dirname(base)
    modules = "/".join(part for part in parts if part not in ("crate", "super", "self"))
    where = f"{base}/{modules}".rstrip("/")
    yield Import((f"{where}.rs", f"{where}/mod.rs", f"{where}/lib.rs"), names)


def _java(statement: str, path: str) -> Iterator[Import]:
    if found := _JAVA.match(statement):
        parts = found[1].split(".")
        upper = [at for at, part in enumerate(parts) if part[:1].isupper()]
        if upper:  # what follows the first class is inside of it
            yield Import(("/".join(parts[: upper[0] + 1]) + ".java",), (parts[upper[0]],))


def _php(statement: str, path: str) -> Iterator[Import]:
    if found := _PHP.match(statement):
        parts = found[1].split("\\")
        paths = ["/".join(parts[start:]) + ".php" for start in range(len(parts))]
        yield Import(tuple(paths), (parts[-1],))


def _include(statement: str, path: str) -> Iterator[Import]:
    if found := _INCLUDE.match(statement):
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[1]))
        yield Import((beside, found[1]))


def _names(listed: str) -> tuple[str, ...]:
    """`a as b, c` -> `a`, `c`."""
    words = (part.split() for part in listed.split(","))
    return tuple(part[0] for part in words if part and part[0] != "*")


READERS: dict[str, Callable[[str, str], Iterator[Import]]] = {
    "python": _python,
    "javascript": _script,
    "typescript": _script,
    "tsx": _script,
    "go": _go,
    "rust": _rust,
    "java": _java,
    "php": _php,
    "c": _include,
    "cpp": _include,
}
"""By language; of any other, imports are not followed."""
