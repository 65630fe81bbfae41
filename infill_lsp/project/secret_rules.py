"""Rules for secrets beside detect-secrets' own: values without quotes, key blocks, connection strings,
and tokens of whatever service, by how random they look.

`worth_judging` and `suspects` work on a whole text, under its file's real name, since what a line means depends on both:
a body of base64 on a `BEGIN ... PRIVATE KEY` far above, `password: hunter2` on whether this is YAML or
Python. All patterns take linear time in practice: no repetition inside of a repetition.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath

import re2

Lines = tuple[int, int]
"""The first line and the one after the last, from 0."""

LONGEST_LINE = 4_000
"""Characters of a line that are looked at; a longer one is data, and says nothing to other files."""
SHORTEST_LINE = 8
"""Characters of a line below which it holds no secret."""
SHORTEST_RANDOM = 20
"""Characters of a token that looks random by itself."""

CODE = frozenset(
    f".{ending}"
    for endings in (
        ("py", "pyi", "js", "jsx", "mjs", "cjs", "ts", "tsx", "vue", "svelte", "go", "rs", "java"),
        ("kt", "kts", "scala", "c", "h", "cc", "cpp", "hh", "hpp", "cs", "swift", "m", "mm", "rb"),
        (
            "php",
            "lua",
            "dart",
            "ex",
            "exs",
            "hs",
            "jl",
            "r",
            "pl",
            "pm",
            "css",
            "scss",
            "less",
            "zig",
        ),
    )
    for ending in endings
)
"""Endings of files in which a value without quotes is an expression, not a text."""

_WORD = (
    r"pass(?:word|wd|phrase|code)?|pwd|secrets?|token|credentials?|api[_.\-]?key|access[_.\-]?key|auth[_.\-]?key"
    r"|private[_.\-]?key|secret[_.\-]?key|signing[_.\-]?key|encryption[_.\-]?key|account[_.\-]?key|license[_.\-]?key"
    r"|master[_.\-]?key|client[_.\-]?key|service[_.\-]?key|storage[_.\-]?key|shared[_.\-]?key|app[_.\-]?key|key[_.\-]?pass"
    r"|authorization|auth|dsn|connection[_.\-]?string|conn[_.\-]?str|cookie|webhook|requirepass|masterauth|bearer|salt|pin"
)
_NAME = (
    r"(?:[\w.\-]*?[_.\-]|[\w.\-]*?[a-z0-9](?=[A-Z])|)"
    rf"(?i:{_WORD})(?:[_.\-]\w{{0,24}}|[A-Z0-9]\w{{0,24}}|s)?"
)
"""A name one of whose words speaks of secrets: `db_password`, `apiKey2`, not `compass` nor `author`."""
_ASSIGNED = re.compile(
    rf"(?<![\w.\-])[\"']?(?P<name>{_NAME})[\"'\]]{{0,2}}\s*"
    r"(?:=>|:=|=|\(|:\s*[\w.<>\[\]|&' ]{1,40}?=|:)\s*(?P<value>\S.*)$",
)
"""`KEY = value` in all its spellings."""
_SPOKEN = re.compile(
    r"(?:^|\s)(?:--?)?(?:[\w.\-]*[_.\-])?(?:pass(?:word|wd|phrase)?|secret|token|api-?key|requirepass|masterauth)\s+"
    r"(?P<value>[^\s=:]\S*)",
    re.IGNORECASE | re.MULTILINE,
)
"""`password hunter2` as in .netrc, redis.conf and on command lines."""
_TAGGED = re.compile(
    rf"<(?P<name>{_NAME})(?:\s[^<>]{{0,200}})?>(?P<value>[^<>\n]{{4,400}})</"
    rf"|(?:key|name)=[\"'](?P<name2>{_NAME})[\"'][^<>\n]{{0,80}}?(?:value=[\"'](?P<value2>[^\"'\n]{{4,400}})|>(?P<value3>[^<>\n]{{4,400}})<)",
    # The key's words are in any case by themselves.
)
"""In XML: by the tag, or by an attribute that names the key."""
_IN_URL = re.compile(
    r"[a-z][a-z0-9+.\-]{1,30}://[^\s/@:\"'<>]{0,80}:(?P<value>[^\s@/\"'<>]{3,200})@", re.IGNORECASE
)
_IN_CONNECTION = re.compile(
    r"(?:[;?&\"'\s])(?:password|passwd|pwd|accountkey|sharedaccesskey|sharedaccesssignature|sig|secret|token|apikey|api_key"
    r"|access_token|client_secret|auth)\s*=\s*(?P<value>[^\s;&\"'<>]{4,400})",
    re.IGNORECASE,
)
_CONNECTION = re.compile(
    r"jdbc:|://|(?:server|data source|host|hostaddr|endpoint|defaultendpointsprotocol)\s*=",
    re.IGNORECASE,
)
_SQL = re.compile(
    r"(?:identified\s+(?:\w+\s+)?by|password|aws_secret_access_key)\s*=?\s*'(?P<value>[^'\n]{3,200})'",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?:\bsshpass\s+-p\s*|\bmysql\w*\b[^\n|;]{0,80}\s-p|\bcurl\b[^\n|;]{0,200}\s(?:-u|--user)\s+[^\s:]+:|\s-a\s+(?=\S{8}))"
    r"[\"']?(?P<value>[^\s\"']{4,200})"
)
_HEADER = re.compile(
    r"\b(?:bearer|basic|ssws|token)\s+(?P<value>[A-Za-z0-9+/_.=\-]{16,})", re.IGNORECASE
)
_CRYPT = re.compile(
    r"\$(?:1|2[abxy]|5|6|7|y|apr1|argon2(?:id|i|d)|pbkdf2-sha\d+|scrypt)\$[./A-Za-z0-9$,=+\-]{8,}|\{S?SHA\}[A-Za-z0-9+/=]{20,}"
)
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+/.~\-]{18,}[A-Za-z0-9=]")
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AIza|AKID|LTAI|ya29\.|sk-|sk_|rk_|gh[pousr]_|github_pat_|gl[a-z]{2,5}-|xox[a-z]-|xapp-|hf_|npm_|"
    r"pypi-|do[op]_v1_|dapi|shp[a-z]{2}_|sq0[a-z]{3}-|whsec_|lin_api_|gls?[ac]_|hv[sb]\.|dckr_pat_|figd_|secret_|ntn_|PMAK-|NRAK-|"
    r"sntry[su]_|AT(?:ATT|CTT|BB)|pul-|rubygems_|fo1_|fm[12]_|tskey-|r8_|gsk_|xai-|pplx-|sbp_|nvapi-|phx_|nfp_|dp\.[a-z]{2,5}\.|"
    r"CFPAT-|aio_|HRKU-|ops_ey|dt0[a-z]01\.|pscale_|xkeysib-|tfp_|y0_|sq[aup]_|AKCp|rdme_|FLWSECK|sdk-|mob-|EAA|key-|AGE-SECRET-KEY-|"
    r"eyJ[A-Za-z0-9_\-]{8,}\.)[A-Za-z0-9_\-.=+/]{12,}"
)
"""Tokens that say whose they are. What follows is long; that it looks random is not asked."""
_SPEAKS = re2.compile(
    rb"(?i)pass|pwd|contrase|secret|token|cred|key|auth|dsn|conn|cookie|webhook|hooks\.|salt|bearer|basic|ssws|curl"
    rb"|mysql|://|\$[0-9a-z]+[$-]|\{s?sha\}|identified|private|putty|_vault|cloudant|softlayer|\bpin\b|\bsl[_-]|\biam"
    rb"|server|host|endpoint|source|sig=|\bakc|\bap[0-9a-f]|eyj|sk-|sk_|[\"'][0-9a-f]{9,}[\"']"
    rb"|[\"'][a-z0-9+/=_-]{22,}[\"']"
)
_LONG = re2.compile(rb"[A-Za-z0-9][A-Za-z0-9_+/.~:-]{18,}[A-Za-z0-9=]")
"""What a line with a secret has: a word that speaks of it, or a token with a digit."""
_BLOCK_BEGIN = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*?PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY|PuTTY-User-Key-File-|"
    r"\$ANSIBLE_VAULT;|<RSAKeyValue>|-----BEGIN AGE ENCRYPTED FILE-----|-----BEGIN PGP MESSAGE-----|-----BEGIN OpenVPN Static key"
)
_BLOCK_END = re.compile(r"-----END |---- END |Private-MAC:|</RSAKeyValue>")
_BODY = re.compile(
    r"[\s\"'`+,\\>#*/|]*(?:[A-Za-z0-9+/=_\-]{40,}|[A-Fa-f0-9:]{40,})(?:\\n|\\r)*[\s\"'`+,;\\)]*$"
)
"""A line of a key's body, also as a string of a program."""
_LONGEST_BLOCK = 400

