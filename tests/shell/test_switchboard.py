"""Who answers a call, and what its caller hears while nobody does, from the settings."""

from pathlib import Path

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.shell.switchboard import Switchboard
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from telecodecs.signals import waiting_signal

PAUSE = Path(__file__).parents[2] / "fixtures/pause.wav"


def test_the_waiting_signal_is_the_files_or_a_short_one_of_our_own() -> None:
    tables = {"kind": "parrot", "fallback": "echo"}
    settings = Settings.model_validate(
        {"assistants": {"plain": tables, "patient": tables | {"waiting": {"play": str(PAUSE)}}}}
    )
    switchboard = Switchboard(settings)
    plain, patient = switchboard.plan("plain"), switchboard.plan("patient")
    assert plain.waiting == encoder(PCMU_8K)(waiting_signal())
    assert patient.waiting == read_wav(PAUSE)
    for plan in (plain, patient):
        assert plan.assistants[1:] == ("echo",)
        assert (plan.sentence, plan.spoken) == (b"", PCMU_8K)
