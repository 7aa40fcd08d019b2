/**
 * One ranking after the other, from a stream that starts again by itself. Knows no document.
 * It is read with `fetch`: `EventSource` cannot send a token.
 */

/** @import { Look, Ranking } from "./types.js" */

import { question } from "./state.js";

/** Minutes, hours and days are asked for again after so many seconds. */
const AGAIN = 5;

/** Asks for what is looked at, and says how it went. */
export class Connection {
  /** Unix seconds by this machine since which there was no answer; 0: there is one. */
  lostAt = 0;
  /** When it tries again. */
  retryAt = 0;
  /** `empty`: there is no service yet. @type {"" | "refused" | "gone" | "empty"} */
  problem = "";
  /** @type {AbortController | undefined} */
  #reading;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #tries = 0;

  /**
   * @param {{ token: () => string, take: (ranking: Ranking) => void, changed: () => void }} how
   *   `changed`: one of the fields above has another value
   */
  constructor({ token, take, changed }) {
    this.token = token;
    this.take = take;
    this.changed = changed;
  }

  /**
   * Ask: for a stream, or for one second. What was asked before is given up.
   * @param {Look} look
   */
  begin(look) {
    this.stop();
    this.problem = "";
    const reading = new AbortController();
    this.#reading = reading;
    const isOnce = look.at || look.downsample !== "second";
    const asking = isOnce ? this.#once(look, reading.signal) : this.#live(look, reading.signal);
    const ended = (/** @type {number} */ status) => {
      if (reading === this.#reading) this.#ended(look, status);
    };
    asking.then(ended, () => ended(0));
  }

  /** Give up what is asked. */
  stop() {
    clearTimeout(this.#timer);
    this.#reading?.abort();
    this.#reading = undefined;
  }

  /** Whether nothing is asked, because it was stopped. */
  get isStopped() {
    return !this.#reading;
  }

  /**
   * The services that may be read; null: a token is needed.
   * @returns {Promise<string[] | null>}
   */
  async services() {
    const answer = await ask("./", { token: this.token(), accept: "application/json" });
    if (answer.status === 401 || answer.status === 403) return null;
    if (!answer.ok) throw new Error(`expected services, got status ${answer.status}`);
    return (await answer.json()).services;
  }

  /**
   * Why the server is not ready, in its own words.
   * @returns {Promise<string>}
   */
  async readiness() {
    const answer = await ask("readyz", { token: "", accept: "application/json" });
    /** @type {{ ok: boolean, problem: string | null }[]} */
    const checks = Object.values((await answer.json()).checks ?? {});
    return checks.find((check) => !check.ok)?.problem ?? "";
  }

  /**
   * @param {Look} look
   * @param {AbortSignal} signal
   * @returns {Promise<number>} the status
   */
  async #once(look, signal) {
    const answer = await ask(question(look), { token: this.token(), accept: "application/json", signal });
    if (answer.ok) this.#answered(await answer.json());
    // The running minute, hour or day goes on.
    if (answer.ok && !look.at) this.#timer = setTimeout(() => this.begin(look), AGAIN * 1000);
    return answer.status;
  }

  /**
   * @param {Look} look
   * @param {AbortSignal} signal
   * @returns {Promise<number>} the status
   */
  #live(look, signal) {
    return follow(question(look), { token: this.token(), signal }, ({ event, data }) => {
      if (event === "ranking" && !signal.aborted) this.#answered(JSON.parse(data));
    });
  }

  /**
   * @param {Ranking} ranking
   */
  #answered(ranking) {
    [this.lostAt, this.retryAt, this.#tries] = [0, 0, 0];
    this.take(ranking);
  }

  /**
   * @param {Look} look
   * @param {number} status 0: there was no answer
   */
  #ended(look, status) {
    if (status === 401 || status === 403) this.problem = "refused";
    else if (look.at && status === 404) this.problem = "gone";
    else if (status !== 200 || (!look.at && look.downsample === "second")) {
      this.#tries += 1;
      const now = Date.now() / 1000;
      const seconds = backoff(this.#tries, Math.random());
      this.lostAt ||= now;
      this.retryAt = now + seconds;
      this.#timer = setTimeout(() => this.begin(look), seconds * 1000);
    }
    this.changed();
  }
}

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

/** The server's clock less this machine's in seconds, by the last `Date`; NaN: it is not known. */
export let ahead = Number.NaN;

/**
 * Ask for an address with a token. Addresses are relative, so that a path prefix of a reverse proxy stays.
 * @param {string} address
 * @param {{ token: string, accept: string, signal?: AbortSignal }} how
 * @returns {Promise<Response>}
 */
export async function ask(address, { token, accept, signal }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept };
  if (token) headers["Fastly-Key"] = token;
  const answer = await fetch(address, { headers, signal, cache: "no-store", credentials: "omit" });
  ahead = (Date.parse(answer.headers.get("Date") ?? "") - Date.now()) / 1000;
  return answer;
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
