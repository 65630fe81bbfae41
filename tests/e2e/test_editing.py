"""Commands that change a document: fill holes, write anew, repair, variants; and code actions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from sessions import SECONDS, Connect, Session

from infill_lsp.positions import offset_at

TWO = "def f(a):\n    ...\n\ndef g(b):\n    return ...\n"


class Editor:
    """The client's side of `workspace/applyEdit`: keeps what it was asked, and applies it."""

    def __init__(self, session: Session, *, applies: bool = True) -> None:
        self.edits: list[types.ApplyWorkspaceEditParams] = []

        @session.client.feature(types.WORKSPACE_APPLY_EDIT)
        def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.edits.append(params)
            return types.ApplyWorkspaceEditResult(applied=applies)

    def applied(self, text: str) -> str:
        """`text` after the only edit."""
        (params,) = self.edits
        (change,) = params.edit.document_changes or ()
        assert isinstance(change, types.TextDocumentEdit)
        for edit in sorted(change.edits, key=lambda edit: -edit.range.start.line):
            start, end = edit.range.start, edit.range.end
            first = offset_at(text, start.line, start.character)
            last = offset_at(text, end.line, end.character)
            text = text[:first] + edit.new_text + text[last:]
        return text


def a_range(first: int, start: int, last: int, end: int) -> dict[str, Any]:
    return {
        "start": {"line": first, "character": start},
        "end": {"line": last, "character": end},
    }


async def opened(connect: Connect, text: str, **options: Any) -> tuple[Session, Editor, str]:
    session: Session = await connect(**options)
    editor = Editor(session)
    uri = session.open(text)
    await session.ready()
    return session, editor, uri


async def test_holes_are_filled_together_in_one_versioned_edit(connect: Connect) -> None:
    script = {"answer": [["return a + 1", "f(b)"]]}
    session, editor, uri = await opened(connect, TWO, script=script)
    result = await session.command("infill.fillHoles", uri)
    assert result == {"applied": True, "filled": 2, "left": 0}
    (params,) = editor.edits
    assert params.edit.changes is None
    (change,) = params.edit.document_changes
    assert (change.text_document.uri, change.text_document.version) == (uri, 1)
    assert "2 holes" in params.label
    assert editor.applied(TWO) == "def f(a):\n    return a + 1\n\ndef g(b):\n    return f(b)\n"
    (request,) = session.journal("request")
    assert request["prefix"] == "def f(a):\n    "
    assert request["between"] == ["\n\ndef g(b):\n    return "]


async def test_only_the_holes_of_a_range(connect: Connect) -> None:
    session, editor, uri = await opened(connect, TWO, script={"answer": "f(b)"})
    await session.command("infill.fillHoles", uri, a_range(4, 0, 4, 14))
    assert editor.applied(TWO) == TWO.replace("return ...", "return f(b)")


def _no_document_changes(client: types.ClientCapabilities) -> None:
    assert client.workspace is not None
    client.workspace.workspace_edit = None


async def test_a_client_without_versioned_edits_gets_plain_ones(connect: Connect) -> None:
    session, editor, uri = await opened(
        connect, TWO, edit=_no_document_changes, script={"answer": "1"}
    )
    await session.command("infill.fillHoles", uri)
    (params,) = editor.edits
    assert params.edit.document_changes is None
    assert list(params.edit.changes) == [uri]


async def test_neovim_looks_at_versions_although_it_does_not_say_so(connect: Connect) -> None:
    session, editor, uri = await opened(connect, TWO, editor="neovim-0.12", script={"answer": "1"})
    await session.command("infill.fillHoles", uri)
    assert editor.applied(TWO) == TWO.replace("...", "1")


def _no_apply_edit(client: types.ClientCapabilities) -> None:
    assert client.workspace is not None
    client.workspace.apply_edit = None


async def test_a_client_that_cannot_apply_edits_is_told(connect: Connect) -> None:
    session, _, uri = await opened(connect, TWO, edit=_no_apply_edit, script={"answer": "b"})
    with pytest.raises(JsonRpcException, match="applyEdit"):
        await session.command("infill.fillHoles", uri)
    assert await code_actions(session, uri, 1, 0, 1, 0) == []
    found = await session.command("infill.variants", uri, a_range(4, 11, 4, 14))
    assert found["variants"]


