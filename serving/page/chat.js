"use strict";
// The chat page: sends what a customer says and shows the answer beside its analysis.
// Text from people and from the server only ever enters the page through textContent, so it can never become markup.

const MAX_CHARACTERS = 2000;
const TIMEOUT_MS = 30000;
const TURNS_CHARTED = 12;
const EXAMPLES = ["怎么还不发货", "我要退货上周买的碎屏手机", "笔记本电脑推荐", "你们就是骗子，我要投诉", "這個可以寄到香港嗎"];
// From calm to furious: the height in the chart and the order of the bars.
const EMOTIONS = ["satisfied", "neutral", "confused", "disappointed", "anxious", "angry"];
const BADGES = { answer: "accent", handoff: "warning", high: "warning", critical: "danger" };

// Labels of the page and codes of the wire, as [Chinese, English]. A code that is not here is shown as it is.
const WORDS = {
  conversation: ["对话", "Conversation"], tier: ["客户等级", "Customer tier"], tierUnknown: ["未知", "Unknown"],
  newConversation: ["新对话", "New conversation"], message: ["消息", "Message"], send: ["发送", "Send"],
  placeholder: ["输入顾客的话…", "Type what a customer would say…"],
  hint: ["Enter 发送，Shift+Enter 换行", "Enter sends, Shift+Enter breaks the line"],
  welcome: ["像顾客一样发一条消息", "Send a message as a customer would"],
  welcomeMore: ["分析面板会显示它的意图、情绪、优先级和命中的知识。",
    "The analysis panel then shows its intent, emotion, priority and the knowledge used."],
  examples: ["示例问题", "Example questions"], analysis: ["消息分析", "Message analysis"],
  panelEmpty: ["发送第一条消息后，这里显示最近一条消息的分析。",
    "After the first message, the analysis of the latest one appears here."],
  typing: ["正在回复…", "Replying…"], customerSaid: ["顾客：", "Customer: "], botSaid: ["客服：", "Bot: "],
  suggestions: ["您可能想问", "Did you mean"], related: ["相关问题", "Related questions"],
  handoffTitle: ["转人工客服", "Handed to a person"], retry: ["重试", "Retry"],
  failed: ["没有得到回复", "No reply"], networkFailed: ["连接不上服务，请检查网络后重试。", "The service cannot be reached. Check the network, then retry."],
  timedOut: ["服务没有及时回复，请重试。", "The service did not reply in time. Please retry."],
  unreadable: ["服务的回复无法读取。", "The service's reply could not be read."],
  helpful: ["有帮助", "Helpful"], notHelpful: ["没有帮助", "Not helpful"], thanks: ["已记录，谢谢", "Noted, thank you"],
  feedbackFailed: ["没有记录成功", "Could not be saved"],
  decision: ["决策", "Decision"], intent: ["意图", "Intent"], knowledge: ["命中的知识", "Knowledge used"],
  priority: ["优先级", "Priority"], emotion: ["情绪", "Emotion"], reason: ["依据", "Reason"],
  model: ["模型包", "Model bundle"], latency: ["耗时", "Latency"], degraded: ["降级", "Degraded"],
  inScope: ["范围内", "In scope"], outOfScope: ["超出范围", "Out of scope"],
  oosConfidence: ["超范围概率", "Out-of-scope confidence"], alert: ["情绪预警", "Emotion alert"],
  emotionChart: ["情绪随轮次的变化", "Emotion over the turns"], band: ["级别", "Band"], urgency: ["紧急度", "Urgency"],
  businessType: ["业务", "Business"], factor: ["因素", "Factor"], value: ["取值", "Value"], points: ["得分", "Points"],
  inputsMissing: ["缺少的输入：", "Inputs missing: "], listSeparator: ["、", ", "],
  confidence: ["置信度", "Confidence"], score: ["相似度", "Similarity"],
  noEntry: ["没有直接采用的条目", "No entry was used for the answer"],
  candidates: ["候选", "Candidates"], characters: ["字", "characters"], over: ["超出", "over by"],
  answer: ["直接回答", "Answer"], suggest: ["推荐问题", "Suggest"], clarify: ["追问", "Clarify"],
  handoff: ["转人工", "Hand off"], fallback: ["未能回答", "Fallback"],
  user_request: ["顾客要求人工", "The customer asked for a person"], repeated_miss: ["连续未能回答", "Missed repeatedly"],
  emotion_handoff: ["顾客情绪激动", "The customer is upset"],
  policy: ["规则要求", "Required by policy"], repeated_question: ["重复提问", "Repeated question"],
  neutral: ["平静", "Neutral"], satisfied: ["满意", "Satisfied"], confused: ["疑惑", "Confused"],
  anxious: ["焦虑", "Anxious"], disappointed: ["失望", "Disappointed"], angry: ["愤怒", "Angry"],
  low: ["低", "Low"], medium: ["中", "Medium"], high: ["高", "High"], critical: ["紧急", "Critical"],
  regular: ["普通会员", "Regular"], silver: ["银卡会员", "Silver"], gold: ["金卡会员", "Gold"], platinum: ["白金会员", "Platinum"],
  presale: ["售前", "Presale"], promotion: ["促销", "Promotion"], order: ["订单", "Order"], payment: ["支付", "Payment"],
  invoice: ["发票", "Invoice"], logistics: ["物流", "Logistics"], aftersale: ["售后", "Aftersale"],
  account: ["账户", "Account"], review: ["评价", "Review"], service: ["服务", "Service"], chitchat: ["闲聊", "Small talk"],
  intent_urgency: ["意图紧急度", "Intent urgency"], business_type: ["业务类型", "Business type"],
  emotion_rising: ["情绪升级", "Emotion rising"], customer_tier: ["客户等级", "Customer tier"],
  customer_value: ["客户价值", "Customer value"], repetition: ["重复提问", "Repetition"],
  order_risk: ["订单风险", "Order risk"], waiting: ["等待时长", "Waiting time"],
  waiting_seconds: ["等待时长", "Waiting time"], second: ["第二次", "Second"], third: ["第三次", "Third"],
};

