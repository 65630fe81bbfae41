"""Commands that change a document: ask the engine, then let the editor apply one versioned edit.

What to ask is found by `holes` and `actions`, what comes of it by `filling` and `completion`; here is
what stands around it in a session: is the document the one that was meant, may it be filled, how far
is it, was it cancelled, did the editor apply it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from engine import EngineError, InfillEngine
from infill_lsp import actions
from infill_lsp.completion import fill
from infill_lsp.documents import Document, Snapshot
from infill_lsp.edits import Edit, range_of, workspace_edit
from infill_lsp.filling import fill_holes
from infill_lsp.holes import Hole
from infill_lsp.progress import progress
from infill_lsp.session import InfillServer

APPLY, VARIANTS = "infill.applyVariant", "infill.variants"
VARIANTS_COUNT, MOST_VARIANTS = 12, 20
CONTENT_MODIFIED = -32801
REQUEST_FAILED = -32803
LABEL_LENGTH = 60


def add_editing(server: InfillServer) -> None:
    """Register the commands and the code actions."""

    @server.command(actions.FILL_HOLES)
    async def fill_all(ls: InfillServer, *arguments: object) -> dict[str, Any]:
        """[uri] or [uri, range]: fill markers, empty bodies and what the grammar misses."""
        return await _fill_found(ls, _target(ls, actions.FILL_HOLES, arguments), lambda _: True)

    @server.command(actions.REPAIR)
    async def repair(ls: InfillServer, *arguments: object) -> dict[str, Any]:
        """[uri] or [uri, range]: write anew what does not parse, and only that."""
        target = _target(ls, actions.REPAIR, arguments)
        return await _fill_found(ls, target, lambda hole: hole.kind in ("missing", "error"))

    @server.command(actions.REFILL)
    async def refill(ls: InfillServer, *arguments: object) -> dict[str, Any]:
        """[uri, range]: write a selection anew, from what is around it."""
        target = _target(ls, actions.REFILL, arguments, ranged=True)
        stood = target.snapshot.text[target.start : target.end]
        variants = await _variants(ls, target, max(ls.completer.settings.variants, 2))
        text = next((text for text, _ in variants if text.strip() != stood.strip()), None)
        if text is None:
            raise _nothing("nothing other than the selection was found")
        await _apply(ls, target.snapshot, [Edit(target.start, target.end, text)], "Write anew")
        return {"applied": True}

    @server.command(VARIANTS)
    async def variants(ls: InfillServer, *arguments: object) -> dict[str, Any]:
        """[uri, range] or [uri, range, count]: different texts for a range, best first, each with
        the command that puts it there. Changes nothing."""
        target = _target(ls, VARIANTS, arguments, ranged=True, edits=False)
        count = arguments[2] if len(arguments) > 2 else VARIANTS_COUNT
        if not isinstance(count, int) or not 1 <= count <= MOST_VARIANTS:
            raise JsonRpcInvalidParams(f"{VARIANTS}: count must be from 1 to {MOST_VARIANTS}")
        found = await _variants(ls, target, count)
        where = range_of(target.snapshot, target.start, target.end)
        identity = (target.snapshot.uri, target.snapshot.version, where)
        return {
            "version": target.snapshot.version,
            "range": where,
            "variants": [
                {
                    "text": text,
                    "confidence": confidence,
                    "command": types.Command(_label(text), APPLY, arguments=[*identity, text]),
                }
                for text, confidence in found
            ],
        }

    @server.command(APPLY)
    async def apply(ls: InfillServer, *arguments: object) -> dict[str, Any]:
        """[uri, version, range, text]: put one of the variants where it was made for."""
        if len(arguments) != 4 or not isinstance(arguments[1], int):
            raise JsonRpcInvalidParams(f"{APPLY}: needs uri, version, range, text")
        uri, version, where, text = arguments
        target = _target(ls, APPLY, (uri, where), ranged=True)
        if not isinstance(text, str):
            raise JsonRpcInvalidParams(f"{APPLY}: text must be a string")
        if target.snapshot.version != version:
            raise _moved()
        await _apply(ls, target.snapshot, [Edit(target.start, target.end, text)], "Variant")
        return {"applied": True}

    @server.command(actions.CHOOSE)
    async def choose(ls: InfillServer, *arguments: object) -> dict[str, Any]:
        """[uri, range]: make variants, let the user choose one by a message, and apply it."""
        target = _target(ls, actions.CHOOSE, arguments, ranged=True)
        found = await _variants(ls, target, VARIANTS_COUNT)
        if not found:
            raise _nothing("nothing good was found here")
        labels = {f"{rank}: {_label(text)}": text for rank, (text, _) in enumerate(found, 1)}
        chosen = await ls.window_show_message_request_async(
            types.ShowMessageRequestParams(
                types.MessageType.Info, "infill", [types.MessageActionItem(each) for each in labels]
            )
        )
        text = labels.get(chosen.title) if chosen else None
        if text is None:
            return {"applied": False}
        await _apply(ls, target.snapshot, [Edit(target.start, target.end, text)], "Variant")
        return {"applied": True}

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=list(actions.KINDS)),
    )
    def code_action(
        ls: InfillServer, params: types.CodeActionParams
    ) -> list[types.CodeAction | types.Command]:
        document = ls.documents.get(params.text_document.uri)
        if document is None:
            return []
        snapshot = document.snapshot()
        if ls.completer.refusal(snapshot) is not None or not _can_apply(ls):
            return []
        start, end = _offsets(snapshot, params.range)
        found = actions.offers(snapshot, start, end, ls.completer.settings.hole_markers)
        only = params.context.only
        return [
            _packed(offer, ls.client_capabilities)
            for offer in found
            if not only or any(_covers(kind, offer.kind) for kind in only)
        ]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a command is to work: the document as it is now, and a part of it or all."""

    document: Document
    snapshot: Snapshot
    engine: InfillEngine
    start: int
    end: int
    whole: bool


