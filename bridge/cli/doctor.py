"""`voicebridge doctor`: examines the settings, this machine and all that a call needs, and says what to do."""

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.completion import group_names
from bridge.cli.options import AsJson, ConfigFile, load_settings, run
from bridge.vocabulary.errors import ConfigurationError

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.simulators.doctor.examination import Patient
    from bridge.simulators.doctor.findings import Finding, Findings, Group


def doctor(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to look at: settings, keys, machine, port, public, call, assistants, carrier, clock.",
            show_default="all of it",
            autocompletion=group_names,
        ),
    ] = None,
    config: ConfigFile = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Look at nothing beyond this machine; the call goes to the port itself."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine the settings, this machine, and all that a call needs: certificate, proxy, assistants, carrier.

    A call is placed to the server itself, as a carrier would, and answered by echo. Exit codes: 0 all is well, 1 there are
    warnings, 2 there are faults, 130 ctrl-C.
    """
    from bridge.cli.doctor_display import show
    from bridge.cli.log import configure
    from bridge.cli.progress import progress
    from bridge.simulators.doctor.examination import examine
    from bridge.simulators.doctor.findings import AROUND, Findings, Group, exit_code

    configure("error")
    groups = _chosen(what or [])
    looked_at = [group for group in groups if not (offline and group in AROUND)]
    about_settings = Findings(Group.SETTINGS)
    found: list[Finding] = []
    settings = _settings(about_settings, config)
    if settings is None:
        found += about_settings.all
    else:
        good = _check_settings(about_settings, settings)
        found += about_settings.all if Group.SETTINGS in looked_at or not good else []
        about_port = Findings(Group.PORT)
        patient = _patient(about_port, settings)
        found += about_port.all if Group.PORT in looked_at else []
        if not good:  # a server that would not start cannot be called
            looked_at = [group for group in looked_at if group not in (Group.CALL, Group.PUBLIC)]
        with progress() as say:
            found += run(examine(patient, looked_at, say))
    for group in groups:
        if group not in looked_at and settings is not None:
            skipped = Findings(group)
            skipped.skipped(
                group.value,
                "Not with --offline." if offline and group in AROUND else "The settings have faults.",
            )
            found += skipped.all
    order = list(Group)
    found.sort(key=lambda finding: order.index(finding.group))
    show(found, as_json=as_json)
    if code := exit_code(found):
        raise typer.Exit(code)


def _chosen(names: list[str]) -> "list[Group]":
    """Raises `ConfigurationError` for a name that is none."""
    from bridge.simulators.doctor.findings import Group

    known = {group.value: group for group in Group}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"{name!r}: should be one of {', '.join(known)}")
    return [group for group in Group if not names or group.value in names]


def _settings(findings: "Findings", config: "ConfigFile") -> "Settings | None":
    """The settings in force; None if they cannot be read, and then it is a finding."""
    try:
        return load_settings(config)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            findings.fault("settings", f"{line}.", "Correct it; docs/settings.md has every setting.")
        return None


def _check_settings(findings: "Findings", settings: "Settings") -> bool:
    """Whether a server would start with them."""
    from bridge.cli.config_check import check, destinations
    from bridge.config.checks import doubts

    try:
        check(settings)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            findings.fault("settings", f"{line}.", "Correct it; docs/settings.md has every setting.")
        return False
    for doubt in doubts(settings):
        if "does not look like one of" not in doubt:  # keys have a group of their own
            findings.warning("settings", f"{doubt}.", "`voicebridge config check` says where calls go.")
    findings.ok("settings", "A server starts with them.")
    for line in destinations(settings):
        findings.ok("calls", line)
    return True


def _patient(findings: "Findings", settings: "Settings") -> "Patient":
    """Whether our own server runs, or its port is free."""
    from bridge.cli.health import Unhealthy, ask
    from bridge.shell.listener import bind
    from bridge.simulators.doctor.examination import Patient

    if settings.port == 0:
        findings.ok("port", "Any free port is taken; a proxy in front needs a fixed one.")
        return Patient(settings, runs=False, free=True)
    try:
        for one in bind(settings.host, settings.port, 1):
            one.close()
    except ConfigurationError as fault:
        try:
            ask(settings)
        except Unhealthy:
            findings.fault("port", f"{fault}.", "Stop what has it, or set another port.")
            return Patient(settings, runs=False, free=False)
        findings.ok("port", f"Our own server runs at port {settings.port}.")
        return Patient(settings, runs=True, free=False)
    findings.ok("port", f"Port {settings.port} is free; a server is started there for the examination.")
    return Patient(settings, runs=False, free=True)
