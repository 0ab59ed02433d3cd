"""What is fuzzed: the dialects of carriers and assistants, and the webhooks. Each has a corpus of good messages.

A case is a conversation made from one seed: good messages and changed ones, with time passing. The only exceptions
allowed are `MalformedMessage` and `WebhookRefused`; what a message brings about is bounded; what is due gets done.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.stream.dialect import StreamDialect
from bridge.assistants.stream.settings import StreamSettings
from bridge.carriers.shared.webhooks import CarrierWebhooks, WebhookAnswer, form_fields
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.signature import signature
from bridge.carriers.twilio.stream import TwilioStream
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer
from bridge.vocabulary.commands import AppendAudio, OpenAssistant, TruncateReply
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import CarrierRefused, MalformedMessage, WebhookRefused
from bridge.vocabulary.events import Word
from telecodecs.format import PCMU_8K
from tests.carriers.conftest import UNIX_S, Host, serve
from tests.fuzz.corpus import EVENTS, FORMS, REALTIME, STREAM, TELNYX, TWILIO, TWILIO_OPENING
from tests.fuzz.mutations import as_text, mutated

MOST_OUTCOMES = 200
MOST_GROWTH = 40
"""How many times as long as the message its outcomes may be, beside `MOST_EXTRA` bytes."""
MOST_EXTRA = 100_000

TOOLS = (ToolSchema("look", "Looks.", {}), ToolSchema("book", "Books.", {}))


class Finding(AssertionError):
    """Something that must not happen. The text says what, and after which message."""


class Target(NamedTuple):
    """`play` plays one case."""

    name: str
    play: Callable[[Random], None]


def check_bounded(message: str | bytes, outcomes: Sequence[object]) -> None:
    """Raises `Finding` if a message brings about too much, or something that is neither an event nor a message."""
    if len(outcomes) > MOST_OUTCOMES:
        raise Finding(f"{len(outcomes)} outcomes of one message: {message[:300]!r}")
    size = 0
    for outcome in outcomes:
        if not isinstance(outcome, Word | str | bytes):
            raise Finding(f"an outcome of an unknown kind, {type(outcome)}: {message[:300]!r}")
        size += len(outcome if isinstance(outcome, str | bytes) else msgspec.json.encode(outcome))
    if size > MOST_GROWTH * len(message) + MOST_EXTRA:
        raise Finding(f"{size} bytes of outcomes of {len(message)} bytes: {message[:300]!r}")


def do_what_is_due(dialect: Any, now: float) -> None:
    """Raises `Finding` if what is due does not get done."""
    for _ in range(MOST_OUTCOMES):
        due = dialect.deadline()
        if due is None or due > now:
            return
        check_bounded("what is due", dialect.due(now))
    raise Finding(f"at {now} something is still due, for {dialect.deadline()}")


def converse(dialect: Any, opening: Sequence[Any], corpus: list[Any], chance: Random) -> None:
    """The opening, in most cases as it should be; then messages at random."""
    now = 0.0
    changed = chance.random() < 0.3
    script = [(one, changed and chance.random() < 0.5) for one in opening]
    script += [(chance.choice(corpus), chance.random() < 0.7) for _ in range(chance.randrange(5, 40))]
    for good, is_changed in script:
        message = as_text(mutated(good, corpus, chance), chance) if is_changed else json.dumps(good)
        try:
            check_bounded(message, dialect.decode(message, now))
        except MalformedMessage as error:
            if len(str(error)) > 1_000:
                raise Finding(f"an error of {len(str(error))} letters: {message[:300]!r}") from error
        except Finding:
            raise
        except Exception as error:
            raise Finding(f"{type(error).__name__}: {error}, after {message[:1000]!r}") from error
        now += chance.choice((0.0, 0.02, 0.02, 1.0, 10.0))
        do_what_is_due(dialect, now)


# Carriers


def play_twilio(chance: Random) -> None:
    converse(TwilioStream(one_way=chance.random() < 0.2), TWILIO_OPENING, TWILIO, chance)


def play_telnyx(chance: Random) -> None:
    settings = TelnyxSettings(codec=chance.choice(("PCMU", "PCMA", "L16")))
    converse(TelnyxStream(settings), TELNYX[:2], TELNYX, chance)


# Assistants


def play_stream(chance: Random) -> None:
    dialect = StreamDialect(StreamSettings(url="ws://127.0.0.1/"), TOOLS)
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    converse(dialect, STREAM[:1], STREAM, chance)


def play_realtime(chance: Random) -> None:
    dialect = RealtimeDialect(RealtimeSettings(instructions="Be kind."), TOOLS)
    opened = dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    update = next(json.loads(one) for one in opened if isinstance(one, str))
    converse(dialect, [{"type": "session.updated", "session": update["session"]}], REALTIME, chance)
    dialect.encode(AppendAudio(bytes(160)), 1_000.0)
    dialect.encode(TruncateReply("A1", 100), 1_000.0)


# Webhooks

AUTH_TOKEN = "12345"


def form_body(form: Any, chance: Random) -> bytes:
    """A form; what is no text is written as JSON. Now and then it is broken."""
    fields = form.items() if isinstance(form, dict) else [("form", form)]
    texts = [(name, one if isinstance(one, str) else json.dumps(one)) for name, one in fields]
    body = urlencode(texts, errors="replace").encode()
    match chance.randrange(10):
        case 0:
            return body + b"&" + bytes(chance.randrange(256) for _ in range(20))
        case 1:
            return b"&".join([body] * chance.choice((2, 60)))
        case _:
            return body


def ask(webhooks: CarrierWebhooks, path: str, body: bytes, **fields: Any) -> None:
    """One request. Raises `Finding`."""
    try:
        answer = serve(webhooks, path, body, **fields)
    except WebhookRefused as refused:
        if not 400 <= refused.status < 600 or len(str(refused)) > 1_000:
            raise Finding(f"{refused.status} {refused}"[:500]) from refused
        return
    except Exception as error:
        raise Finding(f"{type(error).__name__}: {error}, after {path} {body[:1000]!r}") from error
    if not isinstance(answer, WebhookAnswer) or len(answer.text) > 20 * len(body) + MOST_EXTRA:
        raise Finding(f"the answer {str(answer)[:300]}, after {path} {body[:300]!r}")


def play_twilio_webhooks(chance: Random) -> None:
    host = Host()
    webhooks = TwilioWebhooks(TwilioSettings.model_validate({"auth_token": AUTH_TOKEN}), host)
    for _ in range(8):
        form = chance.choice(FORMS)
        body = form_body(mutated(form, FORMS, chance) if chance.random() < 0.8 else form, chance)
        path = chance.choice([route.path for route in webhooks.routes()])
        pairs = [pair.partition("=") for pair in body.decode("latin-1").split("&")]
        signed = signature(AUTH_TOKEN, host.public_url + path, [(name, value) for name, _, value in pairs])
        if chance.random() < 0.8:
            with suppress(WebhookRefused):
                signed = signature(AUTH_TOKEN, host.public_url + path, form_fields(body))
        ask(webhooks, path, body, headers={"x-twilio-signature": signed})


def play_telnyx_webhooks(chance: Random) -> None:
    host, now = Host(), 0.0
    keys = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY"}
    webhooks = TelnyxWebhooks(TelnyxSettings.model_validate(keys), host)
    signer = Signer()
    for _ in range(12):
        route = chance.choice(webhooks.routes())
        if "json" in route.content_type:
            good = chance.choice(EVENTS)
            text = (
                as_text(mutated(good, EVENTS, chance), chance) if chance.random() < 0.7 else json.dumps(good)
            )
            body = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        else:
            form = chance.choice(FORMS)
            body = form_body(mutated(form, FORMS, chance) if chance.random() < 0.7 else form, chance)
        headers = {name.lower(): value for name, value in signer.headers(body, int(UNIX_S)).items()}
        ask(webhooks, route.path, body, headers=headers, now=now)
        for sent in host.sent:
            taken, refused = sent.taken, sent.refused
            if chance.random() < 0.5 and taken is not None:
                taken({}, now)
            elif refused is not None:
                refused(CarrierRefused("refused", status=422, code="90018"), now)
        host.sent.clear()
        now += chance.choice((0.0, 1.0, 20.0))
        webhooks.due(now)


TARGETS = (
    Target("twilio-stream", play_twilio),
    Target("telnyx-stream", play_telnyx),
    Target("stream-assistant", play_stream),
    Target("openai-realtime", play_realtime),
    Target("twilio-webhooks", play_twilio_webhooks),
    Target("telnyx-webhooks", play_telnyx_webhooks),
)
