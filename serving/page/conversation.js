// The conversation: sends what a customer says, shows the reply with what belongs to it, and problems with a way to retry.

import { newId, post } from "./api.js";
import { button, byId, chinese, el, label, list, svg } from "./dom.js";
import { closeExplanation, explain } from "./explanation.js";
import { askForKey } from "./key.js";
import { renderPanel, showView } from "./panel.js";
import { forget, remember, startAnew, state } from "./state.js";
import { word } from "./words.js";

export const MAX_CHARACTERS = 2000;

// The server counts characters, JavaScript's length counts UTF-16 units: an emoji is two of those.
export const countCharacters = (text) => [...text].length;

let onBusy = () => {};

// `listener` hears when a message begins and ends.
export function listenToBusy(listener) {
  onBusy = listener;
}

export function send(text) {
  if (state.pending || !text.trim() || countCharacters(text) > MAX_CHARACTERS) return false;
  const tier = byId("tier").value;
  const body = { conversation_id: state.conversationId, message_id: newId("m"), text, channel: "web" };
  if (tier) body.customer = { tier }; // An unknown tier is left out, so that the score can name it as missing.
  append(turn("customer", "customerSaid", el("div", "", text)));
  deliver(body);
  return true;
}

export function startConversation() {
  forget();
  byId("log").replaceChildren(byId("welcome"));
  setPending(null);
  closeExplanation();
  renderPanel();
  showView("chat");
  byId("text").focus();
}

export function askButton(question, className) {
  const node = chinese(el("button", className, question));
  node.type = "button";
  markBusy(node);
  node.addEventListener("click", () => {
    showView("chat");
    send(question);
  });
  return node;
}

async function deliver(body) {
  const controller = new AbortController();
  const typing = append(label("p", "typing", "typing"));
  setPending(controller);
  try {
    const response = await post("chat", body, controller.signal);
    if (isCurrent(body)) showResponse(body, response, typing);
  } catch (problem) {
    if (isCurrent(body)) showProblem(body, problem, typing);
  } finally {
    typing.remove();
    if (state.pending === controller) setPending(null);
  }
}

// A reply may come after its conversation was left.
const isCurrent = (body) => body.conversation_id === state.conversationId;

function setPending(controller) {
  state.pending = controller;
  onBusy();
  for (const node of document.querySelectorAll(".ask, .retry")) markBusy(node);
}

// aria-disabled, because `disabled` would throw away the keyboard focus of the button just pressed.
function markBusy(node) {
  node.setAttribute("aria-disabled", String(Boolean(state.pending)));
}

function append(node) {
  byId("log").append(node);
  scrollTo(node);
  return node;
}

// The start of a long reply matters more than its end.
function scrollTo(node) {
  const log = byId("log");
  const isTall = node.offsetHeight > log.clientHeight;
  log.scrollTop = isTall ? node.offsetTop - 12 : log.scrollHeight;
}

function turn(who, speakerCode, ...content) {
  const bubble = chinese(el("div", "bubble", label("span", "visually-hidden", speakerCode), ...content));
  return el("div", `turn ${who}`, bubble);
}

function showResponse(body, response, typing) {
  const record = remember(body, response);
  const node = replyTurn(response);
  const parts = [
    handoffCard(body, response),
    questionGroup("suggestions", response.suggestions, "ask"),
    questionGroup("related", response.related, "ask small"),
    underneath(record),
  ];
  node.append(...parts.filter(Boolean));
  typing.replaceWith(node);
  scrollTo(node);
  closeExplanation();
  renderPanel();
}

function replyTurn(response) {
  if (response.decision === "silent") return el("div", "turn bot", label("p", "silent", "silentReply"));
  const content = [el("p", "", (response.reply ?? "").trim())];
  const steps = list(response.answer?.steps);
  if (steps.length) content.push(el("ol", "steps", ...steps.map((step) => el("li", "", step))));
  return turn("bot", "botSaid", ...content);
}

