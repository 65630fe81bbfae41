"""When pieces are chosen anew, and that no request waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from engine import Snippet
from infill_lsp.context import gather
from infill_lsp.documents import Document
from infill_lsp.project.assembly import Answer
from infill_lsp.project.helper import Mode
from infill_lsp.project.neighbours import Neighbours
from infill_lsp.project.sources import Question

TEXT = "import a\n\ndef f(x):\n    y = 1\n    z = 2\n\ndef g(x):\n    return x\n"


class FakeHelper:
    """A project process that answers when told to."""

    mode = Mode(watch=False, index=True)

    def __init__(self) -> None:
        self.rules: dict[str, str | None] = {}
        self.asked: list[Question] = []
        self.changes: list[str] = []
        self.regions: list[tuple[str, int, str]] = []
        self.gate = asyncio.Event()

    async def answer(self, question: Question, sources: Sequence[str]) -> Answer:
        self.asked.append(question)
        await self.gate.wait()
        return Answer((Snippet(f"piece {len(self.asked)}"),))

    async def ignored(self, path: str) -> str | None:
        await self.gate.wait()
        return self.rules.get(path)

    def exclude(self, patterns: Sequence[str]) -> None: ...

    def changed(self, paths: list[str]) -> None:
        self.changes += paths

    def remember(self, path: str, line: int, text: str) -> None:
        self.regions.append((path, line, text))

    def close(self) -> None: ...


@pytest.fixture
async def client() -> FakeHelper:
    return FakeHelper()


@pytest.fixture
async def neighbours(tmp_path: Path, client: FakeHelper) -> AsyncIterator[Neighbours]:
    made = Neighbours()
    made.set_folders([tmp_path.as_uri()])
    made._helpers[tmp_path] = client  # type: ignore[assignment]
    yield made
    made.stop()


def opened(folder: Path, name: str = "main.py", text: str = TEXT) -> Document:
    return Document((folder / name).as_uri(), text, path=name, encoding="utf-32")


def shown(neighbours: Neighbours, document: Document, line: int) -> tuple[str, ...]:
    snapshot = document.snapshot()
    context = gather(snapshot, snapshot.offset_at(line, 4))
    return tuple(each.text for each in neighbours.snippets(snapshot, context))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_pieces_are_kept_within_a_function_and_chosen_beside_requests(
    neighbours: Neighbours, client: FakeHelper, tmp_path: Path
) -> None:
    document = opened(tmp_path)
    assert shown(neighbours, document, 3) == ()  # nobody waits
    client.gate.set()
    await settle()
    assert shown(neighbours, document, 3) == ("piece 1",)
    assert shown(neighbours, document, 4) == ("piece 1",)
    await settle()
    assert len(client.asked) == 1
    client.gate.clear()
    assert shown(neighbours, document, 7) == ("piece 1",)  # the old ones until the new are there
    client.gate.set()
    await settle()
    assert shown(neighbours, document, 7) == ("piece 2",)


async def test_an_answer_that_came_too_late_is_not_shown(
    neighbours: Neighbours, client: FakeHelper, tmp_path: Path
) -> None:
    document = opened(tmp_path)
    shown(neighbours, document, 3)
    await settle()
    shown(neighbours, document, 7)
    client.gate.set()
    await settle()
    assert shown(neighbours, document, 7) == ("piece 2",)


async def test_the_region_that_is_left_is_remembered(
    neighbours: Neighbours, client: FakeHelper, tmp_path: Path
) -> None:
    long, other = opened(tmp_path, text="x = 1\n" * 100), opened(tmp_path, "other.py")
    neighbours.touched(long, 50)
    neighbours.touched(long, 55)
    assert client.regions == []
    neighbours.touched(long, 90)
    neighbours.touched(other, 1)
    neighbours.closed(other.uri)
    assert [(path, line) for path, line, _ in client.regions] == [
        ("main.py", 55),
        ("main.py", 90),
        ("other.py", 1),
    ]


async def test_documents_outside_the_folders_are_nobodys(
    neighbours: Neighbours, client: FakeHelper
) -> None:
    for uri in ("untitled:Untitled-1", "file:///elsewhere/a.py"):
        document = Document(uri, TEXT)
        neighbours.opened(document)
        neighbours.touched(document, 3)
        neighbours.closed(uri)
        assert shown(neighbours, document, 3) == ()
        assert neighbours.ignored(uri) is None
    assert (client.asked, client.regions) == ([], [])


async def test_no_request_reads_an_ignore_file(
    neighbours: Neighbours, client: FakeHelper, tmp_path: Path
) -> None:
    """Until it is known what the rules say, a document is left alone; then they are asked again
    whenever they may have changed, and the older answer holds meanwhile."""
    document = opened(tmp_path)
    neighbours.opened(document)
    assert neighbours.ignored(document.uri) == "its project's ignore rules are not read yet"
    client.gate.set()
    await neighbours.settle(document.uri)
    assert neighbours.ignored(document.uri) is None
    client.rules["main.py"] = "named by an ignore file"
    client.gate.clear()
    neighbours._judge_all()
    await settle()
    assert neighbours.ignored(document.uri) is None
    client.gate.set()
    await settle()
    assert neighbours.ignored(document.uri) == "named by an ignore file"
    neighbours.closed(document.uri)
    assert not neighbours._verdicts


async def test_who_waits_for_the_rules_does_not_wait_for_ever(
    neighbours: Neighbours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infill_lsp.project.neighbours.RULES_PATIENCE", 0.05)
    document = opened(tmp_path)
    await asyncio.wait_for(neighbours.settle(document.uri), 1.0)
    assert neighbours.ignored(document.uri) is not None


@pytest.mark.parametrize("uri", ["file:///a%00b.py", "file:///" + "a/" * 6000, "file://[", "file:"])
def test_a_uri_that_no_file_has(neighbours: Neighbours, uri: str) -> None:
    neighbours.files_changed([uri])
    assert neighbours.ignored(uri) is None
