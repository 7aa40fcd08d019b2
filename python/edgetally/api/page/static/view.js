/** Joins the address, the connection and the pictures; the only module that listens to the reader. */

/** @import { Condition, Look, Ranking } from "./types.js" */

import { counts, isTroubled } from "./columns.js";
import { Connection, ahead as dated } from "./connection.js";
import { byId, listen, offer, set, write } from "./element.js";
import { drawFocus } from "./focus.js";
import { moment, percent } from "./format.js";
import { Rows } from "./rows.js";
import { write as address, arrange, condition, ORDERS, question, read, starting, UNITS, unit } from "./state.js";
import { clickedSecond, drawFoot, drawPops, drawStrip, drawTiles } from "./summary.js";

/** Rows are sorted anew after so many seconds. */
const SORT_EVERY = 5;
/** A page that is hidden for so long gives up its stream: browsers have six connections per server. */
const HIDDEN = 30;
/** Services that came since are offered after so many seconds. */
const SERVICES_EVERY = 10;
const TOKEN = "edgetally-token";

let look = read(location.hash);
/** @type {Ranking | null} */
let ranking = null;
/** The server's clock less this machine's, in seconds. */
let ahead = 0;
/** Of /readyz, while seconds are not sealed. */
let sentence = "";
/** @type {string[]} */
let services = [];
/** When they were last asked for. */
let askedAt = 0;
/** @type {string[]} */
let order = [];
let sortedAt = 0;
let chosen = "";
let pointing = false;
let hiddenAt = 0;

const table = /** @type {HTMLTableElement} */ (document.querySelector("#scroll > table"));
const rows = new Rows(table);
const match = /** @type {HTMLInputElement} */ (byId("match"));
const service = /** @type {HTMLSelectElement} */ (byId("service"));
const downsample = /** @type {HTMLSelectElement} */ (byId("downsample"));
const help = /** @type {HTMLDialogElement} */ (byId("help"));
const connection = new Connection({ token: () => sessionStorage.getItem(TOKEN) ?? "", take, changed: draw });

/** Seconds by the server's clock. */
const now = () => Date.now() / 1000 + ahead;

/**
 * Look at something else, and put it into the address.
 * @param {Partial<Look>} change
 * @param {{ replace?: boolean }} [how] `replace`: Back does not stop here
 */
function go(change, { replace = false } = {}) {
  const next = { ...look, ...change };
  if (!ORDERS[next.of].includes(next.by)) next.by = "trouble";
  if (address(next) === address(look)) return;
  const to = address(next) || location.pathname + location.search;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  show(next);
}

/**
 * Show what an address says.
 * @param {Look} next
 */
function show(next) {
  if (next.of !== look.of || next.service !== look.service || next.by !== look.by) {
    [order, sortedAt, chosen] = [[], 0, ""];
  }
  if (connection.problem === "gone") notice("");
  const same = question(next) === question(look) && !connection.isStopped;
  look = next;
  controls();
  if (look.service && !same) connection.begin(look);
}

/** Find the services; look at the first if the address names none. */
async function start() {
  askedAt = Date.now();
  const found = await connection.services().catch(() => []);
  if (found === null) {
    connection.stop();
    connection.problem = "refused";
    notice(sessionStorage.getItem(TOKEN) ? "The server refuses this token." : "");
    draw();
    byId("token").focus();
    return;
  }
  notice("");
  services = found;
  controls();
  if (look.service) return void draw();
  if (found.length) return go({ service: found[0] }, { replace: true });
  notice("Nothing counts yet. See /rejected for lines that do not; edgetally formats shows how edges log.");
  connection.problem = "empty";
  draw();
  setTimeout(start, 1000);
}

/** Offer the services that came since. */
async function refresh() {
  askedAt = Date.now();
  services = (await connection.services().catch(() => null)) ?? services;
  controls();
}

/**
 * Take a ranking as the newest picture.
 * @param {Ranking} next
 */
function take(next) {
  const isLive = !look.at && unit(next) === UNITS.second;
  if (isLive) ahead = next.Timestamp - Date.now() / 1000;
  // Of a picture that stands still, the Timestamp does, too.
  if (!isLive || dated > ahead) ahead = dated || ahead;
  next.newest = newest(next);
  [ranking, sentence] = [next, ""];
  draw();
}

