"""The model against a plain one: everything computed anew, every mask written out, no cache."""

from __future__ import annotations

import dataclasses
from itertools import pairwise, product
from typing import Any

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine import canvas as canvases
from engine.models.base import KV
from engine.models.block_llama import (
    BlockLlama,
    BlockLlamaConfig,
    rounded,
    row_bucket,
    zeros,
)
from engine.models.layers import KEY_STEP, Attention, attend, key_blocks

NEAR = 1e-3
KINDS = list(product(("together", "one by one", "in groups"), (True, False)))


def turns_of(kind: str, canvas: Tensor) -> Tensor | None:
    """Who sees whom in a canvas [B, C]: nothing said, each those before it, or any groups."""
    if kind == "together":
        return None
    if kind == "one by one":
        return torch.arange(canvas.shape[1]).expand_as(canvas)
    groups = torch.randint(3, canvas.shape[1:], generator=torch.Generator().manual_seed(4))
    return groups.expand_as(canvas)


def plain_logits(
    model: BlockLlama, prompt: list[int], canvas: list[int], turn: list[int]
) -> Tensor:  # fmt: skip
    """Logits [C, V] of one canvas behind `prompt`, as a textbook would compute them."""
    config, weights = model.config, dict(model.named_parameters())
    ids = [*prompt, *canvas]
    count, dim = len(ids), config.head_dim
    sees = torch.zeros(count, count, dtype=torch.bool)
    for row in range(count):
        for column in range(count):
            sees[row, column] = column <= row
            if row >= len(prompt) and column >= len(prompt):
                sees[row, column] = turn[column - len(prompt)] <= turn[row - len(prompt)]

    def norm(x: Tensor, weight: Tensor) -> Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + config.norm_epsilon).sqrt() * weight

    def rotated(x: Tensor) -> Tensor:  # [count, dim]
        half = dim // 2
        out = x.clone()
        for i in range(half):
            angle = torch.arange(count) * config.rotary_base ** (-2 * i / dim)
            cosine, sine = angle.cos(), angle.sin()
            out[:, i] = x[:, i] * cosine - x[:, i + half] * sine
            out[:, i + half] = x[:, i + half] * cosine + x[:, i] * sine
        return out

    x = weights["embedding.weight"][ids]
    for number in range(config.layers):
        here = f"layers.{number}."
        normed = norm(x, weights[here + "attention_norm.weight"])
        parts = (normed @ weights[here + "attention.qkv.weight"].T).split(dim, 1)
        queries = parts[: config.heads]
        keys = parts[config.heads : config.heads + config.kv_heads]
        values = parts[config.heads + config.kv_heads :]
        mixed = []
        for head, query in enumerate(queries):
            group = head * config.kv_heads // config.heads
            scores = rotated(query) @ rotated(keys[group]).T / dim**0.5
            mixed.append(scores.masked_fill(~sees, float("-inf")).softmax(-1) @ values[group])
        x = x + torch.cat(mixed, 1) @ weights[here + "attention.output.weight"].T
        normed = norm(x, weights[here + "feed_forward_norm.weight"])
        gate, up = (normed @ weights[here + "feed_forward.gate_up.weight"].T).chunk(2, 1)
        x = x + (gate * gate.sigmoid() * up) @ weights[here + "feed_forward.down.weight"].T
    logits = norm(x, weights["norm.weight"]) @ weights["embedding.weight"].T
    return logits[len(prompt) :]


def plain_answer(
    model: BlockLlama, prompt: list[int], canvas: Tensor, rows: Tensor, turn: Tensor | None
) -> Tensor:  # fmt: skip
    """What `denoise` should say, [B, R, V]."""
    shift = int(model.spec.shift)
    turns = torch.zeros_like(canvas) if turn is None else turn
    return torch.stack(
        [
            plain_logits(model, prompt, line.tolist(), turns[b].tolist())[wanted - shift]
            for b, (line, wanted) in enumerate(zip(canvas, rows, strict=True))
        ]
    )


class InTurn(BlockLlama):
    """Whose canvases all have turns of one kind."""

    kind: str

    def denoise(self, canvas: Tensor, kv: KV, rows: Tensor, *_: object) -> Tensor:
        return super().denoise(canvas, kv, rows, None, turns_of(self.kind, canvas))

    def plain(self, prompt: Tensor, canvas: Tensor, rows: Tensor) -> Tensor:
        turn = turns_of(self.kind, canvas)
        return plain_answer(self, prompt.tolist(), canvas, rows, turn)


