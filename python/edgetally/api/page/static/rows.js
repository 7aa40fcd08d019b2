/** The table: one row per name, kept from picture to picture. */

/** @import { Look, Ranking, Row } from "./types.js" */

import { COLUMNS, changed, counts, statuses, tooltip } from "./columns.js";
import { drawPaths, html, picture, set, write } from "./element.js";
import { percent, short } from "./format.js";
import { areas, CLASSES, depth, largest, slices } from "./picture.js";

const MAX_POPS = 12;
const SPARK_HEIGHT = 20;

/**
 * The POPs that have a column: the busiest twelve in alphabetical order. The others share one.
 * @param {Ranking} ranking
 * @returns {{ names: string[], positions: number[][] }}
 */
export function popColumns(ranking) {
  const busiest = ranking.pops.map((pop, i) => ({ name: pop.name, i, all: pop.now[0] + pop.before[0] }));
  busiest.sort((a, b) => b.all - a.all || (a.name < b.name ? -1 : 1));
  const own = busiest.slice(0, MAX_POPS).sort((a, b) => (a.name < b.name ? -1 : 1));
  const others = busiest.slice(MAX_POPS);
  const names = own.map((pop) => pop.name);
  const positions = own.map((pop) => [pop.i]);
  if (others.length) {
    names.push(`${others.length} more`);
    positions.push(others.map((pop) => pop.i));
  }
  return { names, positions };
}

/** Draws rankings into a table. */
export class Rows {
  /**
   * @param {HTMLTableElement} table
   */
  constructor(table) {
    this.head = /** @type {HTMLTableSectionElement} */ (table.tHead);
    this.body = table.tBodies[0];
    this.foot = /** @type {HTMLTableSectionElement} */ (table.tFoot);
    /** @type {Map<string, HTMLTableRowElement>} */
    this.made = new Map();
    this.shape = "";
  }

  /**
   * Draw a ranking.
   * @param {Ranking} ranking
   * @param {Look} look
   * @param {{ order: string[], chosen: string, quiet: boolean, focus: HTMLElement | null }} how
   *   `quiet`: no change is shown
   */
  draw(ranking, look, { order, chosen, quiet, focus }) {
    const pops = popColumns(ranking);
    this.#shape(ranking, look, pops.names);
    const rows = new Map(ranking.rows.map((row) => [row.name, row]));
    const most = Math.max(1, ...ranking.rows.flatMap((row) => row.pops.map(([all]) => all)));
    /** @type {Node[]} */
    const wanted = [];
    for (const name of order) {
      const row = /** @type {Row} */ (rows.get(name));
      const tr = this.made.get(name) ?? this.#make(ranking, name, pops.names.length);
      this.#fill(tr, ranking, row, { pops: pops.positions, most, quiet });
      tr.classList.toggle("chosen", name === chosen);
      set(tr.cells[0].children[0], "aria-expanded", String(name === look.focus));
      wanted.push(tr);
      if (name === look.focus && focus) wanted.push(focus);
    }
    for (const name of this.made.keys()) if (!rows.has(name)) this.made.delete(name);
    this.#place(wanted);
    this.#rest(ranking);
  }

