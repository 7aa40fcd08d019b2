/** Keys. None of them acts while one types. */

/**
 * Listen to keys.
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
