"""One gap that a client asks for, and its way through the same path as an editor's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine import Draft, InfillEngine, Snippet, Stop
from infill_lsp.completion import fill
from infill_lsp.documents import Document
from infill_lsp.outcome import Filled
from infill_lsp.settings import Settings

MOST_FILLS = 16
MOST_SECONDS = 600.0
NO_LIMIT = 256
"""Tokens. Clients send thousands where they mean no limit, and without one the engine decides
better how long a gap is."""


class BadRequestError(Exception):
    """The body is wrong. The message says which field must be what; never what it held."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What to fill, whichever way it was asked."""

    prefix: str
    suffix: str = ""
    path: str = ""
    """Tells the language; empty where the client does not say."""
    snippets: tuple[Snippet, ...] = ()
    max_tokens: int | None = None
    """None: as long as it becomes. 0: nothing is asked."""
    fills: int = 1
    seed: int = 0
    stop: tuple[str, ...] = ()
    """The text is cut before the first of these."""
    seconds: float | None = None
    """Never less than the settings allow an automatic suggestion. None: what they allow one that was
    asked for."""
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    texts: tuple[str, ...]
    """Best first; one empty text when there is nothing to say."""
    draft: Draft | None
    """None when the engine was not asked."""

    @property
    def cut_short(self) -> bool:
        """Whether the fill might have gone on."""
        return self.draft is not None and self.draft.stop in (Stop.LENGTH, Stop.DEADLINE)

    @property
    def tokens(self) -> int:
        """Canvas positions that the best fill takes."""
        if self.draft is None or not self.draft.fills:
            return 0
        return sum(token.free and bool(token.text) for token in self.draft.fills[0].tokens)


async def answer(engine: InfillEngine, gap: Gap, settings: Settings) -> Answer:
    """Fill a gap. Raises EngineError; cancelled when the client goes away."""
    if gap.max_tokens == 0:
        return Answer(("",), None)
    if gap.seconds is None:
        milliseconds: float = settings.invoked_deadline_ms
    else:
        milliseconds = max(gap.seconds * 1000, settings.deadline_ms)
    document = Document("", gap.prefix + gap.suffix, path=gap.path, encoding="utf-32")
    filled: Filled = await fill(
        engine,
        document.snapshot(),
        len(gap.prefix),
        settings=settings,
        variants=gap.fills,
        seed=gap.seed,
        deadline=milliseconds / 1000,
        max_tokens=gap.max_tokens,
        snippets=gap.snippets,
    )
    texts = tuple(_cut(suggestion.text, gap.stop) for suggestion in filled.suggestions)
    return Answer(texts or ("",), filled.draft)


def _cut(text: str, stop: tuple[str, ...]) -> str:
    return text[: min((at for word in stop if (at := text.find(word)) >= 0), default=len(text))]


def text_in(body: dict[str, Any], name: str) -> str:
    """A text; empty when it is missing or null. Raises BadRequestError."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequestError(f"`{name}` must be a text")
    return value


def number_in(body: dict[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number, brought within limits; None when it is missing or null. Raises
    BadRequestError."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise BadRequestError(f"`{name}` must be a whole number")
    return max(least, min(most, int(value)))


def limit_in(body: dict[str, Any], name: str) -> int | None:
    """Most tokens of a fill. None when it is missing, -1, or more than a fill ever has. Raises
    BadRequestError."""
    limit = number_in(body, name, -1, NO_LIMIT)
    return None if limit in (-1, NO_LIMIT) else limit


def stops_in(body: dict[str, Any]) -> tuple[str, ...]:
    """The field `stop`: a text or several. Raises BadRequestError."""
    value = body.get("stop")
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise BadRequestError("`stop` must be a text or a list of texts")
    return tuple(stop for stop in stops if stop)
