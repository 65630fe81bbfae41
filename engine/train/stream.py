"""The endless stream of batches: what step n trains on depends on the seed and n alone.

So a run that was stopped goes on where it was with nothing saved but n, and workers can make
batches ahead in any number.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from random import Random

from torch.utils.data import DataLoader, Dataset

from engine.models.base import ModelSpec
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train.batch import Batch
from engine.train.corpus import Document
from engine.train.examples import Row, build_row
from engine.train.recipe import Recipe

LONGEST_COUNTED = 20_000
"""Characters. A document is met as often as it is long, up to this."""
TRIES = 1000


class Stream(Dataset[Batch]):
    """Batches by the number of their step."""

    def __init__(
        self, documents: Sequence[Document], open_tokenizer: Callable[[], Tokenizer],
        spec: ModelSpec, recipe: Recipe,
    ) -> None:  # fmt: skip
        """open_tokenizer: called once in each process that makes batches."""
        self._documents = documents
        self._open_tokenizer = open_tokenizer
        self._tokenizer: Tokenizer | None = None  # made in the process that uses it
        self._spec = spec
        self._recipe = recipe
        self._bounds = list(
            accumulate(min(len(document.text), LONGEST_COUNTED) for document in documents)
        )
        self._folders: dict[str, list[Document]] = defaultdict(list)
        if recipe.snippets:
            for document in documents:
                self._folders[_folder(document)].append(document)
        if not self._bounds or not self._bounds[-1]:
            raise EngineError("The corpus has no text. Make one with `infill-lsp train data`.")

    def __getitem__(self, step: int) -> Batch:
        first = step * self._recipe.rows
        return Batch.of([self.row(number) for number in range(first, first + self._recipe.rows)])

    def row(self, number: int) -> Row:
        """Row `number` of the run, from a document drawn by its length."""
        if self._tokenizer is None:
            self._tokenizer = self._open_tokenizer()
        random = Random(f"{self._recipe.seed}/{number}")
        for _ in range(TRIES):
            document = self._documents[bisect(self._bounds, random.randrange(self._bounds[-1]))]
            neighbours = self._folders[_folder(document)] if self._folders else []
            others = [each for each in neighbours if each is not document]
            row = build_row(document, random, self._tokenizer, self._spec, self._recipe, others)
            if row is not None:
                return row
        raise EngineError("The corpus has hardly any text that gaps can be cut into.")


def _folder(document: Document) -> str:
    return document.path.rpartition("/")[0]


def batches(stream: Stream, first: int, workers: int) -> Iterator[Batch]:
    """From step `first` on, without end; `workers` processes make them ahead (0: none)."""
    yield from DataLoader(
        stream,
        batch_size=None,
        sampler=_From(first),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )


class _From:
    """first, first + 1, …"""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        step = self._first
        while True:
            yield step
            step += 1