async def test_an_edit_of_a_document_that_moved_is_refused(connect: Connect) -> None:
    script = {"answer": "1", "steps": 40, "step_seconds": 0.01}
    session, editor, uri = await opened(connect, TWO, script=script)
    running = asyncio.ensure_future(session.command("infill.fillHoles", uri))
    await session.journalled("request")
    session.change(uri, 2, (0, 0, 0, 0, "# typed meanwhile\n"))
    with pytest.raises(JsonRpcException, match="changed meanwhile") as refused:
        await running
    assert refused.value.code == -32801
    assert editor.edits == []


async def test_an_editor_that_did_not_apply_is_no_success(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "1"})
    Editor(session, applies=False)
    uri = session.open(TWO)
    await session.ready()
    with pytest.raises(JsonRpcException, match="did not apply"):
        await session.command("infill.fillHoles", uri)


async def test_progress_is_shown_and_ends(connect: Connect) -> None:
    session, _, uri = await opened(connect, TWO, script={"answer": "1"})
    await session.command("infill.fillHoles", uri)
    reports = session.client.progress_reports[own_token(session)]
    async with asyncio.timeout(SECONDS):
        while not isinstance(reports[-1], types.WorkDoneProgressEnd):
            await asyncio.sleep(0.01)
    assert [type(report).__name__.removeprefix("WorkDoneProgress") for report in reports] == [
        "Begin",
        "Report",
        "End",
    ]
    assert reports[0].cancellable


def own_token(session: Session) -> str:
    """Of an edit's progress, not of the model's loading."""
    return next(token for token in session.client.progress_reports if "edit" in str(token))


async def test_cancelling_the_progress_stops_the_engine(connect: Connect) -> None:
    script = {"answer": "1", "steps": 1000, "step_seconds": 0.01}
    session, editor, uri = await opened(connect, TWO, script=script, invokedDeadlineMs=600_000)
    running = asyncio.ensure_future(session.command("infill.fillHoles", uri))
    await session.journalled("request")
    token = own_token(session)
    session.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    with pytest.raises(JsonRpcException):
        await running
    (end,) = await session.journalled("end")
    assert end["cancelled"]
    assert editor.edits == []


async def test_cancelling_the_request_stops_the_engine(connect: Connect) -> None:
    script = {"answer": "1", "steps": 1000, "step_seconds": 0.01}
    session, editor, uri = await opened(connect, TWO, script=script)
    params = {"command": "infill.fillHoles", "arguments": [uri]}
    (answer,) = session.send({"id": 77, "method": "workspace/executeCommand", "params": params})
    await session.journalled("request")
    session.send({"method": "$/cancelRequest", "params": {"id": 77}})
    with pytest.raises(JsonRpcException):
        await asyncio.wait_for(answer, SECONDS)
    (end,) = await session.journalled("end")
    assert end["cancelled"]
    assert editor.edits == []


async def test_repair_masks_only_what_does_not_parse(connect: Connect) -> None:
    text = "function f(a) {\n  return g(a, 1;\n}\nlet y = a +* 2;\n"
    session: Session = await connect(script={"answer": "+ 1"})
    editor = Editor(session)
    uri = session.open(text, "a.js", "javascript")
    await session.ready()
    result = await session.command("infill.repair", uri)
    assert result["applied"]
    assert editor.applied(text) == "function f(a) {\n  return g(a, 1);\n}\nlet y = a + 1* 2;\n"
    (request,) = session.journal("request")
    assert (request["prefix"][-10:], request["suffix"]) == ("let y = a ", "* 2;\n")


async def test_refill_writes_something_else(connect: Connect) -> None:
    text = "total = price + tax\n"
    script = {"answer": ["price + tax", "price * (1 + tax)"]}
    session, editor, uri = await opened(connect, text, script=script)
    await session.command("infill.refill", uri, a_range(0, 8, 0, 19))
    assert editor.applied(text) == "total = price * (1 + tax)\n"


