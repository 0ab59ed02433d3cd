/** Draws the timeline of a call on a canvas: two voices, marks between them, interruptions, and what the assistant was told. */

const SHOWN_S = 20;
const QUIETEST_DBFS = -60;
const LABEL = 18;

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  draw(timeline, now) {
    const { pen, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const colours = coloursOf(canvas);
    this.paper = colours.paper; // behind labels
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    const shown = Math.min(SHOWN_S, Math.max(6, width / 60));
    const from = Math.max(0, now - shown);
    const x = (at) => ((at - from) / shown) * width;
    const lane = (height - 3 * LABEL) / 2;
    const top = LABEL;
    const bottom = LABEL * 2 + lane;
    this.#axis(from, shown, x, height, colours);
    this.#lane(timeline.you, from, x, top, lane, colours.you);
    this.#lane(timeline.assistant, from, x, bottom, lane, colours.assistant);
    pen.fillStyle = colours.faint;
    pen.fillText("you", 4, 13);
    pen.fillText("assistant", 4, bottom - 5);
    this.#events(timeline.events, from, x, { top, bottom, lane, height, width }, colours);
  }

  #axis(from, shown, x, height, colours) {
    const { pen } = this;
    pen.strokeStyle = colours.grid;
    pen.fillStyle = colours.faint;
    pen.lineWidth = 1;
    for (let second = Math.ceil(from); second <= from + shown; second++) {
      pen.beginPath();
      pen.moveTo(x(second), LABEL);
      pen.lineTo(x(second), height - LABEL);
      pen.stroke();
      if (second % 2 === 0) pen.fillText(`${second} s`, x(second) + 2, height - 5);
    }
  }

  #lane(levels, from, x, top, height, colour) {
    const { pen } = this;
    const middle = top + height / 2;
    pen.fillStyle = colour;
    for (let index = levels.length - 1; index >= 0 && levels[index][0] >= from - 0.02; index--) {
      const [at, dbfs] = levels[index];
      const part = Math.max(0, (dbfs - QUIETEST_DBFS) / -QUIETEST_DBFS);
      const half = Math.max(0.5, (part * height) / 2);
      pen.fillRect(x(at), middle - half, Math.max(1, x(at + 0.02) - x(at) - 0.3), half * 2);
    }
  }

  #events(events, from, x, { top, bottom, lane, height, width }, colours) {
    const { pen } = this;
    for (let index = events.length - 1; index >= 0 && events[index].at >= from - 5; index--) {
      const event = events[index];
      const at = x(event.at);
      if (event.kind === "mark-sent" && event.back !== null) {
        this.#stroke(colours.mark, [at, bottom - 2, x(event.back), bottom + lane], 0.7, []);
      } else if (event.kind === "mark-back") {
        pen.fillStyle = event.cleared ? colours.cut : colours.mark;
        pen.fillRect(at - 1.5, bottom + lane - 2, 3, 6);
      } else if (event.kind === "clear" && event.droppedMs > 0) {
        this.#stroke(colours.cut, [at, top, at, bottom + lane], 2, [5, 3]);
        this.#label("interrupted", at, top + 11, width, colours.cut);
      } else if (event.kind === "told") {
        this.#label(`told: ${event.heardMs} ms heard`, at, bottom + lane - 6, width, colours.told);
      } else if (event.kind === "key") {
        pen.fillStyle = colours.told;
        pen.fillText(event.digit, at, top + lane - 3);
      }
    }
  }

  #label(text, at, y, width, colour) {
    const { pen } = this;
    const length = pen.measureText(text).width;
    const left = at + 4 + length > width ? at - length - 4 : at + 4;
    pen.fillStyle = this.paper;
    pen.fillRect(left - 2, y - 11, length + 4, 14);
    pen.fillStyle = colour;
    pen.fillText(text, left, y);
  }

  #stroke(colour, [fromX, fromY, toX, toY], thick, dash) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
    pen.setLineDash([]);
  }
}

function coloursOf(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    you: colour("--a"),
    assistant: colour("--b"),
    told: colour("--c"),
    mark: colour("--good"),
    cut: colour("--bad"),
    faint: colour("--faint"),
    grid: colour("--line"),
    paper: colour("--lane"),
  };
}
