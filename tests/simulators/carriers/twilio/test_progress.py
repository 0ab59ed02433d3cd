"""How calls of the simulated Twilio go on by their documents, without sockets: verbs, the calls of a Dial, conferences."""

from base64 import b64encode
from typing import Any

import pytest

from bridge.simulators.carriers.twilio.account import TwilioAccount
from bridge.simulators.carriers.twilio.actions import (
    Action,
    EndStream,
    FetchTwiml,
    OpenStream,
    SendCallback,
    TwilioRequest,
    TwilioResponse,
)
from bridge.simulators.carriers.twilio.calls import CallStatus, TwilioCall
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults

NOW = 1_800_000_000.0
URL = "https://voice.example.com/voice"
ANN, BOB, BUSY, SILENT, MACHINE = "+15550111", "+15550112", "+15550113", "+15550114", "+15550115"
NAMES = {ANN: "ann", BOB: "bob", BUSY: "busy", SILENT: "silent", MACHINE: "machine"}
CALLEES = {
    ANN: TwilioCallee(answers_after_s=2.0),
    BOB: TwilioCallee(answers_after_s=3.0),
    BUSY: TwilioCallee(answers_after_s=1.0, refuses="busy"),
    SILENT: TwilioCallee(answers_after_s=None),
    MACHINE: TwilioCallee(answers_after_s=1.0, answered_by="machine", verdict_after_s=3.0),
}
STREAM = '<Connect><Stream url="/m"/></Connect>'
ROOM = '<Dial action="/back"><Conference participantLabel="{}" {}>r</Conference></Dial>'


class Office:
    """An account with an inbound call."""

    def __init__(self, faults: TwilioFaults = TwilioFaults()) -> None:  # noqa: B008 - frozen
        self.now = NOW
        self.account = TwilioAccount("AC1", "token", callee=TwilioCallee(), callees=CALLEES, faults=faults)
        self.caller, _ = self.account.ring("+15550199", "+15550100", URL, NOW)

    def obey(self, body: str, call: TwilioCall | None = None) -> list[str]:
        document = f"<Response>{body}</Response>".encode()
        return self.told(self.account.twiml_came(call or self.caller, document, URL, self.now))

    def ask(self, name: str, call: str = "", conference: str = "", **fields: str) -> TwilioResponse:
        authorization = "Basic " + b64encode(b"AC1:token").decode()
        request = TwilioRequest(name, "AC1", authorization, tuple(fields.items()), call, conference)
        return self.account.ask(request, self.now)

    def wait(self) -> list[str]:
        at = self.account.deadline()
        assert at is not None
        self.now = at
        return self.told(self.account.due(at))

    def child(self, number: str) -> TwilioCall:
        return next(call for call in self.account.calls.values() if call.called == number)

    def told(self, actions: list[Action]) -> list[str]:
        return [self._word(act) for act in actions]

    def name(self, sid: str) -> str:
        call = self.account.calls[sid]
        return NAMES.get(call.called, "caller")

    def _word(self, act: Action) -> str:
        match act:
            case FetchTwiml(sid, url, _, form):
                status = form.get("DialCallStatus", form["CallStatus"])
                return f"{self.name(sid)} asks {url.rpartition('/')[2]} {status}"
            case SendCallback(url, _, form) if "StatusCallbackEvent" in form:
                about = self.name(form["CallSid"]) if "CallSid" in form else ""
                return f"{form['StatusCallbackEvent']} {about}".strip()
            case SendCallback(url, _, form):
                return f"{url.rpartition('/')[2]} {self.name(form['CallSid'])} {form.get('AnsweredBy', form.get('CallStatus'))}"
            case OpenStream(sid, _, beside):
                return f"{self.name(sid)} streams{' beside' if beside else ''}"
            case EndStream(sid, beside):
                return f"{self.name(sid)} ends stream{' beside' if beside else ''}"

    def hears(self) -> dict[str, str]:
        return {
            self.name(sid): " ".join(
                sorted(source if source[0] == "@" else self.name(source) for source in sources)
            )
            for sid, sources in self.account.audible().heard.items()
        }


