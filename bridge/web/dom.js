// Makes elements. Texts are set as texts and never as HTML: names, numbers and words come from strangers.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Set a text only if it differs: the browser lays nothing out again for the others.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function choose(label, options, attributes = {}) {
  const select = el("select", attributes);
  for (const [value, text] of options) select.append(el("option", { value }, text));
  return [el("label", {}, el("span", {}, label), select), select];
}