const byId = (id) => document.getElementById(id);
const feedbackOn = document.querySelector('meta[name="kefu-feedback"]')?.content === "on";

const state = {
  language: savedLanguage(),
  conversationId: newId("web"),
  pending: null, // the AbortController of the request under way
  latest: null, // the response that the panel shows
  emotions: new Map(), // message_id → emotion; a retried message keeps its place
};

// ---- Small helpers ----

// crypto.randomUUID is missing on plain http, which an intranet may well use.
function newId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

// Storage throws where cookies are blocked; the page works without it.
function savedLanguage() {
  try {
    return localStorage.getItem("kefu-language") === "en" ? "en" : "zh";
  } catch {
    return "zh";
  }
}

function saveLanguage(language) {
  try {
    localStorage.setItem("kefu-language", language);
  } catch {
    // Not remembered, and that is all.
  }
}

function word(code) {
  if (!Object.hasOwn(WORDS, code)) return String(code ?? "");
  return WORDS[code][state.language === "en" ? 1 : 0];
}

function el(tag, className, ...content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...content.map((part) => (part instanceof Node ? part : document.createTextNode(String(part)))));
  return node;
}

// A node whose text follows the language switch.
function label(tag, className, code) {
  const node = el(tag, className, word(code));
  node.dataset.i18n = code;
  return node;
}

function svg(tag, attributes, ...content) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...content);
  return node;
}

