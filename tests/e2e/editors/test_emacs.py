"""Emacs in batch mode with the README's configuration: lsp-mode's grey text, eglot's completions."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from neovim import SOURCE, install_from_debian
from sessions import SERVER

from infill_lsp import usage

README = (Path(__file__).resolve().parents[3] / "editors" / "README.md").read_text("utf-8")
ANSWER = "total = a + b\n    return total"
FILLED = SOURCE.replace("    \n", f"    {ANSWER}\n", 1)

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]

LSP_MODE = """
(load "lsp-mode-autoloads")
(require 'lsp-inline-completion)
(setq lsp-auto-guess-root t lsp-enable-snippet nil)
(find-file "a.py")
(lsp)
(defun ready () (seq-some (lambda (each) (eq 'initialized (lsp--workspace-status each)))
                          (lsp-workspaces)))
(with-timeout (30 (error "not initialized")) (while (not (ready)) (accept-process-output nil 0.1)))
(forward-line 1)
(end-of-line)
(with-timeout (30 (error "no grey text"))
  (while (not (lsp-inline-completion--active-p))
    (lsp-inline-completion-display t)
    (accept-process-output nil 0.1)))
(princ (format "shown: %s\n" (buffer-substring (point-min) (point-max))))
(lsp-inline-completion-accept)
(accept-process-output nil 1)
(write-region nil nil "b.py")
"""

EGLOT = """
(require 'eglot)
(setq eglot-sync-connect 30)
(find-file "a.py")
(call-interactively #'eglot)
(forward-line 1)
(end-of-line)
(with-timeout (30 (error "no completion"))
  (while (not (search-backward "return" nil t))
    (completion-at-point)
    (accept-process-output nil 0.2)))
(write-region nil nil "b.py")
"""


def configuration(package: str) -> str:
    """The README's, with the fake server in place of ours, and a model that says what it shall."""
    blocks = re.findall(r"```elisp\n(.*?)```", README, flags=re.DOTALL)
    (block,) = (block for block in blocks if f"'{package}" in block.splitlines()[0])
    command = " ".join(json.dumps(word) for word in [*SERVER, "--stdio"])
    model = json.dumps(json.dumps({"answer": ANSWER}))
    assert '"infill-lsp"' in block
    return block.replace('"infill-lsp"', command).replace(":deadlineMs 800", f":model {model}")


def run(request: pytest.FixtureRequest, folder: Path, script: str) -> str:
    """Emacs in `folder` with this script; what it printed."""
    where = request.config.cache.mkdir("emacs")
    program = install_from_debian(where, "forky", "emacs-nox", "emacs-nox", "elpa-lsp-mode")
    root = Path(program).parents[1]
    (version,) = (root / "share" / "emacs").glob("[0-9]*")
    lisp = version / "lisp"
    packages = (root / "share" / "emacs" / "site-lisp" / "elpa-src").glob("*")
    folders = [*packages, lisp, *(path for path in lisp.glob("**/") if path != lisp)]
    (image,) = (root / "libexec").glob("**/*.pdmp")
    (folder / "a.py").write_text(SOURCE)
    # No compiler came along.
    (folder / "script.el").write_text(f"(setq native-comp-enable-subr-trampolines nil)\n{script}")
    done = subprocess.run(
        [program, f"--dump-file={image}", "-Q", "--batch", "--load", "script.el"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder),
            "EMACSLOADPATH": ":".join(map(str, folders)),
            "EMACSDATA": str(version / "etc"),
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_lsp_mode_shows_and_accepts(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    shown = run(request, tmp_path, configuration("lsp-mode") + LSP_MODE)
    assert "total" not in shown, "grey text is not in the buffer"
    assert (tmp_path / "b.py").read_text() == FILLED
    (day,) = usage.read(tmp_path / "infill-lsp" / "usage.sqlite3")
    assert (day.shown, day.accepted, day.characters) == (1, 1, len(ANSWER))


def test_eglot_completes(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    run(request, tmp_path, configuration("eglot") + EGLOT)
    assert (tmp_path / "b.py").read_text() == FILLED
