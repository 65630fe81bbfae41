"""Which files are worth learning from. Each filter is a question about one file, asked in turn.

Knows paths and text; no licences beyond what a file's own head says, and no other files.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_BYTES = 1_000_000
MAX_MEAN_LINE = 100
MAX_LINE = 400
MIN_CHARACTERS = 100
DATA_LANGUAGES = frozenset({"json", "yaml", "toml", "html", "css"})
MAX_DATA_CHARACTERS = 20_000

_FOREIGN_FOLDERS = re.compile(
    r"""(^|/)(_?vendor(ed)?|third[_-]?party|3rd[_-]?party|thirdparty|node_modules|bower_components
    |externals?|extern|_externals|site-packages|dist|build|umd|cjs|esm|_?esm?[0-9]+|bundles?|fesm\w*
    |out|\.?git|__pycache__|debian)/""",
    re.VERBOSE,
)
_GENERATED_NAMES = re.compile(
    r"""(\.min\.\w+|\.bundle\.js|\.umd\.js|\.d\.[mc]?ts|-lock\.json|\.lock|-lock\.yaml|_pb2(_grpc)?\.pyi?
    |\.pb(\.gw|\.validate)?\.go|\.pb\.(cc|h)|\.generated\.\w+|_generated\.\w+|\.gen\.\w+|\.g\.cs
    |zz_generated[\w.]*|bindata\.go|parsetab\.py|lextab\.py|npm-shrinkwrap\.json|composer\.lock
    |\.jsonl|\.geojson|\.map|messages\.json|\.ipynb)$""",
    re.VERBOSE,
)
_GENERATED_HEAD = re.compile(
    r"do not (hand-?)?(edit|modify)|auto[- ]?generated|automatically generated|@generated"
    r"|machine[- ]generated|file (is|was|has been) generated"
    r"|^\W*(this \w+ )?(is |was )?generated (by|from|with|using|on|at) ",
    re.IGNORECASE | re.MULTILINE,
)
_BUILD_OUTPUT = re.compile(
    r"sourceMappingURL=|defineProperty\(exports, ['\"]__esModule|__webpack_require__|_interopRequire"
    r"|\b__(awaiter|generator|importDefault|importStar|decorate)\b|\b_jsxs?\(|\btslib_1\b"
)
_OTHER_LICENCE = re.compile(
    r"GNU (Lesser |Library |Affero )?General Public|Mozilla Public License|Eclipse Public License"
    r"|\b[AL]?GPL(v[23]|-[23])|Common Development and Distribution|Creative Commons Attribution"
    r"|SPDX-License-Identifier:\s*\(?(?:[AL]?GPL|MPL|EPL|CDDL|CC-BY|SSPL|BUSL)"
    r"|proprietary and confidential",
    re.IGNORECASE,
)
_HEAD = 3000
"""Characters in which a file says what it is."""
_LONG_DATA = re.compile(r"[0-9a-fA-F]{200}|[A-Za-z0-9+/]{300}|(?:\\x[0-9a-fA-F]{2}){50}")
_LETTERS = re.compile(r"[^\W\d_]+")


def refuse_path(path: str) -> str | None:
    """Why a file is not even read; None to read it. `path` is relative to its package."""
    if _FOREIGN_FOLDERS.search(path):
        return "vendored or build output"
    if _GENERATED_NAMES.search(path):
        return "generated"
    return None


def decode(data: bytes) -> str | None:
    r"""UTF-8 text with `\n` line ends; None when it is not UTF-8 or not text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_text(text: str, language: str) -> str | None:
    """Why a file's text is not taken; None to take it."""
    return next((why for why, is_refused in _QUESTIONS if is_refused(text, language)), None)


def _is_short(text: str, _: str) -> bool:
    return len(text.strip()) < MIN_CHARACTERS


def _is_wide(text: str, _: str) -> bool:
    lines = text.splitlines()
    return len(text) > MAX_MEAN_LINE * len(lines) or max(map(len, lines)) > MAX_LINE


def _is_generated(text: str, _: str) -> bool:
    return _GENERATED_HEAD.search(text[: _HEAD // 2]) is not None


def _is_build_output(text: str, language: str) -> bool:
    return language in {"javascript", "typescript", "tsx"} and bool(_BUILD_OUTPUT.search(text))


def _has_other_licence(text: str, _: str) -> bool:
    return _OTHER_LICENCE.search(text[:_HEAD]) is not None


def _is_data(text: str, language: str) -> bool:
    """Tables of numbers, encoded pictures, long lists: little to learn, much to read."""
    if language in DATA_LANGUAGES and len(text) > MAX_DATA_CHARACTERS:
        return True
    if _LONG_DATA.search(text):
        return True
    letters = len(text) - len(_LETTERS.sub("", text))
    return letters < 0.3 * (len(text) - text.count(" "))


_QUESTIONS: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ("too short", _is_short),
    ("lines too long", _is_wide),
    ("generated", _is_generated),
    ("build output", _is_build_output),
    ("another licence", _has_other_licence),
    ("data", _is_data),
)
