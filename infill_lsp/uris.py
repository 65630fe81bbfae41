"""One normal form for the spellings of a URI, and the path behind one.

Clients spell one document in several ways: `%20` or a space, `c%3A` or `C:`, `%7E` or `~`, `localhost` or
no host, a slash at a folder's end. The specification of LSP asks servers to take them for one.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

LONGEST = 8192
"""Characters; a longer URI is taken as it is."""
_PLAIN = "/!$&'()*+,;=:@~"
"""What RFC 3986 lets stand in a path."""
_LOCAL = re.compile(r"file:|vscode-notebook-cell:(?!//[^/])", re.IGNORECASE)
_DRIVE = re.compile(r"^/([A-Za-z]):")


@lru_cache(maxsize=512)
def normal(uri: str) -> str:
    """The URI in its normal form; as it is where it is none."""
    if len(uri) > LONGEST:
        return uri
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    if not parts.scheme:
        return uri
    path = unquote(parts.path, errors="surrogateescape")
    host = quote(unquote(parts.netloc), safe="+-._~:@[]")
    if parts.scheme == "file":
        host = "" if host.lower() == "localhost" else host.lower()
        path = _DRIVE.sub(lambda found: f"/{found[1].lower()}:", path.replace("\\", "/"))
    if path.startswith("/"):
        path = posixpath.normpath(path)
        path = path[1:] if path.startswith("//") else path  # POSIX gives two slashes a meaning
    quoted = quote(path, safe=_PLAIN, errors="surrogateescape")
    slashes = "//" if host or parts.scheme == "file" or uri.startswith(f"{parts.scheme}://") else ""
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{parts.scheme}:{slashes}{host}{quoted}{query}{fragment}"


def path_of(uri: str) -> Path | None:
    """The path of a `file:` URI, or of a notebook's cell in such a file; None for any other, and for what
    no path can be."""
    if len(uri) > LONGEST or not _LOCAL.match(uri):
        return None
    try:
        path = unquote(urlsplit(normal(uri)).path, errors="surrogateescape")
    except ValueError:
        return None
    if "\0" in path or not path:
        return None
    return Path(path[1:] if _DRIVE.match(path) else path)


def relative(uri: str, folder: str) -> str | None:
    """The path of a document below a workspace folder, whatever their scheme; None when it is not there."""
    inner, outer = unquote(normal(uri)), unquote(normal(folder)).rstrip("/") + "/"
    return inner[len(outer) :] if folder and inner.startswith(outer) else None
