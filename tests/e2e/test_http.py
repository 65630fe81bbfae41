"""`serve --http`: a real client, a real socket, a fake engine; and the bundled model once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from http_server import TOKEN, fake, ready, ready_without_token, serving
from sessions import SECONDS, SERVER

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
QWEN = "<|fim_prefix|>def f():\n    x = <|fim_suffix|>\n    return x\n<|fim_middle|>"
LLAMA_VIM = {
    "id_slot": 0,
    "input_prefix": "def f():\n",
    "input_suffix": "\n    return x\n",
    "input_extra": [{"text": "RATE = 2\n", "time": [1, 2], "filename": "rates.py"}],
    "prompt": "    x = ",
    "n_predict": 128,
    "stop": [],
    "n_cmpl": 1,
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.9,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 250,
    "response_fields": [
        "content",
        "timings/prompt_n",
        "timings/prompt_ms",
        "timings/prompt_per_second",
        "timings/predicted_n",
        "timings/predicted_ms",
        "timings/predicted_per_second",
        "truncated",
        "tokens_cached",
    ],
}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("http") / "journal"


@pytest.fixture(scope="module")
def address(journal: Path) -> Iterator[str]:
    with serving(*fake(answer=["1", "22"], journal=str(journal))) as found:
        asyncio.run(ready_without_token(found))
        yield found


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(SECONDS)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as session:
        yield session


async def post(client: aiohttp.ClientSession, url: str, body: Any, **how: Any) -> tuple[int, Any]:
    async with client.post(url, json=body, **how) as response:
        return response.status, await response.json()


def last_request(journal: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    found: dict[str, Any] = [line for line in lines if line["event"] == "request"][-1]
    return found


async def test_a_prompt_of_another_model(
    client: aiohttp.ClientSession, address: str, journal: Path
) -> None:
    """As Zed asks with `prompt_format` qwen."""
    body = {"model": "any", "prompt": QWEN, "max_tokens": 64, "stop": ["<|endoftext|>"]}
    status, answer = await post(client, f"{address}/v1/completions", body)
    assert status == 200
    assert (answer["object"], answer["model"]) == ("text_completion", "fake")
    assert answer["choices"] == [
        {"index": 0, "text": "1", "logprobs": None, "finish_reason": "stop"}
    ]
    assert set(answer["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    asked = last_request(journal)
    assert asked["prefix"] == "def f():\n    x = "
    assert asked["suffix"] == "\n    return x\n"


async def test_a_suffix_and_several_choices(
    client: aiohttp.ClientSession, address: str, journal: Path
) -> None:
    body = {"prompt": "x = ", "suffix": "\ny = 1\n", "n": 2, "max_tokens": 4096}
    _, answer = await post(client, f"{address}/v1/completions", body)
    assert [choice["text"] for choice in answer["choices"]] == ["1", "22"]
    assert last_request(journal)["suffix"] == "\ny = 1\n"
    body["stop"] = ["2"]
    _, answer = await post(client, f"{address}/v1/completions", body)
    assert [choice["text"] for choice in answer["choices"]] == ["1", ""]


async def test_a_stream(client: aiohttp.ClientSession, address: str) -> None:
    """As Continue asks."""
    body = {"prompt": QWEN, "stream": True}
    async with client.post(f"{address}/v1/completions", json=body) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = [line for line in (await response.text()).split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    *chunks, done = (line.removeprefix("data: ") for line in lines)
    assert done == "[DONE]"
    assert "".join(json.loads(chunk)["choices"][0]["text"] for chunk in chunks) == "1"
    assert json.loads(chunks[-1])["choices"][0]["finish_reason"] == "stop"


async def test_notes_above_the_text(
    client: aiohttp.ClientSession, address: str, journal: Path
) -> None:
    """As Continue writes them, for Qwen."""
    notes = "# Path: rates.py\n# RATE = 2\n# a.py\n"
    prompt = QWEN.replace("def f", notes + "def f")
    await post(client, f"{address}/v1/completions", {"prompt": prompt, "stream": False})
    asked = last_request(journal)
    assert (asked["prefix"], asked["path"]) == ("def f():\n    x = ", "a.py")
    assert asked["snippets"] == [["RATE = 2\n", "rates.py"]]


async def test_infill_as_llama_vim_asks(
    client: aiohttp.ClientSession, address: str, journal: Path
) -> None:
    status, answer = await post(client, f"{address}/infill", LLAMA_VIM)
    assert status == 200
    assert answer["content"] == "1"
    assert set(answer) == set(LLAMA_VIM["response_fields"])  # type: ignore[call-overload]
    asked = last_request(journal)
    assert (asked["prefix"], asked["suffix"]) == ("def f():\n    x = ", "\n    return x\n")
    assert asked["snippets"] == [["RATE = 2\n", "rates.py"]]
    whole = {name: value for name, value in LLAMA_VIM.items() if name != "response_fields"}
    _, answer = await post(client, f"{address}/infill", whole)
    assert answer["stop"] is True
    assert answer["timings"]["predicted_ms"] == 0.0


async def test_infill_is_written_as_llama_cpp_writes_it(
    client: aiohttp.ClientSession, address: str
) -> None:
    """llama.vim passes over an answer in which it does not find this text."""
    for stream in (False, True):
        body = {**LLAMA_VIM, "stream": stream}
        async with client.post(f"{address}/infill", json=body) as response:
            assert '"content":"1"' in await response.text()


async def test_infill_for_several_texts(client: aiohttp.ClientSession, address: str) -> None:
    """llama.vim goes through them."""
    _, answers = await post(client, f"{address}/infill", {**LLAMA_VIM, "n_cmpl": 2})
    assert [answer["content"] for answer in answers] == ["1", "22"]
    _, answer = await post(client, f"{address}/infill", {**LLAMA_VIM, "n_cmpl": None})
    assert answer["content"] == "1"


async def test_infill_has_as_much_time_as_an_editor_s_suggestion(
    client: aiohttp.ClientSession, address: str, journal: Path
) -> None:
    """llama.vim's first question leaves 250 ms, with which llama.cpp still ends its first line."""
    for wish, seconds in ((250, 1.5), (2000, 2.0), (0, 5.0)):
        await post(client, f"{address}/infill", {**LLAMA_VIM, "t_max_predict_ms": wish})
        assert last_request(journal)["deadline"] == seconds


