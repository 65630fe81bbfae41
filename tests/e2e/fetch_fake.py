"""In the place of `infill-lsp models get --json NAME`: the larger model comes, the bundled one is refused,
and DiffusionGemma takes for ever and leaves its process id beside the counts."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(name: str) -> int:
    print(json.dumps({"said": f"{name}, licence Apache-2.0"}), flush=True)
    for percent in (0, 40, 100):
        print(json.dumps({"share": percent / 100, "what": "fetching it"}), flush=True)
    if name == "bundled":
        print("a warning\ninfill-lsp: It comes with the package.", file=sys.stderr)
        return 3
    if name == "diffusiongemma":
        process = Path(os.environ["XDG_STATE_HOME"]) / "fetching"
        process.with_suffix(".new").write_text(str(os.getpid()))
        process.with_suffix(".new").replace(process)
        time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
