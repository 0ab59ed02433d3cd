/** The page of the phone: its buttons, and what it shows of the call. */

import { announce, Call } from "./call.js";
import { Drawing } from "./drawing.js";
import { Fault, OTHER_TAB, SERVER_AWAY } from "./faults.js";
import { follow } from "./feed.js";
import { openSound } from "./microphone.js";
import { inWords, median } from "./timeline.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const TOLD_EVERY_MS = 250;
const LOCK = "voicebridge-phone";

const part = (id) => document.getElementById(id);
const drawing = new Drawing(part("timeline"));

let call = null;
let unfollow = () => {};
let release = () => {};
let listed = 0;
let growing = []; // elements and events of the last words, which may grow

function say(words, kind = "") {
  part("phone-status").textContent = words;
  part("phone-status").className = `phone-status ${kind}`;
}

/** Take the phone for this tab. Throws a `Fault` if another tab of this browser has it. */
function lock() {
  if (!navigator.locks) return Promise.resolve();
  return new Promise((taken, refused) => {
    navigator.locks.request(LOCK, { ifAvailable: true }, (held) => {
      if (held === null) return refused(new Fault(OTHER_TAB));
      taken();
      return new Promise((resolve) => {
        release = resolve;
      });
    });
  });
}

async function begin() {
  part("call").disabled = true;
  say("Calling. Allow the microphone if the browser asks.");
  let sound = null;
  try {
    await lock();
    sound = await openSound();
    const placed = await announce(part("assistant").value);
    clearEvents();
    call = new Call(placed, sound, seen);
    unfollow = follow(call, () => call.timeline.note(call.now, "The server tells nothing more of this call: its words and what the assistant is told are not shown"));
    part("save").href = placed.trace;
    show(true);
  } catch (error) {
    await sound?.close();
    release();
    say(error instanceof Fault ? error.message : `The phone does not work: ${error.message}.`, "bad");
    if (!(error instanceof Fault)) console.error(error);
  }
  part("call").disabled = false;
}

function seen(what, words, isBad = false) {
  part("resume").hidden = what !== "suspended";
  if (what === "live") say("You are in the call: talk, and interrupt it as you like.", "good");
  else if (what === "over") end(words, isBad);
  else say(words, "bad");
}

function end(words, isBad) {
  unfollow();
  release();
  say(words, isBad ? "bad" : "");
  setTimeout(() => {
    show(false); // not before `call` is there: a call can be refused at once
    part("after").hidden = call === null || !call.wasOpen;
    part("call").focus();
  });
}

function show(inCall) {
  part("before").hidden = inCall;
  part("during").hidden = !inCall;
  part("keys").hidden = !inCall;
  if (!inCall) return;
  part("after").hidden = true;
  part("mute").setAttribute("aria-pressed", "false");
  part("mute").textContent = "Mute";
  part("hang-up").focus();
}

function mute() {
  call.mute(!call.muted);
  part("mute").setAttribute("aria-pressed", `${call.muted}`);
  part("mute").textContent = call.muted ? "Muted" : "Mute";
}

function clearEvents() {
  part("events").replaceChildren();
  listed = 0;
  growing = [];
}

/** Add the new events to the list; words may have grown. */
function list() {
  for (const { text, event } of growing) if (text.textContent !== inWords(event)) text.textContent = inWords(event);
  const { events } = call.timeline;
  const fresh = events.slice(listed);
  listed = events.length;
  for (const event of fresh) {
    const words = inWords(event);
    if (!words) continue;
    const item = document.createElement("li");
    const time = document.createElement("time");
    const text = document.createElement("span");
    time.textContent = `${event.at.toFixed(1)} s`;
    text.textContent = words;
    item.className = `event-${event.kind}`;
    item.append(time, text);
    part("events").append(item);
    item.scrollIntoView({ block: "nearest" });
    if (event.kind === "words") growing = [...growing.slice(-1), { text, event }];
  }
}

function tell() {
  if (call === null) return;
  list();
  const { timeline } = call;
  const wait = timeline.lastWaitMs;
  part("wait").textContent = wait === null ? "–" : `${wait} ms`;
  const told = timeline.events.findLast((event) => event.kind === "told");
  part("told").textContent = told ? `${told.heardMs} ms` : "–";
  const delay = median(call.delaysMs);
  part("delay").textContent = delay === null ? "–" : `${Math.round(delay)} ms`;
  part("delay-words").textContent = delay === null ? "mouth to ear: call “echo” to measure it" : "mouth to ear, there and back";
  part("marks").textContent = `${call.marksBack}`;
  if (call.isOver) return;
  const seconds = Math.floor(call.now);
  part("clock").textContent = `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, "0")}`;
}

function draw() {
  if (call !== null && !call.isOver) drawing.draw(call.timeline, call.now);
  requestAnimationFrame(draw);
}

async function listAssistants() {
  try {
    const answer = await fetch("phone/assistants");
    const { assistants, default: usual } = await answer.json();
    for (const name of [usual, ...assistants.filter((one) => one !== usual)]) {
      part("assistant").add(new Option(name, name));
    }
  } catch {
    say(SERVER_AWAY, "bad");
  }
}

for (const key of KEYS) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.setAttribute("aria-label", { "*": "star", "#": "hash" }[key] ?? key);
  button.addEventListener("click", () => call.press(key));
  part("keys").append(button);
}
part("call").addEventListener("click", begin);
part("hang-up").addEventListener("click", () => call.hangUp());
part("mute").addEventListener("click", mute);
part("resume").addEventListener("click", () => call.resume());
document.addEventListener("keydown", (event) => {
  if (call === null || call.isOver || event.ctrlKey || event.metaKey || event.altKey) return;
  if (KEYS.includes(event.key)) call.press(event.key);
});
window.addEventListener("pagehide", () => call?.hangUp());
setInterval(tell, TOLD_EVERY_MS);
requestAnimationFrame(draw);
await listAssistants();
