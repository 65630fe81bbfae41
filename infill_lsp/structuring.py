"""From a message's bytes to the protocol's types, in bounded time, whatever the bytes are.

A text is a text and a number a number (cattrs would turn one into the other). A list is a list before its
entries are looked at (a text of a million characters would be taken for as
many entries), is no longer than `MOST_ENTRIES`, and the first wrong entry ends the work. A lone half of a
surrogate pair, which JSON can write and no tokenizer can read, becomes U+FFFD: both count one unit of
UTF-16, and three bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any

import cattrs
from cattrs.cols import is_sequence, list_structure_factory
from lsprotocol import converters
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    _params_field_structure_hook,
    _result_field_structure_hook,
)

MOST_ENTRIES = 50_000
"""Of one list. Where an editor replaces all, each place is an entry of a change."""
EXPLAINED = 64 * 1024
"""Bytes up to which a wrong message is looked at again, to say which of its fields is wrong."""

_ID: Any = int | str
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def decode(body: bytes) -> Any:
    """JSON's value. Raises ValueError or RecursionError for what is no JSON in UTF-8."""
    data = json.loads(body)
    return _whole(data) if _ESCAPED_HALF.search(body) else data


def converter() -> cattrs.Converter:
    """The one that structures messages; the same for all connections."""
    return _converter(detailed=False)


def wrong_fields(data: Any, kind: Any) -> str:
    """Which fields keep data from being of a kind, without their values: they may be a user's code."""
    try:
        _converter(detailed=True).structure(data, kind)
    except cattrs.BaseValidationError as error:
        found = cattrs.transform_error(error, path="", format_exception=lambda *_: "")
        places = [entry.split("@", 1)[-1].strip() for entry in found]
        return ", ".join(place.lstrip(".") for place in places[:3])
    except Exception as error:
        return type(error).__name__
    return "?"


@cache
def _converter(*, detailed: bool) -> cattrs.Converter:
    made = converters.get_converter(cattrs.Converter(detailed_validation=detailed))
    # As pygls's own, for methods that the protocol does not know.
    made.register_structure_hook(JsonRPCRequestMessage, _params_field_structure_hook)
    made.register_structure_hook(JsonRPCResponseMessage, _result_field_structure_hook)
    made.register_structure_hook(JsonRPCNotification, _params_field_structure_hook)
    made.register_structure_hook_factory(is_sequence, _list_hook)
    for kind, check in ((str, _text), (int, _whole_number), (bool, _truth), (_ID, _id)):
        made.register_structure_hook(kind, check)
    return made


def _text(value: Any, kind: Any) -> Any:
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return _of_enumeration(value, kind)


def _whole_number(value: Any, kind: Any) -> Any:
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number is wanted")
    return _of_enumeration(value, kind)


def _of_enumeration(value: Any, kind: Any) -> Any:
    """The protocol's enumerations are subclasses of `str` and `int`, and come to the same hooks."""
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum) else value


def _truth(value: Any, _kind: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is wanted")
    return value


def _id(value: Any, _kind: Any) -> int | str:
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        raise TypeError("a whole number or a text is wanted")
    return value


def _list_hook(kind: Any, of: cattrs.Converter) -> Callable[[Any, Any], Any]:
    structure = list_structure_factory(kind, of)

    def checked(value: Any, wanted: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError("a list is wanted")
        if len(value) > MOST_ENTRIES:
            raise ValueError(f"more than {MOST_ENTRIES} entries")
        return structure(value, wanted)

    return checked


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub(_REPLACEMENT, value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return value