def dial(*numbers: str, **attributes: str) -> str:
    given = "".join(f' {name}="{value}"' for name, value in {"action": "/back", **attributes}.items())
    return f"<Dial{given}>{''.join(f'<Number>{number}</Number>' for number in numbers)}</Dial>"


def test_what_comes_after_a_stream() -> None:
    office = Office()
    assert office.obey(f'{STREAM}<Redirect method="GET">/next</Redirect>') == ["caller streams"]
    over = office.account.stream_over(office.caller, NOW, hung_up=False)
    assert office.told(over) == ["caller asks next in-progress"]
    assert isinstance(over[0], FetchTwiml)
    assert over[0].method == "GET"
    assert office.obey(f"<Pause length='2'/>{STREAM}<Hangup/>") == []
    assert office.wait() == ["caller streams"]
    assert office.now == NOW + 2
    assert office.told(office.account.stream_failed(office.caller, "HTTP 403", NOW)) == []
    assert (office.caller.status, office.caller.trouble) == (CallStatus.COMPLETED, "HTTP 403")


def test_what_comes_after_a_stream_is_dropped_when_the_caller_hangs_up() -> None:
    office = Office()
    office.obey(f"{STREAM}<Redirect>/next</Redirect>")
    assert office.told(office.account.stream_over(office.caller, NOW, hung_up=True)) == []
    assert office.caller.over


def test_a_stream_that_listens_beside_a_dial() -> None:
    office = Office()
    listens = '<Start><Stream url="/m" track="both_tracks"/></Start>'
    assert office.obey(listens + dial(ANN)) == ["caller streams beside"]
    assert office.hears() == {"caller": "@ringback"}
    office.wait()
    assert office.hears() == {"caller": "ann", "ann": "caller"}
    assert "caller ends stream beside" in office.told(office.account.hang_up(office.caller, office.now))


DIALS: list[tuple[str, list[list[str]], float]] = [
    (dial(ANN), [[]], 2.0),
    (dial(BUSY), [["caller asks back busy"]], 1.0),
    (dial(SILENT, timeout="25"), [["caller asks back no-answer"]], 25.0),
    (dial(BUSY, ANN, sequential="true"), [[], []], 3.0),
    (dial(SILENT, BUSY, sequential="true", timeout="5"), [[], ["caller asks back busy"]], 6.0),
    (dial(BUSY, ANN), [[], []], 2.0),
    (dial(BUSY, SILENT, timeout="5"), [[], ["caller asks back no-answer"]], 5.0),
]


@pytest.mark.parametrize(("body", "steps", "over_at"), DIALS)
def test_whom_a_dial_reaches(body: str, steps: list[list[str]], over_at: float) -> None:
    office = Office()
    assert office.obey(body) == []
    assert [office.wait() for _ in steps] == steps
    assert office.now == NOW + over_at
    assert office.hears() == ({} if steps[-1] else {"caller": "ann", "ann": "caller"})


def test_ringing_together_the_loser_is_cancelled() -> None:
    office = Office()
    numbers = "".join(f'<Number statusCallback="/person">{number}</Number>' for number in (ANN, BOB))
    office.obey(f'<Dial action="/back">{numbers}</Dial>')
    assert office.wait() == ["person bob canceled"]
    assert office.told(office.account.hang_up(office.child(ANN), office.now)) == [
        "person ann completed",
        "caller asks back completed",
    ]
    assert office.obey(f"{STREAM}") == ["caller streams"]


def test_the_caller_hangs_up_while_they_talk() -> None:
    for asks, words in ((True, ["caller asks back completed"]), (False, [])):
        office = Office(TwilioFaults(action_after_hang_up=asks))
        office.obey(dial(ANN))
        office.wait()
        assert office.told(office.account.hang_up(office.caller, office.now)) == words
        assert office.child(ANN).status is CallStatus.COMPLETED
        assert office.obey(STREAM) == []


