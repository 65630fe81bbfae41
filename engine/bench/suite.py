"""START HERE: the measurements, one after another; each is yielded as soon as it is made.

What goes in is real code, because routing and attention of random tokens are unlike it.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from engine.bench import small
from engine.bench.compile_ahead import compile_ahead
from engine.bench.figures import Row, failed, first_line
from engine.bench.gemma import Subject
from engine.bench.launches import launches_of
from engine.bench.limits import measure_rates
from engine.bench.random_weights import random_model
from engine.bench.shapes import KEY_TOKENS, Size
from engine.models.catalog import BUNDLED
from engine.models.diffusion_gemma import DiffusionGemmaConfig
from engine.models.forms import Form
from engine.models.loading import find_device
from engine.request import EngineError
from engine.tokenizer import Tokenizer

FORMS: tuple[Form, ...] = ("fp8", "int4")
"""Measured first; after them plain numbers, on which transformers runs, too."""


def run(
    size: Size, device_name: str, code: str, *, repeats: int, seconds: float, model: str
) -> Iterator[Row]:
    """code: real source text for the prompts. seconds: no measurement begins after so many.
    model: the small one, measured by the product's own requests; a name or a folder.

    A stage that fails says so in a row whose unit is `failed`, and the others go on.
    """
    until = time.monotonic() + seconds
    device = find_device(device_name)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    plain = str(dtype).removeprefix("torch.")
    ids = prompt_ids(size, code).to(device)
    rates = measure_rates(device, dtype)
    yield Row("", "copy within memory", 0, 0, rates.bytes / 1e9, "GB/s")
    yield Row("", "large product", 0, 0, rates.operations / 1e12, "TFLOP/s")
    if device.type == "cuda":
        began = time.monotonic()
        compile_ahead(launches_of(size, (*FORMS, None), device), device)
        yield Row("", "kernels compiled", 0, 0, time.monotonic() - began, "s")

    def subject(config: DiffusionGemmaConfig, form: Form | None, name: str) -> Subject:
        made = random_model(config, form, device, dtype)
        return Subject(made, form, name, replace(size, config=config), ids, rates, repeats, until)

    def few_layers() -> Iterator[Row]:
        made = subject(size.compared, None, name)
        yield from made.usual_step()
        yield from made.transformers()

    def all_layers() -> Iterator[Row]:
        made = subject(size.config, None, plain)
        yield from made.rows()
        yield from made.transformers()

    for form in FORMS:
        yield from attempt(form, lambda form=form: subject(size.config, form, form).rows(), until)  # type: ignore[misc]
    requests = small.Subject(
        model, device, code, size.usual, max(size.batches), rates, repeats, until
    )
    yield from attempt(model, requests.rows, until)
    if size.compared is size.config:
        yield from attempt(plain, all_layers, until)
    else:
        name = f"{plain}, {len(size.compared.kinds)} layers"
        yield from attempt(name, few_layers, until)


def attempt(name: str, rows: Callable[[], Iterator[Row]], until: float) -> Iterator[Row]:
    """One stage: its rows, or the reason why there are no more."""
    if time.monotonic() > until:
        yield failed(name, "no time left")
        return
    try:
        yield from rows()
    except torch.OutOfMemoryError:
        yield failed(name, "out of memory")
    except Exception as error:  # a kernel that fails in one form says nothing of the others
        yield failed(name, first_line(error))
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def device_facts(device_name: str) -> dict[str, str | int]:
    """What must stand beside every figure. EngineError where there is no such device."""
    device = find_device(device_name)
    if device.type != "cuda":
        return {"device": platform.processor() or platform.machine(), "memory": 0}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device": properties.name,
        "memory": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
        "cuda": torch.version.cuda or "",
    }


def prompt_ids(size: Size, code: str) -> Tensor:
    """Enough ids of real code, by the bundled tokenizer, whose vocabulary is the smaller one."""
    ids = Tokenizer(BUNDLED / "tokenizer.json").encode(code)
    longest = max(size.contexts) + KEY_TOKENS
    if len(ids) < longest:
        raise EngineError(f"{len(ids)} tokens of code are too few for a prompt of {longest}.")
    return torch.tensor(ids[:longest]) % size.config.spec.vocab_size
