"""A simulated call with several parties, whichever carrier plays it: what is asked for, how it is awaited, its report."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CallOptions, Warned
from bridge.simulators.changes import Changes, first_of
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.network_disorder import DisorderCounts
from bridge.simulators.phone.party import Key, Party, PartyPlan
from bridge.simulators.phone.party_media import Known, PartyMedia
from bridge.simulators.phone.people import People
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.trace import TraceLine
from bridge.vocabulary.errors import CallRefused
from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat, Encoding, Samples

RINGS_S = 15.0
"""How long the caller waits for an answer."""

LEFT_S = 10.0
"""How long other parties may stay on the line when the caller has left; then they are hung up on."""

PARTING_S = 2.0
"""How long the last webhooks may take."""

LONGEST_S = 600.0
"""After this time the caller hangs up in any case."""


@dataclass(frozen=True)
class PeopleCall:
    """What is asked for. `url`: the voice webhook. `plan`: what the caller does where the file of people says nothing.

    `port`: of the carrier's REST API, 0 for any. `texml`: the webhook of a Telnyx call speaks TeXML. `rings_s`: how
    long the caller waits for an answer. `status_url`: of the called number's status callback, where calls obey documents.
    """

    url: str
    plan: Callable[[AudioFormat], CallPlan]
    people: People
    options: CallOptions = field(default_factory=CallOptions)
    network: Network = field(default_factory=Network)
    port: int = 0
    log: ApiLog = field(default_factory=ApiLog)
    texml: bool = False
    status_url: str = ""
    rings_s: float = RINGS_S
    interruption: Interruption = field(default_factory=Interruption)

    def media(
        self,
        rate_hz: int,
        is_caller: Callable[[str], bool],
        hang_up: Callable[[str], None],
        press: Callable[[str, str], None] = lambda _leg_id, _digit: None,
    ) -> PartyMedia:
        """The audio of the call. `is_caller`: whether a call's id is the caller's. `hang_up`, `press`: see `PartyMedia`."""
        line = AudioFormat(Encoding.L16, rate_hz)

        def known(leg_id: str, number: str) -> Known:
            if is_caller(leg_id):
                said = self.plan(line)
                keys = tuple(Key(digit.at_ms / 1000, "answered", digit.digit) for digit in said.digits)
                audio = decoder(line)(said.audio)
                return Known("caller", self.people.callers_plan(rate_hz, audio, keys, LONGEST_S))
            name = self.people.name_of(number)
            return Known(name, self.people.plan_of(name, rate_hz)) if name else Known(number, PartyPlan())

        return PartyMedia(
            rate_hz, known, hang_up, self.log, self.network, self.people.music_at(rate_hz), press
        )


class PartyReport(NamedTuple):
    """What one party heard and said, from the begin of the call."""

    name: str
    number: str
    rate_hz: int
    heard: Samples
    said: Samples
    pressed: str
    answered_ms: int
    left_ms: int | None
    trace: tuple[TraceLine, ...]


class PeopleReport(NamedTuple):
    """The caller's report, and one for each party, the caller first."""

    caller: CallReport
    parties: tuple[PartyReport, ...]


class PlayedCarrier(Protocol):
    """What carries out a call with several parties."""

    @property
    def changes(self) -> Changes:
        """Notified after whatever happens."""
        ...

    def is_answered(self) -> bool:
        """Whether the caller's call is answered, or is over."""
        ...

    def lasting(self) -> Collection[str]:
        """The calls that are not over, by id; the caller's first."""
        ...

    def has_told_all(self) -> bool:
        """Whether no webhook is on its way."""
        ...

    def is_caller_over(self) -> bool:
        """Whether the caller's call is over, and its last webhook was sent."""
        ...

    def hang_up(self, leg_id: str) -> None:
        """The party of this call hangs up."""
        ...

    def failed(self) -> Coroutine[Any, Any, None]:
        """Wait until a task has failed."""
        ...


Ring = Callable[[str, str], object]
"""Called with the numbers of who calls and of who is called: a call comes in at the carrier."""


@asynccontextmanager
async def _others_call(carrier: PlayedCarrier, asked: PeopleCall, ring: Ring) -> AsyncIterator[None]:
    """Those of the people who call by themselves do so, once the caller was answered."""

    async def call() -> None:
        await carrier.changes.until(carrier.is_answered)
        began = asyncio.get_running_loop().time()
        for person in sorted(asked.people.people.values(), key=lambda one: one.calls_after_s):
            if person.calls:
                wait_s = began + person.calls_after_s - asyncio.get_running_loop().time()
                await asyncio.sleep(wait_s)
                ring(person.to, person.calls)

    calling = asyncio.create_task(call())
    try:
        yield
    finally:
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await calling


