// One message to a running service. Types come from kefu.d.ts; nothing else is needed.
import type { components } from "./kefu";

type ChatRequest = components["schemas"]["ChatRequest"];
type ChatAnswer = components["schemas"]["ChatAnswer"];
type ErrorBody = components["schemas"]["ErrorBody"];

export async function chat(url: string, request: ChatRequest, key = ""): Promise<ChatAnswer> {
  const headers = { "Content-Type": "application/json", "X-API-Key": key };
  const response = await fetch(`${url}/chat`, { method: "POST", headers, body: JSON.stringify(request) });
  if (!response.ok) throw new Error(((await response.json()) as ErrorBody).error.message);
  return (await response.json()) as ChatAnswer;
}