_REFERENCE = re.compile(
    r"^(?:[$%&*!@]|\{\{|\{%|<[^>]*>?$|\[|\(|env[.(:\[]|os\.|process\.|secrets?\.|vars?\.|var\.|local\.|data\.|module\.|null\b|none\b|nil\b"
    r"|true\b|false\b|undefined\b|yes\b|no\b|on\b|off\b|string\b|str\b|int\b|bool\b|optional\b|required\b|\|$|\|[-+]?$|>[-+]?$"
    r"|\.\.\.|x{3,}|\*{3,}|\{[^}]*\}$)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"^(?:<.*>|your[_\- ].*|my[_\- ].*|change[_\-]?(?:me|this)|example|placeholder|redacted|dummy|todo|fixme|none|null|xxx+|\*+|\.+"
    r"|(?:the[_\- ]|some[_\- ]|a[_\- ])?(?:api[_\- ]?key|password|passwd|secret|token|key)s?(?:[_\- ]here)?)$",
    re.IGNORECASE,
)
_PLAIN_WORDS = re.compile(r"[A-Za-z]+(?:[_\-./: ][A-Za-z]+)*[.:!?]?")
_CALL = re.compile(
    r"[A-Za-z_][\w.]*\s*[(\[]|[A-Za-z_]+(?:\.[A-Za-z_]+)+$|[A-Za-z_][\w.]*\s*(?:->|\|\||&&|\?|\+)\s"
)
_QUOTED = re.compile(r"""[bBrRfFuU@$]{0,2}(["'`])(?P<value>(?:(?!\1)[^\\\n]|\\.){1,2000})\1""")
_STRONG = re.compile(
    r"pass|pwd|secret|private|credential|api[_.\-]?key|access[_.\-]?key|account[_.\-]?key|auth[_.\-]?key|masterauth",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:path|file|dir|url|uri|name|type|field|label|length|len|size|min|max|count|ttl|expir\w*|policy|hint|help|message|title|text|id|format"
    r"|pattern|regex|prefix|suffix|header|class|column|param\w*|placeholder|enabled|required|algorithm|hash\w*|version|mode|method|scheme"
    r"|provider|manager|store|service|endpoint|ref|selector|validator|reset|limit|kind|types|names|keys?names?|arn)s?$",
    re.IGNORECASE,
)
"""The end of a key that names something about a secret, not the secret."""


def worth_judging(text: str) -> list[int]:
    """The lines that may hold a secret by any rule, detect-secrets' included: those with a word that speaks
    of one, or with a long token. One pass of RE2 over the text; the rules themselves take fifty times longer.
    """
    data = text.encode("utf-8", "replace")
    ends = [found.end() for found in re.finditer(b"\n", data)]
    numbers: set[int] = set()
    at = 0
    while (found := _SPEAKS.search(data, at)) is not None:  # one find in a line is enough
        number = bisect_right(ends, found.start())
        numbers.add(number)
        if number == len(ends):
            break
        at = ends[number]
    for found in _LONG.finditer(data):
        if any(map(found[0].__contains__, b"0123456789")):
            numbers.add(bisect_right(ends, found.start()))
    return sorted(numbers)


def suspects(lines: list[str], numbers: Iterable[int], path: str) -> Iterator[Lines]:
    """The lines that look like they hold a secret; some may come twice, in any order.

    numbers: those that are `worth_judging`; key blocks are looked for everywhere.
    """
    yield from _blocks(lines)
    code = PurePosixPath(path).suffix.lower() in CODE
    for number in numbers:
        line = lines[number]
        if len(line) >= SHORTEST_LINE and (len(line) > LONGEST_LINE or _suspicious(line, code)):
            yield number, number + 1


def _blocks(lines: list[str]) -> Iterator[Lines]:
    """Key blocks from their beginning to their end, and bodies whose beginning is not there."""
    number = 0
    while number < len(lines):
        if len(lines[number]) <= LONGEST_LINE and _BLOCK_BEGIN.search(lines[number]):
            end = number + 1
            if not _BLOCK_END.search(lines[number]):
                last = min(len(lines), number + _LONGEST_BLOCK)
                while end < last and not _BLOCK_END.search(lines[end]):
                    end += 1
                end = min(end + 1, len(lines))
            yield number, end
            number = end
            continue
        end = number
        while end < len(lines) and len(lines[end]) <= LONGEST_LINE and _BODY.match(lines[end]):
            end += 1
        if end - number >= 2:
            yield number, min(end + 1, len(lines))  # the last line of a body is short
        number = max(end, number + 1)


def _suspicious(line: str, code: bool) -> bool:
    return (
        _PREFIXED.search(line) is not None
        or _CRYPT.search(line) is not None
        or any(_looks_random(each[0]) for each in _TOKEN.finditer(line))
        or _names_secret(line, code)
        or _connects(line)
    )


def _names_secret(line: str, code: bool) -> bool:
    for found in _ASSIGNED.finditer(line):
        if _is_secret(found["name"], found["value"].strip(), code):
            return True
    for found in _TAGGED.finditer(line):
        name, value = (
            found["name"] or found["name2"],
            found["value"] or found["value2"] or found["value3"],
        )
        if _is_secret(name, value.strip(), False):
            return True
    return not code and any(
        _is_value(found["value"])
        for found in _SPOKEN.finditer(line)
        if any(map(str.isdigit, found["value"]))
    )


def _connects(line: str) -> bool:
    if any(_is_value(found["value"]) for found in _IN_URL.finditer(line)):
        return True
    if _CONNECTION.search(line) and any(
        _is_value(f["value"]) for f in _IN_CONNECTION.finditer(line)
    ):
        return True
    found = [*_SQL.finditer(line), *_OPTION.finditer(line)]
    if any(_is_value(each["value"]) for each in found):
        return True
    return any(_varied(each["value"]) for each in _HEADER.finditer(line))


def _is_secret(name: str, value: str, code: bool) -> bool:
    """Whether what stands behind a key's name is a secret, not an expression or a word."""
    if _ABOUT.search(name):
        return False
    quoted = _QUOTED.match(value)
    if quoted is not None:
        inner = quoted["value"]
        if not _is_value(inner):
            return False
        if _STRONG.search(name) and not code:
            return True
        return _varied(inner)
    if code:
        return False
    plain = re.split(r"\s[#;]|\s//|,\s*$", value, maxsplit=1)[0].strip().rstrip(",;")
    if not _is_value(plain) or _CALL.match(plain):
        return False
    return bool(_STRONG.search(name)) or _varied(plain)


def _is_value(value: str) -> bool:
    """Whether a text could be a secret itself: no reference, no placeholder."""
    return len(value) >= 4 and not _REFERENCE.match(value) and not _PLACEHOLDER.match(value)


def _varied(value: str) -> bool:
    """Whether a text is more than words: long enough, of several kinds of letters."""
    if len(value) < 8 or _PLAIN_WORDS.fullmatch(value) or " " in value:
        return False
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and len(set(value)) >= 6


def _looks_random(token: str) -> bool:
    """Whether letters of different kinds follow one another as in random text, and as no word has it:
    random letters of base 62 change their kind at six of ten steps, of base 36 at four, names at one or two.
    """
    parts = re.split(r"[_/.\-~+]", token)
    for part in (*parts, "".join(parts)):
        if len(part) < SHORTEST_RANDOM or not any(map(str.isdigit, part)):
            continue
        kinds = [_kind(letter) for letter in part]
        changes = [(left, right) for left, right in pairwise(kinds) if left != right]
        at_digits = sum(2 in change for change in changes)
        hexadecimal = all(letter in "0123456789abcdefABCDEF" for letter in part)
        if len(changes) >= 0.25 * len(part) and at_digits >= 4 and not hexadecimal:
            return True
    return False


def _kind(letter: str) -> int:
    return 0 if letter.islower() else 1 if letter.isupper() else 2
