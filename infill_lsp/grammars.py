"""Which tree-sitter grammar belongs to which file; grammars are loaded on first use.

One that cannot be loaded leaves its files as plain text, with a reason that `doctor` prints. This file
never looks at a document.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import PurePosixPath

from tree_sitter import Language, Parser

from infill_lsp.languages import LANGUAGES
from infill_lsp.languages import Delimited as Delimited
from infill_lsp.languages import Grammar as Grammar
from infill_lsp.more_languages import MORE_LANGUAGES

GRAMMARS: dict[str, Grammar] = {**LANGUAGES, **MORE_LANGUAGES}

_BY_ID = {name: language for language, row in GRAMMARS.items() for name in row.ids}
_BY_SUFFIX = {name: language for language, row in GRAMMARS.items() for name in row.suffixes}
_BY_FILE_NAME = {name: language for language, row in GRAMMARS.items() for name in row.file_names}


def language_for(language_id: str, path: str = "") -> str | None:
    """Our name for the language of an LSP language id (`typescriptreact` -> `tsx`), else of the
    path's extension or file name; None for plain text."""
    if found := _BY_ID.get(language_id.lower()):
        return found
    file = PurePosixPath(path.replace("\\", "/"))
    return _BY_FILE_NAME.get(file.name) or _BY_SUFFIX.get(file.suffix.lower())


def judged(language: str) -> bool:
    """Whether a grammar can say that a text in this language is wrong."""
    return language in GRAMMARS and not GRAMMARS[language].prose


def parser_for(language: str) -> Parser | None:
    """A new parser for one of our language names; None when its grammar cannot be loaded.

    Making one costs less than a microsecond; sharing one between threads would not be safe.
    """
    loaded = _load(language)
    return Parser(loaded) if isinstance(loaded, Language) else None


def available() -> dict[str, str]:
    """Every language we know -> its grammar's version, or `error: <why it cannot be loaded>`."""
    report = {}
    for language, row in GRAMMARS.items():
        loaded = _load(language)
        report[language] = version(row.package) if isinstance(loaded, Language) else loaded
    return report


@cache
def _load(language: str) -> Language | str:
    """The grammar, or why there is none."""
    row = GRAMMARS[language]
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            # some wheels give a number where a capsule is wanted now
            grammar = Language(getattr(import_module(row.module), row.function)())
        Parser(grammar)  # a grammar too new for this tree-sitter is only noticed here
    except Exception as error:  # whatever a wheel does wrong, its files are plain text
        return f"error: {error} (mend it with: pip install --upgrade {row.package} tree-sitter)"
    return grammar
