// Talks to the server: JSON over POST, a time limit, an API key where one is asked for, and problems as words.

import { isWord } from "./words.js";

const TIMEOUT_MS = 30000;
const KEY = "kefu-key";

export class Problem extends Error {
  // `code` names one of the page's own words; `text` is what the server said, where the page has no word for it.
  constructor({ code = "", text = "", status = 0 }) {
    super(code || text);
    this.code = code;
    this.text = text;
    this.needsKey = status === 401 || status === 403;
  }
}

// Kept for this tab only; storage throws where cookies are blocked, then it is kept until the page is left.
let key = "";
try {
  key = sessionStorage.getItem(KEY) ?? "";
} catch {
  key = "";
}

export function setKey(value) {
  key = value.trim();
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // Kept in the variable.
  }
}

// Returns the answer's JSON, or throws a Problem. `signal` ends the wait early.
export async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  const controller = new AbortController();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    controller.abort();
  }, TIMEOUT_MS);
  signal?.addEventListener("abort", () => controller.abort());
  let response, data;
  try {
    response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: controller.signal });
    data = parsed(await response.text());
  } catch {
    throw new Problem({ code: isLate ? "timedOut" : navigator.onLine ? "networkFailed" : "offline" });
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw refusal(response, data);
  if (data === null || typeof data !== "object") throw new Problem({ code: "unreadable" });
  return data;
}

// A proxy's error page is HTML.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const BY_STATUS = { 401: "unauthorized", 403: "forbidden", 404: "notFound", 429: "too_many_requests", 502: "networkFailed", 503: "overloaded" };

function refusal({ status }, data) {
  const { type, message } = data?.error ?? {};
  const code = typeof type === "string" && isWord(type) ? type : BY_STATUS[status] ?? "";
  const text = [type, message].filter(Boolean).join(": ") || `HTTP ${status}`;
  return new Problem({ code, text, status });
}

// crypto.randomUUID is missing on plain http, which an intranet may well use.
export function newId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
