"""Messages out of bytes, however the bytes arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.framing import MOST_BYTES, FrameError, Frames


@given(st.lists(st.binary(max_size=30), max_size=5), st.lists(st.integers(0, 200), max_size=8))
def test_chunks_make_no_difference(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(
        b"Content-Type: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies
    )
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames, got = Frames(), []
    for start, end in itertools.pairwise(edges):
        got += frames.feed(stream[start:end])
    assert got == bodies


@pytest.mark.parametrize(
    "header", [b"content-length:2", b"CONTENT-LENGTH:  2 ", b"Content-Length: 2"]
)
def test_headers_as_clients_write_them(header: bytes) -> None:
    assert Frames().feed(header + b"\r\n\r\n{}") == [b"{}"]


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"Content-Length: two\r\n\r\n{}",
        b"Content-Length: 99999999999999\r\n\r\n",
        b"x" * 20_000,
        # A page of a browser can send these to any port of this machine.
        b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        b"POST http://127.0.0.1:80/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: x",
        b"Content-Length: 2\r\n\r\n{}POST / HTTP/1.1\r\nContent-Length: 2\r\n",
    ],
)
def test_what_is_no_message_is_refused_at_once(stream: bytes) -> None:
    with pytest.raises(FrameError):
        Frames().feed(stream)


@pytest.mark.parametrize("chunk", [1, 7, 64, 10_000])
def test_a_message_that_is_too_long_is_passed_over(chunk: int) -> None:
    frames, got = Frames(most=100), []
    stream = b"".join(
        b"Content-Length: %d\r\n\r\n%b" % (n, b"x" * n) for n in (2, 101, 100, 300, 3)
    )
    for start in range(0, len(stream), chunk):
        got += frames.feed(stream[start : start + chunk])
    assert [len(body) for body in got] == [2, 100, 3]
    assert frames.skipped == 2


def test_what_is_passed_over_is_not_kept() -> None:
    frames = Frames()
    frames.feed(b"Content-Length: %d\r\n\r\n" % (3 * MOST_BYTES))
    for _ in range(3):
        assert frames.feed(b"x" * MOST_BYTES) == []
        assert len(frames._bytes) == 0
    assert frames.feed(b"Content-Length: 2\r\n\r\n{}") == [b"{}"]
