"""Connects calls with assistants: by name to a dialect, a leg and the tools that the settings give it."""

from typing import Any

from bridge.assistants.registry import ASSISTANTS
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.core.failover import FailoverPlan
from bridge.shell.assistant_http import Poster
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.assistant_socket import Dialler
from bridge.shell.preconnect import Preconnections
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import Connection, Leg, Lost, Receive
from telecodecs.format import PCMU_8K


class Switchboard:
    """One for a server. Raises `ConfigurationError` if an assistant, or a tool of one, could not work."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        names = settings.assistant_kinds
        self._toolboxes = {name: Toolbox(name, settings.settings_of(name).tools) for name in names}
        settings.check_assistants({name: toolbox.schemas for name, toolbox in self._toolboxes.items()})
        self._plans = {name: self._plan(name) for name in names}
        self._dialler = Dialler()
        self._poster = Poster()
        self._preconnections = Preconnections(self._dialler.dial)

    def _plan(self, name: str) -> FailoverPlan:
        sentence = self._settings.rescue_sentence(name)
        return FailoverPlan(
            self._settings.rescue_chain(name), read_wav(sentence) if sentence else b"", PCMU_8K
        )

    def plan(self, assistant: str = "") -> FailoverPlan:
        """Who answers a call for this assistant; for the default one if it has no name."""
        return self._plans[assistant or self._settings.assistant]

    def expect(self, call_id: str, assistant: str = "") -> None:
        """A call will come: dial its assistant now, if the settings want that."""
        name = self.plan(assistant).assistants[0]
        settings = self._settings.settings_of(name)
        if settings.preconnect and (address := settings.address()) is not None:
            self._preconnections.open(call_id, name, address)

    def forget(self, call_id: str) -> None:
        """The call will not come any more."""
        self._preconnections.forget(call_id)

    def connect(self, command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        """See `contracts.Connect`."""
        name = command.assistant
        settings, toolbox = self._settings.settings_of(name), self._toolboxes[name]
        assistant = ASSISTANTS[settings.kind].dialect(settings, toolbox.schemas)
        address = settings.address()
        leg: Leg[Any]
        if address is None:
            leg = NoLeg()
        elif isinstance(settings, TurnBasedSettings) and settings.is_posted:
            answer_s, most_bytes = settings.reply_s, settings.max_reply_bytes
            leg = self._poster.open(address, receive, lost, answer_s=answer_s, most_bytes=most_bytes)
        else:
            claimed = self._preconnections.claim(command.call_id, name, receive, lost)
            leg = claimed or self._dialler.dial(address, receive, lost)
        return Connection(
            assistant, leg, toolbox.open(call_id=command.call_id, parameters=command.parameters)
        )

    async def aclose(self) -> None:
        """Drop what is connected, and stop what runs."""
        self._preconnections.close()
        await self._dialler.aclose()
        await self._poster.aclose()
        for toolbox in self._toolboxes.values():
            await toolbox.aclose()