def in_turn(model: BlockLlama, kind: str, shift: bool = True) -> InTurn:
    """The same weights, used otherwise."""
    spec = dataclasses.replace(model.spec, shift=shift)
    other = InTurn(dataclasses.replace(model.config, spec=spec))
    other.kind = kind
    other.load_state_dict(model.state_dict(), assign=True)
    return other.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-shift-{kind[1]}")
def model(request: pytest.FixtureRequest, tiny_mask_model: BlockLlama) -> InTurn:
    return in_turn(tiny_mask_model, *request.param)


@pytest.fixture
def causal(tiny_causal_model: BlockLlama) -> InTurn:
    return in_turn(tiny_causal_model, "one by one")


def random_ids(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("prompt_length", [0, 1, 40])
@pytest.mark.parametrize("variants", [1, 3])
def test_agrees_with_the_plain_model(model: InTurn, prompt_length: int, variants: int) -> None:
    prompt, canvas = random_ids(prompt_length), random_ids(variants, 12, seed=1)
    rows = torch.tensor([[1, 4, 11], [2, 3, 9], [5, 5, 5]])[:variants]
    kv = model.new_kv()
    model.encode(prompt, kv)
    answer = model.denoise(canvas, kv, rows)
    assert answer.dtype == torch.float32
    assert kv.length == prompt_length
    torch.testing.assert_close(answer, model.plain(prompt, canvas, rows), atol=NEAR, rtol=0)


def test_a_prompt_grown_in_pieces_and_rolled_back_is_as_good_as_a_fresh_one(
    model: InTurn,
) -> None:
    prompt, other = random_ids(60), random_ids(30, seed=2)
    canvas, rows = random_ids(2, 8, seed=1), torch.tensor([[1, 2, 7]] * 2)
    kv = model.new_kv()
    for start, end in pairwise([0, 1, 20, 25]):
        model.encode(prompt[start:end], kv)
    model.encode(other, kv)
    model.denoise(canvas + 1, kv, rows)  # what it leaves behind must not matter
    kv.truncate(25)
    model.encode(prompt[25:], kv)
    torch.testing.assert_close(
        model.denoise(canvas, kv, rows),
        model.plain(prompt, canvas, rows),
        atol=NEAR,
        rtol=0,
    )


def test_a_long_prompt_is_the_same_in_one_call_and_in_many(model: BlockLlama) -> None:
    """Over several chunks and over the cache's first size."""
    prompt, canvas, rows = random_ids(1500), random_ids(1, 8), torch.tensor([[3]])
    whole, pieces = model.new_kv(), model.new_kv()
    model.encode(prompt, whole)
    for piece in prompt.split(170):
        model.encode(piece, pieces)
    assert whole.length == pieces.length == 1500
    torch.testing.assert_close(
        model.denoise(canvas, whole, rows),
        model.denoise(canvas, pieces, rows),
        atol=NEAR,
        rtol=0,
    )


def test_variants_do_not_see_one_another(model: BlockLlama) -> None:
    prompt, canvas, rows = random_ids(10), random_ids(4, 8), torch.tensor([[1, 7]] * 4)
    kv = model.new_kv()
    model.encode(prompt, kv)
    together = model.denoise(canvas, kv, rows)
    alone = torch.cat([model.denoise(canvas[b : b + 1], kv, rows[:1]) for b in range(4)])
    torch.testing.assert_close(together, alone, atol=NEAR, rtol=0)


def test_the_canvases_may_outgrow_the_cache(model: BlockLlama) -> None:
    """Fourteen canvases of 96 behind a full prompt; each as if it were alone."""
    prompt, canvas, rows = random_ids(1950), random_ids(14, 96), torch.tensor([[1, 50]] * 14)
    kv, alone = model.new_kv(), model.new_kv()
    before = kv.capacity
    for each in (kv, alone):
        model.encode(prompt, each)
    together = model.denoise(canvas, kv, rows)
    assert kv.capacity > before
    one_by_one = torch.cat([model.denoise(canvas[b : b + 1], alone, rows[:1]) for b in range(14)])
    torch.testing.assert_close(together, one_by_one, atol=NEAR, rtol=0)
    kv.truncate(1000)
    model.encode(prompt[1000:], kv)
    torch.testing.assert_close(model.denoise(canvas, kv, rows), together, atol=NEAR, rtol=0)


class Counted(BlockLlama):
    """Notes how many rows each forward computes."""

    def __init__(self, config: BlockLlamaConfig) -> None:
        super().__init__(config)
        self.rows = list[int]()

    def _forward(self, ids: Tensor, *rest: object) -> Tensor:
        self.rows.append(len(ids))
        return super()._forward(ids, *rest)


@pytest.mark.parametrize(
    ("spec", "first", "then"),
    [({"delete_id": None}, 1, 1), ({"delete_id": 255}, 4, 1), ({"order": "any"}, 16, 16)],
    ids=["reads on", "left to right", "any order"],
)
def test_a_step_computes_what_it_must(
    tiny_causal_model: BlockLlama, spec: dict[str, Any], first: int, then: int
) -> None:
    """Slots filled from left to right between one anchor and three: the anchors once, and once for
    both variants, which start alike; then a row each, and every answer as if nothing were remembered."""
    config = tiny_causal_model.config
    model = Counted(
        dataclasses.replace(config, spec=dataclasses.replace(config.spec, **spec))
    ).eval()
    model.load_state_dict(tiny_causal_model.state_dict())
    mask_id = model.spec.mask_id or 0
    canvas = canvases.build([7], [12], [], [5, 6, 8], model.spec)
    ids, prompt = canvas.ids.repeat(2, 1), random_ids(20)
    kv, fresh = model.new_kv(), tiny_causal_model.new_kv()
    model.encode(prompt, kv)
    tiny_causal_model.encode(prompt, fresh)
    model.rows.clear()
    for position in range(1, 13):
        turn = canvases.turns(ids, canvas, model.spec)
        rows = torch.full((2, 1), position)
        if model.spec.order == "any":  # asks for all that is masked
            rows = torch.arange(position, 13).repeat(2, 1)
        answer = model.denoise(ids, kv, rows, None, turn)
        fresh.truncate(20)  # forgets the scratch area: everything is computed again
        expected = tiny_causal_model.denoise(ids, fresh, rows, None, turn)
        torch.testing.assert_close(answer, expected, atol=NEAR, rtol=0)
        assert (ids[:, position] == mask_id).all()
        ids[:, position] = torch.tensor([position, position + 100])
    assert model.rows[:11] == [first, *[2 * then] * 10]  # the last one needs no mask


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_a_canvas_remembers_never_shows(data: st.DataObject) -> None:
    """Any sequence of canvases, turns, wanted rows, roll-backs and encodes: as if nothing were kept."""
    model = REMEMBERING
    kv = model.new_kv()
    prompt: list[int] = []
    variants = data.draw(st.integers(1, 3))
    width = data.draw(st.integers(2, 6))
    lines = st.lists(st.integers(0, 3), min_size=width, max_size=width)
    for _ in range(data.draw(st.integers(1, 6))):
        action = data.draw(st.sampled_from(["denoise", "denoise", "denoise", "encode", "truncate"]))
        if action == "encode":
            more = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
            model.encode(torch.tensor(more), kv)
            prompt += more
        elif action == "truncate":
            prompt = prompt[: data.draw(st.integers(0, len(prompt)))]
            kv.truncate(len(prompt))
        else:
            count = data.draw(st.integers(1, variants))
            canvas = torch.tensor(data.draw(st.lists(lines, min_size=count, max_size=count)))
            rows = torch.tensor(
                [sorted(data.draw(st.tuples(*[st.integers(1, width - 1)] * 2))) for _ in canvas]
            )
            turn = torch.tensor(data.draw(st.lists(lines, min_size=count, max_size=count)))
            if data.draw(st.booleans()):  # variants that are all alike
                canvas, rows, turn = (each[:1].expand_as(each) for each in (canvas, rows, turn))
            answer = model.denoise(canvas, kv, rows, None, turn)
            expected = plain_answer(model, prompt, canvas, rows, turn)
            torch.testing.assert_close(answer, expected, atol=NEAR, rtol=0)


@pytest.fixture(scope="module", autouse=True)
def _remembering(tiny_causal_model: BlockLlama) -> None:
    """Hypothesis refuses function-scoped fixtures; this one is shared by all its examples."""
    global REMEMBERING
    REMEMBERING = tiny_causal_model


REMEMBERING: BlockLlama


def test_a_failed_forward_leaves_nothing_that_counts_as_written(
    causal: InTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas, rows, kv = random_ids(1, 8), torch.tensor([[5]]), causal.new_kv()
    causal.encode(random_ids(5), kv)
    with monkeypatch.context() as patch:
        patch.setattr(Attention, "forward", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            causal.denoise(canvas, kv, rows)
    torch.testing.assert_close(
        causal.denoise(canvas, kv, rows),
        causal.plain(random_ids(5), canvas, rows),
        atol=NEAR,
        rtol=0,
    )


@pytest.mark.parametrize(("count", "seen"), [(1, 1), (50, 50), (50, 1500), (70, 5000), (3, 1024)])
def test_attention_in_blocks_is_the_attention_of_all_rows(count: int, seen: int) -> None:
    """Over blocks of rows and of keys; what stands behind the seen keys does not matter."""
    generator = torch.Generator().manual_seed(0)
    room = rounded(seen, KEY_STEP)
    queries = torch.randn(4, count, 8, generator=generator)
    keys = torch.randn(2, 8, room, generator=generator)
    values = torch.randn(2, room, 8, generator=generator)
    mask = torch.full((count, count), -torch.inf).triu(1)
    expected = torch.nn.functional.scaled_dot_product_attention(
        queries,
        keys[:, :, :seen].transpose(1, 2).repeat_interleave(2, 0),
        values[:, :seen].repeat_interleave(2, 0),
        torch.cat([torch.zeros(count, seen - count), mask], 1),
    )
    answer = attend(queries, keys, values, seen, mask)
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=0)


@given(st.integers(1, 20_000))
def test_blocks_hold_all_keys_in_few_shapes(seen: int) -> None:
    blocks = key_blocks(seen)
    assert blocks[0][0] == 0
    assert all(one[1] == other[0] for one, other in pairwise(blocks))
    assert seen <= blocks[-1][1] < seen + KEY_STEP
    assert {end - start for start, end in blocks} <= {256, 512, 768, 1024}


def test_rows_come_in_few_numbers_and_not_many_are_added() -> None:
    buckets = [row_bucket(count) for count in range(1, 257)]
    assert len(set(buckets)) == 16
    assert all(count <= bucket < count * 1.5 for count, bucket in enumerate(buckets, 1))


def test_a_growing_prompt_meets_no_new_shapes(causal: BlockLlama) -> None:
    """Each new shape of a bfloat16 product costs a millisecond and keeps nearly a megabyte."""
    model = BlockLlama(causal.config, torch.bfloat16)
    model.load_state_dict(causal.state_dict(), assign=True)
    model.eval().requires_grad_(False)
    kv, shapes = model.new_kv(), set()
    product = torch.bmm

    def watched(left: Tensor, right: Tensor) -> Tensor:
        shapes.add((*left.shape, right.shape[2]))
        return product(left, right)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "bmm", watched)
        for _ in range(600):
            model.encode(random_ids(2), kv)
    assert len(shapes) == 2 * 4


def test_bfloat16_keys_and_values_change_little(tiny_mask_model: BlockLlama) -> None:
    prompt, canvas, rows = random_ids(100), random_ids(1, 8), torch.tensor([[3, 5]])
    halved = BlockLlama(tiny_mask_model.config, torch.bfloat16)
    halved.load_state_dict(tiny_mask_model.state_dict(), assign=True)
    answers = []
    for model in (tiny_mask_model, halved):
        kv = model.new_kv()
        model.encode(prompt, kv)
        answers.append(model.denoise(canvas, kv, rows).log_softmax(-1))
    assert kv.buffers[0][0].dtype == torch.bfloat16
    assert (answers[0] - answers[1]).abs().max() < 0.2


def test_the_cache_reports_the_bytes_of_its_tokens(causal: BlockLlama) -> None:
    kv = causal.new_kv()
    assert kv.nbytes == 0
    causal.encode(random_ids(100), kv)
    # 2 layers, keys and values, 2 heads of 8, float32
    assert kv.nbytes == 100 * 2 * 2 * 2 * 8 * 4


def test_an_empty_cache_takes_no_memory() -> None:
    before = psutil.Process().memory_info().rss
    room = zeros((2**28,), torch.device("cpu"), torch.bfloat16)
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert room.shape == (2**28,)
    assert room[12345] == 0


@pytest.mark.parametrize("length", [-1, 6])
def test_rolling_back_to_where_nothing_is_held_is_refused(causal: BlockLlama, length: int) -> None:
    kv = causal.new_kv()
    causal.encode(random_ids(5), kv)
    with pytest.raises(ValueError, match="holds 5 tokens"):
        kv.truncate(length)


def test_more_than_the_context_is_refused(causal: BlockLlama) -> None:
    kv = causal.new_kv()
    with pytest.raises(ValueError, match="context of 2048"):
        causal.encode(random_ids(2049), kv)
    causal.encode(random_ids(2040), kv)
    with pytest.raises(ValueError, match="2056 tokens"):
        causal.denoise(random_ids(1, 16), kv, torch.tensor([[1]]))


@pytest.mark.parametrize(
    ("change", "message"), [({"kv_heads": 3}, "cannot share"), ({"head_dim": 7}, "even")]
)
def test_shapes_that_cannot_be_are_refused(
    causal: BlockLlama, change: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(causal.config, **change)


def test_parameters_are_counted(causal: BlockLlama) -> None:
    assert causal.config.parameters == sum(each.numel() for each in causal.parameters())


prompts = st.lists(st.integers(0, 255), max_size=40)
runs = st.lists(st.integers(0, 255), min_size=1, max_size=40)


def moved_behind(model: BlockLlama, kv: KV, start: int, end: int, before: list[int]) -> KV:
    """A cache of `before`, and behind it the tokens [start, end) of `kv` as they are there."""
    target = model.new_kv()
    if before:
        model.encode(torch.tensor(before), target)
    model.lay(model.lift(kv, start, end), target)
    return target


def assert_alike(model: BlockLlama, kv: KV, fresh: KV) -> None:
    """Both hold the same keys and values, and a canvas behind them is told the same."""
    assert kv.length == fresh.length
    for (keys, values), (own_keys, own_values) in zip(kv.buffers, fresh.buffers, strict=True):
        seen = slice(fresh.length)
        torch.testing.assert_close(keys[:, :, seen], own_keys[:, :, seen], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(values[:, seen], own_values[:, seen], atol=1e-4, rtol=1e-4)
    canvas, rows = random_ids(1, 6), torch.arange(1, 6)[None]
    turn = torch.arange(6)[None]
    said, expected = (model.denoise(canvas, each, rows, None, turn) for each in (kv, fresh))
    torch.testing.assert_close(said, expected, atol=1e-3, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(before=prompts, between=runs, run=runs)
def test_what_is_moved_and_moved_back_is_as_good_as_fresh(
    tiny_causal_model: BlockLlama, before: list[int], between: list[int], run: list[int]
) -> None:
    """Behind a line that is typed and taken back, as if there had been none."""
    model, start = tiny_causal_model, len(before)
    fresh = model.new_kv()
    model.encode(torch.tensor(before + run), fresh)
    away = moved_behind(model, fresh, start, start + len(run), before + between)
    other = start + len(between)
    back = moved_behind(model, away, other, other + len(run), before)
    assert_alike(model, back, fresh)


@settings(max_examples=30, deadline=None)
@given(before=prompts, instead=prompts, run=runs)
def test_what_is_moved_has_the_keys_of_its_new_place(
    tiny_causal_model: BlockLlama, before: list[int], instead: list[int], run: list[int]
) -> None:
    """In one layer keys know nothing of other tokens: those moved are those encoded there."""
    model = BlockLlama(dataclasses.replace(tiny_causal_model.config, layers=1)).eval()
    weights = tiny_causal_model.state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    held, fresh = model.new_kv(), model.new_kv()
    model.encode(torch.tensor(before + run), held)
    model.encode(torch.tensor(instead + run), fresh)
    moved = moved_behind(model, held, len(before), len(before) + len(run), instead)
    assert_alike(model, moved, fresh)