async def test_infill_that_only_warms_a_cache(
    client: aiohttp.ClientSession, address: str, journal: Path
) -> None:
    """llama.vim sends its chunks ahead with `n_predict` 0; nothing may be made for that."""
    await post(client, f"{address}/infill", LLAMA_VIM)
    before = journal.read_text()
    body = {**LLAMA_VIM, "n_predict": 0, "input_prefix": "", "prompt": "", "response_fields": [""]}
    assert await post(client, f"{address}/infill", body) == (200, {})
    assert journal.read_text() == before


async def test_models_and_health(client: aiohttp.ClientSession, address: str) -> None:
    async with client.get(f"{address}/v1/models") as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["fake"]
    async with aiohttp.ClientSession() as stranger, stranger.get(f"{address}/health") as response:
        assert await response.json() == {"status": "ok"}


@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"X-Key": TOKEN}]
)
async def test_no_token_no_answer(address: str, given: dict[str, str]) -> None:
    async with aiohttp.ClientSession(headers=given) as stranger:
        for path in ("/v1/completions", "/infill"):
            status, answer = await post(stranger, address + path, {"prompt": "x"})
            assert status == 401
            assert "Bearer" in answer["error"]["message"]
        async with stranger.get(f"{address}/v1/models") as response:
            assert response.status == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "192.168.0.7", "127.evil", ""])
async def test_a_name_that_was_made_to_lead_here(
    client: aiohttp.ClientSession, address: str, host: str
) -> None:
    """DNS rebinding: the page's own name resolves to this machine."""
    headers = {"Host": host}
    status, answer = await post(client, f"{address}/infill", LLAMA_VIM, headers=headers)
    assert status == 403
    assert "Host" in answer["error"]["message"]


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:99"])
async def test_this_machine_s_own_names(
    client: aiohttp.ClientSession, address: str, host: str
) -> None:
    headers = {"Host": host}
    assert (await post(client, f"{address}/infill", LLAMA_VIM, headers=headers))[0] == 200


async def test_no_page_of_another_origin_is_let_in(
    client: aiohttp.ClientSession, address: str
) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with client.options(f"{address}/infill", headers=headers) as response:
        assert response.status == 405
        assert not [name for name in response.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        ("/v1/completions", {}, "prompt"),
        ("/v1/completions", {"prompt": ["a", "b"]}, "prompt"),
        ("/v1/completions", {"prompt": "x", "n": "two"}, "`n`"),
        ("/v1/completions", {"prompt": "x", "max_tokens": 1.5}, "max_tokens"),
        ("/v1/completions", {"prompt": "x", "stop": [1]}, "stop"),
        ("/v1/completions", [1], "object"),
        ("/infill", {"input_prefix": 1}, "input_prefix"),
        ("/infill", {"input_extra": ["text"]}, "input_extra"),
        ("/infill", {"t_max_predict_ms": True}, "t_max_predict_ms"),
        ("/infill", {"n_cmpl": "two"}, "n_cmpl"),
    ],
)
async def test_wrong_bodies_are_named(
    client: aiohttp.ClientSession, address: str, path: str, body: Any, names: str
) -> None:
    status, answer = await post(client, address + path, body)
    assert status == 400
    assert names in answer["error"]["message"]


