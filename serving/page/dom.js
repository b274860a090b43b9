// Small helpers to build the page. Text from people and from the server only ever enters it through text nodes, so it can
// never become markup.

import { word } from "./words.js";

export const byId = (id) => document.getElementById(id);

export function el(tag, className, ...content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...content.map((part) => (part instanceof Node ? part : document.createTextNode(String(part)))));
  return node;
}

// A node whose text follows the language switch.
export function label(tag, className, code) {
  const node = el(tag, className, word(code));
  node.dataset.i18n = code;
  return node;
}

export function button(className, code, onClick) {
  const node = label("button", className, code);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

export function svg(tag, attributes, ...content) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...content);
  return node;
}

// What customers and the knowledge base say is Chinese whatever language the page speaks.
export function chinese(node) {
  node.lang = "zh-CN";
  return node;
}

export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = word(node.dataset.i18n);
  for (const node of root.querySelectorAll("[data-i18n-label]")) node.setAttribute("aria-label", word(node.dataset.i18nLabel));
  for (const node of root.querySelectorAll("[data-i18n-placeholder]")) node.placeholder = word(node.dataset.i18nPlaceholder);
}

export function badge(text, kind = "") {
  return el("span", `badge ${kind}`, text);
}

// A list of (code of the name, value); what has no value is left out.
export function facts(...pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return el("dl", "facts", ...shown.flatMap(([code, value]) => [el("dt", "", word(code)), el("dd", "", value)]));
}

// The number stands beside the bar, so that the bar itself is decoration.
export function bar(share) {
  const fill = el("span", "fill");
  fill.style.width = `${clamp(share, 1) * 100}%`;
  const track = el("div", "track", fill);
  track.setAttribute("aria-hidden", "true");
  return track;
}

export function table(className, headCodes, rows) {
  const heads = headCodes.map((code) => {
    const head = el("th", "", word(code));
    head.scope = "col";
    return head;
  });
  const body = rows.map((cells) => el("tr", "", ...cells.map((cell) => el("td", "", cell))));
  return el("table", className, el("thead", "", el("tr", "", ...heads)), el("tbody", "", ...body));
}

export const list = (value) => (Array.isArray(value) ? value : []);
export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
export const percent = (value) => (isNumber(value) ? `${(value * 100).toFixed(1)}%` : "–");
export const decimal = (value) => (isNumber(value) ? value.toFixed(3) : "–");
export const clamp = (value, high) => (isNumber(value) ? Math.min(Math.max(value, 0), high) : 0);
