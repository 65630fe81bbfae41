"""A wrong setting never stops the server, and is named."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.settings import Settings, engine_config, read, wire_name

WRONG = {
    "enabled": "yes",
    "automatic": 1,
    "disabled_languages": "markdown",
    "disabled_files": [1],
    "model": "",
    "device": "gpu",
    "threads": 0,
    "deadline_ms": 1.5,
    "invoked_deadline_ms": True,
    "variants": 17,
    "cut_below_percent": 100,
    "hide_below_percent": 101,
    "multiline": "sometimes",
    "complete_in_comments": None.__class__.__name__,
    "complete_in_strings": [],
    "ignored_files": "no",
    "project_context": ["similar", "magic"],
    "hole_markers": "TODO",
    "completion_fallback": False,
    "statistics": "never",
}
RIGHT = {
    "enabled": False,
    "automatic": False,
    "disabled_languages": ["markdown"],
    "disabled_files": [],
    "model": "other",
    "device": "cuda:1",
    "threads": 2,
    "deadline_ms": 20,
    "invoked_deadline_ms": 600_000,
    "variants": 16,
    "cut_below_percent": 20,
    "hide_below_percent": 100,
    "multiline": "never",
    "complete_in_comments": False,
    "complete_in_strings": False,
    "ignored_files": True,
    "project_context": ["imports", "recent"],
    "hole_markers": ["...", "todo!()"],
    "completion_fallback": "always",
    "statistics": False,
}
NAMES = [entry.name for entry in fields(Settings)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_value_is_named_and_the_default_used(name: str) -> None:
    reading = read([{wire_name(name): WRONG[name]}])
    assert reading.settings == Settings()
    (problem,) = reading.problems
    assert problem.startswith(f"infill.{wire_name(name)}: must be ")


@pytest.mark.parametrize("name", NAMES)
def test_a_right_value_is_taken(name: str) -> None:
    reading = read([{wire_name(name): RIGHT[name]}])
    assert reading.problems == ()
    expected = RIGHT[name]
    expected = tuple(expected) if isinstance(expected, list) else expected
    assert getattr(reading.settings, name) == expected != getattr(Settings(), name)


@pytest.mark.parametrize("name", NAMES)
def test_null_is_the_default(name: str) -> None:
    reading = read([{wire_name(name): RIGHT[name]}, {wire_name(name): None}])
    assert (reading.settings, reading.problems) == (Settings(), ())


def test_later_layers_win_and_a_wrong_value_keeps_the_earlier_one() -> None:
    reading = read(
        [{"infill": {"variants": 2, "deadlineMs": 99}}, {"variants": 5}, {"deadlineMs": 0}]
    )
    assert (reading.settings.variants, reading.settings.deadline_ms) == (5, 99)
    assert "99 is used" in reading.problems[0]


@pytest.mark.parametrize(
    "nothing", [None, {}, [], {"infill": None}, {"infill": []}, {"infill": {}}]
)
def test_nothing_is_no_problem(nothing: object) -> None:
    assert read([nothing]).problems == ()


def test_a_misspelt_name_is_told_from_an_unknown_one() -> None:
    problems = read([{"deadlinMs": 5, "colour": "blue"}]).problems
    assert problems == (
        "infill.deadlinMs is not a setting; did you mean infill.deadlineMs?",
        "infill.colour is not a setting, and is ignored.",
    )


def test_whole_numbers_of_lua() -> None:
    assert read([{"variants": 3.0}]).settings.variants == 3


def test_the_engine_s_part() -> None:
    config = engine_config(read([{"model": "m", "device": "cpu", "threads": 3}]).settings)
    assert (config.model, config.device, config.threads) == ("m", "cpu", 3)
    assert engine_config(Settings()) == engine_config(Settings(variants=9))


@given(st.lists(JSON | st.dictionaries(st.sampled_from([wire_name(n) for n in NAMES]), JSON)))
def test_reading_never_fails_and_gives_only_right_values(layers: list[object]) -> None:
    settings = read(layers).settings
    again = {wire_name(name): getattr(settings, name) for name in NAMES}
    again = {key: list(v) if isinstance(v, tuple) else v for key, v in again.items()}
    assert read([again]).problems == ()
