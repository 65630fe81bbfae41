"""`infill-lsp eval` as a whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine

import engine
from engine import EngineConfig, EngineError, InfillRequest
from infill_lsp.asking import CANDIDATES
from infill_lsp.commands import CommandError
from infill_lsp.commands.evaluate import HELDOUT, HUMANEVAL, PAIRS, Suite, data_of, run
from infill_lsp.evaluation import fillers, suffix_pairs

FIELDS = {
    "suite", "split", "cases", "pass_at_1", "interval", "exact", "shown", "forwards",
    "tokens_per_forward", "ms_p50", "ms_p95", "model", "device", "edit_similarity", "parses",
    "command", "commit", "versions", "seed", "deadline_ms", "sandbox", "without_suffix", "automatic",
}  # fmt: skip


@pytest.fixture
def single_line(benchmark: Path) -> Suite:
    return Suite(HUMANEVAL, benchmark, split="single-line")


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("model", "passed", "exact", "shown"), [("gold", 3, 3, 3), ("empty", 1, 0, 0)]
)
def test_baselines(
    single_line: Suite,
    capsys: pytest.CaptureFixture[str],
    model: str,
    passed: int,
    exact: int,
    shown: int,
) -> None:
    assert run(single_line, EngineConfig(model=model)) == 0
    found = last_line(capsys)
    assert set(found) >= FIELDS
    shares = [found[name] for name in ("pass_at_1", "exact", "shown")]
    assert shares == [round(count / 3, 4) for count in (passed, exact, shown)]
    assert (found["model"], found["suite"], found["cases"]) == (model, HUMANEVAL, 3)


def test_the_ceiling_is_asked_through_the_product(
    single_line: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    run(single_line, EngineConfig(model="ceiling"))
    assert last_line(capsys)["pass_at_1"] >= round(2 / 3, 4)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    def script(request: InfillRequest) -> list[str]:
        return ["2 * x" if request.prefix.endswith("y = ") else "y"]

    fake = FakeEngine(script)
    monkeypatch.setattr(engine, "load", lambda config: fake)
    return fake


def test_an_engine_is_evaluated_and_closed(
    single_line: Suite, fake: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    run(single_line, EngineConfig(), deadline=700)
    said = capsys.readouterr().out
    assert "single-line" in said.splitlines()[1]
    found = json.loads(said.splitlines()[-1])
    assert found["exact"] == round(2 / 3, 4)
    assert found["pass_at_1"] >= round(2 / 3, 4)
    assert found["model"] == "fake"
    assert fake.closed
    assert [request.deadline for request in fake.requests] == [0.7] * 4  # with the warm-up


def test_as_json_prints_one_line(single_line: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    run(single_line, EngineConfig(model="gold"), as_json=True)
    assert capsys.readouterr().out.count("\n") == 1


def test_a_limit_draws_at_random_and_the_same_each_time(
    single_line: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = set()
    for seed in range(12):
        path = tmp_path / f"{seed}.jsonl"
        suite = Suite(HUMANEVAL, single_line.data, split="single-line", limit=1)
        run(suite, EngineConfig(model="gold"), seed=seed, answers=path)
        drawn.add(json.loads(path.read_text().splitlines()[1])["id"])
        assert last_line(capsys)["cases"] == 1
    assert len(drawn) > 1


def test_a_second_run_goes_on_where_the_first_was_stopped(
    single_line: Suite,
    tmp_path: Path,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("infill_lsp.commands.evaluate.BATCH", 1)
    monkeypatch.setattr("infill_lsp.commands.evaluate.commit", lambda: "abc")
    path = tmp_path / "answers.jsonl"
    script, asked = fake.answer, 0

    def broken(request: InfillRequest) -> list[str]:
        nonlocal asked
        asked += 1
        if asked > 3:  # the warm-up and two cases
            raise EngineError("The device is gone. Plug it in.")
        return script(request)  # type: ignore[operator,return-value]

    fake.answer = broken
    with pytest.raises(EngineError):
        run(single_line, EngineConfig(), answers=path)
    assert len(path.read_text().splitlines()) == 1 + 2
    fresh = FakeEngine(script)
    monkeypatch.setattr(engine, "load", lambda config: fresh)
    run(single_line, EngineConfig(), answers=path)
    assert len(fresh.requests) == 2  # the warm-up, and the case that was left
    resumed = last_line(capsys)
    assert resumed["cases"] == 3
    assert resumed["exact"] == round(2 / 3, 4)
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert [row["text"] for row in rows[:2]] == ["2 * x", "y"]
    assert [row["verdict"] for row in rows[:2]] == ["passed", "passed"]
    with pytest.raises(CommandError, match="its seed is 0, this one's 1"):
        run(single_line, EngineConfig(), answers=path, seed=1)


def test_held_out_files_by_language_and_kind(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Suite(HELDOUT, corpus), EngineConfig(model="gold")) == 0
    found = last_line(capsys)
    assert found["pass_at_1"] is None
    assert (found["exact"], found["parses"], found["first_run"]) == (1.0, 1.0, 1.0)
    assert found["sandbox"] is None
    kinds = {(part["language"], part["kind"]) for part in found["parts"]}
    assert {("json", "value"), ("python", "block"), ("all", "value")} <= kinds
    run(Suite(HELDOUT, corpus, language="json", kind="value", limit=1), EngineConfig(model="empty"))
    found = last_line(capsys)
    assert (found["cases"], found["exact"], found["parses"]) == (1, 0.0, None)
    assert "--language json --kind value --limit 1 --model empty" in found["command"]


@pytest.fixture
def pairs() -> Suite:
    return Suite(PAIRS, data_of(PAIRS, None))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, pairs: Suite) -> None:
    """The engine that is loaded knows what fits by what follows; where nothing does, says what fits a pair's first side."""
    sides = [side.case for pair in suffix_pairs.read(pairs.data) for side in pair]
    known = {(case.prefix, case.suffix): case.middle for case in sides}
    guess = {(case.prefix, case.language): case.middle for case in reversed(sides)}

    def script(request: InfillRequest) -> str:
        fitting = known.get((request.prefix, request.suffix))
        return fitting or guess.get((request.prefix, request.language), "a")

    monkeypatch.setattr(engine, "load", lambda config: FakeEngine(script))


