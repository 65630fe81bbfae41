"""`infill-lsp doctor`: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
import time
from dataclasses import asdict

from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table

import engine
from engine import EngineConfig, EngineError, EngineInfo, Finding, InfillRequest
from infill_lsp import grammars, offers
from infill_lsp.commands import models

PACKAGES = ("infill-lsp", "pygls", "lsprotocol", "tokenizers", "safetensors", "tree-sitter")
TRIAL = InfillRequest("def add(a, b):\n    return", "\n", single_line=True, max_tokens=8)


def run(config: EngineConfig, *, as_json: bool) -> int:
    """Print the findings, and offer a model where one is to offer. 0 when all is well, else 1."""
    finding, info = _model(config)
    findings = [_python(), _packages(), *engine.diagnose(config), *_grammars(), finding]
    if info is not None and info.offer:
        findings.append(_offered(info.offer))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        _show(findings)
        if info is not None and info.offer:
            _offer(info.offer)
    return 0 if all(finding.ok for finding in findings) else 1


def _python() -> Finding:
    return Finding("python", True, f"{platform.python_version()} on {platform.platform()}")


def _packages() -> Finding:
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return Finding("packages", True, found)


def _grammars() -> list[Finding]:
    versions = grammars.available()
    broken = {name: said for name, said in versions.items() if not said[:1].isdigit()}
    cure = "Reinstall the grammar; until then such files are plain text."
    findings = [Finding(f"grammar {name}", False, why, cure) for name, why in broken.items()]
    return [*findings, Finding("grammars", True, f"{len(versions) - len(broken)} languages")]


def _model(config: EngineConfig) -> tuple[Finding, EngineInfo | None]:
    """Load it and fill a gap: nothing less shows that it works."""
    loaded = engine.load(config)
    try:
        info = loaded.ready.result()
        began = time.perf_counter()
        loaded.submit(TRIAL).result.result()
        seconds = time.perf_counter() - began
    except EngineError as error:
        cure = "See above, or set another model."
        return Finding(f"model {config.model}", False, str(error), cure), None
    finally:
        loaded.close()
    if info.instead:
        cure = "Until then the bundled model stands in."
        return Finding(f"model {config.model}", False, info.instead, cure), info
    how = "refines all positions at once" if info.order == "any" else "fills from left to right"
    how += ", seeing both sides" if info.sees_after else ""
    chosen = f"; chosen: {info.chosen}" if info.chosen else ""
    detail = (
        f"{info.parameters / 1e6:.0f} M parameters, {info.dtype}, {how}; loaded in "
        f"{info.load_seconds:.1f} s, a first fill took {seconds * 1000:.0f} ms{chosen}"
    )
    return Finding(f"model {info.model}", True, detail), info


def _offered(name: str) -> Finding:
    model = next(each for each in engine.known_models() if each.name == name)
    detail = f"{model.download_bytes / 1e9:.1f} GB, licence {model.licence}, quick enough here"
    return Finding("better model", True, f"{detail}: `infill-lsp models get {name}`")


def _offer(name: str) -> None:
    """Ask at a terminal whether to fetch it, unless that was asked before."""
    console = Console()
    if not (sys.stdin.isatty() and console.is_terminal) or not offers.take(name):
        return
    model = next(each for each in engine.known_models() if each.name == name)
    if Confirm.ask(offers.text(model), console=console, default=False):
        models.get(name, as_json=False)


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
        cure = f"\n[yellow]{finding.cure}[/]" if finding.cure and not finding.ok else ""
        table.add_row(mark, finding.name, finding.detail + cure)
    Console(highlight=False).print(table)
