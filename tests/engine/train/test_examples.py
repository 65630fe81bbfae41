"""What the model is trained on is what it will be asked."""

from __future__ import annotations

import argparse as module
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from engine.canvas import Canvas, turns
from engine.config import EngineConfig
from engine.engine import Engine
from engine.models.base import ModelSpec
from engine.models.catalog import BUNDLED
from engine.models.weights import read_config
from engine.prompt import path_ids
from engine.request import InfillRequest, Snippet
from engine.tokenizer import Tokenizer
from engine.train import examples
from engine.train.corpus import Document
from engine.train.examples import PADDING, UNDECIDED, WINDOW, Window, build_row, cut_window, example
from engine.train.gaps import Gap
from engine.train.recipe import Recipe

TEXT = Path(module.__file__).read_text("utf-8")
AS_SERVED = Recipe(other_canvas=0, other_anchors=0, several_gaps=0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(BUNDLED / "tokenizer.json")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    """Of a model as it is trained here, with the bundled one's vocabulary."""
    known = read_config(BUNDLED).spec
    *ends, delete = known.eos_ids
    return replace(known, order="any", delete_id=delete, eos_ids=tuple(ends), fim=None)


def window_of(text: str, tokenizer: Tokenizer, spec: ModelSpec) -> Window:
    ids = [examples.beginning(spec), *tokenizer.encode(text)]
    return Window(text, {}, ids, 1)


GAPS = [
    ("def area(width):\n    return ", "width * 2", "\n\n\nprint(area(3))\n"),
    ("def area(width):\n", "    return width", "\n\n\nprint(area(3))\n"),
    ("def area(width):\n    ret", "urn width", "\n"),
    ("for i in range(3):\n    ", "total += i\n    print(total)", "\nprint('done')\n"),
    ("x = f(", "a, b", ")\ny = 2\n"),
    ("value = 'ünïcode' + ", "name", "\n"),
]


@pytest.mark.parametrize(("prefix", "middle", "suffix"), GAPS)
def test_an_example_is_laid_out_as_the_request_would_be(
    prefix: str, middle: str, suffix: str, tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    window = window_of(prefix + middle + suffix, tokenizer, spec)
    gap = Gap(len(prefix), len(prefix) + len(middle))
    made = example(window, [gap], Random(0), tokenizer, spec, AS_SERVED)
    assert made is not None
    seen, trained = made

    request = InfillRequest(prefix, suffix, single_line="\n" not in middle)
    served, canvas = laid_out(request, tokenizer, spec)
    assert trained.prompt == served
    assert window.ids[:seen] == served
    assert trained.canvas.ids.tolist() == canvas.ids.tolist()
    assert trained.canvas.free.tolist() == canvas.free.tolist()

    kept = [id_ for id_ in trained.target if id_ != spec.delete_id]
    whole = tokenizer.decode([*trained.prompt[1:], *trained.canvas.ids[:1].tolist(), *kept])
    assert whole == prefix + middle


def laid_out(
    request: InfillRequest, tokenizer: Tokenizer, spec: ModelSpec
) -> tuple[list[int], Canvas]:
    """What the engine makes of a request, taken from the engine itself."""

    class SeenError(Exception):
        pass

    class Model:
        device = torch.device("cpu")

        def __init__(self) -> None:
            self.spec = spec
            self.ids: list[int] = []

        def new_kv(self) -> object:
            return type("KV", (), {"length": 0, "nbytes": 0, "truncate": lambda *_: None})()

        def encode(self, ids: torch.Tensor, kv: object) -> None:
            self.ids += ids.tolist()

        def denoise(self, canvas: torch.Tensor, kv: object, rows: torch.Tensor, *_: object) -> None:
            free = torch.zeros(canvas.shape[1], dtype=torch.bool)
            free[rows[0]] = True
            raise SeenError(Canvas(canvas[0], free, free.long()))

    model = Model()
    engine = Engine(model, tokenizer, EngineConfig())  # type: ignore[arg-type]
    try:
        list(engine.infill(request))
    except SeenError as seen:
        return model.ids, seen.args[0]
    raise AssertionError("the engine asked for no forward")


@pytest.mark.parametrize("seed", range(30))
def test_rows_hold_the_documents_own_text(seed: int, tokenizer: Tokenizer, spec: ModelSpec) -> None:
    row = build_row(Document("a.py", "python", TEXT), Random(seed), tokenizer, spec, Recipe())
    assert row is not None
    assert len(row.ids) == Recipe().row_tokens
    window = row.ids[row.canvas == WINDOW]
    begins = int(window[0] == spec.bos_id)
    text = tokenizer.decode(window[begins:].tolist())
    assert text in TEXT
    assert not row.free[row.canvas < 0].any()
    for number in range(row.canvas.max() + 1):
        here = row.canvas == number
        ids, free, seen = row.ids[here], row.free[here], int(row.seen[here][0])
        place = row.position[here] - seen
        assert place[0] == 0
        in_order = bool((row.turn[here] > 0).any())
        assert (np.diff(place) >= 1).all() if in_order else (np.diff(place) == 1).all()
        assert (row.turn[here][free] == (place[free] + 1 if in_order else UNDECIDED)).all()
        assert (row.turn[here][~free] == 0).all()
        assert free.any()
        first, last = np.flatnonzero(free)[[0, -1]]
        on_to_the_end = (np.diff(place[last + 1 :]) == 1).all()  # no other gap was left out there
        one_gap = free[first : last + 1].all() and on_to_the_end
        if (ids[free] == spec.delete_id).any() and one_gap:
            # one gap, said to its end: with what stands before and after it, it is the text
            said = [int(id_) for id_ in ids[first:] if id_ != spec.delete_id]
            around = tokenizer.decode([*window[begins:seen].tolist(), *ids[:first].tolist(), *said])
            assert around.rstrip("\ufffd") in TEXT


def test_a_gap_that_is_longer_than_its_canvas_fills_it_and_deletes_nothing(
    tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    middle = "x = [" + ", ".join(map(str, range(40))) + "]"
    window = window_of("# numbers\n" + middle + "\nprint(x)\n", tokenizer, spec)
    made = example(window, [Gap(10, 10 + len(middle))], Random(0), tokenizer, spec, AS_SERVED)
    assert made is not None
    assert spec.delete_id not in made[1].target
    assert len(made[1].target) == len(made[1].canvas.slots)


def test_several_gaps_share_a_canvas_with_the_text_between_them(
    tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    text = "a = f(1)\nb = g(2)\nc = 3\n"
    window = window_of(text, tokenizer, spec)
    gaps = [Gap(text.index("f"), text.index("f") + 4), Gap(text.index("g"), text.index("g") + 4)]
    made = example(window, gaps, Random(0), tokenizer, spec, AS_SERVED)
    assert made is not None
    canvas, target = made[1].canvas, made[1].target
    assert canvas.gaps == 2
    clean = canvas.ids.clone()
    clean[canvas.slots] = clean.new_tensor(target)
    kept = [id_ for id_ in clean.tolist() if id_ != spec.delete_id]
    assert tokenizer.decode(kept) == " = f(1)\nb = g(2)\nc = 3\n"[-len(tokenizer.decode(kept)) :]


@pytest.mark.parametrize("chosen", [0, 1])
def test_a_canvas_that_is_filled_from_the_left_has_the_turns_of_a_fill(
    chosen: int, tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    """All slots of one gap in one row, each as it is while that gap is being filled."""
    text = "a = f(1)\nb = g(2)\nc = 3\n"
    window = window_of(text, tokenizer, spec)
    gaps = [Gap(text.index("f"), text.index("f") + 4), Gap(text.index("g"), text.index("g") + 4)]
    made = example(window, gaps, Random(0), tokenizer, spec, AS_SERVED)
    assert made is not None
    canvas = made[1].canvas
    random = Random(next(seed for seed in range(9) if Random(seed).randrange(2) == chosen))
    ids, place, turn, free = examples.laid_out(made[1], True, random)
    assert set(canvas.gap[place[free > 0]].tolist()) == {chosen}
    said = tokenizer.decode([int(id_) for id_ in ids[free > 0] if id_ != spec.delete_id])
    assert said.strip() == ("f(1)", "g(2)")[chosen]
    assert ids[free > 0][-1] == spec.delete_id
    assert int((ids == spec.delete_id).sum()) == 1

    ordered = replace(spec, order="left_to_right")
    whole = canvas.ids.clone()
    whole[canvas.slots] = whole.new_tensor(made[1].target)
    for filled in range(int(free.sum())):
        masked = (canvas.gap > chosen) | ((canvas.gap == chosen) & (turns_before(canvas) >= filled))
        now = whole.masked_fill(masked, spec.mask_id or 0)
        served = turns(now[None], canvas, ordered)
        assert served is not None
        known = {at for at in range(canvas.size) if served[0, at] <= place[free > 0][filled]}
        trained = {int(at): int(when) for at, when in zip(place, turn, strict=True)}
        until = place[free > 0][filled]
        assert known == {at for at, when in trained.items() if when <= until}
        assert all(trained[at] == served[0, at] for at in known)


def turns_before(canvas: Canvas) -> torch.Tensor:
    """[C]: how many slots of its own gap stand before a position."""
    same = canvas.gap[:, None] == canvas.gap
    return (same & torch.ones(len(same), len(same)).tril(-1).bool()).sum(1)


def test_a_prompt_that_begins_with_the_far_suffix_is_the_requests(
    tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    both = replace(spec, suffix_in_prompt=True, separator_id=8)
    prefix, middle, suffix = "import os\n\n\ndef f(a):\n    ", "return a + 1", "\n\n\nprint(f(2))\n"
    window = window_of(prefix + middle + suffix, tokenizer, both)
    end = len(prefix + middle)
    moved = examples.under(window, [], [], end, tokenizer, both)
    made = example(moved, [Gap(len(prefix), end)], Random(0), tokenizer, both, AS_SERVED)
    assert made is not None
    served, canvas = laid_out(InfillRequest(prefix, suffix, single_line=True), tokenizer, both)
    cut = min(len(served), 3)
    assert made[1].prompt[-cut:] == served[-cut:]
    assert made[1].prompt[0] == served[0] == both.separator_id
    assert made[1].canvas.ids.tolist() == canvas.ids.tolist()


def test_a_prompt_with_a_path_and_a_snippet_is_the_requests(
    tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    named = replace(spec, path_id=spec.eos_ids[-1], separator_id=spec.eos_ids[-2])
    prefix, middle, suffix = "def f(a):\n    ", "return a + 1", "\n\n\nprint(f(2))\n"
    snippet = "def g(b):\n    return f(b)\n"
    window = window_of(prefix + middle + suffix, tokenizer, named)
    path = path_ids("shop/deep/f.py", "python", tokenizer, named)
    whole = examples.under(window, path, [tokenizer.encode(snippet)], None, tokenizer, named)
    gap = Gap(len(prefix), len(prefix + middle))
    made = example(whole, [gap], Random(0), tokenizer, named, AS_SERVED)
    assert made is not None
    request = InfillRequest(
        prefix,
        suffix,
        path="/home/me/shop/deep/f.py",
        single_line=True,
        snippets=(Snippet(snippet),),
    )
    served, _ = laid_out(request, tokenizer, named)
    assert made[1].prompt == served
    assert served[0] == named.path_id
    assert tokenizer.decode(served).startswith("deep/f.py" + snippet)


def test_shares_of_a_prompts_pieces_are_those_of_the_recipe(
    tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    path, separator = spec.eos_ids[-2:]
    pieced = replace(spec, path_id=path, separator_id=separator, suffix_in_prompt=True)
    recipe = Recipe(paths=0.5, snippets=0.5)
    document, other = (Document(f"shop/{name}.py", "python", TEXT) for name in "ab")
    paths = separators = 0
    for seed in range(60):
        row = build_row(document, Random(seed), tokenizer, pieced, recipe, [other])
        assert row is not None
        paths += row.ids[0] == path
        separators += int((row.ids == separator).sum())
    assert 18 < paths < 42
    assert 30 < separators < 120
    unnamed = path_ids("", "python", tokenizer, pieced)
    assert (unnamed[0], tokenizer.decode(unnamed)) == (path, "python")


def test_windows_are_whole_lines_and_not_always_the_documents_beginning(
    tokenizer: Tokenizer, spec: ModelSpec
) -> None:
    document = Document("a.py", "python", TEXT, {"statement": [(0, 5), (20_000, 20_010)]})
    beginnings = 0
    for seed in range(60):
        window = cut_window(document, 200, Random(seed), tokenizer, spec)
        at = TEXT.index(window.text)
        assert at == 0 or TEXT[at - 1] == "\n"
        assert len(window.ids) <= 200
        assert tokenizer.encode(window.text) == window.ids[window.starts :]
        assert (window.starts == 1) == (at == 0)
        beginnings += at == 0
        for start, end in window.spans["statement"]:
            assert TEXT[at + start : at + end] in (TEXT[0:5], TEXT[20_000:20_010])
    assert 5 < beginnings < 30


def test_rows_are_full_but_never_longer(tokenizer: Tokenizer, spec: ModelSpec) -> None:
    padding = [
        (build_row(Document("a", "python", TEXT), Random(seed), tokenizer, spec, Recipe()))
        for seed in range(40)
    ]
    share = np.mean([(row.canvas == PADDING).mean() for row in padding if row is not None])
    assert share < 0.15
