"""What a user may set: one dataclass, the only source of defaults.

On the wire the section is called `infill` and names are camelCase (`deadline_ms` is
`infill.deadlineMs`). Reading never fails: a wrong value is replaced by its default and named in a
message. This file knows nothing of how settings arrive.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from engine import EngineConfig

SECTION = "infill"
Source = Literal["imports", "sibling", "called", "similar", "recent"]
"""Where pieces of other files come from, in the order in which they stand in a prompt."""
_DATA = ("json", "yaml", "yml", "toml", "ini", "xml", "properties", "enc", "txt")
PRIVATE_FILES = (
    *(".env", ".env[._-]*", "*.env", ".envrc", ".flaskenv"),
    *(f"env.{name}*" for name in ("local", "dev", "prod", "stag", "test")),
    *("*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.pkcs12", "*.jks", "*.jceks", "*.bks"),
    *("*.keystore", "*.ppk", "*.kdb", "*.kdbx", "*.gpg", "*.age", "*.agekey", "*.ovpn"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.ssh/*", "*.gnupg/*"),
    *("[._]netrc", ".authinfo*", ".pgpass", "pgpass.conf", ".my.cnf", ".mylogin.cnf", ".s3cfg"),
    *(".npmrc", ".yarnrc.yml", ".pypirc", ".boto", ".htpasswd", ".git-credentials", ".dockercfg"),
    *("*.docker/config.json", "*.kube/config", "*.aws/config", "*.composer/auth.json"),
    *(".vault-token", ".msmtprc", ".fetchmailrc", ".terraformrc", "rclone.conf", ".*_history"),
    *("kubeconfig", "*.kubeconfig", "*.tfvars", "*.tfvars.json", "*.tfstate", "*.tfstate.*"),
    *("service-account*.json", "*-adminsdk-*.json", "wp-config.php", "local.settings.json"),
    *("credentials", "credentials.tfrc.json"),
    *(f"*{word}.{ending}" for word in ("credentials", "secret", "secrets") for ending in _DATA),
)
"""Names that files with keys, passwords and tokens have."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a user may set."""

    enabled: bool = True
    """Whether the server suggests anything at all."""
    automatic: bool = True
    """Suggest while typing. False: only when asked for (where the editor has a key for that)."""
    disabled_languages: tuple[str, ...] = ()
    """No suggestions in these languages: the editor's language ids, e.g. `markdown`."""
    disabled_files: tuple[str, ...] = PRIVATE_FILES
    """No suggestions in files whose name or path matches one of these patterns, and nothing of them in
    other files' prompts."""
    ignored_files: bool = False
    """Suggest in files that git ignores or `.infillignore` names, too."""
    project_context: tuple[Source, ...] = ("imports", "similar", "recent")
    """Which pieces of the workspace's other files the model is shown: `imports` (definitions behind
    them), `sibling` (test or header), `called` (signatures), `similar` (regions), `recent` (edits).
    The default is what helped the model that was bundled before; `[]`: no other file is read."""
    model: str = "auto"
    """`auto`: the larger model where it is here (`infill-lsp models get qwen2.5-coder-1.5b`) and quick
    enough on this machine, else the bundled one. Or a known model's name, or a folder with weights."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = field(default=None, metadata={"least": 1, "most": 1024})
    """CPU threads for the model. Not set: as many as suit the machine."""
    deadline_ms: int = field(default=1500, metadata={"least": 20, "most": 600_000})
    """Most milliseconds an automatic suggestion may take; then the best so far is shown."""
    invoked_deadline_ms: int = field(default=5000, metadata={"least": 20, "most": 600_000})
    """The same for a suggestion that was asked for."""
    variants: int = field(default=3, metadata={"least": 1, "most": 16})
    """How many suggestions to make when asked for. An automatic request makes one."""
    cut_below_percent: int = field(default=0, metadata={"least": 0, "most": 99})
    """End a suggestion before the first token that the model gives less probability. 0: never."""
    hide_below_percent: int = field(default=40, metadata={"least": 0, "most": 100})
    """Show no automatic suggestion whose tokens the model gave less probability, on average."""
    multiline: Literal["auto", "never", "always"] = "auto"
    """Several lines at once: where they fit, nowhere, or wherever nothing follows on the line."""
    complete_in_comments: bool = True
    """Suggest inside comments."""
    complete_in_strings: bool = True
    """Suggest inside string literals."""
    hole_markers: tuple[str, ...] = ("...", "pass", "TODO", "‸", "<#name#>")
    """What `infill.fillHoles` takes for a hole. `...`, `pass` and `TODO` count where code is left to
    write; any other text wherever it stands, and `name` in it stands for any text."""
    completion_fallback: Literal["auto", "never", "always"] = "auto"
    """Answer `textDocument/completion` too. `auto`: for editors without inline completion.
    `always` must be given in the initialization options, before capabilities are announced."""
    statistics: bool = True
    """Count on this machine what is shown and accepted, for `infill-lsp stats`. Numbers only."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Settings, and what was wrong with the values they were made from."""

    settings: Settings
    problems: tuple[str, ...] = ()


