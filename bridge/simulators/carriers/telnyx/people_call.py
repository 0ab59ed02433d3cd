"""A simulated Telnyx whose calls have parties that hear each other: under Call Control, and by TeXML."""

from bridge.simulators.carriers.contract import MediaSocket
from bridge.simulators.carriers.telnyx.call_control_phone import call_control_stream
from bridge.simulators.carriers.telnyx.calls import CallState, TelnyxCall
from bridge.simulators.carriers.telnyx.exchange import telnyx_exchange
from bridge.simulators.carriers.telnyx.injected_faults import Cause, TelnyxCallee, TelnyxFaults
from bridge.simulators.carriers.telnyx.media import token_headers
from bridge.simulators.carriers.telnyx.server import API_KEY, SimulatedTelnyx
from bridge.simulators.carriers.telnyx.stream_session import TelnyxStreamSession
from bridge.simulators.carriers.telnyx.texml import TexmlStream
from bridge.simulators.carriers.telnyx.texml_dialect import texml_dialect
from bridge.simulators.carriers.twilio.people_call import play_documents
from bridge.simulators.carriers.twilio.stream_session import TwilioStreamSession
from bridge.simulators.changes import Changes
from bridge.simulators.phone.people import Person
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport, await_end, report

NOBODY = TelnyxCallee(answers_after_s=0.2, refuses="not_found")
"""Who answers a number that no person has."""


def telnyx_callee(person: Person) -> TelnyxCallee:
    """How this person answers."""
    causes: dict[Cause, bool] = {
        "user_busy": person.busy,
        "call_rejected": person.refused,
        "not_found": person.failed,
    }
    return TelnyxCallee(
        answers_after_s=None if person.no_answer else person.answers_after_s,
        answered_by="machine" if person.machine else "human",
        verdict_after_s=person.verdict_after_s,
        refuses=next((cause for cause, holds in causes.items() if holds), None),
    )


class _PlayedTelnyx:
    """See `PlayedCarrier`."""

    def __init__(self, server: SimulatedTelnyx, call: TelnyxCall) -> None:
        self._server = server
        self._call = call

    @property
    def changes(self) -> Changes:
        return self._server.changes

    def is_answered(self) -> bool:
        return self._call.state is not CallState.RINGING

    def lasting(self) -> list[str]:
        calls = self._server.account.calls.items()
        return [name for name, call in calls if not self._server.is_done(call)]

    def has_told_all(self) -> bool:
        return self._server.has_told_all()

    def is_caller_over(self) -> bool:
        return self._server.is_done(self._call)

    def hang_up(self, leg_id: str) -> None:
        self._server.hang_up(self._server.account.calls[leg_id])

    async def failed(self) -> None:
        await self._server.failed()


async def place_call_control_call(asked: PeopleCall) -> PeopleReport:
    """Place a call under Call Control with several parties. Raises `CallRefused` if it is not answered."""
    options = asked.options
    exchange = telnyx_exchange(options)
    caller_id = ""

    async def carry(session: TelnyxStreamSession) -> bool:
        wanted = session.wanted
        stream = call_control_stream(wanted, exchange.says.byteorder)
        headers = token_headers(wanted.auth_token)
        socket = MediaSocket(wanted.url, headers, stream).in_rehearsal(options.rehearsal)
        return await media.carry(
            wanted.call_control_id, socket, session.ended, session.opened, session.answered
        )

    def call_of(leg_id: str) -> TelnyxCall:
        return server.account.calls[leg_id]

    media = asked.media(
        exchange.line.rate_hz,
        lambda leg_id: leg_id == caller_id,
        lambda leg_id: server.hang_up(call_of(leg_id)),
        lambda leg_id, digit: server.press(call_of(leg_id), digit),
    )
    server = SimulatedTelnyx(
        carry,
        api_key=options.api_key or API_KEY,
        webhook_url=asked.url,
        port=asked.port,
        codec=exchange.says.codec,
        callee=NOBODY,
        callees={person.to: telnyx_callee(person) for person in asked.people.people.values()},
        faults=_faults(asked),
        seed=exchange.private_key,
        rehearsal=options.rehearsal,
        heard=media.hear,
        api_log=asked.log,
    )
    async with server.running(), media.running():
        call = server.ring(caller=asked.options.caller, called=asked.options.called)
        caller_id = call.call_control_id

        def ring(caller: str, called: str) -> None:
            server.ring(caller=caller, called=called)

        await await_end(_PlayedTelnyx(server, call), caller_id, asked, ring)
    return report(media, caller_id, asked, _why_not(server, call))


def _faults(asked: PeopleCall) -> TelnyxFaults:
    given = asked.people.faults
    return TelnyxFaults(
        given.server_errors, given.rate_limited, given.silent, given.requests, refused=given.refused
    )


def _why_not(server: SimulatedTelnyx, call: TelnyxCall) -> str:
    commands = ", ".join(f"{one.name} ({one.status})" for one in server.commands) or "no command"
    return f"the call was not answered: it ended with {call.cause or 'nothing'}, and {server.url} received {commands}"


async def place_texml_call(asked: PeopleCall) -> PeopleReport:
    """Place a call that obeys TeXML, with several parties. Raises `CallRefused` if it is not answered."""
    options = asked.options
    exchange = telnyx_exchange(options)

    async def carry(session: TwilioStreamSession) -> bool:
        wanted = session.wanted
        assert isinstance(wanted, TexmlStream), "the dialect reads streams of TeXML"
        call = played.server.account.calls[session.call_sid]
        socket = exchange.socket(wanted, call.sid, call.caller, call.called)
        return await played.media.carry(
            call.sid, socket, session.ended, lambda: session.opened(socket.stream.stream_sid)
        )

    played = play_documents(
        asked,
        carry,
        exchange.line.rate_hz,
        account_sid=options.account_sid or exchange.account_sid,
        token=options.api_key or API_KEY,
        dialect=texml_dialect(exchange.private_key),
    )
    return await played.place()


async def place_people_call(asked: PeopleCall) -> PeopleReport:
    """Place a call with several parties, by TeXML or under Call Control."""
    return await (place_texml_call(asked) if asked.texml else place_call_control_call(asked))
