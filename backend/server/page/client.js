// SPDX-License-Identifier: GPL-3.0-or-later
// The server's interface. The token is kept for this tab only; every error is thrown in the server's words.

const KEY = "meshwright-token";

export function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);  // so that it is not in a copied address
  }
}

export function setToken(token) { sessionStorage.setItem(KEY, token.trim()); }

export class ServerError extends Error {
  constructor(status, report) {
    super([report.what, report.why, report.advice].filter(Boolean).join(" "));
    this.status = status;
  }
}

async function ask(method, path, body, headers = {}) {
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { method, body, headers });
  if (answer.ok) return answer;
  const report = await answer.json().catch(() => ({ what: `The server answers with ${answer.status}.` }));
  throw new ServerError(answer.status, report);
}

export const get = async path => (await ask("GET", path)).json();
export const file = async path => (await ask("GET", path)).blob();
export const bytes = async path => (await ask("GET", path)).arrayBuffer();
export const cancel = job => ask("POST", `/v1/jobs/${job}/cancel`);

// Create, upload, submit; `files` are [slot, name, blob].
export async function submit(request, files) {
  const job = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
  const inputs = {};
  for (const [slot, name] of files) (inputs[slot] ??= []).push(name);
  await ask("PUT", `/v1/jobs/${job}`, JSON.stringify({ ...request, inputs }), { "Content-Type": "application/json" });
  for (const [, name, blob] of files) await ask("PUT", `/v1/jobs/${job}/inputs/${name}`, blob);
  await ask("POST", `/v1/jobs/${job}/submit`);
  return job;
}

// All events to the terminal one, which is returned; a lost connection is taken up behind the last known event.
export async function follow(job, show) {
  let last = 0;
  for (;;) {
    try {
      const answer = await ask("GET", `/v1/jobs/${job}/events`, undefined, { "Last-Event-ID": String(last) });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const fields = Object.fromEntries(block.split("\n").map(line => line.split(/: (.*)/s)).map(([a, b]) => [a, b]));
          if (!fields.data) continue;
          last = Number(fields.id);
          const event = JSON.parse(fields.data);
          show(event);
          if (["done", "failed", "cancelled"].includes(event.event)) return event;
        }
      }
    } catch (error) {
      if (error instanceof ServerError) throw error;
    }
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
}