function button(className, code, onClick) {
  const node = label("button", className, code);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

const list = (value) => (Array.isArray(value) ? value : []);
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const percent = (value) => (isNumber(value) ? `${(value * 100).toFixed(1)}%` : "–");
const decimal = (value) => (isNumber(value) ? value.toFixed(3) : "–");
const clamp = (value, high) => (isNumber(value) ? Math.min(Math.max(value, 0), high) : 0);

// ---- Talking to the server ----

class Problem extends Error {
  // `code` names one of our own words; `text` is what the server said.
  constructor({ code = "", text = "" }) {
    super(code || text);
    this.code = code;
    this.text = text;
  }
}

async function postJson(url, body, signal) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  const data = await response.json().catch(() => null); // A proxy's error page is HTML.
  if (!response.ok) throw new Problem({ text: errorText(response, data) });
  return data;
}

function errorText(response, data) {
  const { type, message } = data?.error ?? {};
  return [type, message].filter(Boolean).join(": ") || `HTTP ${response.status}`;
}

async function deliver(body) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
  const typing = append(label("p", "typing", "typing"));
  setPending(controller);
  try {
    const response = await postJson("chat", body, controller.signal);
    if (response === null || typeof response !== "object") throw new Problem({ code: "unreadable" });
    if (isCurrent(body)) showResponse(body, response, typing);
  } catch (error) {
    if (isCurrent(body)) showProblem(body, error, typing);
  } finally {
    clearTimeout(timer);
    typing.remove();
    if (state.pending === controller) setPending(null);
  }
}

// A reply may come after its conversation was left.
const isCurrent = (body) => body.conversation_id === state.conversationId;

function send(text) {
  if (state.pending || !text.trim() || countCharacters(text) > MAX_CHARACTERS) return false;
  const tier = byId("tier").value;
  const body = { conversation_id: state.conversationId, message_id: newId("m"), text, channel: "web" };
  if (tier) body.customer = { tier }; // An unknown tier is left out, so that the score can name it as missing.
  append(turn("customer", "customerSaid", el("div", "", text)));
  deliver(body);
  return true;
}

function setPending(controller) {
  state.pending = controller;
  updateComposer();
  // aria-disabled, because `disabled` would throw away the keyboard focus of the button just pressed.
  for (const node of document.querySelectorAll(".ask, .retry")) markBusy(node);
}

function markBusy(node) {
  node.setAttribute("aria-disabled", String(Boolean(state.pending)));
}

// ---- The conversation ----

function append(node) {
  const log = byId("log");
  log.append(node);
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
  const bubble = el("div", "bubble", label("span", "visually-hidden", speakerCode), ...content);
  bubble.lang = "zh";
  return el("div", `turn ${who}`, bubble);
}

function askButton(question, className) {
  const node = el("button", className, question);
  node.type = "button";
  node.lang = "zh";
  markBusy(node);
  node.addEventListener("click", () => send(question));
  return node;
}

function questionGroup(titleCode, items, className) {
  const questions = list(items).filter((item) => item?.question);
  if (!questions.length) return null;
  const chips = el("div", "chips", ...questions.map((item) => askButton(item.question, className)));
  return el("div", "group", label("p", "group-title", titleCode), chips);
}

function showResponse(body, response, typing) {
  const parts = [
    handoffCard(response),
    questionGroup("suggestions", response.suggestions, "ask"),
    questionGroup("related", response.related, "ask small"),
    feedbackButtons(response),
  ];
  const node = replyTurn(response);
  node.append(...parts.filter(Boolean));
  typing.replaceWith(node);
  scrollTo(node);
  state.latest = response;
  if (response.emotion) state.emotions.set(body.message_id, response.emotion);
  renderPanel();
}

function replyTurn(response) {
  const { empathy, text } = splitReply(response);
  const content = [];
  if (empathy) content.push(el("p", "empathy", empathy));
  if (text) content.push(el("p", "", text));
  const steps = list(response.answer?.steps);
  if (steps.length) content.push(el("ol", "steps", ...steps.map((step) => el("li", "", step))));
  if (content.length) return turn("bot", "botSaid", ...content);
  // After a handoff the bot is silent, and the card says so; else name the decision instead of an empty bubble.
  if (response.handoff) return el("div", "turn bot");
  return turn("bot", "botSaid", label("p", "", response.decision));
}

