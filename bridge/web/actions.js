// What an operator can do to a call: a button for each verb that the token may, and what became of it.

import { choose, el, say } from "./dom.js";
import { Refused, ask, callPath } from "./server.js";

export class Actions {
  // `session`: {can, people, supervisors} of whoever is logged in.
  constructor(id, session) {
    this.id = id;
    this.view = null;
    this.said = el("p", { class: "outcome", role: "status" });
    this.dialog = this.confirmation();
    const can = (verb) => session.can.includes(verb);
    const groups = [
      can("hold") && this.group("Hold", (this.hold = this.button("Hold", () => this.do("/hold", {}))), (this.unhold = this.button("Take back from hold", () => this.do("/unhold", {})))),
      can("mute") && this.group("Mute", ...this.mutes()),
      can("tell") && this.tell(),
      can("press") && this.press(),
      can("transfer") && this.transfer(session.people ?? []),
      can("supervise") && this.supervise(session.supervisors ?? []),
      can("end") && this.group("End", (this.end = this.button("Hang up …", () => this.dialog.showModal(), "danger"))),
    ].filter(Boolean);
    this.element = el("section", { class: "actions", "aria-labelledby": "actions-heading" }, el("h2", { id: "actions-heading" }, "Actions"), ...groups, this.said, this.dialog);
    this.element.hidden = groups.length === 0;
  }

  update(view) {
    this.view = view;
    if (this.hold) {
      this.hold.hidden = view.held;
      this.unhold.hidden = !view.held;
    }
    for (const [who, button] of Object.entries(this.muteButtons ?? {})) {
      const isMuted = (view.muted ?? []).includes(who);
      say(button, `${isMuted ? "Unmute" : "Mute"} ${who}`);
      button.setAttribute("aria-pressed", String(isMuted));
    }
  }

  over() {
    if (this.dialog.open) this.dialog.close();
    for (const group of this.element.querySelectorAll(":scope > .group")) group.hidden = true;
    this.element.hidden ||= !this.said.textContent; // what became of the last action stays
  }

  async do(rest, body, method = "POST") {
    say(this.said, "…");
    try {
      const told = await ask(callPath(this.id, rest), method, body);
      say(this.said, told?.word ? `Done: ${told.word}.` : "Done.");
      return true;
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      say(this.said, `Not done: ${refused.message}`);
      return false;
    }
  }

  button(text, press, kind = "") {
    return el("button", { type: "button", class: kind, onclick: press }, text);
  }

  group(name, ...children) {
    return el("div", { class: "group", role: "group", "aria-label": name }, ...children);
  }

  form(name, submit, ...children) {
    const form = el("form", { class: "group", "aria-label": name }, ...children);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (await submit()) form.reset();
    });
    return form;
  }

  mutes() {
    this.muteButtons = {};
    for (const who of ["caller", "assistant"]) {
      this.muteButtons[who] = this.button(`Mute ${who}`, () => this.do("/mute", { who, muted: !(this.view?.muted ?? []).includes(who) }));
    }
    return Object.values(this.muteButtons);
  }

  tell() {
    const text = el("input", { type: "text", required: true, maxlength: 2000, autocomplete: "off" });
    const responds = el("input", { type: "checkbox", checked: true });
    return this.form(
      "Tell",
      () => this.do("/tell", { text: text.value, respond: responds.checked }),
      el("label", { class: "wide" }, el("span", {}, "Tell the assistant"), text),
      el("label", { class: "check" }, responds, "it answers at once"),
      el("button", {}, "Tell"),
    );
  }

  press() {
    const keys = el("input", { type: "text", required: true, pattern: "[0-9*#A-DwW]{1,32}", inputmode: "tel", size: 8, autocomplete: "off", title: "digits, * and #" });
    return this.form("Keys", () => this.do("/press", { keys: keys.value }), el("label", {}, el("span", {}, "Press keys"), keys), el("button", {}, "Press"));
  }

  transfer(people) {
    const back = this.button("Take the caller back", () => this.do("/give-back", {}));
    if (!people.length) return this.group("Transfer", back);
    const [label, person] = choose("Person", people.map((name) => [name, name]));
    const body = () => ({ person: person.value });
    return this.group("Transfer", label, this.button("Transfer", () => this.do("/transfer", body())), this.button("Put through at once", () => this.do("/take", body())), back);
  }

  supervise(supervisors) {
    if (!supervisors.length) return null;
    const [who, supervisor] = choose("Supervisor", supervisors.map((name) => [name, name]));
    const [how, role] = choose("Role", [["listen", "listens"], ["whisper", "whispers to the assistant"], ["barge", "joins in"], ["leave", "leaves"]]);
    const body = () => ({ supervisor: supervisor.value, role: role.value, ...(role.value === "whisper" ? { to: "assistant" } : {}) });
    return this.group("Supervise", who, how, this.button("Supervise", () => this.do("/supervise", body())));
  }

  confirmation() {
    const cancel = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const sure = el("button", { type: "button", class: "danger", onclick: () => { dialog.close(); this.do("", undefined, "DELETE"); } }, "Hang up");
    const dialog = el("dialog", { "aria-labelledby": "sure-heading" }, el("h2", { id: "sure-heading" }, "Hang up this call?"), el("p", {}, "The caller hears the goodbye, if there is one, and the call ends."), el("p", { class: "group" }, cancel, sure));
    return dialog;
  }
}
