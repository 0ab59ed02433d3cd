// The history of a call as the server tells it, by name; and what happened in it, in sentences.

import { roleInWords } from "./roles.js";

export function readHistory(told) {
  const peaks = told.peaks && { everyS: told.peaks[0], lengthS: told.peaks[1], caller: told.peaks[2], other: told.peaks[3] };
  return {
    callId: told.call_id,
    endedS: told.ended_s,
    isOver: told.is_over,
    summary: told.summary,
    otherParty: told.other_party,
    hasRoom: told.has_room,
    missing: told.missing,
    peaks,
    notes: told.notes.map(([atS, text]) => ({ atS, text })),
    turns: told.turns.map(([fromS, toS]) => ({ fromS, toS })),
    said: told.said.map(([atS, text, typed]) => ({ atS, text, typed })),
    digits: told.digits.map(([atS, digit]) => ({ atS, digit })),
    waits: told.waits.map(([fromS, toS, parts]) => ({ fromS, toS, parts })),
    tools: told.tools.map(([tool, fromS, toS, toldTo]) => ({ tool, fromS, toS, toldTo })),
    replies: told.replies.map(([item, fromS, toS, heardMs, text]) => ({ item, fromS, toS, heardMs, text })),
    marks: told.marks.map(([sentS, returnedS, heard]) => ({ sentS, returnedS, heard })),
    cuts: told.cuts.map(([atS, unheardS, bargeIn]) => ({ atS, unheardS, bargeIn })),
    away: told.away.map(([fromS, toS, who]) => ({ fromS, toS, who })),
    roles: told.roles.map(([kind, name, fromS, toS, role, heardBy]) => ({ kind, name, fromS, toS, role, heardBy })),
  };
}

export function lengthOf(history) {
  return Math.max(history.endedS, history.peaks?.lengthS ?? 0, 1);
}

// [{atS, text, kind}] in the order of time: what the drawing shows, for whoever cannot see it.
export function sentences(history) {
  const found = [];
  const add = (atS, kind, text) => found.push({ atS: Math.max(0, atS), kind, text });
  for (const { atS, text } of history.notes) add(atS, "note", text);
  for (const { atS, text, typed } of history.said) add(atS, "caller", typed ? `the caller typed ${text}` : `caller: “${text}”`);
  for (const { fromS, heardMs, text, item } of history.replies) {
    const heard = heardMs === null ? "" : `, of which only ${(heardMs / 1000).toFixed(2)} s were heard`;
    add(fromS, "assistant", text ? `assistant: “${text}”${heard}` : `assistant speaks (${item})${heard}`);
  }
  for (const { atS, unheardS, bargeIn } of history.cuts) {
    const why = bargeIn ? "the caller interrupts: " : "";
    add(atS, "cut", `${why}clear, ${unheardS.toFixed(1)} s are thrown away unheard`);
  }
  for (const { toS, fromS } of history.waits) add(toS, "wait", `the caller waited ${(toS - fromS).toFixed(2)} s for the reply`);
  for (const { tool, fromS, toS } of history.tools) {
    add(fromS, "tool", toS === null ? `${tool} runs, without an answer` : `${tool} runs for ${(toS - fromS).toFixed(2)} s`);
  }
  for (const { fromS, who } of history.away) add(fromS, "note", `the caller is ${who}`);
  for (const one of history.roles) {
    if (one.kind === "person" || one.kind === "supervisor") add(one.fromS, "note", roleInWords(one));
  }
  for (const { atS } of history.digits) add(atS, "note", "a key is pressed");
  return found.sort((a, b) => a.atS - b.atS);
}

// The peaks that the recording does not have, from levels as they came: [{atS, caller, other}] from 0 to 1.
export class LevelTrack {
  constructor() {
    this.points = [];
  }

  add(atS, caller, other) {
    this.points.push({ atS, caller, other });
    if (this.points.length > 40_000) this.points.splice(0, 10_000);
  }
}