def test_what_fits_a_pair_passes_through_the_product(
    pairs: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    run(pairs, EngineConfig(model="ceiling"))
    found = last_line(capsys)
    assert set(found) >= FIELDS | {"fits", "differ"}
    assert (found["cases"], found["pass_at_1"], found["fits"]) == (50, 1.0, 1.0)
    assert found["verdicts"] == {"passed": 100}
    assert found["sandbox"] is None
    assert "--data" not in found["command"]
    assert {part["language"] for part in found["parts"]} >= {"all", "python", "go"}


@pytest.mark.usefixtures("reader")
def test_pairs_tell_who_reads_what_follows(
    pairs: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    run(pairs, EngineConfig())
    found = last_line(capsys)
    assert [found[name] for name in ("pass_at_1", "fits", "differ")] == [1.0, 1.0, 1.0]
    run(replace(pairs, without_suffix=True), EngineConfig())
    found = last_line(capsys)
    assert [found[name] for name in ("pass_at_1", "differ")] == [0.0, 0.0]
    assert 0.2 < found["fits"] <= 0.5


def test_a_limit_draws_whole_pairs(pairs: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    run(replace(pairs, limit=7), EngineConfig(model="gold"))
    found = last_line(capsys)
    assert found["cases"] == 7
    assert found["verdicts"] == {"passed": 14}
    assert "--limit 7" in found["command"]


def test_a_hidden_suffix_is_not_asked_about_but_judged_with(
    single_line: Suite,
    corpus: Path,
    fake: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("infill_lsp.commands.evaluate.commit", lambda: "abc")
    answers = tmp_path / "answers.jsonl"
    run(replace(single_line, without_suffix=True), EngineConfig(), answers=answers)
    found = last_line(capsys)
    assert found["pass_at_1"] >= round(2 / 3, 4)  # `return y` comes from the suffix
    assert found["without_suffix"] is True
    assert found["command"].endswith("--without-suffix")
    again = FakeEngine("x")
    monkeypatch.setattr(engine, "load", lambda config: again)
    run(Suite(HELDOUT, corpus, without_suffix=True), EngineConfig())
    assert last_line(capsys)["without_suffix"] is True
    requests = [*fake.requests, *again.requests]
    asked = [request for request in requests if request.path != fillers.WARM_UP.path]
    assert len(asked) > 3
    # What is mended stands before the rest of the fill itself, never before the file's.
    assert max(len(request.suffix) for request in asked) < 3
    with pytest.raises(CommandError, match="its without_suffix is True, this one's False"):
        run(single_line, EngineConfig(), answers=answers)


def test_cases_can_be_asked_as_while_typing(
    single_line: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While somebody types a model that weighs is asked for one fill, else for several to choose from."""

    def variants(automatic: bool) -> set[int]:
        fake = FakeEngine(["1", "2"], weighs=True)
        monkeypatch.setattr(engine, "load", lambda config: fake)
        run(replace(single_line, automatic=automatic), EngineConfig())
        return {request.variants for request in fake.requests[1:]}  # the first warms up

    assert CANDIDATES in variants(automatic=False)
    assert "--automatic" not in str(last_line(capsys)["command"])
    assert variants(automatic=True) == {1}
    found = last_line(capsys)
    assert found["automatic"] is True
    assert str(found["command"]).endswith("--automatic")


@pytest.mark.parametrize("suite", [HUMANEVAL, HELDOUT])
def test_where_only_the_user_knows_the_cases_they_are_asked_for(suite: str) -> None:
    with pytest.raises(CommandError, match=f"{suite} needs --data"):
        data_of(suite, None)
    assert data_of(suite, Path("here")) == data_of(PAIRS, Path("here")) == Path("here")


@pytest.mark.parametrize(
    ("suite", "complaint"),
    [
        (Suite(HUMANEVAL, Path("/nowhere"), split="single-line"), "human-eval-infilling"),
        (Suite(HUMANEVAL, Path("/nowhere"), split="other"), "single-line, multi-line"),
        (Suite(HUMANEVAL, Path("/nowhere")), "--split must be"),
        (Suite(HELDOUT, Path("/nowhere")), "no heldout-"),
        (Suite(HELDOUT, Path("/nowhere"), kind="word"), "--kind must be"),
        (Suite(PAIRS, Path("/nowhere")), "comes with the source code"),
    ],
)
def test_bad_input_is_one_line_with_the_cure(suite: Suite, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint) as raised:
        run(suite, EngineConfig(model="gold"))
    assert "\n" not in str(raised.value)
