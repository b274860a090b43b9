// The field for an API key. It shows once the server asks for one.

import { setKey } from "./api.js";
import { byId } from "./dom.js";

let again = () => {};

// `retry` runs once a key is given.
export function askForKey(retry) {
  again = retry;
  byId("key-form").hidden = false;
  byId("key").focus();
}

export function closeKey() {
  const form = byId("key-form");
  if (form.hidden) return false;
  form.hidden = true;
  byId("text").focus();
  return true;
}

export function startKey() {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!byId("key").value.trim()) return;
    setKey(byId("key").value);
    byId("key").value = "";
    closeKey();
    again();
  });
  byId("key-close").addEventListener("click", closeKey);
}
