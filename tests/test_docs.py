"""What the README says of settings, commands and files is so."""

from __future__ import annotations

import ast
import inspect
import json
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from engine.train import ablation
from infill_lsp import arguments, settings

ROOT = Path(__file__).parent.parent
TOP = ("engine", "infill_lsp", "editors", "tests", "fixtures")
README = (ROOT / "README.md").read_text("utf-8")
EDITORS = (ROOT / "editors" / "README.md").read_text("utf-8")
MEASURED = ROOT / "fixtures" / "measured"
JSON_TYPES = {
    bool: {"type": "boolean"},
    str: {"type": "string"},
    int: {"type": "integer"},
    int | None: {"type": ["integer", "null"]},
    tuple[str, ...]: {"type": "array", "items": {"type": "string"}},
    tuple[settings.Source, ...]: {
        "type": "array",
        "items": {"type": "string", "enum": list(get_args(settings.Source))},
    },
}


def settings_texts() -> dict[str, str]:
    """The docstring under each field of the dataclass."""
    body = ast.parse(inspect.getsource(settings.Settings)).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(docstring.value.value.split())
        for field, docstring in pairwise(body)
        if isinstance(field, ast.AnnAssign)
    }


def settings_table() -> str:
    """The README's table."""
    texts = settings_texts()
    rows = ["| setting | default | |", "|---|---|---|"]
    for field in fields(settings.Settings):
        shown = json.dumps(default(field.name))
        rows.append(f"| `{settings.wire_name(field.name)}` | `{shown}` | {texts[field.name]} |")
    return "\n".join(rows)


def vscode_settings() -> dict[str, object]:
    """The properties of the section `infill` in VS Code's package.json."""
    texts, kinds = settings_texts(), get_type_hints(settings.Settings)
    properties: dict[str, object] = {}
    for field in fields(settings.Settings):
        kind = kinds[field.name]
        limits = {"least": "minimum", "most": "maximum"}
        properties[f"{settings.SECTION}.{settings.wire_name(field.name)}"] = {
            **(
                {"type": "string", "enum": list(get_args(kind))}
                if get_origin(kind) is Literal
                else JSON_TYPES[kind]
            ),
            **{limits[name]: value for name, value in field.metadata.items()},
            "default": default(field.name),
            "markdownDescription": texts[field.name],
        }
    return properties


def default(name: str) -> object:
    """A setting's default, as JSON has it."""
    value = getattr(settings.Settings(), name)
    return list(value) if isinstance(value, tuple) else value


