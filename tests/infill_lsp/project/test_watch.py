"""Changes on disk, for editors that do not tell of them."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

from workspace_files import write

from infill_lsp.project.watch import watch


def test_changes_are_seen_in_new_folders_too_but_not_in_dependencies(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "1", "node_modules/x/b.js": "1", "sub/c.py": "1"})
    seen: queue.Queue[str] = queue.Queue()

    def follow() -> None:
        for paths in watch(tmp_path):
            for path in paths:
                seen.put(path)

    threading.Thread(target=follow, daemon=True).start()

    def written(path: str) -> None:
        """Write until the change is told of: nobody says when the watcher is ready."""
        for attempt in range(200):
            write(tmp_path, {path: str(attempt)})
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                try:
                    if seen.get(timeout=0.1) == path:
                        return
                except queue.Empty:
                    break
        raise AssertionError(f"no change of {path} was seen")

    written("sub/c.py")
    written("new/d.py")
    write(tmp_path, {"node_modules/x/b.js": "2", "a.py": "2"})
    names = set()
    while "a.py" not in names:
        names.add(seen.get(timeout=10))
    assert not any(name.startswith("node_modules") for name in names)
