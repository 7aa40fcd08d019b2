/** Everything of one name, below its row. */

/** @import { Fields, FocusPart, Look, Ranking } from "./types.js" */

import { drawPaths, hatching, html, picture } from "./element.js";
import { bucket, change, duration, full, percent, short } from "./format.js";
import { areas, CLASSES, gaps, largest, layers, since } from "./picture.js";
import { counted, EACH, known, unit, write } from "./state.js";

const HEIGHT = 60;
const hatch = hatching("hatch-focus");

/**
 * Requests or responses of a part.
 * @param {Fields} fields
 * @param {Ranking} ranking
 * @returns {number}
 */
function whole(fields, ranking) {
  return ranking.of === "domains"
    ? (fields.requests ?? 0) + (fields.compute_request ?? 0)
    : (fields.all_responses ?? fields.responses ?? 0);
}

/**
 * A field of the dataset: of origins, of all families together.
 * @param {Fields} fields
 * @param {Ranking} ranking
 * @param {string} name
 * @returns {number}
 */
function field(fields, ranking, name) {
  return fields[ranking.of === "origins" ? `all_${name}` : name] ?? 0;
}

/**
 * Draw what the answer says of the focus.
 * @param {Ranking} ranking
 * @param {Look} look
 * @param {number} columns of the table
 * @param {boolean} quiet no change is shown
 * @returns {HTMLTableRowElement | null}
 */
export function drawFocus(ranking, look, columns, quiet) {
  const focus = ranking.focus;
  if (!focus) return null;
  const stacked = layers(focus.series);
  const all = counted(focus.series);
  const svg = picture(all.length, HEIGHT, ["unknown", ...CLASSES]);
  drawPaths(svg, [gaps(all, HEIGHT), ...areas(stacked, largest(all), HEIGHT)]);
  hatch(svg);
  const began = since(ranking, focus.series);
  const other = ranking.of === "domains" ? "origins" : "domains";
  const link = write({ ...look, of: other, by: "trouble", focus: "", match: "" });
  const parts = [codes(focus, ranking, quiet), pops(focus, ranking)];
  if (ranking.of === "origins") {
    parts.push(latencies(focus, ranking));
    if (focus.addresses?.length) parts.push(addresses(focus.addresses, ranking));
  }
  return html(
    "tr",
    { class: "focus" },
    html(
      "td",
      { colspan: String(columns) },
      html("div", { class: "focus-strip" }, svg),
      html(
        "p",
        { class: "legend" },
        `${focus.name}: ${duration(all.length * unit(ranking))}, at most ${full(largest(all))} ${EACH.get(unit(ranking))}`,
        html("span", { class: "bad" }, began && `5xx ${began}`),
        html("a", { href: link || "#" }, `${other} at this time${look.pop ? ` in ${look.pop}` : ""}`),
      ),
      html("div", { class: "focus-parts" }, ...parts),
    ),
  );
}

/**
 * A small table.
 * @param {string} title
 * @param {string[]} heads
 * @param {(string | Node)[][]} rows
 * @returns {HTMLElement}
 */
function table(title, heads, rows) {
  return html(
    "table",
    {},
    html("caption", {}, title),
    html("thead", {}, html("tr", {}, ...heads.map((head) => html("th", { scope: "col" }, head)))),
    html(
      "tbody",
      {},
      ...rows.map(([first, ...others]) =>
        html("tr", {}, html("th", { scope: "row" }, first), ...others.map((one) => html("td", {}, one))),
      ),
    ),
  );
}

/**
 * Every code with a counter: sent by the edge, and received from origins.
 * @param {FocusPart} focus
 * @param {Ranking} ranking
 * @param {boolean} quiet
 * @returns {HTMLElement}
 */