// `reply` may or may not begin with the empathy; it must not be shown twice.
function splitReply(response) {
  const empathy = (response.empathy ?? "").trim();
  const text = (response.reply ?? response.answer?.text ?? "").trim();
  return { empathy, text: empathy && text.startsWith(empathy) ? text.slice(empathy.length).trim() : text };
}

function handoffCard({ decision, handoff }) {
  if (decision !== "handoff" || !handoff) return null;
  const card = el("div", "handoff", label("p", "handoff-title", "handoffTitle"));
  if (handoff.reason) card.append(label("p", "", handoff.reason === "emotion" ? "emotion_handoff" : handoff.reason));
  if (handoff.summary) card.append(el("p", "handoff-summary", handoff.summary));
  return card;
}

function showProblem(body, error, typing) {
  const text = el("div", "notice-text", label("p", "notice-title", "failed"), problemText(error));
  const retry = button("quiet retry", "retry", () => {
    if (state.pending) return;
    notice.remove();
    byId("log").focus({ preventScroll: true }); // The focused button has just gone.
    deliver(body); // The same message_id: the server will not count it as a repetition.
  });
  const notice = el("div", "notice", text, retry);
  typing.replaceWith(notice);
  scrollTo(notice);
}

function problemText(error) {
  if (error instanceof Problem && error.text) return el("p", "", error.text);
  if (error instanceof Problem) return label("p", "", error.code);
  return label("p", "", error.name === "AbortError" ? "timedOut" : "networkFailed");
}

function feedbackButtons(response) {
  if (!feedbackOn || !response.request_id) return null;
  const status = el("span", "");
  status.setAttribute("role", "status");
  const group = el("div", "feedback", thumb("helpful", "up"), thumb("notHelpful", "down"), status);

  function thumb(code, rating) {
    const node = el("button", rating, thumbIcon());
    node.type = "button";
    node.dataset.i18nLabel = code;
    node.setAttribute("aria-label", word(code));
    node.setAttribute("aria-pressed", "false");
    node.addEventListener("click", () => rate(node, rating));
    return node;
  }

  async function rate(pressed, rating) {
    let outcome = "thanks";
    try {
      await postJson("feedback", { request_id: response.request_id, conversation_id: response.conversation_id, rating });
      for (const node of group.querySelectorAll("button")) node.setAttribute("aria-pressed", String(node === pressed));
    } catch {
      outcome = "feedbackFailed";
    }
    status.replaceChildren(label("span", "", outcome));
  }
  return group;
}

// Drawn, because an emoji is an empty box where no emoji font is installed.
function thumbIcon() {
  const d = "M4 11h4v9H4zM8 11l4-8c1.8 0 2.5 1.2 2.5 2.8V9H20l-1.6 9.4a2 2 0 0 1-2 1.6H8";
  return svg("svg", { class: "thumb", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d }));
}

function startConversation() {
  state.conversationId = newId("web");
  state.pending?.abort();
  state.latest = null;
  state.emotions.clear();
  byId("log").replaceChildren(byId("welcome"));
  setPending(null);
  renderPanel();
  byId("text").focus();
}

// ---- The analysis ----

function renderPanel() {
  const response = state.latest;
  byId("panel-empty").hidden = Boolean(response);
  byId("cards").hidden = !response;
  if (!response) return;
  byId("decision").replaceChildren(...decisionCard(response));
  byId("intent").replaceChildren(...intentCard(response));
  byId("emotion").replaceChildren(...emotionCard(response.emotion ?? {}));
  byId("priority").replaceChildren(...priorityCard(response.priority ?? {}));
  byId("knowledge").replaceChildren(...knowledgeCard(response));
}

function badge(text, kind = "") {
  return el("span", `badge ${kind}`, text);
}

