"""Invented secrets, made when a test runs: none of them stands in this repository, nor opens anything.

A kind is a template; `{b62:20}` stands for 20 letters and digits, and so on for the other alphabets. A kind
is written into every sort of file that it is usual in, as people write it there.
"""

from __future__ import annotations

import random
import re
import string
from dataclasses import dataclass

ALPHABETS = {
    "b62": string.ascii_letters + string.digits,
    "b64": string.ascii_letters + string.digits + "+/",
    "url": string.ascii_letters + string.digits + "_-",
    "hex": "0123456789abcdef",
    "b36": string.ascii_lowercase + string.digits,
    "up": string.ascii_uppercase + string.digits,
    "num": string.digits,
    "human": "",
}
_WORDS = ["tiger", "Harbor", "maple", "Rocket", "violin", "Copper", "winter", "Saddle"]
_SLOT = re.compile(r"\{(\w+):(\d+)\}")

TOKENS = {
    "aws access key": "AKIA{up:16}",
    "aws secret": "{b64:40}",
    "github": "ghp_{b62:36}",
    "github fine-grained": "github_pat_{b62:22}_{b62:59}",
    "gitlab": "glpat-{url:20}",
    "gitlab runner": "glrt-{url:20}",
    "slack bot": "xoxb-{num:12}-{num:12}-{b62:24}",
    "slack app": "xapp-1-{up:11}-{num:13}-{hex:64}",
    "stripe": "sk_live_{b62:24}",
    "stripe webhook": "whsec_{b62:32}",
    "google api": "AIza{url:35}",
    "google oauth": "ya29.{url:60}",
    "openai": "sk-proj-{b62:48}",
    "anthropic": "sk-ant-api03-{url:93}",
    "hugging face": "hf_{b62:34}",
    "npm": "npm_{b62:36}",
    "pypi": "pypi-AgEIcHlwaS5vcmc{url:90}",
    "digitalocean": "dop_v1_{hex:64}",
    "databricks": "dapi{hex:32}",
    "shopify": "shpat_{hex:32}",
    "square": "sq0csp-{url:43}",
    "linear": "lin_api_{b62:40}",
    "grafana": "glsa_{b62:32}_{hex:8}",
    "vault": "hvs.{url:90}",
    "docker hub": "dckr_pat_{url:27}",
    "figma": "figd_{url:40}",
    "notion": "ntn_{b62:46}",
    "postman": "PMAK-{hex:24}-{hex:34}",
    "new relic": "NRAK-{up:27}",
    "sentry": "sntrys_{url:80}",
    "atlassian": "ATATT3xFfGF0{url:100}",
    "pulumi": "pul-{hex:40}",
    "rubygems": "rubygems_{hex:48}",
    "fly": "fm2_{b64:80}",
    "tailscale": "tskey-auth-{b62:12}-{b62:32}",
    "replicate": "r8_{b62:37}",
    "groq": "gsk_{b62:52}",
    "xai": "xai-{b62:80}",
    "perplexity": "pplx-{b62:48}",
    "supabase": "sbp_{hex:40}",
    "nvidia": "nvapi-{url:64}",
    "netlify": "nfp_{b62:36}",
    "doppler": "dp.pt.{b62:43}",
    "planetscale": "pscale_tkn_{url:43}",
    "sendgrid": "SG.{url:22}.{url:43}",
    "mailgun": "key-{hex:32}",
    "mailchimp": "{hex:32}-us12",
    "twilio": "SK{hex:32}",
    "telegram": "{num:10}:AA{url:33}",
    "discord": "M{b62:23}.{b62:6}.{url:27}",
    "airtable": "pat{b62:14}.{hex:64}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJ{b62:40}.{url:43}",
    "age": "AGE-SECRET-KEY-1{up:58}",
    "terraform cloud": "{b62:14}.atlasv1.{b62:67}",
    "nobody's service": "zq_{b62:32}",
    "no prefix at all": "{b62:40}",
}
"""By themselves: whoever reads one knows what it is, or sees that it is random."""

