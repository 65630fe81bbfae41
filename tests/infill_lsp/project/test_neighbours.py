"""When pieces are chosen anew, and that no request waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from workspace_files import write

from engine import Snippet
from infill_lsp.context import gather
from infill_lsp.documents import Document
from infill_lsp.project.assembly import Answer
from infill_lsp.project.neighbours import Neighbours, folder_of
from infill_lsp.project.sources import Question

TEXT = "import a\n\ndef f(x):\n    y = 1\n    z = 2\n\ndef g(x):\n    return x\n"


class FakeClient:
    """A project process that answers when told to."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.changes: list[str] = []
        self.regions: list[tuple[str, int, str]] = []
        self.gate = asyncio.Event()

    async def answer(self, question: Question, sources: Sequence[str]) -> Answer:
        self.asked.append(question)
        await self.gate.wait()
        return Answer((Snippet(f"piece {len(self.asked)}"),))

    def changed(self, paths: list[str]) -> None:
        self.changes += paths

    def remember(self, path: str, line: int, text: str) -> None:
        self.regions.append((path, line, text))

    def close(self) -> None: ...


@pytest.fixture
async def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
async def neighbours(tmp_path: Path, client: FakeClient) -> AsyncIterator[Neighbours]:
    made = Neighbours()
    made.set_folders([tmp_path.as_uri()])
    made._clients[tmp_path] = client  # type: ignore[assignment]
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
    neighbours: Neighbours, client: FakeClient, tmp_path: Path
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
    neighbours: Neighbours, client: FakeClient, tmp_path: Path
) -> None:
    document = opened(tmp_path)
    shown(neighbours, document, 3)
    await settle()
    shown(neighbours, document, 7)
    client.gate.set()
    await settle()
    assert shown(neighbours, document, 7) == ("piece 2",)


async def test_the_region_that_is_left_is_remembered(
    neighbours: Neighbours, client: FakeClient, tmp_path: Path
) -> None:
    long, other = opened(tmp_path, text="x = 1\n" * 100), opened(tmp_path, "other.py")
    neighbours.touched(long, 50)
    neighbours.touched(long, 55)
    assert client.regions == []
    neighbours.touched(long, 90)
    neighbours.touched(other, 1)
    neighbours.closed(other.uri)
    assert [(path, line) for path, line, _ in client.regions] == [
        ("main.py", 47),
        ("main.py", 82),
        ("other.py", 0),
    ]


async def test_documents_outside_the_folders_are_nobodys(
    neighbours: Neighbours, client: FakeClient
) -> None:
    for uri in ("untitled:Untitled-1", "file:///elsewhere/a.py"):
        document = Document(uri, TEXT)
        neighbours.opened(document)
        neighbours.touched(document, 3)
        neighbours.closed(uri)
        assert shown(neighbours, document, 3) == ()
        assert neighbours.ignored(uri) is None
    assert (client.asked, client.regions) == ([], [])


async def test_a_changed_ignore_file_counts_at_once(
    neighbours: Neighbours, client: FakeClient, tmp_path: Path
) -> None:
    document = opened(tmp_path)
    assert neighbours.ignored(document.uri) is None
    write(tmp_path, {".gitignore": "main.py\n"})
    neighbours.files_changed([(tmp_path / ".gitignore").as_uri()])
    assert neighbours.ignored(document.uri) == "named by an ignore file"
    assert client.changes == [".gitignore"]


def test_the_path_of_a_uri() -> None:
    assert folder_of("file:///a%20b/c.py") == Path("/a b/c.py")
    assert folder_of("file:///c%3A/x") == Path("c:/x")
    assert folder_of("untitled:1") is None
    assert folder_of("") is None
