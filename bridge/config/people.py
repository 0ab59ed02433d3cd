"""People in the core's terms, from the settings; and what of them cannot work, or is hardly meant."""

from collections.abc import Iterator

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.registry import CARRIERS
from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.core.people import People, Person
from bridge.core.supervision import Supervisor
from bridge.settings.elsewhere import ElsewhereSettings
from bridge.settings.people import PersonSettings, PlayHold
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from telecodecs.signals import hold_signal


def people_of(settings: Settings) -> People:
    """Whom calls can be put through to. Raises `ConfigurationError` where that cannot work, or a recording not be read."""
    if faults := "\n".join(wrong_people(settings)):
        raise ConfigurationError(faults)
    persons = {name: _person(person) for name, person in settings.people.items()}
    allowed = {name: settings.assistant_settings(name).people for name in settings.assistant_kinds}
    return People(persons, allowed, PCMU_8K, supervisors_of(settings), held=_hold(settings.control.hold))


def supervisors_of(settings: Settings) -> dict[str, Supervisor]:
    """Who can join a call."""
    return {
        name: Supervisor(one.groups, one.from_, one.ring_s, one.waits_s)
        for name, one in settings.supervisors.items()
    }


def _person(settings: PersonSettings) -> Person:
    briefing = settings.briefing
    recording = None if briefing is None else briefing.play
    return Person(
        groups=settings.groups,
        from_=settings.from_,
        ring_s=settings.ring_s,
        is_warm=settings.how == "warm",
        accept=settings.accept,
        instructions="" if briefing is None else briefing.instructions or "",
        briefer="" if briefing is None else briefing.assistant or "",
        spoken_briefing=b"" if recording is None else read_wav(recording.play),
        hold=_hold(settings.hold),
        listens=settings.stays == "listens",
        mixes=settings.stays == "mixes",
        assistant_talks=settings.assistant == "talks",
        comes_back=settings.back,
        nobody=settings.nobody,
        message_s=settings.message_s,
    )


def _hold(settings: PlayHold | None) -> bytes:
    return encoder(PCMU_8K)(hold_signal()) if settings is None else read_wav(settings.play)


def wrong_people(settings: Settings) -> Iterator[str]:
    """What a server does not start with; a line for each."""
    kinds = settings.assistant_kinds
    for name, person in settings.people.items():
        if person.nobody == "message" and settings.recording.directory is None:
            yield (
                f'people.{name}.nobody = "message": should go with recording.directory; without it a message would be lost'
            )
        if person.stays != "leaves":
            yield from _deaf(settings, name, person.stays)
        yield from _queues_of_others(settings, name, person)
        if person.how == "warm" and not (person.briefing and person.briefing.play):
            named = person.briefing.assistant if person.briefing else None
            briefers = (
                [named]
                if named
                else [one for one in kinds if name in settings.assistant_settings(one).people]
            )
            for briefer in briefers:
                if not ASSISTANTS[kinds[briefer]].can_brief:
                    yield (
                        f"people.{name}.briefing: {briefer} is of kind {kinds[briefer]} and cannot brief anybody; should be "
                        f'{{ assistant = "..." }} of kind {_briefing_kinds()}, or {{ play = "....wav" }}'
                    )


def _queues_of_others(settings: Settings, name: str, person: PersonSettings) -> Iterator[str]:
    """Queues of a carrier that brings no calls here, where another one does."""
    ready = [kind for kind in CARRIERS.values() if kind.can_authenticate(settings.carrier(kind.name))]
    for number, one in enumerate(person.to):
        if not isinstance(one, ElsewhereSettings) or not (carrier := one.elsewhere.carrier):
            continue
        if ready and carrier not in [kind.name for kind in ready]:
            titles = " and ".join(kind.title for kind in ready)
            wanted = CARRIERS[carrier]
            yield (
                f"people.{name}.to[{number}].{one.key} = {one.elsewhere.to!r}: is a queue of {wanted.title}, and the calls "
                f"come from {titles}; should be one of theirs, or {carrier}.{wanted.authenticated_by} should be set"
            )


def _deaf(settings: Settings, person: str, stays: str) -> Iterator[str]:
    """The assistants that can put callers through to this person, and cannot listen to them."""
    for name, kind in settings.assistant_kinds.items():
        if person in settings.assistant_settings(name).people and not ASSISTANTS[kind].can_listen:
            yield (
                f'people.{person}.stays = "{stays}": {name} is of kind {kind} and cannot listen to two people; should be '
                f'"leaves", or the kind {_listening_kinds()}'
            )


def doubtful_people(settings: Settings) -> Iterator[str]:
    """What is hardly meant; a line for each. The address of [before_call] can put calls through to anybody."""
    yield from _left_without(settings)
    yield from _doubtful_supervisors(settings)
    if settings.before_call.url is not None:
        return
    named = {
        person for name in settings.assistant_kinds for person in settings.assistant_settings(name).people
    }
    for name in settings.people:
        if name not in named:
            yield f"people.{name}: no assistant can put callers through to them; tools.transfer of one should name them"


def _doubtful_supervisors(settings: Settings) -> Iterator[str]:
    """Supervisors who cannot join a call, and those in whose place somebody else could."""
    called = [route.supervisor for route in settings.routes if route.supervisor is not None]
    can_be_asked = any("supervise" in token.can for token in settings.control.tokens)
    if settings.supervisors and not can_be_asked and not called:
        yield "supervisors: nobody can have them join a call; should go with a token of [control] that can supervise"
    for name in dict.fromkeys(called):
        if settings.supervisors[name].pin is None:
            yield (
                f"supervisors.{name}.pin: is not set, so a caller's number, which can be forged, is all that lets them in; "
                "should be set"
            )
    if called and settings.workers > 1:
        yield (
            f"workers = {settings.workers} with routes for supervisors: who calls in joins calls of the worker alone that "
            "their own call comes to, and is refused else; should be 1"
        )


def _left_without(settings: Settings) -> Iterator[str]:
    """People whom the calls of one of several carriers cannot be put through to, because only the other has the queue."""
    ready = [kind for kind in CARRIERS.values() if kind.can_authenticate(settings.carrier(kind.name))]
    for name, person in settings.people.items():
        queues = {one.elsewhere.carrier for one in person.to if isinstance(one, ElsewhereSettings)}
        if len(queues) != len(person.to) or "" in queues:
            continue
        for kind in ready:
            if kind.name not in queues:
                yield (
                    f"people.{name}.to: has queues of other carriers only, so a call of {kind.title} cannot be put through "
                    f"to them; should have a number, or {kind.name}_queue, too"
                )


def _briefing_kinds() -> str:
    return " or ".join(name for name, kind in ASSISTANTS.items() if kind.can_brief)


def _listening_kinds() -> str:
    return " or ".join(name for name, kind in ASSISTANTS.items() if kind.can_listen)
