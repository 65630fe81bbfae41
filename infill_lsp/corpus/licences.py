"""Which licences let us learn from a text, and what a package's own metadata says of its licence.

Knows the words of SPDX, of Python's classifiers and of debian/copyright. It reads no licence texts
and guesses nothing: what is not clearly permissive is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.parser import HeaderParser
from fnmatch import translate
from typing import Any

PERMISSIVE = frozenset(
    {
        "0bsd",
        "apache-2",
        "apache-2.0",
        "blueoak-1.0.0",
        "boost-1.0",
        "bsd-1-clause",
        "bsd-2",
        "bsd-2-clause",
        "bsd-2-clauses",
        "bsd-3",
        "bsd-3-clause",
        "bsd-3-clauses",
        "bsd-3-google",
        "bsd-c3",
        "bsl-1.0",
        "cc0",
        "cc0-1.0",
        "cnri-python",
        "curl",
        "expat",
        "freebsd",
        "go",
        "hpnd",
        "isc",
        "libpng",
        "libpng-2.0",
        "mit",
        "mit-0",
        "mit-cmu",
        "ncsa",
        "pd",
        "postgresql",
        "psf",
        "psf-2.0",
        "psfl",
        "public-domain",
        "python-2.0",
        "unicode-3.0",
        "unlicense",
        "x11",
        "zlib",
    }
)

_SPOKEN = {
    "apache": "apache-2.0",
    "apache 2": "apache-2.0",
    "apache 2.0": "apache-2.0",
    "apache license 2.0": "apache-2.0",
    "apache license, version 2.0": "apache-2.0",
    "apache license version 2.0": "apache-2.0",
    "apache software license": "apache-2.0",
    "apache software license 2.0": "apache-2.0",
    "boost software license 1.0 (bsl-1.0)": "bsl-1.0",
    "bsd": "bsd-3-clause",
    "bsd 2-clause": "bsd-2-clause",
    "bsd 3-clause": "bsd-3-clause",
    "bsd 3-clause license": "bsd-3-clause",
    "bsd license": "bsd-3-clause",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "cc0-1.0",
    "historical permission notice and disclaimer (hpnd)": "hpnd",
    "isc license": "isc",
    "isc license (iscl)": "isc",
    "mit license": "mit",
    "mit no attribution license (mit-0)": "mit-0",
    "modified bsd": "bsd-3-clause",
    "modified bsd license": "bsd-3-clause",
    "new bsd": "bsd-3-clause",
    "new bsd license": "bsd-3-clause",
    "postgresql license": "postgresql",
    "psf": "psf-2.0",
    "psf license": "psf-2.0",
    "python software foundation license": "psf-2.0",
    "public domain": "public-domain",
    "the mit license": "mit",
    "the unlicense (unlicense)": "unlicense",
    "university of illinois/ncsa open source license": "ncsa",
    "zlib/libpng": "zlib",
    "zlib/libpng license": "zlib",
}
# Debian writes `BSD-3-clause-Google`, `Expat~Foo`, for texts that differ in the names they hold.
_VARIANT = re.compile(r"(expat|mit|bsd-[23]-clause|apache-2(?:\.0)?|isc|zlib|public-domain)[~_-].+")
_WORD = re.compile(r"\(|\)|[^\s(),]+")


def is_permissive(expression: str) -> bool:
    """Whether an SPDX expression (or Debian's, or a spoken name) is permissive as a whole.

    `or` needs one permissive side, `and` both; an unknown name is not permissive.
    """
    spoken = _SPOKEN.get(" ".join(expression.lower().split()))
    words = _WORD.findall((spoken or expression).lower())
    try:
        verdict, rest = _either(words)
    except IndexError:
        return False
    return verdict and not rest


def _either(words: list[str]) -> tuple[bool, list[str]]:
    verdict, words = _both(words)
    while words[:1] == ["or"]:
        other, words = _both(words[1:])
        verdict = verdict or other
    return verdict, words


def _both(words: list[str]) -> tuple[bool, list[str]]:
    verdict, words = _one(words)
    while words[:1] == ["and"]:
        other, words = _one(words[1:])
        verdict = verdict and other
    return verdict, words


def _one(words: list[str]) -> tuple[bool, list[str]]:
    name, words = words[0], words[1:]
    if name == "(":
        verdict, words = _either(words)
        return verdict, words[1:] if words[0] == ")" else words
    if words[:1] == ["with"]:  # an exception only ever gives more rights
        words = words[1:]
        while words and words[0] not in {"and", "or", ")"}:
            words = words[1:]
    return name in PERMISSIVE or _VARIANT.fullmatch(name) is not None, words


def of_wheel(metadata: str) -> str:
    """The licence in a wheel's METADATA, as an expression; empty when it says none.

    The expression counts first, then the classifiers (all of them must hold), then the free text.
    """
    fields = HeaderParser().parsestr(metadata)
    if expression := fields.get("License-Expression"):
        return str(expression)
    classifiers = [
        str(line).rsplit(" :: ", 1)[1]
        for line in fields.get_all("Classifier", [])
        if str(line).startswith("License :: ") and not str(line).endswith("OSI Approved")
    ]
    if classifiers:
        return " AND ".join(
            _SPOKEN.get(name.lower(), name.replace(" ", "-")) for name in classifiers
        )
    text = str(fields.get("License") or "").strip()
    return text if len(text) < 100 else ""


def of_npm(package_json: str) -> str:
    """The licence in a package.json; empty when it says none."""
    fields: dict[str, Any] = json.loads(package_json)
    found = fields.get("license") or fields.get("licenses") or ""
    if isinstance(found, list):  # the old form: any of them
        return " OR ".join(_npm_name(entry) for entry in found)
    return _npm_name(found)


def _npm_name(entry: Any) -> str:
    return str(entry.get("type", "") if isinstance(entry, dict) else entry)


@dataclass(frozen=True, slots=True)
class DebianCopyright:
    """A machine-readable debian/copyright: which files stand under which licence."""

    stanzas: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def parse(cls, text: str) -> DebianCopyright:
        """Raises ValueError when the text is not in the machine-readable format."""
        stanzas = []
        for paragraph in re.split(r"\n[ \t]*\n", text):
            fields = HeaderParser().parsestr(paragraph.strip() + "\n")
            if fields.get("Files") and fields.get("License"):
                globs = "|".join(translate(glob) for glob in str(fields["Files"]).split())
                licence = str(fields["License"]).strip().split("\n", 1)[0]
                stanzas.append((re.compile(globs), licence))
        if not stanzas:
            raise ValueError("debian/copyright is not in the machine-readable format")
        return cls(tuple(stanzas))

    def licence_of(self, path: str) -> str:
        """The licence of one file; the last stanza that names it counts.

        Binary packages move files into folders of their own, so each end of the path is tried.
        """
        parts = path.split("/")
        ends = ["/".join(parts[start:]) for start in range(len(parts))]
        for globs, licence in reversed(self.stanzas):
            if any(globs.match(end) for end in ends):
                return licence
        return ""
