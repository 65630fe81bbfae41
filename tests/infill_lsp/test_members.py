"""Which classes a text knows whole, and what their members are."""

from __future__ import annotations

import pytest

from infill_lsp.members import class_of, missing_member, words_of_class

PYTHON = """\
class Base:
    def one(self):
        pass

class Known(Base):
    two = 2

class Foreign(other.Base):
    pass

class Lazy:
    def __getattr__(self, name):
        return name

@register
class Decorated:
    pass

@dataclass
class Data:
    three: int
"""


@pytest.mark.parametrize(
    ("name", "has"),
    [("Base", "one"), ("Known", "one"), ("Data", "three"), ("Known", "two")],
)
def test_classes_that_are_known(name: str, has: str) -> None:
    words = words_of_class("python", PYTHON, None, name)
    assert words is not None
    assert has in words
    assert "four" not in words


@pytest.mark.parametrize("name", ["Foreign", "Lazy", "Decorated", "NotThere"])
def test_classes_that_are_not(name: str) -> None:
    assert words_of_class("python", PYTHON, None, name) is None


def test_what_a_variable_holds() -> None:
    assert class_of("a", "a = Known()\n") == "Known"
    assert class_of("a", "const a = new Known();\n") == "Known"
    assert class_of("a", "a = Known()\na = f\n") is None
    assert class_of("Known", "") == "Known"
    assert class_of("a", "") is None


def test_only_code_counts_and_only_what_is_read() -> None:
    assert missing_member("python", PYTHON, "Known.four()", "") == "Known.four"
    assert missing_member("python", PYTHON, "x = 'Known.four'", "") is None
    assert missing_member("python", PYTHON, "Known.four = 4\nKnown.four", "") is None
    assert missing_member("python", PYTHON, "Known.__name__", "") is None
    assert missing_member("ruby", "class Known\nend\n", "Known.four", "") is None
