// Why a message was read and decided as it was: asked for with POST /explain when somebody wants to know.

import { post } from "./api.js";
import { bar, button, byId, chinese, decimal, el, isNumber, label, list, percent, svg, table } from "./dom.js";
import { askForKey } from "./key.js";
import { renderPanel, showView } from "./panel.js";
import { state } from "./state.js";
import { word } from "./words.js";

const TURNS_SENT = 40;
const FEATURES_SHOWN = 6;
const COUNTS = new Set(["misses", "repeated_misses"]); // every other number in a fact is a probability

let opener = null; // the button that gets the focus back
let latest = null; // {record, found}: what is shown

export async function explain(record, pressed) {
  opener = pressed;
  latest = null;
  state.shown = record;
  renderPanel();
  showView("analysis");
  const card = byId("explanation");
  card.hidden = false;
  byId("explanation-body").replaceChildren(label("p", "typing", "explaining"));
  byId("explanation-status").textContent = word("explaining");
  byId("panel").scrollTop = 0;
  card.focus();
  try {
    const found = await post("explain", question(record));
    if (state.shown !== record || card.hidden) return; // Somebody asked about another one since.
    latest = { record, found };
    renderExplanation();
    byId("explanation-status").textContent = word(`reason/${found.decision_reason}`); // the rest is there to be read
  } catch (problem) {
    if (state.shown !== record) return;
    const words = problem.code ? label("span", "", problem.code) : el("span", "", problem.text ?? problem.message);
    const retry = button("quiet", "retry", () => explain(record, pressed));
    byId("explanation-body").replaceChildren(el("p", "", label("span", "", "explainFailed"), " ", words), retry);
    byId("explanation-status").textContent = word("explainFailed");
    if (problem.needsKey) askForKey(() => explain(record, pressed));
  }
}

// The state before the message is what the turns before it lead to.
function question({ body, history }) {
  const { text, customer, channel } = body;
  return { text, channel, history: history.slice(-TURNS_SENT), ...(customer ? { customer } : {}) };
}

export function closeExplanation() {
  const card = byId("explanation");
  if (card.hidden) return false;
  const hadFocus = card.contains(document.activeElement);
  card.hidden = true;
  latest = null;
  if (hadFocus) {
    showView("chat");
    opener?.focus();
  }
  return true;
}

export function renderExplanation() {
  if (!latest) return;
  const { record, found } = latest;
  byId("explanation-body").replaceChildren(
    ...differs(record.response, found),
    part("words", "wordsHint", words(found)),
    part("path", "pathHint", path(found)),
    part("entries", "", entries(found)),
    folded("thresholds", thresholds(found)),
    folded("neighbours", neighbours(found)),
    el("p", "muted", `${word("passes")} ${found.passes} · ${word("latency")} ${Math.round(found.latency_ms)} ms`),
  );
}

function differs(response, found) {
  if (response.decision_reason === found.decision_reason) return [];
  return [el("p", "notice", word("otherNow"), word(`reason/${found.decision_reason}`))];
}

function part(titleCode, hintCode, content) {
  const title = el("h4", "", word(titleCode));
  return el("section", "part", title, ...(hintCode ? [el("p", "muted", word(hintCode))] : []), content);
}

function folded(titleCode, content) {
  return el("details", "part", el("summary", "", word(titleCode)), content);
}

// ---- Words ----

function words(found) {
  const shares = list(found.words);
  if (!shares.length) return el("p", "muted", word("noWords"));
  const strongest = Math.max(...shares.map(({ influence }) => Math.abs(influence)), 1e-9);
  const nodes = [];
  let end = 0;
  const characters = [...found.text]; // the server counts characters
  const between = (start, stop) => characters.slice(start, stop).join("");
  for (const share of shares) {
    if (share.start > end) nodes.push(el("span", "gap", between(end, share.start)));
    nodes.push(tinted(share, strongest));
    end = share.end;
  }
  if (end < characters.length) nodes.push(el("span", "gap", between(end)));
  return chinese(el("p", "words", ...nodes));
}

function tinted({ text, influence }, strongest) {
  const points = influence * 100;
  const shown = `${points > 0 ? "+" : ""}${points.toFixed(1)}`;
  const node = el("span", influence < 0 ? "tinted against" : "tinted", el("span", "tinted-text", text), el("span", "tinted-number", shown));
  node.style.setProperty("--share", `${Math.round((Math.abs(influence) / strongest) * 100)}%`);
  return node;
}

// ---- The rules ----

// The rule that decided stands first; those that were looked at before it are folded away.
function path(found) {
  const steps = list(found.path);
  const passed = steps.filter(({ fired }) => !fired);
  const decided = steps.filter(({ fired }) => fired).map((seen) => step("div", seen));
  const rows = el("ol", "path", ...passed.map((seen) => step("li", seen)));
  const title = el("summary", "", `${word("passedRules")} (${passed.length})`);
  return el("div", "rules", ...decided, ...(passed.length ? [el("details", "", title, rows)] : []));
}

function step(tag, { rule, fired, because }) {
  const mark = svg("svg", { class: "mark", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: fired ? "M3 8.5l3.5 3.5L13 4.5" : "M4 8h8" }));
  const spoken = el("span", "visually-hidden", `: ${word(fired ? "fired" : "passed")}`);
  const title = el("span", "", el("span", "rule", word(`reason/${rule}`), spoken), " ", el("span", "code", rule));
  const seen = Object.entries(because ?? {}).map(([name, value]) => `${word(`fact/${name}`)} ${factValue(name, value)}`);
  return el(tag, fired ? "step fired" : "step", mark, title, el("span", "because", seen.join("  ·  ")));
}

function factValue(name, value) {
  if (typeof value === "boolean") return word(value ? "yes" : "no");
  if (value === null || (Array.isArray(value) && !value.length)) return word("none");
  if (Array.isArray(value)) return value.join(word("listSeparator"));
  if (isNumber(value)) return COUNTS.has(name) ? String(value) : percent(value);
  return word(value);
}

// ---- Knowledge, thresholds, neighbours ----

function entries(found) {
  const rows = list(found.candidates).map((candidate) => {
    const head = el("p", "candidate-head", chinese(el("span", "", candidate.matched_question)), el("span", "number", percent(candidate.confidence)));
    return el("li", "", head, bar(candidate.confidence), features(candidate));
  });
  return rows.length ? el("ol", "entries", ...rows) : el("p", "muted", word("noEntry"));
}

function features({ faq_id: id, features: given }) {
  const strongest = [...list(given)].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution)).slice(0, FEATURES_SHOWN);
  const rows = strongest.map(({ name, value, contribution }) => [
    word(`feature/${name}`), decimal(value), `${contribution > 0 ? "+" : ""}${contribution.toFixed(2)}`,
  ]);
  return el("details", "", el("summary", "", word("features"), " ", el("span", "code", id)), table("factors", ["factor", "value", "contribution"], rows));
}

function thresholds(found) {
  const rows = list(found.comparisons).map(({ name, threshold, value, reached }) => [
    word(`threshold/${name}`), decimal(threshold), el("span", reached ? "reached" : "", decimal(value)),
  ]);
  return table("factors", ["factor", "threshold", "value"], rows);
}

function neighbours(found) {
  const rows = list(found.neighbours).map(({ question, intent, score }) => [chinese(el("span", "", question)), el("span", "code", intent), decimal(score)]);
  return table("factors", ["matched", "intent", "score"], rows);
}