def test_answer_on_bridge() -> None:
    office = Office()
    office.obey(dial(ANN, answerOnBridge="true"))
    statuses = [office.caller.status]
    office.wait()
    statuses.append(office.caller.status)
    office = Office()
    office.obey(dial(ANN))
    assert [*statuses, office.caller.status] == ["ringing", "in-progress", "in-progress"]


def test_a_machine_answers_a_dial() -> None:
    office = Office()
    office.obey(f'<Dial><Number machineDetection="Enable" amdStatusCallback="/amd">{MACHINE}</Number></Dial>')
    office.wait()
    assert office.hears() == {"caller": "machine", "machine": "caller"}
    assert office.wait() == ["amd machine machine_start"]
    assert office.now == NOW + 4


def test_an_update_ends_a_dial() -> None:
    office = Office()
    office.obey(dial(ANN, BOB))
    other = '<Response><Connect><Stream url="wss://voice.example.com/m"/></Connect></Response>'
    assert office.told(office.ask("update", office.caller.sid, Twiml=other).actions) == ["caller streams"]
    assert {office.child(ANN).status, office.child(BOB).status} == {CallStatus.CANCELED}
    assert office.account.deadline() is None


def test_a_queue() -> None:
    office = Office()
    office.obey('<Enqueue waitUrl="">support</Enqueue>')
    assert office.hears() == {}
    office.obey("<Enqueue>support</Enqueue>")
    assert office.hears() == {"caller": "@music"}
    agent, _ = office.account.ring(ANN, ANN, URL, NOW)
    office.obey("<Dial><Queue>support</Queue></Dial>", agent)
    assert office.hears() == {"ann": "caller", "caller": "ann"}


@pytest.mark.parametrize(
    ("reason", "status"), [("busy", CallStatus.BUSY), ("rejected", CallStatus.NO_ANSWER)]
)
def test_reject(reason: str, status: CallStatus) -> None:
    office = Office()
    office.obey(f'<Reject reason="{reason}"/>')
    assert office.caller.status is status


class Room(Office):
    """A conference of the caller by a document, and Ann and Bob by requests."""

    def __init__(self, faults: TwilioFaults = TwilioFaults(), *, ends: str = "true") -> None:  # noqa: B008 - frozen
        super().__init__(faults)
        hook = 'statusCallback="/room" statusCallbackEvent="start end join leave mute hold modify"'
        self.first = self.obey(ROOM.format("caller", f'{hook} endConferenceOnExit="{ends}"'))
        self.alone = self.hears()
        self.sid = next(iter(self.account.progress.conferences.rooms))
        for number in (ANN, BOB):
            assert self.add(number).status == 201
        self.joined = self.wait() + self.wait()

    def add(self, number: str, **fields: str) -> TwilioResponse:
        label = NAMES[number]
        return self.ask("add_participant", conference="r", From="+15550100", To=number, Label=label, **fields)

    def update(self, label: str, **fields: str) -> TwilioResponse:
        return self.ask("update_participant", label, self.sid, **fields)


ALL = {"caller": "ann bob", "ann": "bob caller", "bob": "ann caller"}


def test_a_conference_of_three() -> None:
    room = Room()
    assert (room.first, room.alone) == (["participant-join caller"], {"caller": "@music"})
    assert room.joined == ["conference-start", "participant-join ann", "participant-join bob"]
    assert room.hears() == ALL
    assert room.told(room.update("ann", Muted="true").actions) == ["participant-mute ann"]
    assert room.hears() == {"caller": "bob", "ann": "bob caller", "bob": "caller"}
    room.update("ann", Muted="false")
    held = room.update("caller", Hold="true", HoldUrl="https://voice.example.com/hold.wav")
    assert room.told(held.actions) == ["participant-hold caller"]
    assert isinstance(held.body, dict)
    assert (held.body["hold"], held.body["label"]) == (True, "caller")
    assert room.hears() == {"caller": "@music", "ann": "bob", "bob": "ann"}
    room.update("caller", Hold="false")
    room.update("bob", Coaching="true", CallSidToCoach=room.child(ANN).sid)
    assert room.hears() == {"caller": "ann", "ann": "bob caller", "bob": "ann caller"}
    room.update("bob", Coaching="false")
    assert room.hears() == ALL


