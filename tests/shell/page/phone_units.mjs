// What the phone's scripts compute, as JSON, for test_phone_scripts.py: reads {"name", …} and answers with the result.

import { readFileSync } from "node:fs";
import { Stream } from "../../../bridge/web/phone/dialect.js";
import { decode, encode } from "../../../bridge/web/phone/mulaw.js";
import { PlayoutBuffer } from "../../../bridge/web/phone/playout.js";
import { Down, Up } from "../../../bridge/web/phone/resample.js";
import { inWords, Timeline } from "../../../bridge/web/phone/timeline.js";

const asked = JSON.parse(readFileSync(0, "utf8"));

const found = {
  mulaw: () => ({
    codes: Array.from({ length: 65536 }, (_, at) => encode(at - 32768)),
    samples: Array.from({ length: 256 }, (_, code) => decode(code)),
  }),
  down: ({ taps, samples }) => {
    const down = new Down(taps);
    return samples.map((sample) => down.put(sample)).filter((sample) => sample !== undefined);
  },
  up: ({ taps, samples }) => {
    const up = new Up(taps);
    return samples.flatMap((sample) => [...up.put(sample)]);
  },
  // Each step is [what, value]; the answer says what came of it.
  playout: ({ jitter, steps }) => {
    const buffer = new PlayoutBuffer(jitter);
    return steps.map(([what, value]) => {
      if (what === "play") return buffer.play(Uint8Array.from(value));
      if (what !== "take") return buffer[what](value);
      const taken = Array.from({ length: value }, () => buffer.take());
      return {
        played: taken.map((one) => one?.code ?? null),
        names: taken.flatMap((one) => one?.names ?? []),
      };
    });
  },
  timeline: ({ steps }) => {
    const timeline = new Timeline();
    for (const [what, ...given] of steps) timeline[what](...given);
    return { words: timeline.events.map(inWords).filter(Boolean), waits: timeline.waitsMs, out: [...timeline.marks.keys()] };
  },
  dialect: ({ call, stream, said }) => {
    const dialect = new Stream(call, stream);
    const sent = [...dialect.opening(), dialect.media(new Uint8Array(160).fill(255), 0), dialect.dtmf("5"), dialect.mark("0.1"), dialect.stop()];
    return { sent, decoded: said.map((text) => dialect.decode(text)).map((one) => (one?.play ? { play: [...one.play] } : one)) };
  },
}[asked.name](asked);

process.stdout.write(JSON.stringify(found, (_, value) => value ?? null));
