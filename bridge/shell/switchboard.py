"""Connects calls with assistants: makes the dialect, opens the leg and gathers the tools that the settings name."""

import random
from dataclasses import replace
from typing import Any

from bridge.assistants.registry import ASSISTANTS
from bridge.config.checks import check_assistants
from bridge.config.people import people_of
from bridge.config.settings import Settings
from bridge.core.failover import FailoverPlan
from bridge.observers.assistant_health import AssistantHealth
from bridge.settings.assistants import PostAddress, SocketAddress
from bridge.shell.assistant_http import AssistantPosts
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.assistant_socket import AssistantSocketLeg, AssistantSockets
from bridge.shell.call_rules import failover_plan, goodbye_of
from bridge.shell.header_values import HeaderReader
from bridge.shell.network import Network
from bridge.shell.preconnect import Preconnections
from bridge.shell.session import clock
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import Connection, Leg, Lost, Receive
from bridge.vocabulary.people_tools import BRIEFING_TOOLS
from bridge.vocabulary.trace_context import NO_TRACING, TRACEPARENT, CallTracing
from telecodecs.format import PCMU_8K

BRIEFING_SCHEMAS = tuple(tool.schema for tool in BRIEFING_TOOLS.values())
"""The tools of an assistant that briefs a person; it has no others."""


class Switchboard:
    """The assistants of one server. Raises `ConfigurationError` if an assistant, or a tool of one, could not work.

    `network`: how servers are reached, which is the caller's to close; None: a network of its own.
    """

    def __init__(self, settings: Settings, network: Network | None = None) -> None:
        self._settings = settings
        names = settings.assistant_kinds
        self._network = network or Network(settings.proxy)
        self._owns_network = network is None
        self._no_tools = Toolbox("", {})  # of an assistant that briefs: those that it has are built in
        self._assistants = {name: settings.assistant_settings(name) for name in names}
        self._toolboxes = {name: self._toolbox(name) for name in names}
        check_assistants(settings, {name: toolbox.schemas for name, toolbox in self._toolboxes.items()})
        self.people = people_of(settings)
        """Whom calls can be put through to."""
        self._goodbye = goodbye_of(settings)
        self._plans = {name: failover_plan(settings, name, self._goodbye) for name in names}
        self._headers = HeaderReader()
        self._sockets = AssistantSockets(network=self._network, reader=self._headers)
        self._posts = AssistantPosts(self._network, self._headers)
        self.health = AssistantHealth(settings.circuit.rule(), random.random)
        """Of the assistants: new calls do not go to one that fails again and again."""
        self._preconnections = Preconnections(self._sockets.connect)

    def _toolbox(self, name: str) -> Toolbox:
        tools = self._assistants[name].tools
        connector = self._network.addresses.connector
        return Toolbox(name, tools, proxies=self._settings.proxy, connector=lambda: connector(limit=100))

    @property
    def goodbye_s(self) -> float:
        """How long the goodbye lasts, in seconds."""
        return PCMU_8K.duration_ms(len(self._goodbye)) / 1000

    def plan(self, assistant: str = "") -> FailoverPlan:
        """Who answers a new call for this assistant; for the default one if it has no name."""
        plan = self._plans[assistant or self._settings.assistant]
        return replace(plan, assistants=self.health.chain(plan.assistants, clock()))

    def prepare(self) -> None:
        """Run the commands that print the values of headers. Needs the running loop."""
        for name in self._plans:
            if (address := self._assistants[name].address()) is not None:
                self._headers.prepare(address.headers)

    def expect(self, call_id: str, assistant: str = "", traceparent: str = "") -> None:
        """A call will come: connect its assistant now, if the settings say so. `traceparent`: of the call's trace."""
        plan = self._plans[assistant or self._settings.assistant]
        name = self.health.chain(plan.assistants, clock(), takes_call=False)[0]
        settings = self._assistants[name]
        if settings.preconnect and isinstance(address := settings.address(), SocketAddress):
            self._preconnections.open(call_id, name, _traced(address, traceparent))

    def forget(self, call_id: str) -> None:
        """The call will not come any more."""
        self._preconnections.forget(call_id)

    def connect(
        self, command: OpenAssistant, receive: Receive, lost: Lost, *, tracing: CallTracing = NO_TRACING
    ) -> Connection:
        """See `contracts.Connect`."""
        name = command.assistant
        settings, toolbox = self._assistants[name], self._toolboxes[name]
        schemas = toolbox.schemas
        if command.briefing is not None:
            toolbox, schemas = self._no_tools, BRIEFING_SCHEMAS
        assistant = ASSISTANTS[settings.kind].dialect(settings, schemas)
        leg: Leg[Any]
        match settings.address():
            case None:
                leg = NoLeg()
            case PostAddress() as address:
                leg = self._posts.open(address, receive, lost, tracing.asking)
            case SocketAddress() as address:
                claimed = self._preconnections.claim(command.call_id, name, receive, lost)
                leg = claimed or self._sockets.connect(_traced(address, tracing.opening()), receive, lost)
                if isinstance(leg, AssistantSocketLeg):
                    leg.is_reply_owed = lambda: assistant.is_reply_owed(clock())
        return Connection(
            assistant,
            leg,
            toolbox.open(
                call_id=command.call_id,
                parameters=command.parameters,
                facts=command.context.facts,
                tracing=tracing,
            ),
        )

    async def aclose(self) -> None:
        """Drop what is connected, and stop what runs."""
        self._preconnections.close()
        await self._sockets.aclose()
        await self._posts.aclose()
        for toolbox in self._toolboxes.values():
            await toolbox.aclose()
        if self._owns_network:
            await self._network.aclose()


def _traced(address: SocketAddress, traceparent: str) -> SocketAddress:
    """The same with the header in its upgrade; empty: without it."""
    return address._replace(headers={**address.headers, TRACEPARENT: traceparent}) if traceparent else address
