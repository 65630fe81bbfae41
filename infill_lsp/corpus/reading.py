"""From an unpacked package to documents: which files, their text, their pieces, their spans.

Knows nothing of where packages come from, nor of other packages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from infill_lsp.corpus.documents import Document, cut
from infill_lsp.corpus.filters import MAX_BYTES, decode, refuse_path, refuse_text
from infill_lsp.corpus.licences import is_permissive
from infill_lsp.corpus.sources import Release
from infill_lsp.corpus.spans import find_spans
from infill_lsp.grammars import language_for

_CPP_SIGNS = ("\nclass ", "\nnamespace ", "template <", "template<", "std::")


def read_release(
    release: Release, folders: tuple[str, ...], dropped: Counter[str]
) -> Iterator[Document]:
    """The documents of a release; each file not taken is counted in `dropped` under its reason.

    Files of unknown language, and those outside `folders`, are not even counted.
    """
    inside = tuple(f"{folder}/" for folder in folders)
    for path in release.files:
        language = language_for("", path)
        if language is None or (inside and not path.startswith(inside)):
            continue
        licence = release.licence_of(path)
        why = refuse_path(path)
        if why is None and not is_permissive(licence):
            why = f"licence: {licence or 'none'}"
        text = ""
        if why is None:
            text, why = _read(release.root / path, language)
        if why is not None:
            dropped[why] += 1
            continue
        if path.endswith(".h") and any(sign in text for sign in _CPP_SIGNS):
            language = "cpp"  # whose headers share C's extension
        package = f"{release.name} {release.version}"
        for piece in cut(text):
            spans = find_spans(piece, language)
            yield Document(path, package, licence, language, piece, spans)


def _read(path: Path, language: str) -> tuple[str, str | None]:
    """The text, and why it is not taken."""
    if path.stat().st_size > MAX_BYTES:
        return "", "too big"
    text = decode(path.read_bytes())
    if text is None:
        return "", "not UTF-8"
    return text, refuse_text(text, language)
