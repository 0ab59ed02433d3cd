"""Whole conversations with the fake server, in memory and in its own time: dialect, fake, and a caller with a phone."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.config.audio_file import read_wav
from bridge.simulators.openai.conversation import RealtimeConversation
from bridge.simulators.openai.script import parse_script
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    TruncateReply,
)
from bridge.vocabulary.contracts import AssistantOutcome, ToolSchema
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallerSaid,
    CloseRequested,
    NoteTaken,
    Opening,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    Said,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TokensUsed,
    ToolCalled,
    Word,
)
from telecodecs.format import PCMU_8K

SENTENCE = read_wav(Path(__file__).parents[3] / "fixtures" / "sentence-en-us-male.wav")
SILENT_FRAME = b"\xff" * 160
FRAME_S = 0.02
TOOLS = [
    ToolSchema("weather", "tells it", {"type": "object", "properties": {}}),
    ToolSchema("hang_up", "ends the call", {"type": "object", "properties": {}}),
    ToolSchema("note", "notes", {"type": "object", "properties": {"text": {"type": "string"}}}),
]


class Line:
    """A caller with a phone at one end, the fake at the other. What is played is heard in real time."""

    def __init__(self, script: str = "", *, opening: Opening = Opening.FIRST, **settings: Any) -> None:
        self.now = 10.0
        self.fake = RealtimeConversation(parse_script(script), unix_time=1.8e9)
        self.dialect = RealtimeDialect(RealtimeSettings(**({"filler": {"after_s": None}} | settings)), TOOLS)
        self.events: list[AssistantEvent] = []
        self.refused = 0
        self.heard_ms: dict[str, float] = {}  # of each item, by the phone
        self._playing: deque[list[Any]] = deque()  # item, ms left, complete
        self._takes(self.fake.begin(self.now))
        history = (Said(Speaker.CALLER, "Hello."), Said(Speaker.ASSISTANT, "Good day."))
        self.tell(
            OpenAssistant("CA1", PCMU_8K, opening=opening, history=() if opening == "first" else history)
        )

    def tell(self, command: AssistantCommand) -> None:
        self._say(self.dialect.encode(command, self.now))

    def _takes(self, acts: list[Any]) -> None:
        for message in [act for act in acts if isinstance(act, str)]:
            try:
                said = self.dialect.decode(message, self.now)
            except MalformedMessage:
                self.refused += 1
            else:
                self._say(said)

    def _say(self, said: Sequence[AssistantOutcome]) -> None:
        for outcome in said:
            if isinstance(outcome, Word):
                self.events.append(outcome)
                self._hear(outcome)
            else:
                assert isinstance(outcome, str)
                self._takes(self.fake.hear(outcome, self.now))

    def _hear(self, event: AssistantEvent) -> None:
        match event:
            case ReplyAudio(item, audio):
                if not self._playing or self._playing[-1][0] != item:
                    self._playing.append([item, 0.0, False])
                self._playing[-1][1] += len(audio) / 8
            case ReplyEnded(item):
                for playing in self._playing:
                    playing[2] = playing[2] or playing[0] == item
            case SpeechStarted(interrupts=True):
                self.clear()

    def clear(self) -> None:
        playing, self._playing = self._playing, deque()
        for item, _, _ in playing:
            heard = int(self.heard_ms.get(item, 0))
            self.tell(TruncateReply(item, heard) if heard else DropReply(item))

    def _play(self, ms: float) -> None:
        while self._playing and ms > 0:
            item, left, complete = self._playing[0]
            played = min(ms, left)
            self.heard_ms[item] = self.heard_ms.get(item, 0.0) + played
            self._playing[0][1] -= played
            ms -= played
            if self._playing[0][1] > 0 or not complete:
                return
            self._playing.popleft()
            self.tell(ConfirmHeard(item))

    def run(self, seconds: float, speech: bytes = b"") -> "Line":
        """Time passes; the caller speaks, or is silent."""
        for at in range(round(seconds / FRAME_S)):
            self.now += FRAME_S
            if (due := self.fake.deadline()) is not None and due <= self.now:
                self._takes(self.fake.due(self.now))
            if (due := self.dialect.deadline()) is not None and due <= self.now:
                self._say(self.dialect.due(self.now))
            frame = speech[at * 160 : at * 160 + 160]
            self.tell(AppendAudio(frame if len(frame) == 160 else SILENT_FRAME))
            self._play(FRAME_S * 1000)
        return self

    def speak(self, then_s: float = 3.0) -> "Line":
        return self.run(len(SENTENCE) / 8000 + then_s, SENTENCE)

    def all(self, *kinds: type[AssistantEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    def words(self) -> list[str]:
        """What was said, item by item."""
        said: dict[str, str] = {}
        for event in self.all(ReplySaid):
            said[event.item] = said.get(event.item, "") + event.text
        return list(said.values())

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [received.event for received in self.fake.received if received.event["type"] == kind]

    def assert_smooth(self) -> None:
        assert not self.all(AssistantFailed, AssistantReportedError)


def test_a_conversation_of_two_turns() -> None:
    line = Line(
        'heard = ["First.", "Second."]\n[[replies]]\nsay = "One."\n[[replies]]\nsay = ["Two.", "Three."]',
        transcription={"model": "whisper-1"},
    )
    line.run(0.5).speak().speak(then_s=4.0)
    line.assert_smooth()
    assert line.words() == ["One.", "Two.", "Three."]
    assert line.all(AssistantReady) == [AssistantReady(PCMU_8K, PCMU_8K, 3600.0, keys_interrupt=True)]
    assert [event.text for event in line.all(CallerSaid)] == ["First.", "Second."]
    assert len(line.all(SpeechStarted)) == len(line.all(SpeechStopped)) == 2
    assert len(line.all(TokensUsed)) == 4
    assert line.sent("response.create") == []
    assert line.sent("conversation.item.truncate") == []


def test_a_greeting_that_is_guarded_from_the_callers_hello() -> None:
    script = '[[replies]]\non_instructions = ""\nseconds = 8\n[[replies]]\nsay = "Yes?"'
    line = Line(script, greeting="Good day.").run(1.0)
    line.speak(then_s=5.0)
    assert not line.all(SpeechStarted), "the caller spoke into the greeting"
    assert line.sent("conversation.item.truncate") == []
    assert len(line.sent("session.update")) == 2, "and now the server listens"
    line.speak()
    line.assert_smooth()
    assert len(line.all(SpeechStarted)) == 1
    assert line.words()[-1] == "Yes?"


def test_a_greeting_that_may_be_interrupted() -> None:
    script = '[[replies]]\non_instructions = ""\nseconds = 8\n[[replies]]\nsay = "Yes?"'
    line = Line(script, greeting={"say": "Good day.", "interruptible": True}).run(1.0).speak()
    line.assert_smooth()
    assert len(line.sent("conversation.item.truncate")) == 1
    assert line.words()[-1] == "Yes?"


def test_a_barge_in_tells_the_server_what_was_heard() -> None:
    line = Line("[[replies]]\nseconds = 20\nspeed = 20\n[[replies]]\nsay = 'Sorry.'")
    line.run(0.5).speak(then_s=2.0).speak()
    line.assert_smooth()
    (truncated,) = line.sent("conversation.item.truncate")
    item = truncated["item_id"]
    assert truncated["audio_end_ms"] == int(line.heard_ms[item]) > 1000
    assert line.words()[-1] == "Sorry."


def test_a_barge_in_while_it_is_being_made() -> None:
    line = Line("leftovers = 3\n[[replies]]\nseconds = 20\nspeed = 1\n[[replies]]\nsay = 'Sorry.'")
    line.run(0.5).speak(then_s=2.0).speak()
    line.assert_smooth()
    (truncated,) = line.sent("conversation.item.truncate")
    assert truncated["audio_end_ms"] == int(line.heard_ms[truncated["item_id"]])
    assert line.sent("response.cancel") == []
    assert line.words()[-1] == "Sorry."


DIGITS = '[[replies]]\non_text = "4 2"\nsay = "Forty-two."\n[[replies]]\nseconds = 20\n'


@pytest.mark.parametrize("speed", [0, 1, 20])
def test_digits_cut_a_reply_and_are_answered_once(speed: int) -> None:
    line = Line(DIGITS + f"speed = {speed}")
    line.run(0.5).speak(then_s=2.0)
    line.clear()
    line.tell(EnterDigits("4 2"))
    line.run(3.0)
    line.assert_smooth()
    assert line.words()[-1] == "Forty-two."
    assert len(line.sent("response.create")) == 1


def test_digits_and_speech_at_the_same_moment_get_one_answer() -> None:
    line = Line('[[replies]]\non_text = "4 2"\nsay = "Forty-two."\n[[replies]]\nsay = "Yes."')
    line.run(0.5).run(2.0, SENTENCE)
    line.tell(EnterDigits("4 2"))
    line.run(4.0, SENTENCE[16_000:])
    line.assert_smooth()
    assert len(line.words()) == 1
    assert line.sent("response.create") == []


CALLS = """
[[replies]]
say = "Let me see."
calls = [{ name = "weather", arguments = "{}" }, { name = "note", arguments = '{"text": "asked"}' }]
[[replies]]
on_output = ""
say = "Sunny."
[[replies]]
on_instructions = ""
"""


def test_calls_are_answered_and_followed_up_once() -> None:
    line = Line(CALLS).run(0.5).speak(then_s=2.0)
    (called,) = line.all(ToolCalled)
    assert called.tool == "weather"
    assert line.all(NoteTaken) == [NoteTaken("asked")]
    assert line.sent("response.create") == []
    line.tell(AnswerTool(called.tool_call_id, "sun"))
    line.run(3.0)
    line.assert_smooth()
    assert len(line.sent("response.create")) == 1
    assert line.words() == ["Let me see.", "Sunny."]


def test_a_filler_outside_of_the_conversation() -> None:
    line = Line(CALLS, filler={"say": "One moment.", "after_s": 1.0}).run(0.5).speak(then_s=8.0)
    (called,) = line.all(ToolCalled)
    assert line.words() == ["Let me see.", "One moment."]
    line.tell(AnswerTool(called.tool_call_id, "sun"))
    line.run(3.0)
    line.assert_smooth()
    assert line.words() == ["Let me see.", "One moment.", "Sunny."]


@pytest.mark.parametrize(
    ("say", "words"),
    [('say = "Goodbye!"\n', ["Goodbye!"]), ("", ["Say goodbye."])],
)
def test_hanging_up(say: str, words: list[str]) -> None:
    script = f'[[replies]]\n{say}calls = [{{ name = "hang_up" }}]\n'
    script += '[[replies]]\non_instructions = ""\nsay = "Say goodbye."'
    line = Line(script).run(0.5).speak(then_s=5.0)
    line.assert_smooth()
    assert line.words() == words
    assert line.all(CloseRequested) == [CloseRequested("the assistant hung up", code=1000)]


@pytest.mark.parametrize("opening", [Opening.RENEWED, Opening.RECOVERED])
def test_hihistory_is_taken_by_the_server(opening: Opening) -> None:
    line = Line('[[replies]]\non_instructions = ""', opening=opening).run(2.0)
    line.assert_smooth()
    assert len(line.sent("conversation.item.create")) == 2
    assert line.words() == (["Sorry, could you repeat that?"] if opening is Opening.RECOVERED else [])


def test_without_the_servers_turn_detection() -> None:
    line = Line("[[replies]]\nseconds = 20\nspeed = 1\n[[replies]]\nsay = 'Sorry.'", turn_detection="none")
    line.run(0.5).speak(then_s=3.0).speak(then_s=4.0)
    line.assert_smooth()
    assert len(line.sent("input_audio_buffer.commit")) == len(line.sent("response.create")) == 2
    assert len(line.sent("response.cancel")) == 1
    assert line.words()[-1] == "Sorry."


def test_a_server_that_speaks_the_beta() -> None:
    line = Line("[[faults]]\nbeta = true\n[[replies]]\nsay = 'One.'").run(0.5).speak()
    line.assert_smooth()
    assert line.words() == ["One."]


def test_a_server_that_answers_in_another_format() -> None:
    line = Line('[[faults]]\noutput_format = "audio/pcm"\n[[replies]]\nsay = "One."').run(0.5)
    (ready,) = line.all(AssistantReady)
    assert str(ready.speaks) == "l16/24000"


def test_a_failed_response_is_made_once_more() -> None:
    script = '[[replies]]\nfaults = { fail = "server_error", after_ms = 0 }\nsay = "One."\n'
    line = Line(script + '[[replies]]\nsay = "Two."').run(0.5).speak()
    assert len(line.all(AssistantReportedError)) == 1
    assert not line.all(AssistantFailed)
    assert len(line.sent("response.create")) == 1


def test_a_delta_that_is_not_base64_costs_itself() -> None:
    line = Line('[[replies]]\nsay = "One, two, three, four."\nfaults = { bad_delta = true, after_ms = 100 }')
    line.run(0.5).speak()
    assert line.refused == 1
    line.assert_smooth()
    assert line.words() == ["One, two, three, four."]