WRITTEN = {
    ".py": 'client = connect(\n    region="eu-west-1",\n    credential="{}",\n)',
    ".js": 'const client = connect({{ region: "eu", credential: "{}" }});',
    ".ts": 'export const CREDENTIAL: string = "{}";',
    ".go": 'var credential = "{}"',
    ".java": 'private static final String CREDENTIAL = "{}";',
    ".rb": "CREDENTIAL = '{}'",
    ".php": "$credential = '{}';",
    ".cs": 'const string Credential = "{}";',
    ".rs": 'const CREDENTIAL: &str = "{}";',
    ".sh": "export SERVICE_CREDENTIAL={}",
    ".yaml": "services:\n  app:\n    environment:\n      - SERVICE_CREDENTIAL={}",
    ".yml": "env:\n  SERVICE_CREDENTIAL: {}",
    ".json": '{{\n  "serviceCredential": "{}"\n}}',
    ".toml": '[service]\ncredential = "{}"',
    ".ini": "[service]\ncredential = {}",
    ".properties": "service.credential={}",
    ".cfg": "[service]\ncredential: {}",
    ".conf": "service_credential {};",
    ".xml": '<add key="serviceCredential" value="{}" />',
    ".tf": 'variable "x" {{\n  default = "{}"\n}}',
    ".md": "Start it with `SERVICE_CREDENTIAL={} ./run`.",
    ".html": '<meta name="credential" content="{}">',
    "Dockerfile": "ENV SERVICE_CREDENTIAL={}",
    ".sql": "-- the credential is {}",
}
"""By kind of file: how a token stands there."""

HUMAN = {
    "compose": (".yml", "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: {human:0}"),
    "compose, as a list": (".yaml", "    environment:\n      - MYSQL_ROOT_PASSWORD={human:0}"),
    "kubernetes, plain": (".yaml", "kind: Secret\nstringData:\n  db-password: {human:0}"),
    "kubernetes, base64": (".yaml", "kind: Secret\ndata:\n  password: {b64:24}=="),
    "ini": (".ini", "[database]\nuser = app\npassword = {human:0}"),
    "properties": (".properties", "spring.datasource.password={human:0}"),
    "spring yaml": (".yml", "spring:\n  datasource:\n    password: {human:0}"),
    "export": (".sh", "export DB_PASSWORD={human:0}"),
    "docker": ("Dockerfile", "ENV ADMIN_PASSWORD {human:0}"),
    "url": (".py", 'DATABASE = "postgresql://app:{human:0}@db.internal:5432/app"'),
    "url without a user": (".yml", "redis: redis://:{human:0}@cache:6379/0"),
    "git remote": (".cfg", "    url = https://ci:{human:0}@git.example.com/team/app.git"),
    "mongo": (".js", 'const url = "mongodb+srv://app:{human:0}@cluster0.example.net/app";'),
    "jdbc": (".properties", "url=jdbc:mysql://db/app?user=app&password={human:0}&useSSL=true"),
    "jdbc, sql server": (
        ".java",
        'String url = "jdbc:sqlserver://db;user=app;password={human:0};encrypt=true";',
    ),
    "ado.net": (
        ".json",
        '{ "ConnectionStrings": { "Main": "Server=db;Database=app;User Id=app;Password={human:0};" } }',
    ),
    "ado.net, in code": (
        ".cs",
        'var main = "Data Source=db;Initial Catalog=app;User ID=app;Pwd={human:0}";',
    ),
    "libpq": (".py", 'connect("host=db port=5432 user=app password={human:0}")'),
    "azure storage": (
        ".json",
        '{ "x": "DefaultEndpointsProtocol=https;AccountName=app;AccountKey={b64:86}==" }',
    ),
    "azure sas": (
        ".py",
        'url = "https://app.blob.core.windows.net/c?sv=2022-11-02&sig={b64:43}%3D"',
    ),
    "service bus": (
        ".config",
        'value="Endpoint=sb://app/;SharedAccessKeyName=Root;SharedAccessKey={b64:43}="',
    ),
    "python": (".py", 'PASSWORD = "{human:0}"'),
    "python, a dictionary": (".py", '    "password": "{human:0}",'),
    "python, an argument": (".py", 'login(user="app", password="{human:0}")'),
    "go": (".go", 'password := "{human:0}"'),
    "ruby": (".rb", "password: '{human:0}',"),
    "php": (".php", "'password' => '{human:0}',"),
    "java": (".java", 'dataSource.setPassword("{human:0}");'),
    "javascript": (".js", "  password: '{human:0}',"),
    "xml, a tag": (".xml", "<server>\n  <password>{human:0}</password>\n</server>"),
    "xml, a key": (".xml", '<entry key="db.password">{human:0}</entry>'),
    "toml": (".toml", 'password = "{human:0}"'),
    "terraform": (".tf", 'resource "x" "y" {\n  master_password = "{human:0}"\n}'),
    "ansible": (".yml", "    mysql_password: {human:0}"),
    "ansible vault": (
        ".yml",
        "x: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {hex:80}\n  {hex:80}\n  {hex:46}",
    ),
    "sql": (".sql", "CREATE USER app IDENTIFIED BY '{human:0}';"),
    "sql, postgres": (".sql", "ALTER ROLE app WITH PASSWORD '{human:0}';"),
    "command line": (".sh", "mysqldump -u app -p{human:0} app > dump.sql"),
    "command line, an option": (".sh", "./deploy --password {human:0} --yes"),
    "curl": (".sh", "curl -u ci:{human:0} https://example.com/upload"),
    "sshpass": (".sh", "sshpass -p {human:0} ssh root@host"),
    "netrc": (".txt", "machine example.com login ci password {human:0}"),
    "redis": (".conf", "requirepass {human:0}"),
    "htpasswd": (".txt", "admin:$apr1${b62:8}${b62:22}"),
    "bcrypt": (".sql", "INSERT INTO users VALUES ('admin', '$2b$12${b62:53}');"),
    "basic header": (".http", "Authorization: Basic {b64:32}=="),
    "bearer header": (".md", 'curl -H "Authorization: Bearer {b62:40}" https://api.example.com'),
    "npm registry": (
        ".txt",
        "//registry.example.com/:_authToken={hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}",
    ),
    "cookie secret": (".py", 'SECRET_KEY = "{hex:50}"'),
    "github actions": (".yml", "      env:\n        DEPLOY_TOKEN: {hex:40}"),
    "pem": (
        ".pem.txt",
        "-----BEGIN RSA PRIVATE KEY-----\n{b64:64}\n{b64:64}\n{b64:64}\n{b64:30}==\n-----END RSA PRIVATE KEY-----",
    ),
    "pem, encrypted": (
        ".txt",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{b64:64}\n{b64:64}\n{b64:20}\n-----END ENCRYPTED PRIVATE KEY-----",
    ),
    "openssh": (
        ".txt",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{b64:70}\n{b64:70}\n{b64:11}\n-----END OPENSSH PRIVATE KEY-----",
    ),
    "pgp": (
        ".asc.txt",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{b64:64}\n{b64:64}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----",
    ),
    "putty": (
        ".txt",
        "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nPrivate-Lines: 2\n{b64:64}\n{b64:64}\nPrivate-MAC: {hex:64}",
    ),
    "a key in python": (
        ".py",
        'KEY = """\n-----BEGIN EC PRIVATE KEY-----\n{b64:64}\n{b64:64}\n{b64:24}\n-----END EC PRIVATE KEY-----\n"""',
    ),
    "a key in strings": (
        ".js",
        'const key = [\n  "{b64:64}",\n  "{b64:64}",\n  "{b64:64}",\n].join("\\n");',
    ),
    "a key in json": (
        ".json",
        '{ "private_key": "-----BEGIN PRIVATE KEY-----\\n{b64:64}\\n{b64:64}\\n-----END PRIVATE KEY-----\\n" }',
    ),
    "a key in yaml": (
        ".yaml",
        "tls.key: |\n  -----BEGIN PRIVATE KEY-----\n  {b64:64}\n  {b64:64}\n  {b64:12}\n  -----END PRIVATE KEY-----",
    ),
    "slack webhook": (".yml", "url: https://hooks.slack.com/services/T{up:8}/B{up:10}/{b62:24}"),
}
"""By how it is written: an ending, and the lines. `{human:0}` stands for a password that a person made."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A secret in a file."""

    kind: str
    path: str
    text: str
    """What is written, without what stands around."""
    parts: tuple[str, ...]
    """What must not be seen anywhere else."""


