"""Counts on disk, and `infill-lsp stats`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from infill_lsp.cli import main
from infill_lsp.usage import Event, UsageLog, read, usage_file, write

WRITERS, EVENTS = 4, 25


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_counts_add_up_by_language() -> None:
    file = usage_file()
    write(file, [Event("python", shown=1, ms=100.0), Event("go", shown=1, ms=7.0)])
    write(file, [Event("python", accepted=1, characters=12), Event("python", shown=1, ms=100.0)])
    go, python = read(file)
    assert (go.language, go.shown, go.accepted) == ("go", 1, 0)
    assert (python.shown, python.accepted, python.characters) == (2, 1, 12)
    ((ms, times),) = python.latencies.items()
    assert ms == pytest.approx(100.0, rel=0.03)
    assert times == 2


def test_several_servers_write_at_once() -> None:
    """Each its own process, as servers are."""
    code = (
        "from infill_lsp.usage import Event, usage_file, write\n"
        f"for _ in range({EVENTS}): write(usage_file(), [Event('python', shown=1, ms=10.0)])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(WRITERS)]
    assert [writer.wait(60) for writer in writers] == [0] * WRITERS
    (day,) = read(usage_file())
    assert day.shown == sum(day.latencies.values()) == WRITERS * EVENTS


def test_the_log_writes_on_its_own_thread_and_is_done_when_closed() -> None:
    log = UsageLog()
    log.add(Event("rust", shown=1, ms=3.0))
    log.close()
    assert [day.shown for day in read(usage_file())] == [1]


def test_a_language_that_is_none_is_not_kept() -> None:
    write(usage_file(), [Event("my secret code()", shown=1)])
    assert [day.language for day in read(usage_file())] == ["other"]


def test_nobody_else_may_look() -> None:
    write(usage_file(), [Event("c", shown=1)])
    assert usage_file().parent.stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    log = UsageLog(blocked / "usage.sqlite3")
    for _ in range(3):
        log.add(Event("c", shown=1))
    log.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"], "said once"


def test_stats_before_anything_was_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 1
    assert capsys.readouterr().out.startswith("nothing yet")


def test_stats_shows_each_language_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [Event("python", shown=1, ms=float(ms)) for ms in range(1, 101)]
    write(usage_file(), [*shown, Event("python", accepted=25, partial=5, characters=400)])
    write(usage_file(), [Event("go", shown=1, ms=5.0)])
    assert main(["stats", "--json"]) == 0
    python, go, everything = json.loads(capsys.readouterr().out)
    assert python["language"] == "python"
    assert (python["shown"], python["refused"], python["acceptance"]) == (100, 70, 0.3)
    assert python["ms_p50"] == pytest.approx(50, rel=0.05)
    assert python["ms_p95"] == pytest.approx(95, rel=0.05)
    assert go["ms_p95"] == pytest.approx(5, rel=0.05)
    assert (everything["language"], everything["shown"]) == ("all", 101)
    assert main(["stats"]) == 0
    table = capsys.readouterr().out
    assert "python" in table
    assert "30%" in table


def test_stats_as_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    write(usage_file(), [Event("python", shown=1, ms=80.0), Event("python", accepted=1)])
    picture = tmp_path / "stats.png"
    assert main(["stats", "--png", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["stats", "--png", str(tmp_path / "no" / "folder.png")]) == 2
    assert "Give another file" in capsys.readouterr().err


def test_a_damaged_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    usage_file().parent.mkdir(parents=True)
    usage_file().write_bytes(b"this is no database" * 100)
    assert main(["stats"]) == 2
    assert "Delete it to begin anew" in capsys.readouterr().err


def test_the_file_holds_nothing_but_numbers_days_and_languages() -> None:
    write(usage_file(), [Event("python", shown=1, ms=2.0)])
    with closing(sqlite3.connect(usage_file())) as connection:
        columns = {
            (table, column[1])
            for (table,) in connection.execute("SELECT name FROM sqlite_master")
            for column in connection.execute(f"PRAGMA table_info({table})")
        }
    counts = {"day", "language", "shown", "accepted", "partial", "characters"}
    latencies = {"day", "language", "bucket", "shown"}
    assert columns == {("counts", name) for name in counts} | {
        ("latencies", name) for name in latencies
    }
