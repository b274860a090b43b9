// Starts the page: the composer, the language, the views, the keyboard.

import { closeExplanation, renderExplanation } from "./explanation.js";
import { MAX_CHARACTERS, askButton, countCharacters, listenToBusy, send, startConversation } from "./conversation.js";
import { byId, translate } from "./dom.js";
import { closeKey, startKey } from "./key.js";
import { renderPanel, showView } from "./panel.js";
import { state } from "./state.js";
import { currentLanguage, setLanguage, word } from "./words.js";

const EXAMPLES = ["怎么还不发货", "我要退货上周买的碎屏手机", "笔记本电脑推荐", "你们就是骗子，我要投诉", "這個可以寄到香港嗎"];

function updateComposer() {
  const input = byId("text"), counter = byId("counter");
  const count = countCharacters(input.value);
  const excess = count - MAX_CHARACTERS, isOver = excess > 0;
  counter.textContent = `${count} / ${MAX_CHARACTERS}`;
  if (isOver) counter.append(` · ${word("over")} ${excess} ${word("characters")}`);
  counter.classList.toggle("over", isOver);
  input.setAttribute("aria-invalid", String(isOver));
  if (!isOver) byId("refusal").textContent = "";
  byId("send").disabled = Boolean(state.pending) || !input.value.trim();
}

function submit(event) {
  event.preventDefault();
  const input = byId("text");
  if (countCharacters(input.value.trim()) > MAX_CHARACTERS) {
    byId("refusal").textContent = word("tooLong"); // What was typed stays in the box.
    return;
  }
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
  setLanguage(language);
  translate();
  for (const node of document.querySelectorAll(".language")) {
    node.setAttribute("aria-pressed", String(node.dataset.language === language));
  }
  updateComposer();
  renderPanel();
  renderExplanation();
}

function start() {
  byId("examples").append(...EXAMPLES.map((text) => askButton(text, "ask")));
  byId("composer").addEventListener("submit", submit);
  byId("text").addEventListener("input", updateComposer);
  byId("text").addEventListener("keydown", onKey);
  byId("new-conversation").addEventListener("click", startConversation);
  byId("explanation-close").addEventListener("click", closeExplanation);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing && (closeKey() || closeExplanation())) event.preventDefault();
  });
  for (const node of document.querySelectorAll(".language")) node.addEventListener("click", () => applyLanguage(node.dataset.language));
  for (const node of document.querySelectorAll(".view")) node.addEventListener("click", () => showView(node.dataset.view));
  listenToBusy(updateComposer);
  startKey();
  applyLanguage(currentLanguage());
}

start();
