"""textDocument/completion, for editors without inline completion."""

from __future__ import annotations

import asyncio

from lsprotocol import types
from sessions import SECONDS, Connect, Session


async def complete(session: Session, uri: str, line: int, character: int) -> types.CompletionList:
    params = types.CompletionParams(
        types.TextDocumentIdentifier(uri), types.Position(line, character)
    )
    result = await asyncio.wait_for(session.client.text_document_completion_async(params), SECONDS)
    assert isinstance(result, types.CompletionList)
    return result


async def test_only_editors_without_inline_completion_get_it(connect: Connect) -> None:
    for editor, expected in [("vscode", False), ("neovim-0.12", False), ("neovim-0.11", True)]:
        session: Session = await connect(editor)
        announced = session.result.capabilities.completion_provider is not None
        assert announced == expected, editor


async def test_settings_turn_it_on_and_off(connect: Connect) -> None:
    always: Session = await connect("vscode", completionFallback="always")
    assert always.result.capabilities.completion_provider is not None
    never: Session = await connect("neovim-0.11", completionFallback="never")
    assert never.result.capabilities.completion_provider is None


async def test_the_item_replaces_the_word_before_the_cursor(connect: Connect) -> None:
    """Menus filter by the word; an item that began at the cursor would be filtered away."""
    session: Session = await connect("neovim-0.11", script={"answer": "urn a + b"})
    uri = session.open("def add(a, b):\n    ret\n")
    await session.ready()
    result = await complete(session, uri, 1, 7)
    assert result.is_incomplete
    (item,) = result.items
    assert item.text_edit == types.TextEdit(
        types.Range(types.Position(1, 4), types.Position(1, 7)), "return a + b"
    )
    assert item.label == item.filter_text == "return a + b"
    assert item.command is not None
    assert item.command.command == "infill.accepted"


async def test_switched_off_later(connect: Connect) -> None:
    session: Session = await connect("neovim-0.11", configuration={"completionFallback": "never"})
    uri = session.open("x = ")
    await session.ready()
    assert (await complete(session, uri, 0, 4)).items in ([], ())
    assert session.journal("request") == []