def test_a_participant_is_removed() -> None:
    room = Room()
    removed = room.ask("remove_participant", "ann", room.sid)
    assert (removed.status, removed.body) == (204, None)
    assert room.told(removed.actions) == ["participant-leave ann"]
    assert room.child(ANN).status is CallStatus.COMPLETED
    assert room.hears() == {"caller": "bob", "bob": "caller"}
    assert room.ask("remove_participant", "ann", room.sid).status == 404


def test_who_ends_the_conference_by_leaving() -> None:
    room = Room()
    told = room.told(room.account.hang_up(room.caller, room.now))
    assert told == [
        "participant-leave caller",
        "participant-leave ann",
        "participant-leave bob",
        "conference-end",
        "caller asks back completed",
    ]
    assert room.child(ANN).over
    assert room.child(BOB).over


def test_the_caller_goes_on_when_the_conference_is_ended() -> None:
    room = Room()
    told = room.told(room.ask("end_conference", conference=room.sid, Status="completed").actions)
    assert "caller asks back answered" in told
    assert not room.caller.over
    assert room.obey(STREAM) == ["caller streams"]


def test_the_caller_is_alone_when_the_others_leave() -> None:
    room = Room(ends="false")
    for number in (ANN, BOB):
        room.account.hang_up(room.child(number), room.now)
    assert room.hears() == {"caller": ""}
    assert room.told(room.account.hang_up(room.caller, room.now))[:2] == [
        "participant-leave caller",
        "conference-end",
    ]


def code(answer: TwilioResponse) -> tuple[int, Any]:
    assert isinstance(answer.body, dict)
    return answer.status, answer.body["code"]


def test_what_is_refused() -> None:
    room = Room()
    rows = [
        (room.add(ANN, Coaching="true"), (400, None)),
        (room.ask("add_participant", conference="r", From="+15550100", To="ann"), (400, 21211)),
        (room.ask("add_participant", conference="CF404", From="+15550100", To=ANN), (404, 20404)),
        (room.update("nobody", Muted="true"), (404, 20404)),
        (room.update("ann", Muted="perhaps"), (400, None)),
        (room.update("ann", Status="completed"), (400, None)),
        (room.update("ann", HoldUrl="hold.wav"), (400, 21205)),
        (room.ask("conference", conference="unknown"), (404, 20404)),
        (room.ask("end_conference", conference=room.sid, Status="over"), (400, None)),
    ]
    assert [code(answer) for answer, _ in rows] == [refusal for _, refusal in rows]
    assert room.hears() == ALL


def test_faults_at_a_request() -> None:
    office = Office(TwilioFaults(server_errors=1, refused=1, requests=("add_participant",)))
    fields = {"From": "+15550100", "To": ANN}
    answers = [office.ask("add_participant", conference="r", **fields) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 400, 201]
    assert code(answers[1]) == (400, 13_225)


def test_the_callers_number_is_shown_with_the_token_of_the_call() -> None:
    office = Office()
    office.obey(ROOM.format("caller", ""))
    fields = {"From": office.caller.caller, "To": ANN, "Url": URL}
    assert code(office.ask("create", **fields)) == (400, 21210)
    assert code(office.ask("add_participant", conference="r", **fields, CallToken="CTother")) == (400, 21210)
    assert office.ask("create", **fields, CallToken=office.caller.form()["CallToken"]).status == 201


def test_the_numbers_own_status_callback() -> None:
    office = Office()
    call, asked = office.account.ring(
        "+15550198", "+15550100", URL, NOW, status_url="https://voice.example.com/status"
    )
    assert len(asked) == 1
    office.obey("<Pause/>", call)
    assert office.told(office.account.hang_up(call, NOW)) == ["status caller no-answer"]
