"""The page's drawing of a call with a person and a supervisor, in Chromium: a lane for each party, from the call's journal.

What is looked at is which texts are written, and where; no pixels are compared.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages import chromium, opened_page, serving

PCMU = {"encoding": "pcmu", "rate_hz": 8000, "channels": 1}
STARTED = {"call_id": "CA7", "stream": "MZ7", "line": PCMU, "tracks": ["inbound"], "parameters": {}}
CALLED = {"group": ["***11"], "from_": "ours", "ring_s": 25.0}
LINES: list[tuple[float, str, dict[str, Any]]] = [
    (0.0, "CallStarted", STARTED),
    (0.0, "AssistantReady", {"hears": PCMU, "speaks": PCMU}),
    (20.0, "CallPeople", CALLED | {"person": "ann", "request_id": "1.1"}),
    (30.0, "SetRole", {"member": "caller", "role": "talks"}),
    (30.0, "SetRole", {"member": "person", "role": "talks"}),
    (30.0, "SetRole", {"member": "assistant", "role": "silent"}),
    (60.0, "CallSupervisor", CALLED | {"supervisor": "desk"}),
    (70.0, "SetRole", {"member": "supervisor", "role": "listens"}),
    (100.0, "SuperviseRequested", {"supervisor": "desk", "role": "whisper", "to": "person"}),
    (100.0, "SetRole", {"member": "supervisor", "role": "whispers", "to": "person"}),
    (130.0, "SetRole", {"member": "supervisor", "role": "talks"}),
    (170.0, "EndSupervision", {"supervisor": "desk", "why": "the supervisor was asked to leave"}),
    (170.0, "LeaveRoom", {"member": "supervisor"}),
    (200.0, "HangUp", {"code": 1000, "why": "the call ended"}),
]

WRITES = """() => {
    window.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        window.written.push([text, Math.round(x), Math.round(y)]);
        write.call(this, text, x, y);
    };
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder: Path = tmp_path_factory.mktemp("calls")
    lines = [json.dumps({"at": at_s, "way": "<", "what": what} | more) for at_s, what, more in LINES]
    (folder / "20260101T000000-CA7.jsonl").write_text("\n".join(lines) + "\n")
    settings = {
        "port": 0,
        "assistant": "echo",
        "security": {"allow_unauthenticated": True},
        "journal": {"directory": str(folder)},
    }
    with serving(settings) as served, chromium() as browser:
        context = browser.new_context(base_url=served.address, viewport={"width": 1280, "height": 800})
        page = opened_page(context)
        page.add_init_script(f"({WRITES})()")
        page.goto("/#/call/CA7")
        expect(page.get_by_role("heading", name="What happened")).to_be_visible()
        expect(page.get_by_text("supervisor desk: whispers, heard by ann")).to_be_visible()
        page.wait_for_function("window.written.some(([text]) => text === 'supervisor desk')")
        yield page
        context.close()


def lanes(page: Page) -> dict[str, list[str]]:
    """The texts below the name of each party, from left to right, as they were drawn last."""
    written = page.evaluate("window.written")
    found: dict[str, list[str]] = {}
    for name in ("caller", "ann", "assistant", "supervisor desk"):
        (_, _, top) = next(one for one in reversed(written) if one[0] == name)
        bars = {(x, text) for text, x, y in written if top + 5 < y <= top + 20}
        found[name] = [text for _, text in sorted(bars)]
    return found


def test_each_party_has_a_lane_with_its_role_and_who_hears_it(page: Page) -> None:
    assert lanes(page) == {
        "caller": ["talks → assistant", "on hold", "talks → ann, assistant", "talks → ann, assistant, desk", "talks → ann, assistant"],
        "ann": ["called", "talks → caller, assistant", "talks → caller, assistant, desk", "talks → caller, assistant"],
        "assistant": ["talks → caller", "waits", "silent"],
        "supervisor desk": ["called", "listens", "whispers → ann", "barges in → caller, ann, assistant"],
    }  # fmt: skip


def test_the_drawing_grows_by_the_lanes(page: Page) -> None:
    box = page.get_by_role("img").bounding_box()
    assert box is not None
    assert box["height"] == 314 + 4 * 32 + 4


def test_the_key_says_what_the_colours_mean(page: Page) -> None:
    key = page.locator(".key")
    for text in (
        "all that the caller heard",
        "with a person, mixed by the bridge",
        "somebody hears this party (→ who)",
    ):
        expect(key).to_contain_text(text)
    expect(key).not_to_contain_text("who is not recorded")


def test_the_roles_are_told_in_words_as_well(page: Page) -> None:
    happened = page.locator(".happened")
    for text in (
        "ann: talks, heard by caller, assistant, desk",
        "supervisor desk: listens, heard by nobody",
        "supervisor desk: whisper to the person",
        "supervisor desk: barges in, heard by caller, ann, assistant",
    ):
        expect(happened).to_contain_text(text)
