"""A simulated Twilio whose calls have parties that hear each other: the server, and the audio of its calls."""

from bridge.simulators.carriers.contract import MediaSocket
from bridge.simulators.carriers.twilio.calls import CallStatus, TwilioCall
from bridge.simulators.carriers.twilio.dialect import TWIML, DocumentDialect
from bridge.simulators.carriers.twilio.injected_faults import Refusal, TwilioCallee, TwilioFaults
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.simulators.carriers.twilio.server import ACCOUNT_SID, AUTH_TOKEN, SimulatedTwilio
from bridge.simulators.carriers.twilio.stream_session import CarryStream, TwilioStreamSession
from bridge.simulators.carriers.twilio.voice_webhook import signed_headers
from bridge.simulators.changes import Changes
from bridge.simulators.phone.party_media import PartyMedia
from bridge.simulators.phone.people import Person
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport, await_end, report
from telecodecs.format import PCMU_8K

NOBODY = TwilioCallee(answers_after_s=0.2, refuses="failed")
"""Who answers a number that no person has."""


def twilio_callee(person: Person) -> TwilioCallee:
    """How this person answers."""
    refuses: Refusal | None = "busy" if person.busy or person.refused else "failed" if person.failed else None
    return TwilioCallee(
        answers_after_s=None if person.no_answer else person.answers_after_s,
        answered_by="machine" if person.machine else "human",
        verdict_after_s=person.verdict_after_s,
        refuses=refuses,
    )


class _PlayedTwilio:
    """See `PlayedCarrier`."""

    def __init__(self, server: SimulatedTwilio, call: TwilioCall) -> None:
        self._server = server
        self._call = call

    @property
    def changes(self) -> Changes:
        return self._server.changes

    def is_answered(self) -> bool:
        return self._call.over or self._call.status is CallStatus.IN_PROGRESS

    def lasting(self) -> list[str]:
        return [call.sid for call in self._server.account.calls.values() if not self._server.is_done(call)]

    def has_told_all(self) -> bool:
        return self._server.has_told_all()

    def is_caller_over(self) -> bool:
        return self._server.is_done(self._call)

    def hang_up(self, leg_id: str) -> None:
        self._server.hang_up(self._server.account.calls[leg_id])

    async def failed(self) -> None:
        await self._server.failed()


class PlayedDocuments:
    """A server whose calls obey documents, and the audio of its calls."""

    def __init__(
        self, asked: PeopleCall, server: SimulatedTwilio, media: PartyMedia, mine: list[str]
    ) -> None:
        self.server = server
        self.media = media
        self._asked = asked
        self._mine = mine  # the caller's call, once it rings

    async def place(self) -> PeopleReport:
        """Place the call. Raises `CallRefused` with the reason if it is not answered."""
        asked = self._asked
        async with self.server.running(), self.media.running():
            rehearsal = asked.options.rehearsal
            url = rehearsal.public if rehearsal else asked.url
            call = self.server.ring(
                url,
                caller=asked.options.caller,
                called=asked.options.called,
                status_url=asked.status_url,
            )
            self._mine.append(call.sid)

            def ring(caller: str, called: str) -> None:
                self.server.ring(url, caller=caller, called=called, status_url=asked.status_url)

            await await_end(_PlayedTwilio(self.server, call), call.sid, asked, ring)
        why_not = call.trouble or f"the call was not answered: it is {call.status}"
        return report(self.media, call.sid, asked, why_not)


def play_documents(
    asked: PeopleCall,
    carry: CarryStream,
    rate_hz: int,
    *,
    account_sid: str,
    token: str,
    dialect: DocumentDialect,
) -> PlayedDocuments:
    """A server for the call that is asked for. `carry`: its streams. `rate_hz`: of the mix. `token`: see `dialect`."""
    mine: list[str] = []

    def hang_up(leg_id: str) -> None:
        server.hang_up(server.account.calls[leg_id])

    media = asked.media(rate_hz, lambda leg_id: leg_id in mine, hang_up)
    server = SimulatedTwilio(
        carry,
        account_sid=account_sid,
        auth_token=token,
        port=asked.port,
        callee=NOBODY,
        callees={person.to: twilio_callee(person) for person in asked.people.people.values()},
        faults=_faults(asked),
        dialect=dialect,
        heard=media.hear,
        api_log=asked.log,
        rehearsal=asked.options.rehearsal,
    )
    return PlayedDocuments(asked, server, media, mine)


def _faults(asked: PeopleCall) -> TwilioFaults:
    given = asked.people.faults
    return TwilioFaults(
        given.server_errors, given.rate_limited, given.silent, given.requests, refused=given.refused
    )


async def place_people_call(asked: PeopleCall) -> PeopleReport:
    """Place a call at Twilio with several parties. Raises `CallRefused` with the reason if it is not answered."""
    options = asked.options
    token = options.auth_token or AUTH_TOKEN

    async def carry(session: TwilioStreamSession) -> bool:
        wanted = session.wanted
        stream = SimulatedTwilioStream(
            call_sid=session.call_sid,
            account_sid=session.account_sid,
            tracks=wanted.tracks,
            parameters=wanted.parameters,
            one_way=wanted.one_way,
        )
        signed = signed_headers(wanted.url, {}, token)
        socket = MediaSocket(wanted.url, signed, stream).in_rehearsal(options.rehearsal)
        return await played.media.carry(
            session.call_sid, socket, session.ended, lambda: session.opened(stream.stream_sid)
        )

    played = play_documents(
        asked,
        carry,
        PCMU_8K.rate_hz,
        account_sid=options.account_sid or ACCOUNT_SID,
        token=token,
        dialect=TWIML,
    )
    return await played.place()