  /**
   * Put rows where they belong, and touch only those that move: the focus of the keyboard stays.
   * @param {Node[]} wanted
   */
  #place(wanted) {
    const stay = new Set(wanted);
    for (const node of [...this.body.childNodes]) if (!stay.has(node)) node.remove();
    wanted.forEach((node, i) => {
      if (this.body.childNodes[i] !== node) this.body.insertBefore(node, this.body.childNodes[i] ?? null);
    });
  }

  /**
   * Make the head anew if there are other columns.
   * @param {Ranking} ranking
   * @param {Look} look
   * @param {string[]} pops
   */
  #shape(ranking, look, pops) {
    const shape = JSON.stringify([ranking.of, look.by, pops]);
    if (shape === this.shape) return;
    this.shape = shape;
    this.made.clear();
    const heads = COLUMNS[ranking.of].map((column) => {
      const by = column.by;
      const th = html("th", { scope: "col", class: column.wide ? "wide" : "", title: column.title });
      if (by) {
        th.append(html("button", { type: "button", "data-by": by }, by === look.by ? `${column.head} ↓` : column.head));
        if (by === look.by) th.setAttribute("aria-sort", "descending");
      } else th.append(column.head);
      return th;
    });
    heads.splice(1, 0, html("th", { scope: "col", class: "wide", title: "against a minute before" }, "1 min"));
    heads.splice(2, 0, html("th", { scope: "col", class: "wide" }, "status"));
    const name = html("th", { scope: "col", title: "in the order of trouble: 5xx and fetches without a response" });
    const one = ranking.of.slice(0, -1);
    const text = look.by === "trouble" ? `${one}, by trouble ↓` : one;
    name.append(html("button", { type: "button", "data-by": "trouble" }, text));
    if (look.by === "trouble") name.setAttribute("aria-sort", "descending");
    const popHeads = pops.map((pop) => html("th", { scope: "col", class: "pop wide" }, pop));
    const spark = html("th", { scope: "col" }, "2 minutes");
    this.head.replaceChildren(html("tr", {}, name, ...heads, spark, ...popHeads));
  }

  /**
   * Make the row of a name.
   * @param {Ranking} ranking
   * @param {string} name
   * @param {number} pops
   * @returns {HTMLTableRowElement}
   */
  #make(ranking, name, pops) {
    const tr = html("tr", { "data-name": name });
    const button = html("button", { type: "button", tabindex: "-1", title: name }, name);
    tr.append(html("th", { scope: "row" }, button));
    const columns = COLUMNS[ranking.of];
    columns.forEach((column, i) => {
      tr.append(html("td", { class: column.wide ? "wide" : "" }));
      if (i === 0) {
        tr.append(html("td", { class: "wide change" }));
        tr.append(html("td", { class: "wide bar" }, picture(1000, 12, CLASSES)));
      }
    });
    const length = ranking.rows[0]?.series["5xx"].length ?? 1;
    tr.append(html("td", { class: "spark" }, picture(length, SPARK_HEIGHT, ["5xx", "2xx"])));
    for (let i = 0; i < pops; i += 1) tr.append(html("td", { class: "pop wide" }, html("span")));
    this.made.set(name, tr);
    return tr;
  }

  /**
   * Write the numbers of a row.
   * @param {HTMLTableRowElement} tr
   * @param {Ranking} ranking
   * @param {Row} row
   * @param {{ pops: number[][], most: number, quiet: boolean }} how
   */
  #fill(tr, ranking, row, { pops, most, quiet }) {
    const [now, before] = [counts(ranking, row.now), counts(ranking, row.before)];
    const columns = COLUMNS[ranking.of];
    set(tr, "title", tooltip(ranking, row));
    let cell = 1;
    columns.forEach((column, i) => {
      const td = tr.cells[cell++];
      write(td, column.text(now));
      td.classList.toggle("bad", column.bad?.(now) ?? false);
      if (i > 0) return;
      const change = row.silent ? "silent" : changed(column, now, before);
      write(tr.cells[cell], quiet ? "" : change);
      tr.cells[cell++].classList.toggle("silent", row.silent && !quiet);
      const bar = slices(statuses(now)).map(([start, width]) =>
        width ? `M${(1000 * start).toFixed(0)} 0h${(1000 * width).toFixed(0)}v12h-${(1000 * width).toFixed(0)}z` : "",
      );
      drawPaths(/** @type {SVGSVGElement} */ (tr.cells[cell++].firstChild), bar);
    });
    const all = row.series.requests ?? row.series.responses;
    const failed = row.series["5xx"];
    const others = all.map((one, i) => (one === null ? null : one - (failed[i] ?? 0)));
    const paths = areas([failed, others], largest(all), SPARK_HEIGHT);
    drawPaths(/** @type {SVGSVGElement} */ (tr.cells[cell++].firstChild), paths);
    for (const positions of pops) {
      const requests = positions.reduce((sum, i) => sum + row.pops[i][0], 0);
      const failures = positions.reduce((sum, i) => sum + row.pops[i][1], 0);
      const span = /** @type {HTMLElement} */ (tr.cells[cell++].firstChild);
      write(span, failures ? percent(failures, requests) : requests ? "" : "·");
      set(span, "class", failures ? "failing" : `d${depth(requests, most)}`);
      set(span, "title", `${short(requests / now.seconds)}/s, ${percent(failures, requests)} % 5xx`);
    }
  }

  /**
   * Draw the row of all names without one.
   * @param {Ranking} ranking
   */
  #rest(ranking) {
    const { rest } = ranking;
    if (!rest.names) return this.foot.replaceChildren();
    const now = counts(ranking, rest.now);
    const tr = html("tr", { class: "rest", title: tooltip(ranking, rest) });
    tr.append(html("th", { scope: "row" }, `${rest.names} more`));
    COLUMNS[ranking.of].forEach((column, i) => {
      tr.append(html("td", { class: column.wide ? "wide" : "" }, column.text(now)));
      if (i === 0) tr.append(html("td", { class: "wide" }), html("td", { class: "wide" }));
    });
    this.foot.replaceChildren(tr);
  }
}
