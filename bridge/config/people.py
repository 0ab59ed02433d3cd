"""People in the core's terms, from the settings; and what of them cannot work, or is hardly meant."""

from collections.abc import Iterator

from bridge.assistants.registry import ASSISTANTS
from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.core.people import People, Person
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
    return People(persons, allowed, PCMU_8K, _hold(settings.control.hold))


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
        if person.stays == "listens":
            yield from _deaf(settings, name)
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


def _deaf(settings: Settings, person: str) -> Iterator[str]:
    """The assistants that can put callers through to this person, and cannot listen to them."""
    for name, kind in settings.assistant_kinds.items():
        if person in settings.assistant_settings(name).people and not ASSISTANTS[kind].can_listen:
            yield (
                f'people.{person}.stays = "listens": {name} is of kind {kind} and cannot listen to two people; should be '
                f'"leaves", or the kind {_listening_kinds()}'
            )


def doubtful_people(settings: Settings) -> Iterator[str]:
    """What is hardly meant; a line for each. The address of [before_call] can put calls through to anybody."""
    if settings.before_call.url is not None:
        return
    named = {
        person for name in settings.assistant_kinds for person in settings.assistant_settings(name).people
    }
    for name in settings.people:
        if name not in named:
            yield f"people.{name}: no assistant can put callers through to them; tools.transfer of one should name them"


def _briefing_kinds() -> str:
    return " or ".join(name for name, kind in ASSISTANTS.items() if kind.can_brief)


def _listening_kinds() -> str:
    return " or ".join(name for name, kind in ASSISTANTS.items() if kind.can_listen)
