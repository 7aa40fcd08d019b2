/** The table: one row per name, kept from picture to picture. */

/** @import { Look, Ranking, Row } from "./types.js" */

import { COLUMNS, changed, choosePops, counts, MAX_POPS, popColumns, statuses, tooltip } from "./columns.js";
import { drawPaths, html, picture, set, write } from "./element.js";
import { duration, percent, short } from "./format.js";
import { areas, CLASSES, depth, largest, slices } from "./picture.js";
import { question, unit } from "./state.js";

const SPARK_HEIGHT = 20;
/** How long the picture of a row is. */
const SPARK_STEPS = 120;
/** POPs are chosen anew after so many seconds, or with another question. */
const CHOOSE_EVERY = 5;
/** As many POPs have a column, however narrow the page is. */
const FEWEST_POPS = 3;
const BAR = { width: 84, height: 12 };

/**
 * How a ranking is drawn.
 * @typedef {object} How
 * @property {string[]} order
 * @property {string} chosen
 * @property {boolean} quiet no change is shown
 * @property {(columns: number) => HTMLElement | null} focus makes the row below the one that is open
 */

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
    /** @type {{ names: string[], question: string, second: number }} */
    this.pops = { names: [], question: "", second: 0 };
    this.scroll = /** @type {HTMLElement} */ (table.parentElement);
    /** How wide it was when `room` began to be found. */
    this.width = 0;
    /** How many POPs fit. */
    this.room = 0;
  }

  /**
   * Draw a ranking.
   * @param {Ranking} ranking
   * @param {Look} look
   * @param {How} how
   */
  draw(ranking, look, how) {
    const chosen = this.#pops(ranking, question(look));
    if (this.width !== this.scroll.clientWidth) [this.width, this.room] = [this.scroll.clientWidth, MAX_POPS];
    this.#draw(ranking, look, chosen, how);
    // A POP that fails must not be beyond the edge.
    while (Math.min(this.room, chosen.length) > FEWEST_POPS && this.scroll.scrollWidth > this.scroll.clientWidth) {
      this.room = Math.min(this.room, chosen.length) - 1;
      this.#draw(ranking, look, chosen, how);
    }
  }

  /**
   * @param {Ranking} ranking
   * @param {Look} look
   * @param {string[]} chosenPops
   * @param {How} how
   */
  #draw(ranking, look, chosenPops, { order, chosen, quiet, focus }) {
    const pops = popColumns(ranking, chosenPops.slice(0, this.room));
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
      const below = name === look.focus && focus(tr.cells.length);
      if (below) wanted.push(below);
    }
    for (const name of this.made.keys()) if (!rows.has(name)) this.made.delete(name);
    this.#place(wanted);
    this.#rest(ranking, look);
  }

  /**
   * The POPs that have a column. They rest, so that columns do not jump.
   * @param {Ranking} ranking
   * @param {string} asked
   * @returns {string[]}
   */
  #pops(ranking, asked) {
    const { question, second } = this.pops;
    if (asked !== question || ranking.second >= second + CHOOSE_EVERY) {
      this.pops = { names: choosePops(ranking), question: asked, second: ranking.second };
      if (asked !== question) this.width = 0;
    }
    return this.pops.names;
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
    const shape = JSON.stringify([ranking.of, look.by, pops, unit(ranking)]);
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
    heads.splice(
      1,
      0,
      html(
        "th",
        { scope: "col", class: "wide", title: `against ${duration(ranking.ago)} before` },
        duration(ranking.ago),
      ),
      html("th", { scope: "col", class: "wide" }, "status"),
    );
    const name = html("th", { scope: "col", title: "in the order of trouble: 5xx and fetches without a response" });
    const one = ranking.of.slice(0, -1);
    const text = look.by === "trouble" ? `${one}, by trouble ↓` : one;
    name.append(html("button", { type: "button", "data-by": "trouble" }, text));
    if (look.by === "trouble") name.setAttribute("aria-sort", "descending");
    const popHeads = pops.map((pop) => html("th", { scope: "col", class: "pop wide" }, pop));
    const spark = html("th", { scope: "col" }, duration(SPARK_STEPS * unit(ranking)));
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
        tr.append(html("td", { class: "wide bar" }, picture(BAR.width, BAR.height, CLASSES)));
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
    const [now, before] = [counts(ranking, row.now), counts(ranking, row.before, "before")];
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
      const bar = slices(statuses(now)).map(([start, share]) => {
        const width = (BAR.width * share).toFixed(2);
        return share ? `M${(BAR.width * start).toFixed(2)} 0h${width}v${BAR.height}h-${width}z` : "";
      });
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
   * @param {Look} look
   */
  #rest(ranking, look) {
    const { rest } = ranking;
    if (!rest.names) return this.foot.replaceChildren();
    const now = counts(ranking, rest.now);
    const tr = html("tr", { class: "rest", title: tooltip(ranking, rest) });
    // With a filter, they are also those that it leaves out.
    const others = look.match ? "others" : "more";
    tr.append(html("th", { scope: "row" }, `${rest.names} ${others}`));
    COLUMNS[ranking.of].forEach((column, i) => {
      tr.append(html("td", { class: column.wide ? "wide" : "" }, column.text(now)));
      if (i === 0) tr.append(html("td", { class: "wide" }), html("td", { class: "wide" }));
    });
    this.foot.replaceChildren(tr);
  }
}
