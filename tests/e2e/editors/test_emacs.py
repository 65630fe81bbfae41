"""Emacs in batch mode with the README's configuration: lsp-mode's grey text, eglot's completions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typist
from neovim import SOURCE, install_from_debian
from sessions import SERVER
from terminal import Terminal

from infill_lsp import usage

README = (Path(__file__).resolve().parents[3] / "editors" / "README.md").read_text("utf-8")
ANSWER = "total = a + b\n    return total"
FILLED = SOURCE.replace("    \n", f"    {ANSWER}\n", 1)

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]

NOT_COMPILED = "(setq native-comp-enable-subr-trampolines nil native-comp-jit-compilation nil)\n"
"""No compiler comes along."""

LSP_MODE = """
(load "lsp-mode-autoloads")
(require 'lsp-inline-completion)
(setq lsp-auto-guess-root t lsp-enabled-clients '(infill) lsp-enable-snippet nil)
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

TYPING = """
(load "lsp-mode-autoloads")
(require 'lsp-inline-completion)
(setq lsp-auto-guess-root t lsp-enabled-clients '(infill) lsp-enable-snippet nil inhibit-startup-screen t
      lsp-diagnostics-provider :none lsp-headerline-breadcrumb-enable nil
      lsp-idle-delay 0.05 lsp-inline-completion-idle-delay 0.05) ; within a pause
(find-file "a.py")
(electric-indent-local-mode -1)
(add-hook 'lsp-after-open-hook (lambda () (setq mode-name "opened"))) ; in the mode line
(lsp)
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


def configuration(package: str, **script: Any) -> str:
    """The README's, with the fake server in place of ours; `script` is its engine's."""
    blocks = re.findall(r"```elisp\n(.*?)```", README, flags=re.DOTALL)
    (block,) = (block for block in blocks if f"'{package}" in block.splitlines()[0])
    command = " ".join(json.dumps(word) for word in [*SERVER, "--stdio"])
    model = json.dumps(json.dumps(script))
    assert '"infill-lsp"' in block
    return block.replace('"infill-lsp"', command).replace(":deadlineMs 800", f":model {model}")


def emacs(request: pytest.FixtureRequest, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of an Emacs whose home is `folder`."""
    where = request.config.cache.mkdir("emacs")
    program = install_from_debian(where, "forky", "emacs-nox", "emacs-nox", "elpa-lsp-mode")
    root = Path(program).parents[1]
    (version,) = (root / "share" / "emacs").glob("[0-9]*")
    lisp = version / "lisp"
    packages = (root / "share" / "emacs" / "site-lisp" / "elpa-src").glob("*")
    folders = [*packages, lisp, *(path for path in lisp.glob("**/") if path != lisp)]
    (image,) = (root / "libexec").glob("**/*.pdmp")
    command = [program, f"--dump-file={image}", "-Q"]
    environment = {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
        "EMACSLOADPATH": ":".join(map(str, folders)),
        "EMACSDATA": str(version / "etc"),
    }
    return command, environment


def run(request: pytest.FixtureRequest, folder: Path, script: str) -> str:
    """Emacs in `folder` with this script, in batch mode; what it printed."""
    command, environment = emacs(request, folder)
    (folder / "a.py").write_text(SOURCE)
    (folder / "script.el").write_text(NOT_COMPILED + script)
    done = subprocess.run(
        [*command, "--batch", "--load", "script.el"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_lsp_mode_shows_and_accepts(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    shown = run(request, tmp_path, configuration("lsp-mode", answer=ANSWER) + LSP_MODE)
    assert "total" not in shown, "grey text is not in the buffer"
    assert (tmp_path / "b.py").read_text() == FILLED
    (day,) = usage.read(tmp_path / "infill-lsp" / "usage.sqlite3")
    assert (day.shown, day.accepted, day.characters) == (1, 1, len(ANSWER))


def test_eglot_completes(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    run(request, tmp_path, configuration("eglot", answer=ANSWER) + EGLOT)
    assert (tmp_path / "b.py").read_text() == FILLED


def cursor_right(screen: typist.Screen) -> typist.Screen:
    """lsp-mode has the cursor on the last letter of the line, and not behind it, while grey text is shown."""
    shows = bool(typist.MARK.search(screen.rows[screen.row])) and screen.column > 0
    return screen._replace(column=screen.column + shows)


@pytest.fixture
def terminal(
    request: pytest.FixtureRequest, tmp_path: Path, script: dict[str, Any]
) -> Iterator[Terminal]:
    """Emacs with lsp-mode in a new file; `script` is the engine's."""
    command, environment = emacs(request, tmp_path)
    (tmp_path / "script.el").write_text(NOT_COMPILED + configuration("lsp-mode", **script) + TYPING)
    command = [*command, "-nw", "--load", "script.el"]
    with Terminal(tmp_path, command, environment) as terminal:
        terminal.wait("(opened LSP[infill", 60)
        yield terminal


@pytest.mark.parametrize("script", [typist.SCRIPT])
def test_a_minute_of_ten_keys_a_second(terminal: Terminal) -> None:
    typist.check([cursor_right(screen) for screen in terminal.type(typist.keys())])


@pytest.mark.parametrize("script", [{"answer": "otal", "load_seconds": 8}])
def test_typing_goes_on_while_the_model_loads(terminal: Terminal) -> None:
    """lsp-mode waits for an answer, but for a key, too."""
    terminal.keys("x = ")
    time.sleep(1.5)  # it has asked
    terminal.keys("t")
    terminal.wait("x = t", 3)
    assert "otal" not in terminal.screen(), "the model is not loaded yet"
    terminal.wait("x = total")
