"""What is a notice, what only looks like one, and which header a file has."""

from __future__ import annotations

import pytest

from infill_lsp.notices import at_start, header, normal, notice_at, notices


@pytest.mark.parametrize(
    "line",
    [
        "Copyright (c) 2012 The Foo Authors.",
        "Copyright Acme",
        "(c) Acme Inc",
        "&copy; 2020 Example",
        "Permission is hereby granted, free of charge, to any person",
        "you may not use this file except in compliance with the License",
        "MIT License",
        "License: MIT",
        "SPDX-License-Identifier: MIT",
        "Use of this source code is governed by a BSD-style",
        "Licensed to the Apache Software Foundation (ASF)",
        "Created by John Smith on 12/3/2020",
        "@author John",
        "Author: Bob",
        "Contributors: A, B",
        "Jane Roe <jane@example.com>",
    ],
)
def test_a_notice(line: str) -> None:
    assert notice_at(line, "# ") == 0
    assert notice_at(line, "# ", {normal(f"# {line}")}) is None, "the workspace has it"


@pytest.mark.parametrize(
    "line",
    [
        "copyright the value of x to the list",
        "the author of this book is unknown",
        "the licence plate of the car",
        "(c) for c in x",
        "Creates a widget by name",
        "created by the factory",
        "email addresses are checked",
        "Returns the sum of the two given numbers",
        "a copy of the list is returned to the caller",
    ],
)
def test_no_notice(line: str) -> None:
    assert notice_at(line, "# ") is None


def test_a_licence_is_known_by_words_that_the_text_before_begins() -> None:
    before = "# Permission is hereby granted, free\n# "
    assert notice_at("of charge, to any person", before) == 0
    assert notice_at("of charge", "# this costs nothing and comes free ") is None


def test_only_what_follows_the_last_good_line_is_found() -> None:
    assert notice_at("Adds numbers.\nAuthor: Bob", "# ") == len("Adds numbers.\n")


def test_a_header_reaches_to_its_last_notice() -> None:
    text = "#!/bin/sh\n# Copyright 2020 Acme\n#\n# Licensed under the MIT license.\n\necho 1\n"
    assert header(text) == text[: text.index("\n\necho")]
    assert header("echo 1\n") == ""
    assert header("a\nb\nc\nd\ne\n# Copyright 2020 Acme\n") == ""
    assert notices(text)[0] == "Copyright 2020 Acme"


def test_the_start_of_a_file_holds_comments_only() -> None:
    assert all(at_start(text) for text in ("", "#!/bin/sh\n# ", "\ufeff// "))
    assert not at_start("import os\n# ")
