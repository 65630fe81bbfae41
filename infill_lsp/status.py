"""The line that tells a user how the server is, so that silence always has a reason.

Sent as the notification `didChangeStatus {busy, kind, message}`, only when it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["Normal", "Warning", "Error", "Inactive"]

DID_CHANGE_STATUS = "didChangeStatus"


@dataclass(frozen=True, slots=True)
class Status:
    """How the server is. `message` is one line: why nothing is shown, or what is loaded."""

    kind: Kind = "Normal"
    message: str = ""
    busy: bool = False


class StatusLine:
    """Sends each new status once."""

    def __init__(self, send: Callable[[Status], None]) -> None:
        self._send = send
        self.trouble = ""
        """What is wrong beside the requests; shown in place of what is normal, while not empty."""
        self.current = Status(kind="Inactive", message="not started yet")

    def show(self, status: Status) -> None:
        """Show this from now on."""
        if self.trouble and status.kind == "Normal":
            status = Status("Warning", self.trouble, status.busy)
        if status != self.current:
            self.current = status
            self._send(status)

    def busy(self) -> None:
        """Keep the message, but say that something is going on."""
        self.show(replace(self.current, busy=True))
