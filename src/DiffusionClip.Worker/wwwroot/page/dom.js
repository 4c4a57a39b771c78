// Elements from names, properties and children. Text only ever becomes text nodes, so nothing from outside is read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);
export const s = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);
export const byId = (id) => document.getElementById(id);

/** Sets text only where it differs: screen readers and selections are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** A table whose first cell of each row is its header. Cells: text, a node, or { content, class }. */
export function table(caption, columns, rows, rowClass) {
  const cell = (tag, value, column, more) => {
    const given = value !== null && typeof value === "object" && !(value instanceof Node) ? value : { content: value };
    return h(tag, { class: [column.number ? "n" : "", given.class ?? column.class ?? ""].join(" ").trim() || null, ...more }, given.content ?? "");
  };
  return h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null,
      h("caption", null, caption),
      h("thead", null, h("tr", null, columns.map((column) => cell("th", column.title, { number: column.number }, { scope: "col" })))),
      h("tbody", null, rows.map((row, index) =>
        h("tr", { class: rowClass?.(index) || null }, row.map((value, i) => (i === 0 ? cell("th", value, columns[i], { scope: "row" }) : cell("td", value, columns[i]))))))));
}

/** Announces something to screen readers, one message at a time. */
const pending = [];
let speaking = 0;
export function announce(text) {
  pending.push(text);
  speaking ||= setTimeout(function speak() {
    byId("announcer").textContent = pending.splice(0).join(" ");
    speaking = pending.length ? setTimeout(speak, 1000) : 0;
  }, 400);
}
