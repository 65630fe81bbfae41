"""What a relay remembers of its window is what a server knew of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.documents import Change, Document
from infill_lsp.positions import Encoding
from infill_lsp.replay import MOST_PENDING, OWN, Replay

URI = "file:///a.py"


def body(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


def sent(bodies: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in bodies]


def started(encoding: str = "utf-16") -> Replay:
    replay = Replay()
    options = {"infill": {"variants": 2}}
    replay.from_editor(body(id=1, method="initialize", params={"initializationOptions": options}))
    result = {"capabilities": {"positionEncoding": encoding}}
    assert replay.from_server(body(id=1, result=result), no_answer)
    replay.from_editor(body(method="initialized", params={}))
    return replay


def no_answer(_body: bytes) -> None:
    raise AssertionError("the server was answered")


def opened(replay: Replay, text: str, uri: str = URI) -> None:
    item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    replay.from_editor(body(method="textDocument/didOpen", params={"textDocument": item}))


def changed(replay: Replay, version: int, *changes: Any) -> None:
    params = {"textDocument": {"uri": URI, "version": version}, "contentChanges": list(changes)}
    replay.from_editor(body(method="textDocument/didChange", params=params))


TEXTS = st.text(alphabet="ab\n\r\x0c\u2028é😀", max_size=12)
PLACES = st.tuples(st.integers(0, 4), st.integers(0, 6))


@given(
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
    TEXTS,
    st.lists(st.tuples(st.none() | st.tuples(PLACES, PLACES), TEXTS), max_size=12),
)
def test_documents_are_taken_over_as_they_are(
    encoding: Encoding, text: str, edits: list[tuple[Any, str]]
) -> None:
    replay, mirror = started(encoding), Document(URI, text, encoding=encoding)
    opened(replay, text)
    for version, (where, new) in enumerate(edits, 2):
        change: dict[str, Any] = {"text": new}
        if where is not None:
            ends = [{"line": line, "character": character} for line, character in where]
            change["range"] = {"start": ends[0], "end": ends[1]}
        changed(replay, version, change)
        mirror.apply([Change(new, where)], version)
    item = sent(replay.again())[-1]["params"]["textDocument"]
    assert item["text"] == mirror.text
    assert item["version"] == len(edits) + 1


def test_what_came_first_comes_first_again_and_closed_documents_do_not() -> None:
    replay = started()
    opened(replay, "a")
    opened(replay, "b", "file:///b.py")
    closed = {"textDocument": {"uri": URI}}
    replay.from_editor(body(method="textDocument/didClose", params=closed))
    replay.from_editor(
        body(method="workspace/didChangeConfiguration", params={"settings": {"infill": {}}})
    )
    again = sent(replay.again())
    assert [each["method"] for each in again] == [
        "initialize",
        "initialized",
        "workspace/didChangeConfiguration",
        "textDocument/didOpen",
    ]
    assert again[0]["id"].startswith(OWN)
    assert again[0]["params"] == {"initializationOptions": {"infill": {"variants": 2}}}
    assert again[-1]["params"]["textDocument"]["uri"] == "file:///b.py"
    assert not replay.from_server(body(id=again[0]["id"], result={}), no_answer), (
        "the editor has one"
    )


def test_requests_are_asked_again_once_unless_they_change_something() -> None:
    replay = started()
    harmless = body(id=5, method="textDocument/inlineCompletion", params={})
    replay.from_editor(harmless)
    replay.from_editor(
        body(id=6, method="workspace/executeCommand", params={"command": "infill.fillHoles"})
    )
    replay.from_editor(body(id=7, method="textDocument/inlineCompletion", params={}))
    replay.from_editor(body(method="$/cancelRequest", params={"id": 7}))
    told = {each.get("id"): each for each in sent(replay.lost("it died"))}
    assert told[6]["error"] == {"code": -32803, "message": "it died; ask again"}
    assert told[7]["error"]["code"] == -32800
    assert json.loads(harmless) in sent(replay.again())
    assert 5 in {each.get("id") for each in sent(replay.lost("again"))}, "it may be what kills"
    assert not any(each.get("id") == 5 for each in sent(replay.again()))


def test_an_editor_s_first_request_is_repeated_as_it_is() -> None:
    replay = Replay()
    first = body(id=1, method="initialize", params={})
    replay.from_editor(first)
    assert sent(replay.lost("x"))[1:] == []
    assert sent(replay.again()) == [json.loads(first)]


def test_answers_to_a_server_that_is_gone_are_not_passed_on() -> None:
    replay = started()
    assert replay.from_server(body(id="a", method="workspace/configuration", params={}), no_answer)
    assert replay.from_server(body(id="b", method="workspace/configuration", params={}), no_answer)
    assert replay.from_editor(body(id="a", result=[]))
    replay.lost("x")
    assert not replay.from_editor(body(id="b", result=[]))
    assert replay.from_editor(body(id="b")), "what is wrong, the server says"


def test_what_the_editor_has_registered_it_is_not_asked_again() -> None:
    replay, answers = started(), list[bytes]()
    ask = body(id="r", method="client/registerCapability", params={"registrations": [{"id": "x"}]})
    assert replay.from_server(ask, no_answer)
    assert not replay.from_server(ask, answers.append)
    assert sent(answers) == [{"jsonrpc": "2.0", "id": "r", "result": None}]


def test_progress_that_nobody_ends_is_ended() -> None:
    replay = started()
    for token in ("t", "u"):
        create = body(id=token, method="window/workDoneProgress/create", params={"token": token})
        assert replay.from_server(create, no_answer)
    end = {"token": "u", "value": {"kind": "end"}}
    assert replay.from_server(body(method="$/progress", params=end), no_answer)
    ended = [each for each in sent(replay.lost("x")) if each["method"] == "$/progress"]
    assert [each["params"]["token"] for each in ended] == ["t"]


def test_memory_is_that_of_the_documents() -> None:
    replay = started()
    opened(replay, "x" * 1000)
    place = {"line": 0, "character": 0}
    for version in range(10 * MOST_PENDING):
        changed(replay, version, {"range": {"start": place, "end": place}, "text": "y"})
        assert len(replay._documents[URI].changes) <= MOST_PENDING + 1
    for number in range(100):
        replay.from_editor(body(id=number, method="textDocument/inlineCompletion", params={}))
        replay.from_server(body(id=number, result={"items": []}), no_answer)
    assert not replay._requests


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["uri", "textDocument", "text", "range", "id", "contentChanges", "command"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
METHODS = [
    *("initialize", "initialized", "textDocument/didOpen", "textDocument/didChange", "$/progress"),
    *("textDocument/didClose", "$/cancelRequest", "workspace/executeCommand", "shutdown"),
    *("notebookDocument/didOpen", "notebookDocument/didChange", "client/registerCapability"),
]


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "method": st.sampled_from(METHODS) | JSON,
                "id": JSON,
                "params": JSON,
                "result": JSON,
            },
        ),
        max_size=8,
    )
)
def test_nothing_that_an_editor_says_ends_it(messages: list[dict[str, Any]]) -> None:
    replay = started()
    opened(replay, "x")
    for message in messages:
        replay.from_editor(body(**message))
    replay.lost("x")
    replay.again()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_what_is_no_message_is_passed_on(data: bytes) -> None:
    replay = started()
    assert replay.from_editor(data)
    assert replay.from_server(data, no_answer)