def _target(
    ls: InfillServer,
    command: str,
    arguments: Sequence[object],
    *,
    ranged: bool = False,
    edits: bool = True,
) -> _Target:
    """Unpack `[uri, range]`. Raises for wrong arguments, and where nothing may or can be filled.

    ranged: the range must be there. edits: the command lets the editor apply an edit.
    """
    uri = arguments[0] if arguments else None
    if not isinstance(uri, str):
        raise JsonRpcInvalidParams(f"{command}: the first argument must be a document's uri")
    given = arguments[1] if len(arguments) > 1 else None
    if given is None and ranged:
        raise JsonRpcInvalidParams(f"{command}: the second argument must be a range")
    try:
        where = None if given is None else _range(given)
    except (KeyError, TypeError, ValueError):
        raise JsonRpcInvalidParams(f"{command}: the second argument is not a range") from None
    document = ls.documents.get(uri)
    if document is None:
        raise JsonRpcInvalidParams(f"{command}: this document is not open; open it first")
    snapshot = document.snapshot()
    if edits and not _can_apply(ls):
        raise JsonRpcException(
            "this editor does not let a server edit (workspace/applyEdit); "
            "use infill.variants and insert the text yourself",
            REQUEST_FAILED,
        )
    if (refusal := ls.completer.refusal(snapshot)) is not None:
        raise JsonRpcException(refusal.message, REQUEST_FAILED)
    engine = ls.completer.engine
    assert engine is not None, "refused above"
    start, end = (0, len(snapshot.text)) if where is None else _offsets(snapshot, where)
    return _Target(document, snapshot, engine, start, end, where is None)


async def _fill_found(
    ls: InfillServer, target: _Target, wanted: Callable[[Hole], bool]
) -> dict[str, Any]:
    snapshot, settings = target.snapshot, ls.completer.settings
    span = None if target.whole else (target.start, target.end)
    # A big document takes long enough that others would notice.
    found = await asyncio.to_thread(actions.holes_in, snapshot, span, settings.hole_markers)
    holes = [hole for hole in found if wanted(hole)]
    if not holes:
        raise _nothing("there is no hole here")
    async with progress(ls, f"filling {_counted(len(holes))}") as report:

        def on_canvas(done: int) -> None:
            if target.document.version != snapshot.version:
                raise _moved()
            report(done, len(holes))

        try:
            filling = await fill_holes(
                target.engine,
                snapshot,
                holes,
                settings=settings,
                deadline=settings.invoked_deadline_ms / 1000,
                document=f"{id(ls)}/{snapshot.uri}/holes",
                on_canvas=on_canvas,
                watcher=ls.refinement.watcher,
            )
        except EngineError as error:
            raise JsonRpcException(str(error), REQUEST_FAILED) from None
    if not filling.edits:
        raise _nothing("nothing good was found for any hole")
    await _apply(ls, snapshot, filling.edits, f"Fill {_counted(len(filling.edits))}")
    return {"applied": True, "filled": len(filling.edits), "left": len(filling.empty)}


