"""A file that does not show its indentation: `.editorconfig`, its siblings, and the editor's options say it."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from lsprotocol import types
from sessions import SECONDS, Connect, Session

TEXT = "def f(a):\n"
LINE = "    return a"


async def shown(session: Session, name: str, wanted: str, **options: Any) -> None:
    """Wait until this is suggested below a header."""
    async with asyncio.timeout(3 * SECONDS):
        for tries in itertools.count(1):
            uri = session.open(TEXT, name)
            await asyncio.sleep(0.1 * tries)  # it is learned beside the requests
            params = {
                "textDocument": {"uri": uri},
                "position": {"line": 1, "character": 0},
                "context": {"triggerKind": 1},
                **options,
            }
            number = len(session.journal("request")) + 1000
            (answer,) = session.send(
                {"id": number, "method": "textDocument/inlineCompletion", "params": params}
            )
            items = (await answer).items
            if [item.insertText for item in items] == [wanted]:
                return
            # what was asked once is answered again, so ask about another text
            closed = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
            session.client.text_document_did_close(closed)


async def workspace(connect: Connect, folder: Path, editor: Any = None) -> Session:
    session = await connect("vscode", script={"answer": LINE}, folder=folder.as_uri(), variants=1)
    await session.ready()
    session.client.set_configuration({"infill": {}, **(editor or {})})
    return session


async def test_editorconfig_says_it(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / ".editorconfig").write_text("root = true\n\n[*]\nindent_style = tab\n")
    (tmp_path / "b.py").write_text("def g():\n  return 1\n")
    await shown(await workspace(connect, tmp_path), "a.py", "\treturn a")


async def test_else_its_siblings(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / ".editorconfig").write_text("root = true\n")
    for name in ("b.py", "c.py"):
        (tmp_path / name).write_text("def g():\n  return 1\n")
    (tmp_path / "d.go").write_text("func f() {\n\treturn\n}\n")
    options = {"formattingOptions": {"tabSize": 8, "insertSpaces": True}}
    await shown(await workspace(connect, tmp_path), "a.py", "  return a", **options)


async def test_else_the_editors_options(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / ".editorconfig").write_text("root = true\n")
    options = {"formattingOptions": {"tabSize": 3, "insertSpaces": True}}
    await shown(await workspace(connect, tmp_path), "a.py", "   return a", **options)


async def test_editors_that_can_be_asked(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / ".editorconfig").write_text("root = true\n")
    configuration = {"editor": {"tabSize": 2, "insertSpaces": False}}
    session = await workspace(connect, tmp_path, editor=configuration)
    await shown(session, "a.py", "\treturn a")


async def test_else_the_language(connect: Connect, tmp_path: Path) -> None:
    await shown(await workspace(connect, tmp_path), "a.py", LINE)