function questionGroup(titleCode, items, className) {
  const questions = list(items).filter((item) => item?.question);
  if (!questions.length) return null;
  const chips = el("div", "chips", ...questions.map((item) => askButton(item.question, className)));
  return el("div", "group", label("p", "group-title", titleCode), chips);
}

// ---- What stands under a reply ----

function handoffCard(body, { decision, decision_reason: reason, handoff }) {
  if (decision !== "handoff" || !handoff) return null;
  const foot = [];
  if (!handoff.out_of_hours) { // Then nobody has taken over yet.
    const status = el("span", "muted");
    status.setAttribute("role", "status");
    const release = button("quiet", "release", () => giveBack(body.conversation_id, release, status));
    foot.push(el("div", "handoff-foot", release, status));
  }
  const why = [label("p", "", `reason/${reason}`)];
  if (reason !== handoff.reason) why.push(label("p", "muted", `reason/${handoff.reason}`));
  const card = el("section", "handoff",
    label("h3", "handoff-title", "handoffTitle"),
    label("p", "handoff-label", "handoffWhy"), ...why,
    label("p", "handoff-label", "handoffSummary"), chinese(el("p", "handoff-summary", handoff.summary ?? "")),
    ...foot,
  );
  card.setAttribute("aria-label", word("handoffTitle"));
  card.dataset.i18nLabel = "handoffTitle";
  return card;
}

async function giveBack(name, release, status) {
  try {
    await post(`conversations/${encodeURIComponent(name)}/release`, {});
    release.remove();
    status.tabIndex = -1;
    status.replaceChildren(label("span", "", "released"));
    status.focus(); // The focused button has just gone.
    if (name === state.conversationId) startAnew();
  } catch (problem) {
    if (problem.needsKey) askForKey(() => giveBack(name, release, status));
    status.replaceChildren(label("span", "", "releaseFailed"));
  }
}

function underneath(record) {
  const { response } = record;
  const why = button("quiet small why", "why", () => explain(record, why));
  const foot = el("div", "underneath", why);
  if (response.request_id && response.decision !== "silent") foot.append(thumbs(response.request_id));
  return foot;
}

function thumbs(requestId) {
  const status = el("span", "");
  status.setAttribute("role", "status");
  const up = thumb("helpful", true), down = thumb("notHelpful", false);
  return el("div", "feedback", up, down, status);

  function thumb(code, helpful) {
    const node = el("button", helpful ? "up" : "down", thumbIcon());
    node.type = "button";
    node.dataset.i18nLabel = code;
    node.setAttribute("aria-label", word(code));
    node.setAttribute("aria-pressed", "false");
    node.addEventListener("click", () => rate(node, helpful));
    return node;
  }

  async function rate(pressed, helpful) {
    try {
      await post("feedback", { request_id: requestId, helpful, source: "customer" });
      for (const node of [up, down]) node.setAttribute("aria-pressed", String(node === pressed));
      status.replaceChildren(label("span", "", "thanks"));
    } catch (problem) {
      if (problem.needsKey) askForKey(() => rate(pressed, helpful));
      status.replaceChildren(label("span", "", "feedbackFailed"));
    }
  }
}

// Drawn, because an emoji is an empty box where no emoji font is installed.
function thumbIcon() {
  const d = "M4 11h4v9H4zM8 11l4-8c1.8 0 2.5 1.2 2.5 2.8V9H20l-1.6 9.4a2 2 0 0 1-2 1.6H8";
  return svg("svg", { class: "thumb", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d }));
}

// ---- Problems ----

function showProblem(body, problem, typing) {
  const words = problem.code ? label("p", "", problem.code) : el("p", "", problem.text);
  const retry = button("quiet retry", "retry", () => {
    if (state.pending || !notice.isConnected) return;
    notice.remove();
    byId("log").focus({ preventScroll: true }); // The focused button has just gone.
    deliver(body); // The same message_id: the server will not count it as a repetition.
  });
  const notice = el("div", "notice", el("div", "notice-text", label("p", "notice-title", "failed"), words), retry);
  typing.replaceWith(notice);
  scrollTo(notice);
  if (problem.needsKey) askForKey(() => retry.click());
}
