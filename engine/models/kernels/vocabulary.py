"""Everything that a step asks of the logits, in one pass over the vocabulary.

    1. each piece of a row says its largest logit, and sums of weights, from which entropy comes
    2. a row's pieces are put together; the one piece that the random number falls in is read again
    3. each piece becomes probabilities, for self-conditioning

Softcap, bans and temperature are applied on the way in each of them; nothing of the vocabulary's
size is written but those probabilities. The twin is `plain.predict`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.models.kernels.plain import Prediction

PIECE = 4096
"""Ids in one piece."""


def predict(
    logits: Tensor, softcap: float, cold: Tensor, bans: Tensor, banned: Tensor, uniforms: Tensor
) -> tuple[Prediction, Tensor]:
    """See `plain.predict`."""
    count, size = logits.shape
    pieces = triton.cdiv(size, PIECE)
    sums = logits.new_empty(3, count, pieces, dtype=torch.float32)
    best = logits.new_empty(count, pieces, dtype=torch.int32)
    whole = (logits, bans, banned, cold)
    _piece[(count, pieces)](*whole, sums, best, count, size, pieces, softcap, PIECE)
    floats = [logits.new_empty(count, dtype=torch.float32) for _ in range(3)]
    ids = [logits.new_empty(count, dtype=torch.int64) for _ in range(2)]
    confidence, entropy, partition = floats
    guess, token = ids
    _row[(count,)](
        *whole, sums, best, uniforms, guess, confidence, entropy, token, partition,
        count, size, pieces, softcap, PIECE, triton.next_power_of_2(pieces),
    )  # fmt: skip
    shares = torch.empty_like(logits)
    _shares[(count, pieces)](*whole, partition, shares, size, softcap, PIECE)
    return Prediction(guess, confidence, entropy, token), shares


@triton.jit
def _allowed(logits, bans, banned, cold, row, ids, size, softcap):
    """The logits of some ids of a row, capped, banned and cooled; -inf behind the last id."""
    inside = ids < size
    logit = tl.load(logits + row.to(tl.int64) * size + ids, mask=inside, other=0.0).to(tl.float32)
    # tanh(x), which Triton does not have, is 2 sigmoid(2 x) - 1.
    capped = softcap * (2.0 * tl.sigmoid(2.0 * logit / softcap) - 1.0)
    ban = tl.load(bans + tl.load(banned + row) * size + ids, mask=inside, other=float("-inf"))
    return (capped + ban) * tl.load(cold)


# Compiled once, not anew for numbers of rows that happen to divide by 16.
@triton.jit(do_not_specialize=["count"])
def _piece(
    logits, bans, banned, cold, sums, best, count, size, pieces, softcap, PIECE: tl.constexpr
):
    row, piece = tl.program_id(0), tl.program_id(1)
    ids = piece * PIECE + tl.arange(0, PIECE)
    allowed = _allowed(logits, bans, banned, cold, row, ids, size, softcap)
    largest, place = tl.max(allowed, 0, return_indices=True)
    # Where everything is banned there is no largest to take away.
    weight = tl.where(allowed > float("-inf"), tl.exp(allowed - largest), 0.0)
    here = row * pieces + piece
    tl.store(sums + here, largest)
    tl.store(sums + count * pieces + here, tl.sum(weight, 0))
    surprise = tl.where(weight > 0, weight * (allowed - largest), 0.0)
    tl.store(sums + 2 * count * pieces + here, tl.sum(surprise, 0))
    tl.store(best + here, piece * PIECE + place)


@triton.jit(do_not_specialize=["count"])
def _row(
    logits, bans, banned, cold, sums, best, uniforms, guess, confidence, entropy, token, partition,
    count, size, pieces, softcap, PIECE: tl.constexpr, PIECES: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    each = tl.arange(0, PIECES)
    here, inside = row * pieces + each, each < pieces
    largest = tl.load(sums + here, mask=inside, other=float("-inf"))
    total = tl.load(sums + count * pieces + here, mask=inside, other=0.0)
    surprise = tl.load(sums + 2 * count * pieces + here, mask=inside, other=0.0)
    top, place = tl.max(largest, 0, return_indices=True)
    some = largest > float("-inf")
    shrink = tl.where(some, tl.exp(largest - top), 0.0)
    weight = total * shrink
    everything = tl.sum(weight, 0)
    # With x the logit less the largest of all: the sums were of x less their own piece's largest.
    surprise = shrink * surprise + tl.where(some, weight * (largest - top), 0.0)
    most = tl.load(best + row * pieces + place)
    tl.store(guess + row, most.to(tl.int64))
    tl.store(confidence + row, 1.0 / everything)
    tl.store(entropy + row, tl.log(everything) - tl.sum(surprise, 0) / everything)
    tl.store(partition + row, top + tl.log(everything))

    # Where the cumulative sum passes the random number: first the piece, then the id in it.
    point = tl.load(uniforms + row) * everything
    passed = (tl.cumsum(weight, 0) <= point) & inside
    last = tl.max(tl.where(weight > 0, each, 0), 0)
    piece = tl.minimum(tl.sum(passed.to(tl.int32), 0), last)
    before = tl.sum(tl.where(each < piece, weight, 0.0), 0)
    ids = piece * PIECE + tl.arange(0, PIECE)
    allowed = _allowed(logits, bans, banned, cold, row, ids, size, softcap)
    share = tl.where(allowed > float("-inf"), tl.exp(allowed - top), 0.0)
    drawn = tl.sum((before + tl.cumsum(share, 0) <= point).to(tl.int32), 0)
    # Sums are rounded, so a point may fall behind the last id, or on one without probability.
    possible = tl.sum(tl.where(tl.arange(0, PIECE) == drawn, share, 0.0), 0) > 0
    tl.store(token + row, tl.where(possible, piece * PIECE + drawn, most).to(tl.int64))


@triton.jit
def _shares(logits, bans, banned, cold, partition, shares, size, softcap, PIECE: tl.constexpr):
    row = tl.program_id(0)
    ids = tl.program_id(1) * PIECE + tl.arange(0, PIECE)
    allowed = _allowed(logits, bans, banned, cold, row, ids, size, softcap)
    share = tl.exp(allowed - tl.load(partition + row))
    place = shares + row.to(tl.int64) * size + ids
    tl.store(place, share.to(shares.dtype.element_ty), mask=ids < size)
