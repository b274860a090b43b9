// The analysis of one message: decision, intents, emotion, priority, knowledge.

import { EMOTIONS, emotionChart, gauge } from "./charts.js";
import { badge, bar, byId, chinese, decimal, el, facts, isNumber, list, percent, table } from "./dom.js";
import { state } from "./state.js";
import { currentLanguage, word } from "./words.js";

const BADGES = { answer: "accent", handoff: "warning", high: "warning", critical: "danger" };

// On a phone one of the two views is seen at a time.
export function showView(name) {
  document.body.dataset.view = name;
  for (const node of document.querySelectorAll(".view")) node.setAttribute("aria-pressed", String(node.dataset.view === name));
}

export function renderPanel() {
  const record = state.shown;
  byId("panel-empty").hidden = Boolean(record);
  byId("cards").hidden = !record;
  byId("panel-message").textContent = record?.body.text ?? "";
  if (!record) return;
  const { response } = record;
  byId("decision").replaceChildren(...decisionCard(response));
  byId("intent").replaceChildren(...intentCard(response));
  byId("emotion").replaceChildren(...emotionCard(response.emotion ?? {}));
  byId("priority").replaceChildren(...priorityCard(response.priority ?? {}));
  byId("knowledge").replaceChildren(...knowledgeCard(response));
}

function decisionCard(response) {
  return [
    el("p", "lead", el("strong", "", word(response.decision)), badge(response.decision ?? "", BADGES[response.decision])),
    facts(
      ["reason", response.decision_reason ? el("span", "", `${word(`reason/${response.decision_reason}`)} `, el("span", "code", response.decision_reason)) : ""],
      ["model", response.model?.bundle ? el("span", "code", response.model.bundle) : ""],
      ["latency", isNumber(response.latency_ms) ? `${Math.round(response.latency_ms)} ms` : ""],
      ["degraded", list(response.degraded).join(word("listSeparator"))],
    ),
  ];
}

function intentCard(response) {
  const ranking = list(response.intent_ranking).slice(0, 5);
  const scope = response.out_of_scope ?? {};
  const flag = scope.is_oos ? badge(word("outOfScope"), "warning") : badge(word("inScope"), "accent");
  const confidence = el("span", "muted", `${word("oosConfidence")} ${percent(scope.confidence)}`);
  const titles = new Map(list(response.intent_ranking).map(({ name, title }) => [name, title]));
  const others = list(response.intents).filter((name) => name !== response.intent?.name).map((name) => titles.get(name) ?? name);
  const parts = [el("ol", "ranking", ...ranking.map((row, i) => intentRow(row, i === 0)))];
  if (others.length) parts.push(el("p", "muted", `${word("alsoPresent")} `, chinese(el("span", "", others.join(word("listSeparator"))))));
  return [...parts, el("p", "lead", flag, confidence)];
}

function intentRow({ name, title, confidence }, isTop) {
  const named = chinese(el("span", "", title || name, " ", title ? el("span", "code", name) : ""));
  return el("li", isTop ? "top" : "", named, el("span", "number", percent(confidence)), bar(confidence));
}

function emotionCard(emotion) {
  const lead = el("p", "lead", el("strong", "", emotionTitle(emotion)), el("span", "muted", percent(emotion.confidence)));
  if (emotion.alert) lead.append(badge(word("alert"), "danger"));
  if (emotion.reason) lead.append(el("span", "muted", word(emotion.reason)));
  const scores = emotion.scores ?? {};
  const rows = EMOTIONS.map((code) => {
    const parts = [el("span", "", word(code)), bar(scores[code]), el("span", "number", percent(scores[code]))];
    return el("li", code === emotion.label ? "top" : "", ...parts);
  });
  const turns = state.records.map(({ response }) => response.emotion ?? {});
  return [lead, el("ul", "scores", ...rows), emotionChart(turns, state.records.indexOf(state.shown))];
}

// A shop may have renamed its emotions; its own title is Chinese.
function emotionTitle(emotion) {
  return (currentLanguage() === "zh" && emotion.title) || word(emotion.label);
}

function priorityCard(priority) {
  const missing = list(priority.inputs_missing).map(word).join(word("listSeparator"));
  const about = facts(
    ["band", badge(word(priority.band), BADGES[priority.band])],
    ["urgency", word(priority.urgency)],
    ["businessType", word(priority.business_type)],
  );
  const rows = list(priority.factors).map(({ name, value, points }) => [
    word(name), word(value), isNumber(points) ? Number(points.toFixed(1)) : "–",
  ]);
  const parts = [el("div", "priority-head", gauge(priority), about)];
  if (rows.length) parts.push(table("factors", ["factor", "value", "points"], rows));
  if (missing) parts.push(el("p", "muted", word("inputsMissing"), missing));
  return parts;
}

function knowledgeCard({ answer, suggestions }) {
  if (answer?.faq_id) return [entry(answer.faq_id, answer.matched_question, answer, "matched")];
  const candidates = list(suggestions).map((item) => entry(item.faq_id, item.question, item, "candidates"));
  return [el("p", "muted", word("noEntry")), ...candidates];
}

function entry(id, question, { confidence, score }, titleCode) {
  const numbers = facts(["confidence", percent(confidence)], ["score", decimal(score)]);
  return el("div", "entry", el("p", "muted", word(titleCode)), chinese(el("p", "", question ?? "")), el("p", "code", id ?? ""), numbers);
}