async def test_variants_are_distinct_and_one_is_applied_by_its_command(connect: Connect) -> None:
    script = {"answer": ["a", "b", "a", "c"]}
    session, editor, uri = await opened(connect, "x = \n", script=script)
    found = await session.command("infill.variants", uri, a_range(0, 4, 0, 4), 15)
    assert [each["text"] for each in found["variants"]] == ["a", "b", "c"]
    confidences = [each["confidence"] for each in found["variants"]]
    assert confidences == sorted(confidences, reverse=True)
    assert session.journal("request")[0]["variants"] == 15
    assert editor.edits == []
    chosen = found["variants"][1]["command"]
    await session.command(chosen["command"], *chosen["arguments"])
    assert editor.applied("x = \n") == "x = b\n"


async def test_a_variant_for_an_older_text_is_refused(connect: Connect) -> None:
    session, editor, uri = await opened(connect, "x = \n", script={"answer": "a"})
    found = await session.command("infill.variants", uri, a_range(0, 4, 0, 4))
    session.change(uri, 2, (0, 0, 0, 0, "\n"))
    chosen = found["variants"][0]["command"]
    with pytest.raises(JsonRpcException, match="changed meanwhile"):
        await session.command(chosen["command"], *chosen["arguments"])
    assert editor.edits == []


async def test_a_variant_is_chosen_by_a_message(connect: Connect) -> None:
    session, editor, uri = await opened(connect, "x = 1\n", script={"answer": ["2", "3"]})

    @session.client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
    def show(params: types.ShowMessageRequestParams) -> types.MessageActionItem:
        assert params.actions is not None
        return params.actions[1]

    await session.command("infill.chooseVariant", uri, a_range(0, 4, 0, 5))
    assert editor.applied("x = 1\n") == "x = 3\n"


async def code_actions(
    session: Session, uri: str, first: int, start: int, last: int, end: int, *only: str
) -> list[Any]:
    """As JSON: lsprotocol takes every code action with a command for a command."""
    params = {
        "textDocument": {"uri": uri},
        "range": a_range(first, start, last, end),
        "context": {"diagnostics": [], **({"only": list(only)} if only else {})},
    }
    (answer,) = session.send({"id": 91, "method": "textDocument/codeAction", "params": params})
    actions: list[Any] = await asyncio.wait_for(answer, SECONDS)
    return actions


async def test_code_actions_are_offered_where_they_apply(connect: Connect) -> None:
    session, editor, uri = await opened(connect, TWO, script={"answer": "return a"})
    at_hole = await code_actions(session, uri, 1, 5, 1, 5)
    assert [action["command"]["command"] for action in at_hole] == ["infill.fillHoles"] * 2
    assert await code_actions(session, uri, 2, 0, 2, 0) == []
    selected = await code_actions(session, uri, 4, 4, 4, 14, "refactor")
    commands = [action["command"]["command"] for action in selected]
    assert commands == ["infill.refill", "infill.chooseVariant"]
    assert session.journal("request") == []
    command = at_hole[0]["command"]
    await session.command(command["command"], *command["arguments"])
    assert editor.applied(TWO) == TWO.replace("    ...", "    return a")


async def test_code_actions_for_what_does_not_parse(connect: Connect) -> None:
    session: Session = await connect()
    uri = session.open("let x = foo(1, 2;\n", "a.js", "javascript")
    await session.ready()
    found = await code_actions(session, uri, 0, 3, 0, 3)
    assert [action["command"]["command"] for action in found] == ["infill.repair"]


async def test_no_code_actions_in_files_that_are_not_filled(connect: Connect) -> None:
    session: Session = await connect()
    uri = session.open("A=...\n", ".env", "python")
    await session.ready()
    assert await code_actions(session, uri, 0, 3, 0, 3) == []
    with pytest.raises(JsonRpcException, match="disabledFiles"):
        await session.command("infill.fillHoles", uri)


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("infill.fillHoles", [], "uri"),
        ("infill.fillHoles", ["file:///nowhere.py"], "not open"),
        ("infill.refill", ["URI"], "range"),
        ("infill.refill", ["URI", 7], "range"),
        ("infill.variants", ["URI", a_range(0, 0, 0, 0), 21], "20"),
        ("infill.applyVariant", ["URI"], "needs"),
        ("infill.fillHoles", ["URI"], "no hole"),
    ],
)
async def test_wrong_arguments_are_named(
    connect: Connect, command: str, arguments: list[Any], says: str
) -> None:
    session, _, uri = await opened(connect, "x = 1\n")
    given = [uri if each == "URI" else each for each in arguments]
    with pytest.raises(JsonRpcException, match=says):
        await session.command(command, *given)
