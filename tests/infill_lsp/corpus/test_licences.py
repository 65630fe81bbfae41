"""What a package's metadata says of its licence, and whether we may learn from it."""

import pytest

from infill_lsp.corpus.licences import DebianCopyright, is_permissive, of_npm, of_wheel


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "mit",
        "MIT License",
        "BSD-3-Clause AND 0BSD AND Zlib",
        "GPL-2.0-only OR MIT",
        "(MIT OR CC0-1.0)",
        "Expat or GPL-2+",
        "Apache-2.0 WITH LLVM-exception",
        "Apache-2.0 with LLVM exception and MIT",
        "BSD-3-clause~Google",
        "(GPL-3.0-or-later OR MIT) AND (ISC OR LGPL-2.1-only)",
    ],
)
def test_permissive(expression: str) -> None:
    assert is_permissive(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MIT AND (GPL-2.0-only OR MPL-2.0)",
        "LGPL-2.1-or-later WITH GCC-exception-2.0",
        "SEE LICENSE IN LICENSE.md",
        "UNLICENSED",
        "MPL-2.0",
        "CC-BY-4.0",
        "SSPL-1.0",
        "MIT MIT",
        "MIT OR",
        "(MIT",
        "GPL-2+, MIT",
    ],
)
def test_not_permissive(expression: str) -> None:
    assert not is_permissive(expression)


def test_a_wheels_expression_counts_before_its_classifiers() -> None:
    metadata = "Name: shop\nLicense-Expression: GPL-3.0-only\nClassifier: License :: OSI Approved :: MIT License\n"
    assert of_wheel(metadata) == "GPL-3.0-only"


def test_all_classifiers_of_a_wheel_must_hold() -> None:
    both = (
        "Name: shop\n"
        "Classifier: License :: OSI Approved\n"
        "Classifier: License :: OSI Approved :: MIT License\n"
        "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)\n"
    )
    assert is_permissive(of_wheel(both.rsplit("Classifier", 1)[0]))
    assert not is_permissive(of_wheel(both))


def test_a_wheels_free_text_is_a_name_not_a_licence_text() -> None:
    assert is_permissive(of_wheel("Name: shop\nLicense: BSD 3-Clause License\n"))
    assert of_wheel("Name: shop\nLicense: " + "MIT, as follows: " * 20 + "\n") == ""
    assert of_wheel("Name: shop\n") == ""


@pytest.mark.parametrize(
    ("package_json", "licence"),
    [
        ('{"license": "MIT"}', "MIT"),
        ('{"license": {"type": "ISC", "url": "x"}}', "ISC"),
        ('{"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}', "MIT OR GPL-2.0"),
        ("{}", ""),
    ],
)
def test_npm(package_json: str, licence: str) -> None:
    assert of_npm(package_json) == licence


COPYRIGHT = """\
Format: https://example.org/copyright-format/1.0/
Upstream-Name: shop

Files: *
Copyright: 2020 A
License: Expat

Files: src/gpl/*
 tools/one.c
Copyright: 2021 B
License: GPL-2+
 This program is free software.

Files: src/gpl/free.c
Copyright: 2022 C
License: ISC or GPL-2+

License: Expat
 Permission is hereby granted
"""


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("main.c", "Expat"),
        ("src/gpl/deep/er.c", "GPL-2+"),
        ("tools/one.c", "GPL-2+"),
        ("src/gpl/free.c", "ISC or GPL-2+"),
        ("usr/share/code/src/gpl/other.c", "GPL-2+"),
    ],
)
def test_debian_names_the_licence_of_each_file(path: str, licence: str) -> None:
    assert DebianCopyright.parse(COPYRIGHT).licence_of(path) == licence


def test_debian_copyright_in_prose_is_refused() -> None:
    with pytest.raises(ValueError, match="machine-readable"):
        DebianCopyright.parse("This package was made by A.\n\nIt is free.\n")
