// One picture, large, with what is known of it.
import * as api from "./api.js";
import { byId, h } from "./dom.js";
import * as text from "./text.js";

/**
 * Opens it. Items: { candidate, name, alt, actions: [{ label, act }] }.
 * The browser's dialog keeps the focus inside, and gives it back to where it came from.
 */
export function open(items, index) {
  const dialog = byId("lightbox");
  const show = (at) => {
    index = (at + items.length) % items.length;
    const { candidate, name, alt, actions } = items[index];
    const facts = [
      ["Rank", candidate.rank ?? "–"],
      [candidate.scores ? "Total" : "Score", text.score(candidate.score)],
      ...(candidate.scores ?? []).map((one) => [one.scorer, one.failure ?? text.score(one.score)]),
      ["Margin", candidate.margin === null ? null : text.score(candidate.margin)],
      ["Seed", candidate.seed],
      ["Comes from", candidate.parent === null ? null : `fork of ${text.candidate(candidate.parent)}`],
      ["SHA-256", text.short(candidate.sha256)],
    ].filter(([, value]) => value !== null && value !== undefined && value !== "");
    const hadFocus = dialog.contains(document.activeElement) ? document.activeElement.dataset?.key : null;
    dialog.replaceChildren(h("div", { class: "lightbox" },
      h("img", { src: api.artifact(candidate.sha256), alt }),
      h("div", { class: "about" },
        h("h2", { id: "lightbox-title", tabindex: "-1" }, `Picture ${index + 1} of ${items.length}: ${name}${candidate.kept ? ", kept" : ""}`),
        h("dl", null, facts.flatMap(([name, value]) => [h("dt", null, name), h("dd", null, String(value))])),
        items.length > 1 && h("div", { class: "actions" },
          h("button", { type: "button", "data-key": "previous", onclick: () => show(index - 1) }, "Previous"),
          h("button", { type: "button", "data-key": "next", onclick: () => show(index + 1) }, "Next")),
        h("div", { class: "actions" },
          actions.map((action) => h("button", { type: "button", onclick: () => { dialog.close(); action.act(); } }, action.label)),
          h("a", { class: "button", href: api.artifact(candidate.sha256), download: "" }, "Save")),
        h("button", { type: "button", class: "primary", "data-key": "close", onclick: () => dialog.close() }, "Close"))));
    (dialog.querySelector(`[data-key="${hadFocus}"]`) ?? dialog.querySelector("h2")).focus();
  };
  dialog.onkeydown = (event) => {
    if (items.length > 1 && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      event.preventDefault();
      show(index + (event.key === "ArrowRight" ? 1 : -1));
    }
  };
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
  show(index);
}
