"""`fixtures/templates/`: files with holes whose fills must agree with what is left and right of each,
and with one another. The engine says in each hole more than belongs there; what comes of it is judged
by what reads such files.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from fake_engine import FakeEngine

from engine import InfillRequest
from infill_lsp.documents import Document
from infill_lsp.edits import applied
from infill_lsp.filling import fill_holes
from infill_lsp.holes import find_holes
from infill_lsp.settings import Settings

FOLDER = Path(__file__).parents[2] / "fixtures" / "templates"
TEMPLATES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.toml")}


def json_agrees(text: str, template: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(text), json.loads(template["schema"]))


def openapi_agrees(text: str, template: dict[str, Any]) -> None:
    api = yaml.safe_load(text)
    for path, operations in api["paths"].items():
        for operation in operations.values():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            for response in operation["responses"].values():
                reference = response["content"]["application/json"]["schema"]["$ref"]
                found = api
                for name in reference.removeprefix("#/").split("/"):
                    found = found[name]
                assert set(found["required"]) <= set(found["properties"])


def compose_agrees(text: str, template: dict[str, Any]) -> None:
    compose = yaml.safe_load(text)
    for service in compose["services"].values():
        assert service["image"]
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"]


def sql_agrees(text: str, template: dict[str, Any]) -> None:
    migration, query = text.rsplit("\n\n", 1)
    with sqlite3.connect(":memory:") as database:
        database.executescript(migration)
        assert database.execute(query).fetchall() == [("Ada",)]


def dockerfile_agrees(text: str, template: dict[str, Any]) -> None:
    stages: set[str] = set()
    for line in filter(None, text.splitlines()):
        instruction, _, rest = line.partition(" ")
        assert instruction in {"FROM", "WORKDIR", "COPY", "RUN", "CMD"}
        if instruction == "FROM" and " AS " in rest:
            stages.add(rest.rpartition(" ")[2])
        if instruction == "COPY":
            *flags, _source, _target = rest.split()
            assert all(flag.removeprefix("--from=") in stages for flag in flags)
        if instruction == "CMD":
            assert json.loads(rest)


JUDGES: dict[str, Callable[[str, dict[str, Any]], None]] = {
    "json-schema": json_agrees,
    "openapi": openapi_agrees,
    "yaml-configuration": compose_agrees,
    "sql-migration": sql_agrees,
    "dockerfile": dockerfile_agrees,
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", JUDGES)
async def test_what_stands_left_and_right_decides(name: str, together: bool) -> None:
    template = TEMPLATES[name]
    filled = await fill(template, together)
    assert filled == template["expected"]
    JUDGES[name](filled, template)


@pytest.mark.parametrize("name", JUDGES)
def test_the_judge_refuses_what_was_answered_as_it_is(name: str) -> None:
    template = TEMPLATES[name]
    answers = iter(template["answers"])
    raw = re.sub(r"‸|<#\w+#>", lambda _: next(answers), template["text"])
    with pytest.raises(
        (AssertionError, ValueError, KeyError, TypeError, yaml.YAMLError, sqlite3.Error)
    ):
        JUDGES[name](raw, template)


def test_every_template_is_judged() -> None:
    assert TEMPLATES.keys() == JUDGES.keys()


async def fill(template: dict[str, Any], together: bool) -> str:
    text, answers = template["text"], list(template["answers"])

    def answer(request: InfillRequest) -> list[list[str]]:
        """The next answers; nothing new for what is asked once more."""
        gaps = len(request.between) + 1
        taken, answers[:gaps] = answers[:gaps], []
        return [taken or [""] * gaps]

    engine = FakeEngine(answer, steps=0)
    try:
        await asyncio.wrap_future(engine.ready)
        document = Document(
            "file:///template", text, language_id=template["language"], path=template["path"]
        )
        snapshot = document.snapshot()
        holes = find_holes(text, snapshot.language, markers=Settings().hole_markers)
        filling = await fill_holes(engine, snapshot, holes, settings=Settings(), together=together)
    finally:
        engine.close()
    assert not filling.empty
    return applied(text, filling.edits)