function codes(focus, ranking, quiet) {
  const pattern =
    ranking.of === "origins" ? /^all_status_(\d{3})$/ : /^(compute_resp_|compute_origin_|origin_)?status_(\d{3})$/;
  const names = [...new Set([...Object.keys(focus.now), ...Object.keys(focus.before)])].filter((one) =>
    pattern.test(one),
  );
  // What was sent, then what origins answered.
  names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const rows = names.map((name) => {
    const [now, before] = [focus.now[name] ?? 0, focus.before[name] ?? 0];
    const text = name
      .replace(/^all_status_|^status_/, "")
      .replaceAll("_", " ")
      .replace(" status", "");
    const count = /5\d\d$/.test(name) && now ? html("span", { class: "bad" }, full(now)) : full(now);
    return [text, count, quiet ? "" : change(now / known(ranking), before / known(ranking, "before"))];
  });
  if (ranking.of === "domains") {
    const fetches = (focus.now.origin_fetches ?? 0) + (focus.now.compute_bereqs ?? 0);
    const prefixes = ["origin_status_", "compute_origin_status_"];
    const answered = prefixes.reduce((sum, prefix) => sum + classes(focus.now, prefix), 0);
    const unanswered = Math.max(0, fetches - answered);
    const count = unanswered ? html("span", { class: "bad" }, full(unanswered)) : "0";
    if (fetches) rows.push(["fetches unanswered", count, ""]);
  }
  const classed =
    classes(focus.now, ranking.of === "origins" ? "all_status_" : "status_") +
    classes(focus.now, "compute_resp_status_");
  const none = Math.max(0, whole(focus.now, ranking) - classed);
  if (none) rows.push(["without a status", full(none), ""]);
  return table(`Codes in ${duration(ranking.window)}`, ["code", "now", duration(ranking.ago)], rows);
}

/**
 * The sum of the five classes with a prefix.
 * @param {Fields} fields
 * @param {string} prefix
 * @returns {number}
 */
function classes(fields, prefix) {
  return [1, 2, 3, 4, 5].reduce((sum, one) => sum + (fields[`${prefix}${one}xx`] ?? 0), 0);
}

/**
 * A share of failures, marked if there are any.
 * @param {number} failed
 * @param {number} all
 * @returns {string | Node}
 */
function failures(failed, all) {
  const share = percent(failed, all);
  return failed ? html("span", { class: "bad" }, share) : share;
}

/**
 * The POPs of the focus.
 * @param {import("./types.js").Focus} focus
 * @param {Ranking} ranking
 * @returns {HTMLElement}
 */
function pops(focus, ranking) {
  const rows = focus.pops.map((pop) => {
    const all = whole(pop.now, ranking);
    const failed = field(pop.now, ranking, "status_5xx") + (pop.now.compute_resp_status_5xx ?? 0);
    return [pop.name, short(all / known(ranking)), failures(failed, all)];
  });
  return table("POPs", ["POP", ranking.of === "domains" ? "req/s" : "resp/s", "5xx %"], rows);
}

/**
 * The 12 latency buckets.
 * @param {FocusPart} focus
 * @param {Ranking} ranking
 * @returns {HTMLElement}
 */
function latencies(focus, ranking) {
  const names = ranking.columns.filter((name) => name.startsWith("latency_"));
  const values = names.map((name) => field(focus.now, ranking, name));
  const most = Math.max(1, ...values);
  const rows = values.map((value, i) => {
    const meter = html("meter", { value: String(value), max: String(most), "aria-label": `${value} of ${most}` });
    return [bucket(i), full(value), meter];
  });
  return table(`First byte in ${duration(ranking.window)}`, ["time", "responses", "share of the largest"], rows);
}

/**
 * The addresses of an origin.
 * @param {FocusPart[]} found
 * @param {Ranking} ranking
 * @returns {HTMLElement}
 */
function addresses(found, ranking) {
  const rows = found.map((one) => {
    const all = whole(one.now, ranking);
    return [one.name, short(all / known(ranking)), failures(field(one.now, ranking, "status_5xx"), all)];
  });
  return table("Addresses", ["address", "resp/s", "5xx %"], rows);
}