def measured() -> str:
    """The README's figures, from the file that `eval --json` wrote."""
    rows = [
        "| `infill-lsp eval` | cases | pass@1 | 95 % interval | parses | ms p50 |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for line in (MEASURED / "eval-cpu.jsonl").read_text("utf-8").splitlines():
        score = json.loads(line)
        low, high = score["interval"]
        how = ", what follows hidden" if score.get("without_suffix") else ""
        how += ", while typing" if score.get("automatic") else ""
        rows.append(
            f"| {score['split'] or score['suite']}, {score['model']}{how} | {score['cases']} | {score['pass_at_1']:.1%} "
            f"| {low:.1%} to {high:.1%} | {score['parses']:.1%} | {score['ms_p50']:.0f} |"
        )
    return "\n".join(rows)


def test_the_measured_figures_are_those_of_the_results_files() -> None:
    assert measured() in README, f"put this into README.md:\n{measured()}"


def plainly() -> str:
    """The sentence of the README's first screen that says how often the bundled model is right."""
    lines = (MEASURED / "eval-cpu.jsonl").read_text("utf-8").splitlines()
    right = {
        (score["split"], score["automatic"]): f"{score['pass_at_1']:.0%}".replace("%", " %")
        for score in map(json.loads, lines)
        if score["model"] == "qwen2.5-coder-0.5b" and score["cases"] == 120
    }
    return (
        "Of 120 hidden single lines it gets {} right while you type and {} when asked, of several lines "
        "{}, of random spans {}; random spans while you type are its weak side ({})."
    ).format(
        right["single-line", True],
        right["single-line", False],
        right["multi-line", False],
        right["random-span", False],
        right["random-span", True],
    )


def test_what_is_said_of_the_model_plainly_was_measured() -> None:
    assert plainly() in " ".join(README.split()), f"put this into README.md:\n{plainly()}"


def places() -> str:
    """The README's table of ordinary places, from what `eval places --json` wrote."""
    found = json.loads((MEASURED / "places-cpu.json").read_text("utf-8"))
    rows = ["| place | what came | forwards |", "|---|---|---:|"]
    for row in found["places"]:
        text = row["text"] or f"({row['why_nothing']})"
        shown = text.replace("|", "\\|").replace("\n", "<br>").replace("  ", "&nbsp; ")
        rows.append(f"| {row['place']} | <code>{shown}</code> | {row['forwards']} |")
    return "\n".join([*rows, "", f"`{found['command']}`, commit {found['commit']}."])


def test_what_came_in_ordinary_places_is_what_came() -> None:
    assert places() in README, f"put this into README.md:\n{places()}"


def first_grey_text() -> str:
    """The editors' README's steps and seconds, from the files that `test_first_grey_text.py` wrote."""
    rows = ["| editor | step | seconds |", "|---|---|---:|"]
    for path in sorted(MEASURED.glob("first-grey-text-*.json")):
        found = json.loads(path.read_text("utf-8"))
        for count, step in enumerate(found["steps"], 1):
            rows.append(f"| {found['editor']} | {count}. {step['step']} | {step['seconds']:.1f} |")
        total = sum(step["seconds"] for step in found["steps"])
        rows.append(f"| | {len(found['steps'])} steps to `{found['shown']}` | {total:.0f} |")
    rows += ["", f"Commit {found['commit']}, {found['processor']}, Python {found['python']}."]
    return "\n".join(rows)


def test_the_steps_to_the_first_grey_text_are_those_that_were_taken() -> None:
    assert first_grey_text() in EDITORS, f"put this into editors/README.md:\n{first_grey_text()}"


def ablations(name: str) -> str:
    """A table of the log, from a file that `engine.train.ablation` wrote."""
    text = (MEASURED / name).read_text("utf-8")
    return ablation.markdown([json.loads(line) for line in text.splitlines()])


def test_the_log_of_experiments_is_what_the_runs_said() -> None:
    log = (ROOT / "engine/train/README.md").read_text("utf-8")
    files = sorted(path.name for path in MEASURED.glob("ablation-*.jsonl"))
    assert files
    for name in files:
        assert name in log
        assert ablations(name) in log, f"put this into engine/train/README.md:\n{ablations(name)}"


def beginnings() -> str:
    """The log's table of what fills begin with, from what `eval beginnings --json` wrote."""
    found = json.loads((MEASURED / "beginnings.json").read_text("utf-8"))
    rows = [
        "| language | statements | mistaken | missing | right |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows += ["| " + " | ".join(map(str, row.values())) + " |" for row in found["rows"]]
    return "\n".join([*rows, "", f"Commit {found['commit']}."])


def test_the_figures_of_beginnings_are_those_of_the_results_file() -> None:
    log = (ROOT / "engine/train/README.md").read_text("utf-8")
    assert beginnings() in log, f"put this into engine/train/README.md:\n{beginnings()}"


def test_the_table_of_settings_is_the_dataclass() -> None:
    assert settings_table() in README, f"put this into README.md:\n{settings_table()}"


def test_the_settings_of_vscode_are_the_dataclass() -> None:
    package = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text("utf-8"))
    sections = {entry["title"]: entry for entry in package["contributes"]["configuration"]}
    wanted = vscode_settings()
    assert sections["Suggestions"]["properties"] == wanted, (
        f"put this into editors/vscode/package.json:\n{json.dumps(wanted, indent=2)}"
    )


def test_every_command_is_in_the_readme() -> None:
    for action in arguments.parser()._subparsers._group_actions:  # type: ignore[union-attr]
        for name in action.choices:  # type: ignore[union-attr]
            if name != "serve":  # the default
                assert f"| `infill-lsp {name}" in README


def test_every_file_in_the_map_exists_and_every_module_is_in_it() -> None:
    rows = README.split("## Map")[1].split("\n## ")[0]
    named = set()
    for line in rows.splitlines():
        paths = re.findall(r"`([\w/]+(?:\.py|/))`", line.split("|")[1] if "|" in line else "")
        for path in paths:
            full = path if path.split("/")[0] in TOP else f"{paths[0].split('/')[0]}/{path}"
            assert (ROOT / full).exists(), full
            named.add(full)
    for package in ("engine", "infill_lsp"):
        for module in (ROOT / package).glob("*.py"):
            name = f"{package}/{module.name}"
            assert module.name == "__init__.py" or name in named, (
                f"{name} is not in the README's map"
            )


def test_both_commands_of_the_readme_set_everything_up() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    assert all(block.startswith("python3 -m venv .venv && ") for block in blocks)
    filled = re.search(r"infill-lsp fill (\S+):\d+:\d+", blocks[0])
    assert filled is not None
    assert (ROOT / filled[1]).is_file()
