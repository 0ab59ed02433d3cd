"""`voicebridge config init`: the text of a first settings' file, from three answers."""

import json
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError

from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.kind import CarrierKind
from bridge.config.addresses import public_url_faults
from bridge.config.checks import own_paths
from bridge.config.settings import Settings
from bridge.settings.faults import describe, faults_in
from bridge.settings.table import checked_assistant_url, checked_base_url
from bridge.vocabulary.errors import ConfigurationError

SCHEMA_FILE = "voicebridge.schema.json"
"""What the first line of the file names; it is written beside the file."""

NO_CARRIER = "none"

BUILT_IN = {
    "parrot": "says back what the caller said, when they pause",
    "echo": "says back everything at once",
    "openai-realtime": "talks and listens, with OpenAI's Realtime API",
}

SOCKETS, POSTS = ("ws", "wss"), ("http", "https")


class Answers(NamedTuple):
    """What the file is made of. `public_url`: empty: the server is reached on this machine alone."""

    carrier: str
    assistant: str
    """A built-in kind, or the address of an assistant of the user's own."""
    public_url: str


def carriers() -> tuple[str, ...]:
    """What may be answered to the first question."""
    return (*CARRIERS, NO_CARRIER)


def checked_carrier(text: str) -> str:
    """Raises `ConfigurationError`."""
    if text.strip().lower() not in carriers():
        raise ConfigurationError(f"--carrier {text!r}: should be one of {', '.join(carriers())}")
    return text.strip().lower()


def checked_assistant(text: str) -> str:
    """Raises `ConfigurationError`."""
    text = text.strip()
    if text in BUILT_IN:
        return text
    expected = f"one of {', '.join(BUILT_IN)}, or an address: ws(s):// of a stream, http(s):// of one that takes turns"
    try:
        return checked_assistant_url(text, (*SOCKETS, *POSTS), expected)
    except ValueError as error:
        raise ConfigurationError(f"--assistant {text!r}: {error}") from None


def checked_public_url(text: str) -> str:
    """An address without a slash at its end, or nothing. Raises `ConfigurationError`."""
    if not text.strip():
        return ""
    try:
        url = checked_base_url(text.strip())
    except ValueError as error:
        raise ConfigurationError(f"--public-url {text!r}: {error}") from None
    for fault in public_url_faults(url, own_paths()):
        raise ConfigurationError(f"--public-url: {fault}")
    return url


def file_text(answers: Answers) -> str:
    """The file. Raises `ConfigurationError` where the answers do not go together."""
    pieces = [
        f"#:schema ./{SCHEMA_FILE}\n# The settings of voicebridge. Every setting: docs/settings.md, or `voicebridge config reference`.\n"
        "# `voicebridge config check` checks this file, `voicebridge doctor` what is around it.",
        _public_url(answers),
        _assistant(answers.assistant),
        _carrier(answers),
        _files(),
    ]
    text = "\n\n".join(pieces) + "\n"
    _check(text)
    return text


def next_steps(answers: Answers, file: str) -> list[str]:
    """What is left to do, a sentence for each."""
    kind = CARRIERS.get(answers.carrier)
    steps = [f"Set {name} in the environment, or {name}_FILE." for name in _variables(kind, answers)]
    steps.append(
        f"Check it: voicebridge config check --config {file}, then voicebridge doctor --config {file}."
    )
    if kind is not None and answers.public_url:
        table = Settings.model_validate({}).carrier(kind.name)
        webhook = kind.voice_webhooks(table)[0]
        steps.append(f"Point your number at {answers.public_url}{webhook.path} (POST).")
    return steps


def _variables(kind: CarrierKind | None, answers: Answers) -> list[str]:  # type: ignore[type-arg]
    names = [] if kind is None else [kind.authenticated_by_variable]
    return names + (["OPENAI_API_KEY"] if answers.assistant == "openai-realtime" else [])


def _public_url(answers: Answers) -> str:
    if answers.public_url:
        return (
            "# Where the carrier reaches this server. A proxy or a tunnel does TLS there and passes requests on to host and port;\n"
            "# it must pass WebSockets on as well.\n"
            f'public_url = {_toml(answers.public_url)}\nhost = "127.0.0.1"\nport = 8080'
        )
    return (
        "# Where the carrier reaches this server. Not set: on this machine alone.\n"
        '# public_url = "https://voice.example.com"\nhost = "127.0.0.1"\nport = 8080'
    )


def _assistant(chosen: str) -> str:
    head = "# Who answers. [[routes]] can send calls to others: by the number that is called, who calls, or a word in the address.\n"
    if chosen in BUILT_IN and chosen != "openai-realtime":
        return f"{head}assistant = {_toml(chosen)}  # {BUILT_IN[chosen]}"
    scheme = urlsplit(chosen).scheme
    if chosen == "openai-realtime":
        table = (
            'kind = "openai-realtime"  # the key comes from OPENAI_API_KEY\n'
            'instructions = "You answer the phone. Be brief and friendly. Hang up when all is settled."\n'
            'greeting = "Hello, how can I help?"\n'
            "tools.hang_up = {}\n"
            '# fallback = "parrot"  # who takes the call if this assistant is lost'
        )
    else:
        kind = "stream" if scheme in SOCKETS else "turn-based"
        table = (
            f"kind = {_toml(kind)}\nurl = {_toml(chosen)}\n"
            f"# Try it alone: voicebridge check-assistant {chosen} --kind {kind}\n"
            '# fallback = "parrot"  # who takes the call if this assistant is lost'
        )
    return f'{head}assistant = "receptionist"\n\n[assistants.receptionist]\n{table}'


def _carrier(answers: Answers) -> str:
    if answers.carrier == NO_CARRIER:
        if answers.public_url:
            raise ConfigurationError(
                f"--carrier {NO_CARRIER} with --public-url: should be left out; without a carrier anybody is let in, so only "
                "this machine may reach the server"
            )
        return (
            "[security]\n# For trying things on this machine: without a carrier nobody can prove to be one.\n"
            "allow_unauthenticated = true"
        )
    kind = CARRIERS[answers.carrier]
    variable = kind.authenticated_by_variable
    lines = [
        f"[{kind.name}]",
        f"# {kind.title}'s {kind.authenticated_by} proves that a webhook is {kind.title}'s. Keep it out of this file: set {variable},",
        f"# or {variable}_FILE with the name of a file that holds it.",
    ]
    others = [name for name in kind.environment if name != variable]
    if others:
        lines.append(f"# To place calls and to put them through to people, too: {', '.join(others)}.")
    return "\n".join(lines)


def _files() -> str:
    return (
        "# What is kept of calls. Take the # away to keep it.\n"
        '# [journal]\n# directory = "journal"      # every event of a call, without audio\n'
        '# [recording]\n# directory = "recordings"   # both voices; tell your callers: recording.announce'
    )


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a basic string of TOML has the escapes of JSON


def _check(text: str) -> None:
    """The file itself, without the environment, is good. Raises `ConfigurationError`."""
    import tomllib

    tables = tomllib.loads(text)
    try:
        Settings.model_validate(tables)
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(fault) for fault in faults_in(error, tables))) from None
