"""Notebooks: a cell is a document, and the others are its context, in their order."""

from __future__ import annotations

from typing import Any

from lsprotocol import types
from sessions import Connect, Session

BOOK = "file:///folder/a.ipynb"


def cell(number: int) -> str:
    return f"vscode-notebook-cell:/folder/a.ipynb#W{number}s"


def with_notebooks(declared: types.ClientCapabilities) -> None:
    sync = types.NotebookDocumentSyncClientCapabilities()
    declared.notebook_document = types.NotebookDocumentClientCapabilities(sync)


async def opened(connect: Connect, *texts: tuple[str, str], **options: Any) -> Session:
    """A session with one notebook of these cells: language and text."""
    session = await connect("vscode", edit=with_notebooks, script={"answer": "rows"}, **options)
    await session.ready()
    documents = [
        types.TextDocumentItem(cell(number), language, 1, text)
        for number, (language, text) in enumerate(texts)
    ]
    kind = {"python": types.NotebookCellKind.Code, "markdown": types.NotebookCellKind.Markup}
    cells = [types.NotebookCell(kind[each.language_id], each.uri) for each in documents]
    notebook = types.NotebookDocument(BOOK, "jupyter-notebook", 1, cells)
    session.client.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(notebook, documents)
    )
    return session


async def asked(session: Session, number: int, character: int) -> dict[str, Any]:
    count = len(session.journal("request")) + 1
    items = await session.inline(cell(number), 0, character)
    assert [item.insert_text for item in items] == ["rows"]
    return (await session.journalled("request", count))[-1]


def change(session: Session, change: types.NotebookDocumentCellChanges) -> None:
    session.client.notebook_document_did_change(
        types.DidChangeNotebookDocumentParams(
            types.VersionedNotebookDocumentIdentifier(2, BOOK),
            types.NotebookDocumentChangeEvent(cells=change),
        )
    )


async def test_the_other_cells_are_context_in_their_order(connect: Connect) -> None:
    session = await opened(
        connect,
        ("markdown", "# Prices"),
        ("python", "import csv"),
        ("python", "len()"),
        ("python", "print(rows)"),
    )
    assert session.result.capabilities.notebook_document_sync is not None
    request = await asked(session, 2, 4)
    assert request["prefix"] == "# # Prices\n\nimport csv\n\nlen("
    assert request["suffix"] == ")\nprint(rows)\n\n"


async def test_cells_that_come_go_and_change(connect: Connect) -> None:
    session = await opened(connect, ("python", "one = 1"), ("python", "len()"))
    added = types.TextDocumentItem(cell(7), "python", 1, "two = 2")
    change(
        session,
        types.NotebookDocumentCellChanges(
            structure=types.NotebookDocumentCellChangeStructure(
                types.NotebookCellArrayChange(
                    1, 0, [types.NotebookCell(types.NotebookCellKind.Code, cell(7))]
                ),
                did_open=[added],
            )
        ),
    )
    assert (await asked(session, 1, 4))["prefix"] == "one = 1\n\ntwo = 2\n\nlen("
    where = types.Range(types.Position(0, 6), types.Position(0, 7))
    change(
        session,
        types.NotebookDocumentCellChanges(
            structure=types.NotebookDocumentCellChangeStructure(
                types.NotebookCellArrayChange(0, 1),
                did_close=[types.TextDocumentIdentifier(cell(0))],
            ),
            text_content=[
                types.NotebookDocumentCellContentChanges(
                    types.VersionedTextDocumentIdentifier(2, cell(7)),
                    [types.TextDocumentContentChangePartial(where, "3")],
                ),
                types.NotebookDocumentCellContentChanges(
                    types.VersionedTextDocumentIdentifier(2, cell(1)),
                    [types.TextDocumentContentChangeWholeDocument("max()")],
                ),
            ],
        ),
    )
    assert (await asked(session, 1, 4))["prefix"] == "two = 3\n\nmax("


async def test_cells_of_a_client_that_knows_no_notebooks(connect: Connect) -> None:
    session = await connect("neovim-0.12", script={"answer": "rows"})
    await session.ready()
    for number, text in enumerate(("import csv", "len()", "print(rows)")):
        document = types.TextDocumentItem(cell(number), "python", 1, text)
        session.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    request = await asked(session, 1, 4)
    assert request["prefix"] == "import csv\n\nlen("
    assert request["suffix"] == ")\nprint(rows)\n\n"


async def test_a_closed_notebook_is_forgotten(connect: Connect) -> None:
    session = await opened(connect, ("python", "len()"))
    session.client.notebook_document_did_close(
        types.DidCloseNotebookDocumentParams(
            types.NotebookDocumentIdentifier(BOOK), [types.TextDocumentIdentifier(cell(0))]
        )
    )
    assert await session.inline(cell(0), 0, 4) == []


async def test_untitled_and_remote_documents(connect: Connect) -> None:
    session = await connect("vscode", script={"answer": "1"}, folder="vscode-remote://h%2Bx/w/")
    await session.ready()
    for uri, path in {
        "untitled:Untitled-1": "Untitled-1",
        "vscode-remote://h+x/w/a/b.py": "a/b.py",
        "vscode-vfs://github/o/r/c.py": "c.py",
    }.items():
        document = types.TextDocumentItem(uri, "python", 1, "x = ")
        session.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        assert [item.insert_text for item in await session.inline(uri, 0, 4)] == ["1"]
        assert session.journal("request")[-1]["path"] == path
