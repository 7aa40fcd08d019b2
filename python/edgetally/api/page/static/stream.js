/** A stream of events, read with `fetch`: `EventSource` cannot send a token. Knows no document. */

/**
 * @typedef {{ event: string, data: string, id: string, retry: number }} Message
 */

/**
 * Takes text in pieces of any size, and gives the events that are complete:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
 * @returns {(piece: string) => Message[]}
 */
export function parser() {
  let rest = "";
  let id = "";
  let message = { event: "message", data: "", id: "", retry: 0 };
  return (piece) => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    const complete = [];
    for (const line of lines) {
      if (line === "") {
        if (message.data || message.retry) complete.push({ ...message, id, data: message.data.slice(0, -1) });
        message = { event: "message", data: "", id: "", retry: 0 };
        continue;
      }
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? ["", "", ""];
      if (name === "event") message.event = value;
      else if (name === "data") message.data += `${value}\n`;
      else if (name === "id") id = value;
      else if (name === "retry" && /^\d+$/.test(value)) message.retry = Number(value);
    }
    return complete;
  };
}

/**
 * Ask for an address with a token. Addresses are relative, so that a path prefix of a reverse proxy stays.
 * @param {string} address
 * @param {{ token: string, accept: string, signal?: AbortSignal, lastEventId?: string }} how
 * @returns {Promise<Response>}
 */
export function ask(address, { token, accept, signal, lastEventId }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept };
  if (token) headers["Fastly-Key"] = token;
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  return fetch(address, { headers, signal, cache: "no-store", credentials: "omit" });
}

/**
 * Read one stream until it ends or is aborted.
 * @param {string} address
 * @param {{ token: string, signal: AbortSignal }} how
 * @param {(message: Message) => void} take
 * @returns {Promise<number>} the status of the answer
 */
export async function follow(address, how, take) {
  const answer = await ask(address, { ...how, accept: "text/event-stream" });
  if (!answer.ok || !answer.body) return answer.status;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = parser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return answer.status;
    for (const message of parse(value)) take(message);
  }
}

/**
 * How long to wait before the next try: longer and longer, at random, so that many pages do not come at once.
 * @param {number} tries since the last success, from 1
 * @param {number} chance 0 to 1
 * @returns {number} seconds
 */
export function backoff(tries, chance) {
  return Math.min(30, 2 ** (tries - 1)) * (0.5 + chance / 2);
}
