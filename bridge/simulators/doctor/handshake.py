"""Examines the assistants of the settings: connects to each as a call would, until it is ready, and hangs up."""

import asyncio
from contextlib import suppress

from bridge.assistants.registry import ASSISTANTS
from bridge.config.assistant_names import names_used
from bridge.config.settings import Settings
from bridge.redaction import without_credentials, without_keys
from bridge.settings.assistants import Address, AssistantSettings, PostAddress
from bridge.shell.header_values import HeaderReader
from bridge.shell.network import Network
from bridge.shell.session import clock
from bridge.simulators.check.checked_call import CheckedCall, Script, Wait
from bridge.simulators.check.checking import Ways
from bridge.simulators.doctor.asking import Asker, NoAnswerCame
from bridge.simulators.doctor.findings import Finding, Findings, Group
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.errors import ConfigurationError

READY_S = 10.0

STEP_S = 0.01


async def look_at_assistants(settings: Settings, network: Network, asker: Asker) -> list[Finding]:
    """A finding for each assistant that is used or has a table, and is reached over the network."""
    findings = Findings(Group.ASSISTANTS)
    names = dict.fromkeys(
        [settings.assistant, *(name for _, name in names_used(settings)), *settings.assistants]
    )
    for name in names:
        table = settings.assistant_settings(name)
        try:
            address = table.address()
        except ConfigurationError as error:
            findings.fault(name, f"It cannot be reached: {error}.", "See the settings.")
            continue
        if address is None:
            findings.ok(name, f"It lives in the server ({table.kind}).")
        elif isinstance(address, PostAddress):
            await _ask(findings, name, address, asker)
        else:
            await _shake_hands(findings, name, table, address, network)
    return findings.all


async def _ask(findings: Findings, name: str, address: PostAddress, asker: Asker) -> None:
    """A POST would begin a turn; a GET shows whether the server is there and takes the headers."""
    shown = without_credentials(address.url)
    reader = HeaderReader()
    try:
        answer = await asker.ask(address.url, await reader.resolve(address.headers))
    except ConfigurationError as error:
        findings.fault(name, f"Its headers cannot be read: {error}.", "Mend the file or the command.")
    except NoAnswerCame as error:
        findings.fault(name, f"{shown} cannot be reached: {error}.", "Start it, or correct its url.")
    else:
        if answer.status in (401, 403):
            findings.fault(
                name, f"{shown} answers {answer.status}: its key is not accepted.", "Correct its headers."
            )
        elif answer.status >= 500:
            findings.fault(name, f"{shown} answers {answer.status}.", "See its log.")
        else:
            findings.ok(name, f"{shown} answers. `check-assistant --kind turn-based` tries whole turns.")
    finally:
        await reader.aclose()


async def _shake_hands(
    findings: Findings, name: str, table: AssistantSettings, address: Address, network: Network
) -> None:
    """Open it as a call does, and hang up when it is ready."""
    try:
        schemas = Toolbox(name, table.tools).schemas
    except ConfigurationError as error:
        findings.fault(name, f"Its tools cannot be used: {error}.", "See the settings.")
        return
    silent = _without_greeting(table)
    ways = Ways(address, network)
    began = clock()
    try:
        call = CheckedCall(
            "doctor",
            lambda: ASSISTANTS[table.kind].dialect(silent, schemas),
            ways.open,
            _until_ready,
            clock,
            watched=False,
        )
        while not (call.over or call.troubles):
            call.advance()
            with suppress(TimeoutError):
                await asyncio.sleep(min(STEP_S, max(0.0, call.deadline() - clock())))
    finally:
        await ways.aclose()
    _judge(findings, name, without_credentials(address.url), call, clock() - began)


def _without_greeting(table: AssistantSettings) -> AssistantSettings:
    """It should say nothing, for what a model says is billed."""
    field = type(table).model_fields.get("greeting")
    return table if field is None else table.model_copy(update={"greeting": field.default})


def _until_ready(call: CheckedCall) -> Script:
    yield Wait(lambda: bool(call.facts.ready), READY_S)
    call.hang_up()


def _judge(findings: Findings, name: str, shown: str, call: CheckedCall, took_s: float) -> None:
    if call.facts.refused:
        why = without_keys(call.facts.refused[0])
        findings.warning(name, f"{shown} took the call, and reported: {why}.", "Correct its settings.")
    elif call.facts.ready:
        findings.ok(name, f"{shown} is ready after {took_s * 1000:.0f} ms.")
    elif call.troubles:
        why = without_keys(call.troubles[0].why).rstrip(".")
        findings.fault(name, f"{shown}: {why}.", _remedy(why))
    else:
        findings.fault(
            name, f"{shown} took the connection and was not ready within {READY_S:g} s.", "See its log."
        )


def _remedy(why: str) -> str:
    if "401" in why or "403" in why:
        return "The key is wrong, was withdrawn, or may not use this model: set a good one."
    if "404" in why:
        return "Correct the address or the model."
    if "quota" in why:
        return "Pay, or raise the limit of the account."
    if "429" in why:
        return "Wait, or raise the limit of the account."
    return "Start it, or correct its address; a firewall or a proxy may be between."