function facts(...pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return el("dl", "facts", ...shown.flatMap(([code, value]) => [el("dt", "", word(code)), el("dd", "", value)]));
}

// The number stands beside the bar, so that the bar itself is decoration.
function bar(share) {
  const fill = el("span", "fill");
  fill.style.width = `${clamp(share, 1) * 100}%`;
  const track = el("div", "track", fill);
  track.setAttribute("aria-hidden", "true");
  return track;
}

function decisionCard(response) {
  const reason = response.decision_reason ? el("span", "code", response.decision_reason) : "";
  return [
    el("p", "lead", el("strong", "", word(response.decision)), badge(response.decision ?? "", BADGES[response.decision])),
    facts(
      ["reason", reason],
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
  return [
    el("ol", "ranking", ...ranking.map((row, i) => intentRow(row, i === 0))),
    el("p", "lead", flag, confidence),
  ];
}

function intentRow({ name, title, confidence }, isTop) {
  const named = el("span", "", title || name, " ", title ? el("span", "code", name) : "");
  named.lang = "zh";
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
  return [lead, el("ul", "scores", ...rows), emotionChart()];
}

// A shop may have renamed its emotions; its own title is Chinese.
function emotionTitle(emotion) {
  return (state.language === "zh" && emotion.title) || word(emotion.label);
}

function emotionChart() {
  const left = state.language === "en" ? 84 : 34; // room for the names
  const right = 236, rowHeight = 19;
  const y = (code) => 10 + (EMOTIONS.length - 1 - EMOTIONS.indexOf(code)) * rowHeight;
  const turns = [...state.emotions.values()].filter(({ label }) => EMOTIONS.includes(label)).slice(-TURNS_CHARTED);
  const x = (i) => left + 12 + (i * (right - left - 24)) / (TURNS_CHARTED - 1);
  const points = turns.map((emotion, i) => ({ x: x(i), y: y(emotion.label), alert: emotion.alert }));
  const spoken = turns.map((emotion) => word(emotion.label)).join(" → ");
  return svg("svg", { class: "chart", viewBox: "0 0 240 116", role: "img", "aria-label": `${word("emotionChart")}: ${spoken}` },
    ...EMOTIONS.flatMap((code) => [
      svg("text", { x: 0, y: y(code) + 4 }, word(code)),
      svg("line", { class: "grid", x1: left, x2: right, y1: y(code), y2: y(code) }),
    ]),
    svg("polyline", { class: "path", points: points.map((point) => `${point.x},${point.y}`).join(" ") }),
    ...points.map((point) => svg("circle", { class: "dot", cx: point.x, cy: point.y, r: 5 })),
    ...points.filter((point) => point.alert).map((point) => svg("circle", { class: "ring", cx: point.x, cy: point.y, r: 8 })),
  );
}

function priorityCard(priority) {
  const missing = list(priority.inputs_missing).map(word).join(word("listSeparator"));
  const about = facts(
    ["band", badge(word(priority.band), BADGES[priority.band])],
    ["urgency", word(priority.urgency)],
    ["businessType", word(priority.business_type)],
  );
  const parts = [el("div", "priority-head", gauge(priority), about)];
  if (list(priority.factors).length) parts.push(factorTable(priority.factors));
  if (missing) parts.push(el("p", "muted", word("inputsMissing"), missing));
  return parts;
}

function gauge({ score, band }) {
  const arc = "M 12 66 A 54 54 0 0 1 120 66";
  const level = Object.hasOwn(BADGES, band ?? "") ? band : "";
  const shown = isNumber(score) ? Math.round(score) : "–";
  return svg("svg", { class: `gauge ${level}`, viewBox: "0 0 132 74", role: "img", "aria-label": `${word("priority")} ${shown} / 100` },
    svg("path", { class: "rail", d: arc }),
    svg("path", { class: "value", d: arc, pathLength: 100, "stroke-dasharray": `${clamp(score, 100)} 200` }),
    svg("text", { x: 66, y: 64 }, String(shown)),
  );
}

function factorTable(factors) {
  const heads = ["factor", "value", "points"].map((code) => {
    const head = el("th", "", word(code));
    head.scope = "col";
    return head;
  });
  const rows = factors.map(({ name, value, points }) => {
    const shown = isNumber(points) ? Number(points.toFixed(1)) : "–";
    return el("tr", "", el("td", "", word(name)), el("td", "", word(value)), el("td", "", shown));
  });
  return el("table", "factors", el("thead", "", el("tr", "", ...heads)), el("tbody", "", ...rows));
}

function knowledgeCard({ answer, suggestions }) {
  if (answer?.faq_id) return [entry(answer.faq_id, answer.matched_question, answer)];
  const candidates = list(suggestions).map((item) => entry(item.faq_id, item.question, item));
  const none = el("p", "muted", word("noEntry"));
  return candidates.length ? [none, el("p", "muted", word("candidates")), ...candidates] : [none];
}

function entry(id, question, { confidence, score }) {
  const title = el("p", "", question ?? "");
  title.lang = "zh";
  const numbers = facts(["confidence", percent(confidence)], ["score", decimal(score)]);
  return el("div", "entry", title, el("p", "code", id ?? ""), numbers);
}

// ---- The composer, the language, the start ----

// The server counts characters, JavaScript's length counts UTF-16 units: an emoji is two of those.
const countCharacters = (text) => [...text].length;

function updateComposer() {
  const input = byId("text");
  const counter = byId("counter");
  const count = countCharacters(input.value);
  const excess = count - MAX_CHARACTERS;
  const isOver = excess > 0;
  counter.textContent = `${count} / ${MAX_CHARACTERS}`;
  if (isOver) counter.append(` · ${word("over")} ${excess} ${word("characters")}`);
  counter.classList.toggle("over", isOver);
  counter.setAttribute("aria-live", isOver ? "polite" : "off"); // Silent while all is well.
  input.setAttribute("aria-invalid", String(isOver));
  byId("send").disabled = isOver || Boolean(state.pending) || !input.value.trim();
}

function submit(event) {
  event.preventDefault();
  const input = byId("text");
  if (!send(input.value.trim())) return;
  input.value = "";
  updateComposer();
}

function onKey(event) {
  // While an input method is composing, Enter chooses a candidate word; Safari tells it by keyCode 229 only.
  const isComposing = event.isComposing || event.keyCode === 229;
  if (event.key === "Enter" && !event.shiftKey && !isComposing) submit(event);
}

function applyLanguage(language) {
  state.language = language;
  document.documentElement.lang = language === "en" ? "en" : "zh-CN";
  for (const node of document.querySelectorAll("[data-i18n]")) node.textContent = word(node.dataset.i18n);
  for (const node of document.querySelectorAll("[data-i18n-label]")) node.setAttribute("aria-label", word(node.dataset.i18nLabel));
  for (const node of document.querySelectorAll("[data-i18n-placeholder]")) node.placeholder = word(node.dataset.i18nPlaceholder);
  for (const node of document.querySelectorAll(".language")) {
    node.setAttribute("aria-pressed", String(node.dataset.language === language));
  }
  updateComposer();
  renderPanel();
}

function start() {
  byId("examples").append(...EXAMPLES.map((text) => askButton(text, "ask")));
  byId("composer").addEventListener("submit", submit);
  byId("text").addEventListener("input", updateComposer);
  byId("text").addEventListener("keydown", onKey);
  byId("new-conversation").addEventListener("click", startConversation);
  for (const node of document.querySelectorAll(".language")) {
    node.addEventListener("click", () => {
      saveLanguage(node.dataset.language);
      applyLanguage(node.dataset.language);
    });
  }
  applyLanguage(state.language);
}

start();
