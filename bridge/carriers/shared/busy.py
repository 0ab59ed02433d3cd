"""The document that answers the webhook of a call that is not taken; TwiML and TeXML have the same verbs.

Source: Twilio, "TwiML Voice: <Reject>", "<Say>", "<Play>", "<Redirect>", "<Hangup>"; Telnyx, "TeXML <Reject>". A call is
rejected as long as it rings, and without cost; one that was answered can only be hung up.
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from bridge.carriers.shared.before_call import Reject
from bridge.settings.busy import BusySettings


def busy_document(busy: BusySettings, form: Mapping[str, str], then: str | None = None) -> str:
    """The document for the call of this form. `then`: where a call goes on that was only to be listened to."""
    response = ET.Element("Response")
    if goes_on := then or busy.redirect:
        ET.SubElement(response, "Redirect", method="POST").text = goes_on
    elif busy.say is not None:
        voice = {"voice": busy.voice, "language": busy.language}
        given = {name: value for name, value in voice.items() if value is not None}
        ET.SubElement(response, "Say", given).text = busy.say
        ET.SubElement(response, "Hangup")
    elif busy.play is not None:
        ET.SubElement(response, "Play").text = busy.play
        ET.SubElement(response, "Hangup")
    elif _rings(form):
        ET.SubElement(response, "Reject", reason="busy")
    else:
        ET.SubElement(response, "Hangup")
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(response, encoding="unicode")


def reject_document(reason: Reject, form: Mapping[str, str]) -> str:
    """The document for a call that the address of [before_call] rejects: it is not answered, and hears no words of ours."""
    response = ET.Element("Response")
    if _rings(form):
        ET.SubElement(response, "Reject", reason=reason)
    else:
        ET.SubElement(response, "Hangup")
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(response, encoding="unicode")


def _rings(form: Mapping[str, str]) -> bool:
    """Whether the call came in and was not answered yet."""
    came_in = not form.get("Direction", "inbound").startswith("outbound")
    return came_in and form.get("CallStatus", "ringing") == "ringing"
