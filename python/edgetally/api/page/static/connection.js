/** One ranking after the other, from a stream that starts again by itself. Knows no document. */

/** @import { Look, Ranking } from "./types.js" */

import { question } from "./state.js";
import { ask, backoff, follow } from "./stream.js";

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
