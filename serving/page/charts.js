// Two drawings: emotion over the turns, and the gauge of the priority.

import { clamp, isNumber, svg } from "./dom.js";
import { currentLanguage, word } from "./words.js";

const TURNS_CHARTED = 12;
// From calm to furious: the height in the chart and the order of the bars.
export const EMOTIONS = ["satisfied", "neutral", "confused", "disappointed", "anxious", "angry"];

// `emotions`: {label, alert} of each message, in order; `chosen` is the place of the one that the panel shows.
export function emotionChart(emotions, chosen) {
  const left = currentLanguage() === "en" ? 84 : 34; // room for the names
  const right = 236, rowHeight = 19;
  const y = (code) => 10 + (EMOTIONS.length - 1 - EMOTIONS.indexOf(code)) * rowHeight;
  const first = Math.max(0, emotions.length - TURNS_CHARTED);
  const turns = emotions.slice(first).map((emotion, i) => ({ ...emotion, place: first + i })).filter(({ label }) => EMOTIONS.includes(label));
  const x = (i) => left + 12 + (i * (right - left - 24)) / (TURNS_CHARTED - 1);
  const points = turns.map(({ label, alert, place }, i) => ({ x: x(i), y: y(label), alert, place }));
  const spoken = turns.map(({ label }) => word(label)).join(" → ");
  return svg("svg", { class: "chart", viewBox: "0 0 240 116", role: "img", "aria-label": `${word("emotionChart")}: ${spoken}` },
    ...EMOTIONS.flatMap((code) => [
      svg("text", { x: 0, y: y(code) + 4 }, word(code)),
      svg("line", { class: "grid", x1: left, x2: right, y1: y(code), y2: y(code) }),
    ]),
    svg("polyline", { class: "path", points: points.map((point) => `${point.x},${point.y}`).join(" ") }),
    ...points.map((point) => svg("circle", { class: point.place === chosen ? "dot chosen" : "dot", cx: point.x, cy: point.y, r: 5 })),
    ...points.filter((point) => point.alert).map((point) => svg("circle", { class: "ring", cx: point.x, cy: point.y, r: 8 })),
  );
}

export function gauge({ score, band }) {
  const arc = "M 12 66 A 54 54 0 0 1 120 66";
  const level = ["high", "critical"].includes(band) ? band : "";
  const shown = isNumber(score) ? Math.round(score) : "–";
  return svg("svg", { class: `gauge ${level}`, viewBox: "0 0 132 74", role: "img", "aria-label": `${word("priority")} ${shown} / 100` },
    svg("path", { class: "rail", d: arc }),
    svg("path", { class: "value", d: arc, pathLength: 100, "stroke-dasharray": `${clamp(score, 100)} 200` }),
    svg("text", { x: 66, y: 64 }, String(shown)),
  );
}
