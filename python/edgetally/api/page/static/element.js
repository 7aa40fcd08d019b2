/** Elements and keys. Names come from clients, so they are text and never markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * The element with this id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return /** @type {T} */ (found);
}

/**
 * Make an element of HTML.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function html(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * Make a picture of paths, one of each class.
 * @param {number} width
 * @param {number} height
 * @param {readonly string[]} classes
 * @returns {SVGSVGElement}
 */
export function picture(width, height, classes) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", `0 0 ${width} ${height}`);
  made.setAttribute("preserveAspectRatio", "none");
  made.setAttribute("aria-hidden", "true");
  for (const name of classes) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", `p${name}`);
    made.append(path);
  }
  return made;
}

/**
 * Make a function that keeps the hatching of a picture as it is, however wide the picture is drawn.
 * @param {string} pattern
 * @returns {(svg: SVGSVGElement) => void} to be called with the picture that is shown
 */
export function hatching(pattern) {
  const observer = new ResizeObserver(([{ contentRect, target }]) => {
    const steps = /** @type {SVGSVGElement} */ (target).viewBox.baseVal.width;
    if (!contentRect.width) return; // hidden
    set(byId(pattern), "patternTransform", `scale(${steps / contentRect.width} 1) rotate(45)`);
  });
  return (svg) => {
    observer.disconnect();
    observer.observe(svg);
  };
}

/**
 * Set the paths of a picture.
 * @param {SVGSVGElement} svg
 * @param {string[]} paths
 */
export function drawPaths(svg, paths) {
  paths.forEach((path, i) => void set(svg.children[i], "d", path));
}

/**
 * Offer names to choose from, unless they are offered already.
 * @param {HTMLSelectElement} select
 * @param {string[]} names
 * @param {string} [none] what the empty name stands for
 */
export function offer(select, names, none = "") {
  if ([...select.options].map((option) => option.value).join("\n") === names.join("\n")) return;
  select.replaceChildren(...names.map((name) => html("option", { value: name }, name || none)));
}

/**
 * Set an attribute if it changes.
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Set the text of an element if it changes.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Listen to keys. None of them acts while one types.
 * @param {Record<string, () => void>} actions by key
 * @param {() => boolean} off whether keys belong to something else, such as a dialog
 */
export function listen(actions, off) {
  addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey || off()) return;
    if (target.matches("input, select")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    // They press a button that has the focus.
    if (target.matches("button, a") && (event.key === "Enter" || event.key === " ")) return;
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}
