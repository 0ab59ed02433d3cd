"""Connects calls with assistants: makes the dialect, opens the leg and gathers the tools that the settings name."""

from typing import Any

from bridge.assistants.registry import ASSISTANTS
from bridge.config.audio_file import read_wav
from bridge.config.checks import check_assistants
from bridge.config.settings import Settings
from bridge.core.failover import FailoverPlan
from bridge.settings.assistants import PostAddress, SocketAddress
from bridge.shell.assistant_http import AssistantPosts
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.preconnect import Preconnections
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import Connection, Leg, Lost, Receive
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from telecodecs.signals import waiting_signal


class Switchboard:
    """The assistants of one server. Raises `ConfigurationError` if an assistant, or a tool of one, could not work."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        names = settings.assistant_kinds
        self._toolboxes = {name: Toolbox(name, settings.assistant_settings(name).tools) for name in names}
        check_assistants(settings, {name: toolbox.schemas for name, toolbox in self._toolboxes.items()})
        self._plans = {name: self._plan(name) for name in names}
        self._sockets = AssistantSockets()
        self._posts = AssistantPosts()
        self._preconnections = Preconnections(self._sockets.connect)

    def _plan(self, name: str) -> FailoverPlan:
        settings = self._settings
        announcement, waiting = settings.failover_announcement(name), settings.waiting_signal(name)
        return FailoverPlan(
            settings.failover_chain(name),
            sentence=b"" if announcement is None else read_wav(announcement),
            waiting=encoder(PCMU_8K)(waiting_signal()) if waiting is None else read_wav(waiting),
            spoken=PCMU_8K,
        )

    def plan(self, assistant: str = "") -> FailoverPlan:
        """Who answers a call for this assistant; for the default one if it has no name."""
        return self._plans[assistant or self._settings.assistant]

    def expect(self, call_id: str, assistant: str = "") -> None:
        """A call will come: connect its assistant now, if the settings say so."""
        name = self.plan(assistant).assistants[0]
        settings = self._settings.assistant_settings(name)
        if settings.preconnect and isinstance(address := settings.address(), SocketAddress):
            self._preconnections.open(call_id, name, address)

    def forget(self, call_id: str) -> None:
        """The call will not come any more."""
        self._preconnections.forget(call_id)

    def connect(self, command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        """See `contracts.Connect`."""
        name = command.assistant
        settings, toolbox = self._settings.assistant_settings(name), self._toolboxes[name]
        assistant = ASSISTANTS[settings.kind].dialect(settings, toolbox.schemas)
        leg: Leg[Any]
        match settings.address():
            case None:
                leg = NoLeg()
            case PostAddress() as address:
                leg = self._posts.open(address, receive, lost)
            case SocketAddress() as address:
                claimed = self._preconnections.claim(command.call_id, name, receive, lost)
                leg = claimed or self._sockets.connect(address, receive, lost)
        return Connection(
            assistant, leg, toolbox.open(call_id=command.call_id, parameters=command.parameters)
        )

    async def aclose(self) -> None:
        """Drop what is connected, and stop what runs."""
        self._preconnections.close()
        await self._sockets.aclose()
        await self._posts.aclose()
        for toolbox in self._toolboxes.values():
            await toolbox.aclose()
