"""The page in Chromium, against a server with calls: what an operator sees and does, and what a stranger does not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bridge.vocabulary.events import CallerSaid, ReplyEnded, ReplySaid
from bridge.vocabulary.room import Member, Role, SetRole
from tests.pages import Phone, Served, chromium, log_in, opened_page, serving

TOKEN = "r4Zk0-Wm2Qv8_Tn6Ly1Xc5Bd9"
SETTINGS: dict[str, Any] = {
    "port": 0,
    "assistant": "echo",
    "security": {"allow_unauthenticated": True},
    "limits": {"drain_s": 0.0, "goodbye_s": 0.0},
    "control": {
        "tokens": [
            {"name": "ops", "token": TOKEN},
            {"name": "looks", "token": "u8Jh3-Pf7Gs2_Ke9Ra4Vb6Nw1", "can": ["see"]},
        ]
    },
}
STRANGER = {"X-Forwarded-For": "192.0.2.7"}
HTML = '<img src=x onerror="window.harmed = 1"><b>Bob</b>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(SETTINGS) as running:
        yield running


@pytest.fixture
def context(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=served.address, viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(8_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return opened_page(context)


def test_a_call_is_listed_and_its_words_arrive(served: Served, page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("status")).to_have_text("live")
    expect(page.get_by_text("No call is under way.")).to_be_visible()
    talk = page.get_by_role("link", name="Talk to your assistant")
    expect(talk).to_have_attribute("href", "phone")
    with Phone(served, "CA1") as phone:
        expect(talk).to_be_hidden()
        row = page.get_by_role("list", name="Calls under way").get_by_role("listitem")
        expect(row).to_contain_text("talking")
        expect(page.get_by_role("heading", name="1 call")).to_be_visible()
        expect(row).to_contain_text("caller ↔ assistant")
        phone.hears(CallerSaid("item-1", "Is anybody there?"))
        expect(row).to_contain_text("caller: Is anybody there?")
        page.locator("body").press("Tab")
        row.get_by_role("link").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        words = page.get_by_role("list", name="Words")
        expect(words).to_contain_text("Is anybody there?")
        phone.hears(ReplySaid("item-2", "Yes, I "))
        phone.hears(ReplySaid("item-2", "am here."))
        phone.hears(ReplyEnded("item-2"))
        expect(words.get_by_role("listitem").last).to_contain_text("Yes, I am here.")
        expect(page.locator("#announced")).to_contain_text("assistant: Yes, I am here.")
        page.reload()
        expect(words.get_by_role("listitem").last).to_contain_text("Yes, I am here.")
        expect(page.get_by_role("img", name="The voices of the call")).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("no longer under way")
    page.get_by_role("link", name="All calls").click()
    expect(page.get_by_text("No call is under way.")).to_be_visible()


def test_html_in_names_and_words_is_shown_as_it_is(served: Served, page: Page) -> None:
    page.goto("/")
    with Phone(served, "CA<img src=x>", **{"from": f"{HTML}@example.com", "to": HTML}) as phone:
        row = page.get_by_role("list", name="Calls under way").get_by_role("listitem")
        expect(row).to_contain_text("talking")
        expect(row).to_contain_text("<img src=x onerror=")
        phone.hears(CallerSaid("item-1", HTML))
        expect(row).to_contain_text(HTML)
        row.get_by_role("link").click()
        expect(page.get_by_role("list", name="Words")).to_contain_text(HTML)
        expect(page.get_by_text("Call CA<img src=x>")).to_be_visible()
        assert page.locator("img").count() == 0
        assert page.evaluate("window.harmed") is None


def test_a_stranger_logs_in_and_hangs_up(served: Served, browser: Browser) -> None:
    context = browser.new_context(base_url=served.address, extra_http_headers=STRANGER)
    context.set_default_timeout(8_000)
    page = opened_page(context)
    log_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("This token is not known")
    assert context.cookies() == []
    with Phone(served, "CA3") as phone:
        log_in(page, TOKEN)
        expect(page.get_by_text("ops")).to_be_visible()
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("list", name="Calls under way").get_by_role("link").click()
        page.get_by_role("button", name="Hang up …").click()
        expect(page.get_by_role("heading", name="Hang up this call?")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("heading", name="Hang up this call?")).to_be_hidden()
        page.get_by_role("button", name="Hang up …").click()
        page.get_by_role("button", name="Hang up", exact=True).click()
        assert phone.is_closed()
        expect(page.get_by_role("status").first).to_have_text("no longer under way")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Control token")).to_be_visible()
    assert context.cookies() == []
    context.close()


@pytest.mark.parametrize("asked", ["/phone", "/#/call/CA4"])
def test_the_form_leads_to_the_page_that_was_asked_for(served: Served, browser: Browser, asked: str) -> None:
    context = browser.new_context(base_url=served.address, extra_http_headers=STRANGER)
    context.set_default_timeout(8_000)
    page = opened_page(context)
    log_in(page, TOKEN, asked)
    expect(page.get_by_label("Control token")).to_have_count(0)
    expect(page).to_have_url(f"{served.address}{asked}")
    context.close()


def test_buttons_are_those_that_the_token_may(served: Served, page: Page) -> None:
    with Phone(served, "CA4"):
        page.goto("/#/call/CA4")
        expect(page.get_by_text("talking")).to_be_visible()
        expect(page.get_by_role("button", name="Hang up …")).to_have_count(0)
        expect(page.get_by_role("heading", name="Actions")).to_be_hidden()


def test_another_sites_page_can_do_nothing(served: Served, context: BrowserContext) -> None:
    page = opened_page(context)
    log_in(page, TOKEN, "/login")
    expect(page.get_by_text("ops")).to_be_visible()
    with serving(SETTINGS | {"control": {}}) as other, Phone(served, "CA5"):
        page.goto(other.address)  # another port is another origin, and the same site: the cookie is sent
        found = page.evaluate(
            """async (address) => {
                const ask = async (path, method) => {
                    try {
                        const answer = await fetch(address + path, { method, credentials: "include", mode: "no-cors" });
                        return answer.type;
                    } catch { return "failed"; }
                };
                return [await ask("/calls/CA5/hold", "POST"), await ask("/session", "POST"), await ask("/calls", "GET")];
            }""",
            served.address,
        )
        assert set(found) <= {"failed", "opaque"}  # it reads nothing
        page.goto(f"{served.address}/#/call/CA5")
        expect(page.get_by_text("talking")).to_be_visible()
        expect(page.get_by_role("button", name="Hold", exact=True)).to_be_visible()  # so it is not held
        refused = context.request.delete("/calls/CA5", headers={"Origin": other.address})
        assert refused.status == 403


def test_a_network_that_is_cut_for_three_seconds(served: Served, context: BrowserContext) -> None:
    page = opened_page(context)
    page.goto("/")
    expect(page.get_by_role("status")).to_have_text("live")
    context.set_offline(True)
    expect(page.get_by_role("status")).to_have_text("connection lost, trying again …")
    with Phone(served, "CA6"):
        page.wait_for_timeout(3_000)
        context.set_offline(False)
        expect(page.get_by_role("status")).to_have_text("live")
        expect(page.get_by_role("heading", name="1 call")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone_and_everything_has_a_name(
    served: Served, browser: Browser, scheme: Any
) -> None:
    phone = browser.new_context(
        base_url=served.address, viewport={"width": 375, "height": 700}, color_scheme=scheme
    )
    page = opened_page(phone)
    log_in(page, TOKEN, "/login")
    expect(page.get_by_text("Log out")).to_be_visible()
    with Phone(served, "CA" + "7" * 32):
        for path in ("/", "/#/call/CA" + "7" * 32):
            page.goto(path)
            expect(page.get_by_text("talking")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.evaluate(WITHOUT_NAME) == []
            assert page.get_by_role("main").count() == page.get_by_role("navigation").count() == 1
            assert page.get_by_role("heading", level=1).count() == 1
    phone.close()


WITHOUT_NAME = """() => [...document.querySelectorAll("button, input, select, a, audio, canvas")]
    .filter((one) => one.checkVisibility() && !(one.textContent.trim() || one.labels?.length || one.getAttribute("aria-label")))
    .map((one) => one.outerHTML)"""


def test_the_feeds_reader_takes_events_in_any_pieces(page: Page) -> None:
    page.goto("/")
    text = (
        ': hello\n\nevent: call\ndata: {"id":\ndata: 1}\n\ndata: x\r\n\r\nid: 7\n\nevent: levels\ndata:{}\n\n'
    )
    found = page.evaluate(
        """async (text) => {
            const { EventReader } = await import("/web/server.js");
            const read = (size) => {
                const found = [];
                const reader = new EventReader((name, data) => found.push([name, data]));
                for (let at = 0; at < text.length; at += size) reader.feed(text.slice(at, at + size));
                return found;
            };
            return Array.from({ length: text.length }, (_, size) => JSON.stringify(read(size + 1)));
        }""",
        text,
    )
    assert [json.loads(one) for one in sorted(set(found))] == [
        [["call", '{"id":\n1}'], ["message", "x"], ["levels", "{}"]]
    ]


VIEW: dict[str, Any] = {
    "state": "talking",
    "held": False,
    "muted": [],
    "duration_s": 10.0,
    "began_at": "2026-11-30T12:00:00.000+00:00",
    "last_wait_ms": 500,
}
CALLS = [
    VIEW | {"id": "quick"},
    VIEW | {"id": "slow", "last_wait_ms": 2500},
    VIEW | {"id": "slower", "last_wait_ms": 3500, "began_at": "2026-11-30T12:00:05.000+00:00"},
    VIEW | {"id": "held", "held": True, "began_at": "2026-11-30T11:00:00.000+00:00", "duration_s": 3600.0},
    VIEW | {"id": "waits", "state": "holding"},
    VIEW | {"id": "first", "last_wait_ms": None},
]


@pytest.mark.parametrize(
    ("order", "search", "ids"),
    [
        ("attention", "", "held waits slower slow quick first"),
        ("wait", "", "slower slow held quick waits first"),
        ("newest", "", "slower first quick slow waits held"),
        ("longest", "", "held first quick slow waits slower"),
        ("attention", " SLOW", "slower slow"),
    ],
)
def test_the_order_of_calls(page: Page, order: str, search: str, ids: str) -> None:
    page.goto("/")
    found = page.evaluate(
        """async ([views, order, filter]) => {
            const { Calls } = await import("/web/calls.js");
            const calls = new Calls();
            calls.snapshot(views, 1_000);
            return calls.sorted(order, filter, 2_000).map((call) => call.view.id).join(" ");
        }""",
        [CALLS, order, search],
    )
    assert found == ids


def test_there_is_no_link_to_a_phone_where_there_is_none(browser: Browser) -> None:
    own_port = SETTINGS | {"control": SETTINGS["control"] | {"port": 0}}
    with serving(own_port) as served:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{served.server.control_port}/")
        expect(page.get_by_text("No call is under way.")).to_be_visible()
        expect(page.get_by_role("link", name="Phone")).to_have_count(0)
        page.close()


def test_who_is_in_a_room_is_shown(served: Served, page: Page) -> None:
    with Phone(served, "CA20"):
        page.goto("/#/call/CA20")
        parties = page.get_by_role("list", name="Who hears whom")
        expect(parties).to_contain_text("caller talks")
        served.run(join(served, "CA20"))
        expect(parties).to_contain_text("person whispers")
        expect(parties).to_contain_text("caller and person hear each other")
        expect(parties).to_contain_text("supervisor hears caller")


async def join(served: Served, call_id: str) -> None:
    """The words that a room has for observers."""
    call = served.server.admission.live.find(call_id)
    assert call is not None
    talks, whispers = Role.TALKS, Role.WHISPERS
    for word in (
        SetRole(Member.CALLER, talks),
        SetRole(Member.PERSON, whispers, Member.CALLER),
        SetRole(Member.SUPERVISOR, Role.LISTENS),
    ):
        call.saw(word, 0.0)