def read(layers: Iterable[object], defaults: Settings | None = None) -> Reading:
    """Settings from layers of JSON values, later ones first in rank.

    A layer is the section itself or `{"infill": section}`; null stands for nothing. A null value
    means the default. A wrong value leaves the field as the layers before set it.
    """
    settings = start = defaults or Settings()
    problems: list[str] = []
    for layer in layers:
        if layer is None:
            continue
        section = layer.get(SECTION, layer) if isinstance(layer, Mapping) else layer
        if section is None or section == []:  # Lua writes an empty table as a list
            continue
        if not isinstance(section, Mapping):
            problems.append(f"{SECTION}: must be an object, not {_shown(section)}; it is ignored.")
            continue
        for key, value in section.items():
            name = _BY_WIRE_NAME.get(key)
            if name is None:
                problems.append(_unknown(key))
            elif value is None:
                settings = replace(settings, **{name: getattr(start, name)})
            else:
                try:
                    settings = replace(settings, **{name: _READERS[name](value)})
                except ValueError as error:
                    problems.append(
                        f"{SECTION}.{key}: must be {error}, not {_shown(value)};"
                        f" {_shown(_plain(getattr(settings, name)))} is used."
                    )
    return Reading(settings, tuple(dict.fromkeys(problems)))


def engine_config(settings: Settings) -> EngineConfig:
    """The part that the engine needs. A change of it means another engine."""
    return EngineConfig(
        model=settings.model,
        device=settings.device,
        threads=settings.threads,
        bundled_instead=True,
    )


def wire_name(name: str) -> str:
    """`deadline_ms` -> `deadlineMs`."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value


def _read_device(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise ValueError('"auto", "cpu", "cuda" or "cuda:N"')
    return value


def _read_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError("a list of texts")
    return tuple(value)


def _choices(allowed: tuple[str, ...]) -> Callable[[object], tuple[str, ...]]:
    def read_choices(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(entry in allowed for entry in value):
            raise ValueError("a list of some of " + ", ".join(f'"{entry}"' for entry in allowed))
        return tuple(value)

    return read_choices


def _integer(least: int, most: int) -> Callable[[object], int]:
    def read_integer(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one kind of number; Lua writes 3.0
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return read_integer


def _choice(allowed: tuple[str, ...]) -> Callable[[object], str]:
    def read_choice(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(f'"{entry}"' for entry in allowed))
        return str(value)

    return read_choice


def _reader(name: str, kind: Any, limits: Mapping[str, int]) -> Callable[[object], Any]:
    if name == "device":
        return _read_device
    if get_origin(kind) is Literal:
        return _choice(get_args(kind))
    if kind is bool:
        return _read_bool
    if kind is str:
        return _read_text
    if kind == tuple[Source, ...]:
        return _choices(get_args(Source))
    if kind == tuple[str, ...]:
        return _read_texts
    return _integer(limits["least"], limits["most"])


def _unknown(key: object) -> str:
    near = difflib.get_close_matches(str(key), _BY_WIRE_NAME, n=1)
    hint = f"; did you mean {SECTION}.{near[0]}?" if near else ", and is ignored."
    return f"{SECTION}.{key} is not a setting{hint}"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


_KINDS = get_type_hints(Settings)
_BY_WIRE_NAME = {wire_name(entry.name): entry.name for entry in fields(Settings)}
_READERS: dict[str, Callable[[object], Any]] = {
    entry.name: _reader(entry.name, _KINDS[entry.name], entry.metadata)
    for entry in fields(Settings)
}
