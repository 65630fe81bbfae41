"""A project process that dies is started again, and whoever it concerns is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from workspace_files import write

from infill_lsp.project import helper
from infill_lsp.project.assembly import SOURCES, Answer
from infill_lsp.project.client import ProjectClient
from infill_lsp.project.helper import Helper, Mode
from infill_lsp.project.sources import Question

SECONDS = 20.0
ASKED = Question("main.py", "python", ("from a import f",), "x = f(", ")")


class Heard:
    """What was said, and waiting for it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.news = asyncio.Event()

    def __call__(self, why: str) -> None:
        self.said.append(why)
        self.news.set()

    async def wait_for(self, text: str, count: int = 1) -> None:
        async with asyncio.timeout(SECONDS):
            while sum((text in each) if text else not each for each in self.said) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def started(tmp_path: Path, heard: Heard) -> AsyncIterator[Helper]:
    write(tmp_path, {"a.py": "def f(height: int): ...\n", ".gitignore": "out/\n"})
    made = Helper(tmp_path, Mode(watch=False, index=True), on_trouble=heard)
    yield made
    client = made._client
    made.close()
    if client is not None:
        await client.wait_closed()


async def pieces(asked: Helper) -> Answer:
    async with asyncio.timeout(SECONDS):
        while not (answer := await asked.answer(ASKED, SOURCES)).snippets:
            await asyncio.sleep(0.02)
    return answer


async def test_it_comes_back_and_says_so(started: Helper, heard: Heard) -> None:
    await pieces(started)
    for times in range(1, 3):
        assert started.pid is not None
        psutil.Process(started.pid).kill()
        await heard.wait_for("the helper process ended (SIGKILL); it is started again", times)
        await heard.wait_for("", times + 1)
        assert (await pieces(started)).snippets[0].text == "# a.py\ndef f(height: int):"
        assert await started.ignored("out/x.py") == "named by an ignore file"


async def test_who_asks_while_it_is_away_is_answered(started: Helper, heard: Heard) -> None:
    await heard.wait_for("")
    assert started.pid is not None
    psutil.Process(started.pid).suspend()
    asked = asyncio.ensure_future(started.answer(ASKED, SOURCES))
    judged = asyncio.ensure_future(started.ignored("out/x.py"))
    await asyncio.sleep(0.1)
    psutil.Process(started.pid).kill()
    assert await asyncio.wait_for(asked, SECONDS) == Answer()
    assert await asyncio.wait_for(judged, SECONDS) == "named by an ignore file", "of the next one"


async def test_one_that_hangs_is_ended(
    started: Helper, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard.wait_for("")
    monkeypatch.setattr("infill_lsp.project.client.PATIENCE", 0.2)
    assert started.pid is not None
    psutil.Process(started.pid).suspend()
    assert await asyncio.wait_for(started.answer(ASKED, SOURCES), SECONDS) == Answer()
    monkeypatch.undo()
    await heard.wait_for("", 2)
    await pieces(started)


async def test_one_that_dies_again_and_again_is_given_up(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper, "FIRST_WAIT", 0.01)
    monkeypatch.setattr("sys.executable", "/bin/false")
    made = Helper(tmp_path, Mode(watch=False, index=True), on_trouble=heard)
    await heard.wait_for(
        f"no longer looked at: the helper process ended (code 1), {helper.MOST_SHORT_LIVES} times"
    )
    assert await asyncio.wait_for(made.ignored("a.py"), SECONDS) is None, (
        "nobody knows, nobody waits"
    )
    made.close()


async def test_what_it_is_told_does_not_end_it(
    started: Helper, heard: Heard, tmp_path: Path
) -> None:
    await pieces(started)
    first = started.pid
    started.changed(["a\0.py", "\0", "", "..", "x" * 100_000, "\ud800", "a.py/b", "a" * 300])
    started.remember("\ud800", 0, "x\0\ud800")
    odd = Question("\0\ud800", "no such language", ("\0", "\ud800"), "\ud800" * 3, "\0")
    await asyncio.wait_for(started.answer(odd, SOURCES), SECONDS)
    await started.ignored("\0\ud800")
    await pieces(started)
    assert started.pid == first


async def test_files_that_are_switched_off_say_nothing_to_others(
    started: Helper, tmp_path: Path
) -> None:
    """Whatever the source: what it defines, and what of it was edited."""
    started.remember("a.py", 0, "edited = 1")
    assert {each.path for each in (await pieces(started)).snippets} == {"a.py"}
    started.exclude(["a.*"])
    assert (await started.answer(ASKED, SOURCES)).verdicts == ()
    started.remember("a.py", 0, "edited = 1")
    assert (await started.answer(ASKED, SOURCES)).verdicts == ()
    started.exclude([])
    await pieces(started)


async def test_rules_only(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def f(): ...\n", ".gitignore": "a.py\n"})
    client = await ProjectClient.start(tmp_path, watch=False, index=False)
    assert await asyncio.wait_for(client.indexed, SECONDS) == 0
    assert await client.ignored("a.py") == "named by an ignore file"
    client.close()
    await client.wait_closed()
