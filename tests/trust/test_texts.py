"""Texts that are hard to read, typed in one window: another window's key does not wait for them."""

from __future__ import annotations

import asyncio
import time

import pytest
from client import Client

KEY_SECONDS = 1.5
TEXTS = {
    "brackets without end": ("python", "(" * 19_000),
    "blocks 900 deep": ("python", "".join(" " * n + "if x:\n" for n in range(190)) * 3),
    "a megabyte in one line": ("javascript", "a=1;" * 250_000),
    "a megabyte of one letter": ("plaintext", "a" * 1_000_000),
    "a megabyte of blanks": ("python", " " * 1_000_000),
    "a megabyte of line breaks": ("python", "\n" * 1_000_000),
    "a megabyte of carriage returns": ("python", "\r" * 1_000_000),
    "quotes that do not end": ("python", "'''\"" * 4000),
    "templates in templates": ("javascript", "`${" * 6000),
    "tags that do not end": ("html", "<a <b " * 3000),
    "YAML that repeats": (
        "yaml",
        "a: &a [x,x]\n" + "".join(f"b{n}: [*a,*a]\n" for n in range(900)),
    ),
    "Markdown of backticks": ("markdown", "`" * 19_000),
    "stars": ("markdown", "*a **b ***c " * 1500),
    "operators": ("c", "a*b&c|d?e:" * 1900),
    "generics": ("typescript", "a<b<c<" * 3000),
    "comments": ("c", "/*/" * 6000),
    "a heredoc": ("shellscript", "cat <<A\n" * 2300),
    "emoji": ("python", "# " + "👩\u200d👩\u200d👧" * 20_000),
    "from right to left": ("python", "\u202e\u2066" * 9000),
    "control letters": ("python", "\0\x1b\x7f" * 6000),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", TEXTS)
async def test_another_window_s_key_is_answered(tcp_server: tuple[str, int], name: str) -> None:
    language, text = TEXTS[name]
    window, other = await Client.open(tcp_server), await Client.open(tcp_server)
    for each in (window, other):
        await each.ready()
    other.open_document("file:///nowhere/a.py", "x = ")
    uri = "file:///nowhere/b"
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    window.tell("textDocument/didOpen", {"textDocument": item})
    slowest = 0.0
    for version in range(2, 8):
        middle = len(text) // 2
        line = text.count("\n", 0, middle)
        column = middle - text.rfind("\n", 0, middle) - 1
        place = {"line": line, "character": column}
        changes = [{"range": {"start": place, "end": place}, "text": "x"}]
        document = {"uri": uri, "version": version}
        window.tell("textDocument/didChange", {"textDocument": document, "contentChanges": changes})
        asked = [
            window.suggest(uri, line, column),
            window.ask(
                "workspace/executeCommand", {"command": "infill.fillHoles", "arguments": [uri]}
            ),
            window.ask(
                "textDocument/codeAction",
                {
                    "textDocument": {"uri": uri},
                    "range": {"start": place, "end": place},
                    "context": {"diagnostics": []},
                },
            ),
        ]
        answers = [asyncio.ensure_future(each) for each in asked]
        await asyncio.sleep(0)
        began = time.perf_counter()
        answer = await other.suggest("file:///nowhere/a.py", 0, 4)
        slowest = max(slowest, time.perf_counter() - began)
        assert answer["result"]["items"]
        await asyncio.gather(*answers)
    print(f"{name}: at most {slowest:.2f} s")
    assert slowest < KEY_SECONDS
    for each in (window, other):
        await each.close()