async def test_broken_and_too_long_bodies(client: aiohttp.ClientSession, address: str) -> None:
    for data, status in (
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b" " * 5_000_000, 413),
    ):
        async with client.post(f"{address}/infill", data=data) as response:
            assert response.status == status
            assert "error" in await response.json()
    async with client.get(f"{address}/nothing") as response:
        assert response.status == 404


async def test_a_client_that_went_away_is_cancelled(
    client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    slow = fake(answer="1", steps=200, step_seconds=0.05, journal=str(journal))
    with serving(*slow) as address:
        await ready(client, address)
        asking = asyncio.ensure_future(post(client, f"{address}/infill", LLAMA_VIM))
        async with asyncio.timeout(SECONDS):
            while not journal.exists():
                await asyncio.sleep(0.01)
            asking.cancel()
            while '"end"' not in journal.read_text():
                await asyncio.sleep(0.01)
    end = json.loads(journal.read_text().splitlines()[-1])
    assert end["cancelled"]
    assert end["forwards"] < 100


async def test_while_the_model_loads_and_when_it_fails(client: aiohttp.ClientSession) -> None:
    with serving(*fake(load_seconds=60)) as address:
        status, answer = await post(client, f"{address}/infill", LLAMA_VIM)
        assert (status, answer["error"]["type"]) == (503, "unavailable_error")
        async with client.get(f"{address}/health") as response:
            assert response.status == 503
    done = subprocess.run(
        fake(load_error="The weights are broken."), capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 3
    assert done.stderr.endswith("infill-lsp: The weights are broken.\n")


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infill_lsp.cli", "serve", *options]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--http", "0.0.0.0:0"], "loopback addresses only"),
        (["--http", "[::]:0"], "loopback addresses only"),
        (["--http", "example.org:80"], "loopback addresses only"),
        (["--http", "port"], "is not [HOST:]PORT"),
        (["--http", "127.0.0.1:0", "--token-file", "/nowhere"], "cannot read the token"),
        (["--token-file", "/nowhere"], "goes with --tcp, --ws and --http"),
        (["--allow-origin", "http://localhost"], "goes with --ws"),
        (["--tcp", "0.0.0.0:0"], "--allow-remote"),
        (["--ws", "[::]:0"], "--allow-remote"),
        (["--threads", "2"], "goes with --http"),
    ],
)
def test_wrong_options(options: list[str], says: str) -> None:
    done = run(*options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr


async def test_a_fill_by_the_bundled_model(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    """With a token out of a file."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    command = (sys.executable, "-m", "infill_lsp.cli", "serve", "--http", "127.0.0.1:0")
    with serving(*command, "--token-file", str(tmp_path / "token")) as address:
        await ready(client, address)
        prompt = "<fim_prefix>def add(a, b):\n    return <fim_suffix>\n\n\nprint(add(1, 2))\n<fim_middle>"
        _, answer = await post(client, f"{address}/v1/completions", {"prompt": prompt})
    (choice,) = answer["choices"]
    assert choice["text"].strip()
    assert "print(add(1, 2))" not in choice["text"], "post-processed"
    assert answer["usage"]["prompt_tokens"] > 0


async def test_slow_strangers_are_not_waited_for() -> None:
    """80 connections that never end their header held the server for a minute and a half."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(SERVER[1]).parent)!r}); import serve_fake;"
        "from infill_lsp.endpoint import serving; from infill_lsp.settings import Settings;"
        "serving.HANDSHAKE_SECONDS, serving.MOST_CONNECTIONS = 0.5, 8;"
        "serving.serve_http('127.0.0.1', 0, Settings(model='{}'), 'x', serve_fake.start_engine)"
    )
    with serving(sys.executable, "-c", code) as address:
        host, port = address.removeprefix("http://").split(":")
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(80)]
        for _, writer in slow:
            writer.write(b"POST /infill HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        async with asyncio.timeout(SECONDS):
            for reader, writer in slow:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
        async with asyncio.timeout(SECONDS):
            while True:  # there is room again, as soon as the last of them is gone
                with contextlib.suppress(aiohttp.ClientError):
                    await ready_without_token(address)
                    break
                await asyncio.sleep(0.05)