async def await_end(carrier: PlayedCarrier, caller_id: str, asked: PeopleCall, ring: Ring) -> None:
    """Wait until all calls are over; who stays too long is hung up on, and the log says so. `ring`: for those who call."""
    async with _others_call(carrier, asked, ring):
        await _await_end(carrier, caller_id, asked)


async def _await_end(carrier: PlayedCarrier, caller_id: str, asked: PeopleCall) -> None:
    changes, log = carrier.changes, asked.log

    def is_quiet() -> bool:
        return not carrier.lasting() and carrier.has_told_all()

    with asked.interruption.ends_with(lambda: carrier.hang_up(caller_id)):
        await first_of(changes.until(carrier.is_answered), carrier.failed(), within_s=asked.rings_s)
        if not carrier.is_answered():
            log.note("party", party="caller", event="gives up", call=caller_id)
            carrier.hang_up(caller_id)
        await first_of(changes.until(carrier.is_caller_over), carrier.failed())
        await first_of(changes.until(is_quiet), carrier.failed(), within_s=LEFT_S)
        for leg_id in [*carrier.lasting()]:
            log.note("party", event="left behind", call=leg_id)
            carrier.hang_up(leg_id)
        await first_of(changes.until(is_quiet), carrier.failed(), within_s=PARTING_S)


def report(media: PartyMedia, caller_id: str, asked: PeopleCall, why_not: str) -> PeopleReport:
    """The report of a call that is over. Raises `CallRefused` with `why_not` if it was never answered."""
    if caller_id not in media.parties:
        raise CallRefused(why_not)
    told = tuple(_party(media, leg_id, party) for leg_id, party in _caller_first(media.parties, caller_id))
    return PeopleReport(_callers(media, caller_id, asked), told)


def _caller_first(parties: Mapping[str, Party], caller_id: str) -> list[tuple[str, Party]]:
    return sorted(parties.items(), key=lambda one: one[0] != caller_id)


def _party(media: PartyMedia, leg_id: str, party: Party) -> PartyReport:
    traces = [line for one in media.streams if one.leg_id == leg_id for line in one.trace]
    return PartyReport(
        party.name,
        party.number,
        media.rate_hz,
        party.recording(),
        party.recording(said=True),
        "".join(party.pressed),
        party.answered * FRAME_MS,
        None if party.left is None else party.left * FRAME_MS,
        tuple(traces),
    )


def _callers(media: PartyMedia, caller_id: str, asked: PeopleCall) -> CallReport:
    party = media.parties[caller_id]
    mine = [one for one in media.streams if one.leg_id == caller_id]
    ports = [one.port.report() for one in mine if one.port is not None]
    last = mine[-1] if mine else None
    code, reason = last.closed.result() if last is not None and last.closed.done() else (1000, "")
    counts = [one.port.disorder_counts for one in mine if one.port is not None]
    line = AudioFormat(Encoding.L16, media.rate_hz)
    frames = len(party.recording(said=True)) // (media.rate_hz * FRAME_MS // 1000)
    return CallReport(
        call_sid=caller_id,
        stream_sid=last.stream.stream_sid if last is not None else "",
        ending=_ending(media, caller_id, asked),
        close_code=code,
        close_reason=reason,
        line=line,
        plays=line,
        said=party.recording(said=True).tobytes(),
        heard=party.recording().tobytes(),
        sent_at=tuple(at - FRAME_MS / 1000 for at in media.mixed_at[:frames]),
        received=tuple(arrival for port in ports for arrival in port.received),
        marks=tuple(mark for port in ports for mark in port.earpiece.marks),
        clears=tuple(clear for port in ports for clear in port.earpiece.clears),
        digits="".join(party.pressed),
        warnings=_warnings(media),
        trace=tuple(line for one in mine for line in one.trace),
        disorder_counts=DisorderCounts(*(sum(each) for each in zip(*counts, strict=True))),
        reconnects=0,
        wire_codecs=last.stream.wire_codecs if last is not None else (str(line), str(line)),
    )


def _warnings(media: PartyMedia) -> tuple[Warned, ...]:
    return tuple(warned for one in media.streams for warned in one.stream.warnings)


def _ending(media: PartyMedia, caller_id: str, asked: PeopleCall) -> Ending:
    if asked.interruption.happened:
        return Ending.INTERRUPTED
    return Ending.HUNG_UP if caller_id in media.hung_up else Ending.TOLD_TO
