"""What a client sees of a fill while it is refined, step by step, if it asked for that.

Sent as the notification `infill/refinement {uri, position, step, final, tokens}`; each token is
`{text, confidence, free, settled}`, as `engine.Token` has it. It holds the user's code, so it goes
to the client that asked and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from engine import Draft
from infill_lsp.documents import Snapshot

REFINEMENT = "infill/refinement"


class Refinement:
    """Of one connection. Nothing is sent until `wanted` is set."""

    def __init__(self, send: Callable[[dict[str, object]], None]) -> None:
        """send: called on the engine's thread."""
        self.wanted = False
        self._send = send

    def watcher(self, snapshot: Snapshot, offset: int) -> Callable[[Draft], None] | None:
        """What is to see each draft of a fill that begins at `offset`; None when nobody watches."""
        if not self.wanted:
            return None
        line, character = snapshot.position_at(offset)

        def show(draft: Draft) -> None:
            self._send(
                {
                    "uri": snapshot.uri,
                    "position": {"line": line, "character": character},
                    "step": draft.step,
                    "final": draft.final,
                    "tokens": [asdict(token) for token in draft.fills[0].tokens],
                }
            )

        return show
