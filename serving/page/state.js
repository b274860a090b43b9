// What the page remembers of the conversation on it.

import { newId } from "./api.js";

export const state = {
  conversationId: newId("web"),
  pending: null, // the AbortController of the message under way
  records: [], // {body, response, history}: the messages that got an answer, in order
  turns: [], // {speaker, text}, as /explain takes them, since the bot last had the conversation anew
  shown: null, // the record that the panel shows
};

export function forget() {
  state.pending?.abort();
  Object.assign(state, { conversationId: newId("web"), pending: null, records: [], turns: [], shown: null });
}

// A retried message has its place already.
export function remember(body, response) {
  const record = { body, response, history: [...state.turns] };
  state.records.push(record);
  state.turns.push({ speaker: "user", text: body.text });
  if (response.reply) state.turns.push({ speaker: "agent", text: response.reply });
  state.shown = record;
  return record;
}

// A person had the conversation; what came before says nothing about the bot's state now.
export function startAnew() {
  state.turns = [];
}
