// The live page: shows the list of calls, or one call, by the part of the address behind #, and keeps its feed open.

import { Announcer } from "./announce.js";
import { CallPage } from "./call.js";
import { Calls } from "./calls.js";
import { el, say } from "./dom.js";
import { CallList } from "./list.js";
import { Feed, Refused, ask, callPath } from "./server.js";

const STATUS = { open: "live", lost: "connection lost, trying again …", refused: "you are no longer logged in", gone: "no longer under way" };

const main = document.getElementById("main");
const status = document.getElementById("status");
const announcer = new Announcer(document.getElementById("announced"));
let page = null;
let feed = null;
let session = null;

function route() {
  const [, kind, name = ""] = location.hash.split("/");
  feed?.close();
  page?.close();
  const isCall = kind === "call" && name !== "";
  const id = isCall ? decode(name) : "";
  page = isCall ? new CallPage(id, session, announcer) : new CallList(new Calls(), session, announcer);
  main.replaceChildren(page.element);
  const path = isCall ? callPath(id, "/events") : "calls/events";
  const shown = page;
  feed = new Feed(
    path,
    (event, message) => {
      shown.take(event, message);
      if (shown.isOver) feed.stop("gone");
    },
    (state) => tell(state, shown),
  );
}

function decode(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

async function tell(state, shown) {
  if (shown !== page) return;
  say(status, STATUS[state]);
  status.dataset.state = state;
  if (state === "gone") shown.gone?.();
  if (state === "refused") {
    try {
      session = await ask("session");
    } catch (refused) {
      if (refused.status === 401) location.reload(); // to the form to log in
    }
  }
}

function showSession() {
  const place = document.getElementById("session");
  place.replaceChildren(el("span", {}, session.name));
  if (session.by === "cookie") place.append(" ", el("button", { type: "button", onclick: logOut }, "Log out"));
  else if (session.can_log_in) place.append(" ", el("a", { href: "login" }, "Log in"));
}

async function logOut() {
  try {
    await ask("session", "DELETE");
  } finally {
    location.reload();
  }
}

async function start() {
  try {
    session = await ask("session");
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.status === 401) location.reload();
    say(status, refused.message);
    setTimeout(start, 2_000);
    return;
  }
  showSession();
  document.getElementById("phone").hidden = !session.has_phone;
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  addEventListener("hashchange", () => {
    route();
    main.querySelector("h1")?.focus();
  });
  route();
}

start();
