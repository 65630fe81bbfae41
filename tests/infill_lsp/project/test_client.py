"""The project's process: asked, told, ended, and gone with whoever started it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from workspace_files import write

from infill_lsp.project.assembly import SOURCES, Answer
from infill_lsp.project.client import ProjectClient
from infill_lsp.project.sources import Question

SECONDS = 20.0
ASKED = Question("main.py", "python", ("from a import f",), "x = f(", ")")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ProjectClient]:
    write(tmp_path, {"a.py": "def f(height: int): ...\n"})
    started = await ProjectClient.start(tmp_path, watch=False)
    yield started
    started.close()
    await started.wait_closed()


async def test_a_question_is_answered_when_all_is_read(client: ProjectClient) -> None:
    assert await asyncio.wait_for(client.indexed, SECONDS) == 1
    answer = await asyncio.wait_for(client.answer(ASKED, SOURCES), SECONDS)
    assert [each.text for each in answer.snippets] == ["# a.py\ndef f(height: int):"]
    assert answer.verdicts[0].left_out is None


async def test_changes_and_regions_are_passed_on(client: ProjectClient, tmp_path: Path) -> None:
    await asyncio.wait_for(client.indexed, SECONDS)
    write(tmp_path, {"a.py": "def f(depth: int): ...\n"})
    client.changed(["a.py"])
    client.remember("b.py", 0, "edited = 1")
    answer = await asyncio.wait_for(client.answer(ASKED, SOURCES), SECONDS)
    assert "edited = 1" in answer.snippets[-1].text
    async with asyncio.timeout(SECONDS):
        while "depth" not in answer.snippets[0].text:
            answer = await client.answer(ASKED, SOURCES)


async def test_a_process_that_died_says_nothing_and_hangs_nobody(client: ProjectClient) -> None:
    psutil.Process(client.pid).kill()
    assert await asyncio.wait_for(client.answer(ASKED, SOURCES), SECONDS) == Answer()
    await asyncio.sleep(0.1)
    client.changed(["a.py"])
    assert await asyncio.wait_for(client.answer(ASKED, SOURCES), SECONDS) == Answer()


async def test_close_ends_the_process(client: ProjectClient) -> None:
    process = psutil.Process(client.pid)
    client.close()
    await asyncio.to_thread(process.wait, SECONDS)


def test_the_process_ends_with_its_input_and_runs_no_code_of_the_workspace(tmp_path: Path) -> None:
    write(tmp_path, {"infill_lsp/__init__.py": "raise SystemExit('code of the workspace')"})
    worker = subprocess.run(
        [sys.executable, "-P", "-m", "infill_lsp.project.worker", str(tmp_path)],
        cwd=tmp_path,
        input=b"",
        capture_output=True,
        timeout=SECONDS,
    )
    assert (worker.returncode, worker.stderr) == (0, b"")
