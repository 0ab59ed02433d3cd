"""The signature of a media socket's upgrade: when it must be there, and which are right."""

import pytest

from bridge.carriers.twilio.kind import TWILIO, check_can_check_upgrades
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.vocabulary.errors import ConfigurationError

URL = "wss://example.com/media"
TOKEN_URL = "wss://example.com/twilio/media/TOKEN/?a=/b"
RIGHT = "7PR3qMkpDyEJtMrVOY/LDyNq8J8="
RIGHT_WITH_SLASH = "T+WBXwUXC0/CyoZ1DA+p9ilZORs="
"""Vectors of Twilio's own libraries, for the token 12345."""

WRONG = "its X-Twilio-Signature is not that of wss://example.com/"
MISSING = "it has no X-Twilio-Signature, which twilio.check_upgrade wants"


def fault(given: str | None, url: str = URL, **settings: object) -> str:
    headers = {} if given is None else {"x-twilio-signature": given}
    return TWILIO.upgrade_fault(
        TwilioSettings.model_validate({"auth_token": "12345"} | settings), url, headers
    )


@pytest.mark.parametrize(
    ("check", "given", "why"),
    [
        ("auto", RIGHT, ""),
        ("auto", RIGHT_WITH_SLASH, ""),
        ("auto", None, ""),
        ("auto", "", WRONG),
        ("auto", RIGHT.lower(), WRONG),
        (True, RIGHT, ""),
        (True, None, MISSING),
        (True, "x", WRONG),
        ("true", None, MISSING),
        (False, "x", ""),
        (False, None, ""),
    ],
)
def test_when_an_upgrade_is_twilio_s(check: object, given: str | None, why: str) -> None:
    assert fault(given, check_upgrade=check).startswith(why)
    assert bool(fault(given, check_upgrade=check)) is bool(why)


def test_what_the_log_says_of_it_holds_no_token() -> None:
    assert fault("x", TOKEN_URL) == (
        "its X-Twilio-Signature is not that of wss://example.com/twilio/… ; is public_url what Twilio was told?"
    )


def test_the_port_and_another_path_make_a_difference_or_not() -> None:
    assert fault(RIGHT, "wss://example.com:443/media") == ""
    assert fault(RIGHT, "wss://example.com/media/") == ""
    assert fault(RIGHT, "wss://example.com/medium").startswith(WRONG)


def test_without_an_auth_token_nothing_can_be_checked() -> None:
    assert fault("x", auth_token=None) == ""
    with pytest.raises(ConfigurationError, match="check_upgrade = true: needs"):
        check_can_check_upgrades(TwilioSettings(check_upgrade=True))