async def _variants(ls: InfillServer, target: _Target, count: int) -> list[tuple[str, float]]:
    """Different texts for the target's range, best first, with their confidence."""
    settings = ls.completer.settings
    async with progress(ls, "writing variants"):
        try:
            filled = await fill(
                target.engine,
                target.snapshot,
                target.start,
                target.end,
                settings=settings,
                variants=count,
                deadline=settings.invoked_deadline_ms / 1000,
                document=f"{id(ls)}/{target.snapshot.uri}/variants",
                on_draft=ls.refinement.watcher(target.snapshot, target.start),
            )
        except EngineError as error:
            raise JsonRpcException(str(error), REQUEST_FAILED) from None
    return [(each.text, each.confidence) for each in filled.suggestions]


async def _apply(ls: InfillServer, snapshot: Snapshot, edits: Sequence[Edit], label: str) -> None:
    """Let the editor apply the edits as one. Raises when the document has moved, or it will not."""
    document = ls.documents.get(snapshot.uri)
    if document is None or document.version != snapshot.version:
        raise _moved()
    result = await ls.workspace_apply_edit_async(
        types.ApplyWorkspaceEditParams(
            workspace_edit(snapshot, edits, versioned=_versioned(ls)), label=f"infill: {label}"
        )
    )
    if not result.applied:
        raise JsonRpcException(
            "the editor did not apply the edit; has the text changed meanwhile? Ask again.",
            CONTENT_MODIFIED,
        )


def _versioned(ls: InfillServer) -> bool:
    """Whether the client looks at an edit's version. Neovim does, and does not say so."""
    workspace = ls.client_capabilities.workspace
    edit = workspace.workspace_edit if workspace else None
    return bool(edit and edit.document_changes) or ls.client_name == "Neovim"


def _can_apply(ls: InfillServer) -> bool:
    workspace = ls.client_capabilities.workspace
    return bool(workspace and workspace.apply_edit)


def _range(value: object) -> types.Range:
    """Of plain JSON, which is what commands get. Raises KeyError, TypeError or ValueError."""
    numbers = [value[end][part] for end in ("start", "end") for part in ("line", "character")]  # type: ignore[index]
    if not all(isinstance(number, int) for number in numbers):
        raise ValueError
    return types.Range(types.Position(*numbers[:2]), types.Position(*numbers[2:]))


def _offsets(snapshot: Snapshot, where: types.Range) -> tuple[int, int]:
    start = snapshot.offset_at(where.start.line, where.start.character)
    end = snapshot.offset_at(where.end.line, where.end.character)
    return min(start, end), max(start, end)


def _packed(
    offer: actions.Offer, client: types.ClientCapabilities
) -> types.CodeAction | types.Command:
    command = types.Command(offer.title, offer.command, arguments=list(offer.arguments))
    supported = client.text_document.code_action if client.text_document else None
    if supported is None or supported.code_action_literal_support is None:
        return command
    return types.CodeAction(title=f"infill: {offer.title}", kind=offer.kind, command=command)


def _covers(wanted: object, kind: types.CodeActionKind) -> bool:
    """Whether `kind` is the wanted one or a part of it: `refactor` covers `refactor.rewrite`."""
    name = str(getattr(wanted, "value", wanted))
    return not name or kind.value == name or kind.value.startswith(name + ".")


def _moved() -> JsonRpcException:
    return JsonRpcException("the text changed meanwhile; nothing was edited", CONTENT_MODIFIED)


def _nothing(message: str) -> JsonRpcException:
    return JsonRpcException(message, REQUEST_FAILED)


def _counted(holes: int) -> str:
    return "1 hole" if holes == 1 else f"{holes} holes"


def _label(text: str) -> str:
    line = " ↵ ".join(line.strip() for line in text.split("\n") if line.strip())
    return line[:LABEL_LENGTH] + ("…" if len(line) > LABEL_LENGTH else "")
