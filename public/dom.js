// Making and changing elements. Text goes through textContent only; styles by class and SVG attributes.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** Changes the text only if it differs, so that a selection survives the redraw. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function hint(element, text) {
  if (element.title !== (text ?? "")) element.title = text ?? "";
}

export function make(tag, className, role, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (role) element.setAttribute("role", role);
  if (tag === "th") element.scope = role === "rowheader" ? "row" : "col";
  if (text != null) element.textContent = text;
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A time as its age, with the exact one on hover. */
export function time(iso, text) {
  const element = make("time", null, null, text);
  element.dateTime = element.title = iso ?? "";
  return element;
}

export function button(text, className, click) {
  const element = make("button", className, null, text);
  element.type = "button";
  element.addEventListener("click", click);
  return element;
}

/** A button that does nothing for now. It keeps the focus, which a disabled one would lose. */
export function rest(button, rests) {
  button.disabled = false;
  button.ariaDisabled = rests;
}

/**
 * Keeps one child of `parent` for each item, in order, by key; `create` makes one, `update` fills it. Whatever else is there
 * goes first, as what the server wrote without a key: nothing moves because something is gone.
 */
export function keyed(parent, items, keyOf, create, update) {
  const wanted = new Map();
  for (const item of items) {
    let key = String(keyOf(item));
    while (wanted.has(key)) key += " again";
    wanted.set(key, item);
  }
  const old = new Map();
  for (const child of [...parent.children]) {
    const { key } = child.dataset;
    if (wanted.has(key) && !old.has(key)) old.set(key, child);
    else child.remove();
  }
  const held = document.activeElement;
  let next = parent.firstElementChild;
  for (const [key, item] of wanted) {
    const child = old.get(key) ?? create(item);
    child.dataset.key = key;
    if (child.parentNode === parent && child.contains(held)) next = passTo(child, next);
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
    update(child, item);
  }
}

/** What is moved loses the focus: what is before `child`, which has it, goes behind instead. */
function passTo(child, next) {
  while (next !== child) {
    const passed = next;
    next = next.nextElementSibling;
    child.parentNode.append(passed);
  }
  return child;
}

/** Makes the children of `element` anew, if what they are made from has changed. */
export function redraw(element, made, ...children) {
  const text = typeof made === "string" ? made : JSON.stringify(made);
  if (element.dataset.made === text) return false;
  element.dataset.made = text;
  element.replaceChildren(...children.flatMap((child) => typeof child === "function" ? child() : [child]));
  return true;
}

/** Text that fits into so many pixels of the page's small font. */
export function fit(text, width, perCharacter = 7.2) {
  const most = Math.max(3, Math.floor(width / perCharacter));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