/** Draw everything anew. */
function draw() {
  const state = drawState();
  byId("refused").hidden = state.name !== "refused";
  byId("picture").hidden = !ranking;
  if (state.name === "gone") notice("It is not kept any more, or no server was running. Go on, to see what is now.");
  if (!ranking) return;
  const quiet = starting(ranking);
  drawTiles(ranking, quiet);
  drawStrip(ranking, { frozen: look.at > 0, newest: newest(ranking) });
  const shown = ranking;
  const names = shown.rows.map((row) => row.name);
  const troubled = new Set(shown.rows.filter((row) => isTroubled(shown, row)).map((row) => row.name));
  const isHeld = pointing || chosen !== "" || look.focus !== "" || look.at > 0;
  const arranged = arrange(order, names, order.length > 0 && (isHeld || now() - sortedAt < SORT_EVERY));
  if (arranged.order === names) sortedAt = now();
  order = arranged.order;
  // By trouble, rows without any change places all the time: no news.
  const up = arranged.moved.filter((name) => look.by !== "trouble" || troubled.has(name));
  const moved = isHeld ? up.length : 0;
  const news = moved ? `${moved} ${moved === 1 ? "row" : "rows"} moved up` : "";
  write(byId("moved"), look.match && !names.length ? `no ${ranking.of} with “${look.match}”` : news);
  const focus = (/** @type {number} */ columns) => drawFocus(shown, look, columns, quiet);
  rows.draw(ranking, look, { order, chosen, quiet, focus });
  drawPops(ranking, look);
  drawFoot(ranking);
}

/**
 * Write the clock, the state and the title.
 * @returns {Condition}
 */
function drawState() {
  const { problem, lostAt, retryAt } = connection;
  const server = (/** @type {number} */ at) => (at ? at + ahead : 0);
  const seen = { look, ranking, now: now(), lostAt: server(lostAt), retryAt: server(retryAt), problem, sentence };
  const state = condition(seen);
  const second = look.at || Math.floor(now());
  const isOld = look.at && now() - look.at > UNITS.day;
  write(byId("clock"), `${moment(second, isOld ? UNITS.day : UNITS.second)} UTC`);
  set(byId("clock"), "title", new Date(second * 1000).toLocaleString());
  set(document.body, "data-state", state.name);
  write(byId("state"), state.text);
  // Screen readers are told states, not seconds.
  write(byId("said"), state.name);
  const all = ranking ? counts(ranking, ranking.all.now) : null;
  const parts = [
    ["live", "idle", "starting"].includes(state.name) ? "" : state.name,
    all ? `${percent(all.of("5xx"), all.all)} % 5xx` : "",
    look.service,
    "edgetally",
  ];
  document.title = parts.filter(Boolean).join(" · ");
  return state;
}

/** Make the controls show what is looked at. */
function controls() {
  set(byId("domains"), "aria-pressed", String(look.of === "domains"));
  set(byId("origins"), "aria-pressed", String(look.of === "origins"));
  set(byId("freeze"), "aria-pressed", String(look.at > 0));
  write(byId("freeze"), look.at ? "Go on" : "Freeze");
  offer(service, [...new Set([...services, look.service])].filter(Boolean).sort());
  service.value = look.service;
  if (document.activeElement !== match) match.value = look.match;
  downsample.value = look.downsample;
}

/**
 * @param {string} text empty: none
 */
function notice(text) {
  byId("notice").hidden = !text;
  write(byId("notice"), text);
}

/**
 * The newest second that can be looked at.
 * @param {Ranking} shown
 * @returns {number}
 */
const newest = (shown) => Math.floor(now()) - shown.AggregateDelay;

/** Freeze what is shown, or go on. */
function freeze() {
  go({ at: look.at || !ranking ? 0 : ranking.second });
}

/**
 * Look some steps of the strip further back or forth.
 * @param {number} steps
 */
function scrub(steps) {
  if (!ranking) return;
  const at = (look.at || ranking.second) + steps * unit(ranking);
  go({ at: at >= newest(ranking) ? 0 : at }, { replace: look.at > 0 });
}

/**
 * Make the steps of the strip longer or shorter.
 * @param {number} by 1: longer
 */
function zoom(by) {
  const units = /** @type {Look["downsample"][]} */ (Object.keys(UNITS));
  go({ downsample: units[units.indexOf(look.downsample) + by] ?? look.downsample });
}

