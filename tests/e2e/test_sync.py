"""textDocument/didOpen, didChange, didClose: the server's copy is the editor's text."""

from __future__ import annotations

import asyncio

import pytest
from lsprotocol import types
from sessions import SECONDS, Connect, Session, inline_params

METHOD = "textDocument/inlineCompletion"


async def seen(session: Session, uri: str, line: int, character: int) -> tuple[str, str]:
    """(before, after) the position, as the engine gets it."""
    await session.inline(uri, line, character, invoked=True)
    request = session.journal("request")[-1]
    return request["prefix"], request["suffix"]


async def test_only_line_feeds_and_carriage_returns_end_lines(connect: Connect) -> None:
    """Trap P5: pygls also ends lines on form feeds and U+2028, and would insert into the wrong
    line from there on."""
    session: Session = await connect()
    uri = session.open("a\x0cb\nc\u2028d\nlast", name="a.txt", language="plaintext")
    await session.ready()
    session.change(uri, 2, (1, 0, 1, 1, "C"), (2, 0, 2, 0, "the "))
    assert await seen(session, uri, 2, 4) == ("a\x0cb\nC\u2028d\nthe ", "last")


async def test_positions_past_the_end_are_moved_to_it(connect: Connect) -> None:
    """Trap P6: pygls answers an offset within a last line that has no line break."""
    session: Session = await connect()
    uri = session.open("abc", name="a.txt", language="plaintext")
    await session.ready()
    assert await seen(session, uri, 9, 9) == ("abc", "")
    session.change(uri, 2, (5, 0, 7, 3, "d"))
    assert await seen(session, uri, 0, 99) == ("abcd", "")


@pytest.mark.parametrize(
    ("editor", "characters"), [("vscode", 2), ("neovim-0.12", 4)], ids=["utf-16", "utf-8"]
)
async def test_characters_beyond_the_basic_plane(
    connect: Connect, editor: str, characters: int
) -> None:
    session: Session = await connect(editor)
    uri = session.open("😀 x", name="a.txt", language="plaintext")
    await session.ready()
    session.change(uri, 2, (0, characters, 0, characters, "!"))
    assert await seen(session, uri, 0, characters + 1) == ("😀!", " x")


async def test_each_change_is_relative_to_the_one_before(connect: Connect) -> None:
    session: Session = await connect()
    uri = session.open("one\r\ntwo\r\n", name="a.txt", language="plaintext")
    await session.ready()
    session.change(uri, 2, (0, 3, 1, 0, ""), (0, 3, 0, 3, " and "), (0, 0, 0, 1, "O"))
    assert await seen(session, uri, 0, 11) == ("One and two", "\r\n")


async def test_the_whole_text_at_once(connect: Connect) -> None:
    session: Session = await connect()
    uri = session.open("old", name="a.txt", language="plaintext")
    await session.ready()
    change = types.TextDocumentContentChangeWholeDocument("new text")
    session.client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(2, uri), [change])
    )
    assert await seen(session, uri, 0, 4) == ("new ", "text")


async def test_the_model_is_shown_a_path_within_the_workspace(connect: Connect) -> None:
    session: Session = await connect()
    inside = session.open("x = ", name="a%20b/c.py")
    await session.ready()
    await session.inline(inside, 0, 4)
    assert session.journal("request")[-1]["path"] == "a b/c.py"


async def test_close_ends_the_request_and_forgets_the_document(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "1", "steps": 100, "step_seconds": 0.05})
    uri = session.open("x = ")
    await session.ready()
    (answer,) = session.send({"id": "a", "method": METHOD, "params": inline_params(uri, 0, 4)})
    await session.journalled("request")
    session.client.text_document_did_close(
        types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
    )
    (end,) = await session.journalled("end")
    assert end["cancelled"]
    with pytest.raises(Exception, match="cancel"):
        await asyncio.wait_for(answer, SECONDS)
    assert await session.inline(uri, 0, 4) == []


async def test_changes_of_an_unknown_document_are_ignored(connect: Connect) -> None:
    session: Session = await connect()
    session.change("file:///folder/unknown.py", 2, (0, 0, 0, 0, "x"))
    uri = session.open("x = ")
    await session.ready()
    assert len(await session.inline(uri, 0, 4)) == 1


async def test_save_and_other_notifications_do_no_harm(connect: Connect) -> None:
    session: Session = await connect()
    uri = session.open("x = ")
    session.client.text_document_did_save(
        types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri))
    )
    session.send({"method": "$/setTrace", "params": {"value": "verbose"}})
    session.send({"method": "$/cancelRequest", "params": {"id": 12345}})
    await session.ready()
    assert len(await session.inline(uri, 0, 4)) == 1
