"""Messages out of bytes, however the bytes arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.framing import FrameError, Frames


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
    ],
)
def test_what_is_no_message_is_refused_at_once(stream: bytes) -> None:
    with pytest.raises(FrameError):
        Frames().feed(stream)
