"""A call that follows documents, in every order of what it asks, what its people's legs tell and what is commanded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.carriers.shared.document_calls import DocumentCalls
from bridge.carriers.shared.document_words import Caller
from bridge.carriers.shared.supervised_document_call import SupervisedDocumentCall
from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.carriers.twilio.rest import TwilioApi
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.twiml import TwilioWords
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    EnterQueue,
    JoinPerson,
    NobodyReached,
    PersonAnswered,
    PersonEvent,
    PersonLeft,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from bridge.vocabulary.supervision import EndSupervision, Supervise, SupervisorRole
from tests.carriers.conftest import Host

GROUP = ("+15550111", "+15550112")
SETTINGS = TwilioSettings.model_validate({"account_sid": "AC" + "0" * 32, "auth_token": "12345"})
STATUSES = ["initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed"]


class Core:
    """Does what the real one does, as far as a carrier sees it: takes the call back when nobody is left to wait for."""

    def __init__(self, call: SupervisedDocumentCall) -> None:
        self.call = call
        self.leg = ""

    def hears(self, event: PersonEvent) -> None:
        match event:
            case PersonAnswered(leg):
                self.leg = leg
                self.call.perform(BriefPerson(leg), 0.0)
            case NobodyReached() | PersonLeft():
                self.leg = ""
                self.call.perform(TakeBack(), 0.0)
            case _:
                pass


class World:
    """One call, its people, and Twilio, which may tell anything at any time."""

    def __init__(self) -> None:
        self.host = Host()
        self.host.under_way.add("CA1")
        self.calls = DocumentCalls(self.host)
        api = TwilioApi(SETTINGS)
        words = TwilioWords(SETTINGS, lambda: self.host.public_url)
        caller = Caller("CA1", "+1", "+2")
        self.call = SupervisedDocumentCall(self.host, words, api, caller, self.calls, may_return=True)
        self.call.begin(ExpectedCall("CA1"))
        self.core = Core(self.call)
        self.host.commands_after = self.core.hears
        self.documents: list[str] = []
        self.over: set[str] = set()
        self.alive: set[str] = set()  # legs that Twilio has told of as placed, and not as ended
        self.requests = 0

    def handles(self) -> list[str]:
        return [handle for handle in self.calls._by_handle if handle in self.call._by_handle]

    def step(self, what: str, number: int) -> None:
        getattr(self, f"_{what}")(number)

    def _call_people(self, _number: int) -> None:
        self.requests += 1
        self.call.perform(CallPeople("billing", GROUP, "ours", 25.0, f"r{self.requests}"), 0.0)

    def _put_through(self, _number: int) -> None:
        self.requests += 1
        self.call.perform(PutThrough("billing", GROUP, "ours", 25.0, f"r{self.requests}"), 0.0)

    def _queue(self, _number: int) -> None:
        self.requests += 1
        self.call.perform(EnterQueue("billing", "support", f"r{self.requests}"), 0.0)

    def _refer(self, _number: int) -> None:
        self.requests += 1
        self.call.perform(ReferCaller("billing", "sip:a@b", f"r{self.requests}"), 0.0)

    def _supervise(self, number: int) -> None:
        role = (SupervisorRole.LISTEN, SupervisorRole.BARGE)[number % 2]
        if number % 3:
            self.call.control(Supervise("desk", ("+15550121",), "ours", 20.0, role, self.core.leg), 0.0)
        else:
            self.call.control(EndSupervision("desk", "enough"), 0.0)

    def _join(self, _number: int) -> None:
        self.call.perform(JoinPerson(self.core.leg), 0.0)

    def _release(self, _number: int) -> None:
        self.call.perform(ReleasePerson(self.core.leg, "declined"), 0.0)

    def _take_back(self, _number: int) -> None:
        self.call.perform(TakeBack(), 0.0)

    def _next(self, _number: int) -> None:
        self.documents.append(self.call.next())

    def _back(self, number: int) -> None:
        if (dial := self.call._dial) is not None or number % 2:
            handle = "old" if dial is None else dial.handle
            form = {"DialCallStatus": ("completed", "busy", "failed")[number % 3]}
            form["QueueResult"] = ("bridged", "leave", "error")[number % 3]
            form["ReferCallStatus"] = ("busy", "failed", "no-answer")[number % 3]
            self.documents.append(self.call.back(handle, form, 0.0))

    def _leg(self, number: int) -> None:
        if handles := self.handles():
            handle = handles[number % len(handles)]
            status = STATUSES[number % len(STATUSES)]
            sid = f"leg of {handle}"
            if status in STATUSES[:3]:
                self.alive |= {sid} - self.over
            else:
                self.over.add(sid)
                self.alive.discard(sid)
            self.call.person(handle, {"CallSid": sid, "CallStatus": status}, 0.0)

    def _answer(self, number: int) -> None:
        """Twilio answers a request to call somebody."""
        sent = [one for one in self.host.sent if one.request.command == "call person"]
        if sent:
            one = sent[number % len(sent)]
            address = dict(pair.split("=") for pair in one.request.body.decode().split("&"))["Url"]
            sid = f"leg of {address.rpartition('%2F')[2]}"
            index = self.host.sent.index(one)
            self.host.sent[index] = one._replace(taken=None, refused=None)
            if number % 3 and one.taken is not None:
                self.alive |= {sid} - self.over
                one.taken({"sid": sid}, 0.0)
            elif one.refused is not None:
                one.refused(CarrierRefused("", status=500, code=""), 0.0)

    def _look(self, number: int) -> None:
        if self.call.look_at is not None:
            self.call.look(self.call.look_at)
            if (taken := self.host.sent[-1].taken if self.host.sent else None) is not None:
                taken({"status": "in-progress"}, 0.0)

    def hung_up(self) -> list[str]:
        return [one.request.call_id for one in self.host.sent if one.request.command == "end call"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("call_people", "put_through", "join", "release", "take_back"),
                *("queue", "refer", "supervise"),
                *("next", "back", "leg", "leg", "leg", "answer", "look"),
            ]
        ),
        st.integers(0, 40),
    ),
    max_size=25,
)


@settings(max_examples=1000, deadline=None)
@given(STEPS)
def test_in_every_order_nothing_is_dialled_twice_and_the_caller_has_a_document(
    steps: list[tuple[str, int]],
) -> None:
    world = World()
    for what, number in steps:
        world.step(what, number)
    asked = [one for one in world.host.sent if one.request.command == "call person"]
    addresses = [one.request.body for one in asked]
    assert len(addresses) == len(set(addresses)), "each leg is asked for once"
    assert all(document.startswith("<?xml") for document in world.documents)
    assert not any("<Hangup" in document for document in world.documents), "the session is there"
    hung_up = world.hung_up()
    assert len(hung_up) == len(set(hung_up)), "and hung up on once"
    dials = [document for document in world.documents if "<Number" in document]
    assert len(dials) == len(set(dials)), "a dial is given once"


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_after_the_end_nobody_is_left_whom_no_document_holds(steps: list[tuple[str, int]]) -> None:
    """Those whom a `<Dial>` calls are ended by Twilio with it; all others by us."""
    world = World()
    for what, number in steps:
        if what not in ("put_through", "join"):
            world.step(what, number)
    world.host.under_way.clear()
    world.call.session_over()
    for handle in world.handles():
        sid = f"leg of {handle}"
        if sid in world.alive and sid not in world.hung_up():
            document = world.call.person(handle, {"CallSid": sid, "CallStatus": "in-progress"}, 0.0)
            assert sid in world.hung_up() or "<Hangup" in document, sid