def planted(seed: int = 7, tokens_in: int = 3) -> list[Planted]:
    """All kinds; each token in so many kinds of files, and each kind of file with some token."""
    chance = random.Random(seed)
    made = []
    endings = list(WRITTEN)
    for number, (kind, template) in enumerate(TOKENS.items()):
        for step in range(tokens_in):
            ending = endings[(number + step * 9) % len(endings)]
            token, parts = _filled(template, chance)
            made.append(
                _planted(
                    f"{kind} in {ending}", ending, WRITTEN[ending].format(token), parts, len(made)
                )
            )
    for kind, (ending, template) in HUMAN.items():
        text, parts = _filled(template, chance)
        made.append(_planted(kind, ending, text, parts, len(made)))
    return made


def _planted(kind: str, ending: str, text: str, parts: tuple[str, ...], number: int) -> Planted:
    path = f"part{number}/{ending}" if "." not in ending else f"part{number}/main{ending}"
    return Planted(kind, path, text, parts)


def _filled(template: str, chance: random.Random) -> tuple[str, tuple[str, ...]]:
    parts: list[str] = []

    def fill(found: re.Match[str]) -> str:
        name, length = found[1], int(found[2])
        if name == "human":
            word = f"{chance.choice(_WORDS)}{chance.choice('!_-.%')}{chance.choice(_WORDS)}{chance.randrange(10, 99)}"
        else:
            word = "".join(chance.choices(ALPHABETS[name], k=length))
        if len(word) >= 8:
            parts.append(word)
        return word

    return _SLOT.sub(fill, template), tuple(parts)