/**
 * Choose the row above or below.
 * @param {number} step
 */
function choose(step) {
  const at = order.indexOf(chosen);
  chosen = order[Math.max(0, Math.min(order.length - 1, at < 0 ? 0 : at + step))] ?? "";
  draw();
  table.querySelector("tr.chosen")?.scrollIntoView({ block: "nearest" });
}

/** One step back: the focus, the row, the filter, the second, the POP. */
function back() {
  if (look.focus) go({ focus: "" });
  else if (chosen) {
    chosen = "";
    draw();
  } else if (look.match) go({ match: "" });
  else if (look.at) go({ at: 0 });
  else go({ pop: "" });
}

/** Copy a link that names its second, also while live. */
async function copy() {
  if (!ranking) return;
  const link = new URL(address({ ...look, at: look.at || ranking.second }), location.href).href;
  // Only pages from a secure origin may write to the clipboard. Others show the link.
  const copied = await navigator.clipboard?.writeText(link).then(
    () => true,
    () => false,
  );
  notice(copied ? "Copied a link to this second." : link);
  setTimeout(notice, 5000, "");
}

const openOrClose = (/** @type {string} */ name) => go({ focus: look.focus === name ? "" : name });
const domains = () => go({ of: "domains", focus: "" });
const origins = () => go({ of: "origins", focus: "" });

listen(
  {
    d: domains,
    o: origins,
    "/": () => match.focus(),
    ArrowUp: () => choose(-1),
    ArrowDown: () => choose(1),
    Enter: () => chosen && openOrClose(chosen),
    f: freeze,
    " ": freeze,
    ArrowLeft: () => scrub(-1),
    ArrowRight: () => scrub(1),
    "[": () => scrub(-10),
    "]": () => scrub(10),
    "-": () => zoom(1),
    "+": () => zoom(-1),
    Escape: back,
    c: copy,
    "?": () => help.showModal(),
    ...Object.fromEntries([0, 1, 2, 3, 4, 5].map((i) => [i + 1, () => go({ by: ORDERS[look.of][i] ?? look.by })])),
  },
  () => help.open,
);
byId("domains").addEventListener("click", domains);
byId("origins").addEventListener("click", origins);
byId("freeze").addEventListener("click", freeze);
byId("help-open").addEventListener("click", () => help.showModal());
service.addEventListener("change", () => go({ service: service.value, focus: "", match: "", pop: "", at: 0 }));
byId("pop").addEventListener("change", (event) => go({ pop: /** @type {HTMLSelectElement} */ (event.target).value }));
downsample.addEventListener("change", () => go({ downsample: read(`#downsample=${downsample.value}`).downsample }));
match.addEventListener("input", () => go({ match: match.value.trim() }, { replace: true }));
byId("strip").addEventListener("click", ({ clientX }) => ranking && go({ at: clickedSecond(ranking, clientX) }));
table.addEventListener("click", ({ target }) => {
  const clicked = /** @type {HTMLElement} */ (target);
  const by = clicked.closest("[data-by]")?.getAttribute("data-by");
  const name = clicked.closest("tr[data-name]")?.getAttribute("data-name");
  if (by) go({ by });
  else if (name) openOrClose(name);
});
byId("scroll").addEventListener("pointerenter", () => {
  pointing = true;
});
byId("scroll").addEventListener("pointerleave", () => {
  pointing = false;
});
byId("refused").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  sessionStorage.setItem(TOKEN, field.value.trim());
  field.value = "";
  start();
  if (look.service) connection.begin(look);
});
addEventListener("popstate", () => show(read(location.hash)));
document.addEventListener("visibilitychange", () => {
  hiddenAt = document.hidden ? Date.now() : 0;
  if (!document.hidden && connection.isStopped && look.service) connection.begin(look);
});
setInterval(() => {
  if (hiddenAt && Date.now() - hiddenAt > HIDDEN * 1000) connection.stop();
  if (!connection.isStopped && Date.now() - askedAt > SERVICES_EVERY * 1000) refresh();
  // The clock goes on, and a picture that stands still says so.
  if (drawState().name !== "stale" || sentence || connection.isStopped) return;
  connection.readiness().then(
    (text) => {
      sentence = text;
    },
    () => {},
  );
}, 1000);

controls();
draw();
start();
if (look.service) connection.begin(look);
