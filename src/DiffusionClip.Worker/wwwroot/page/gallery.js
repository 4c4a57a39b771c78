// Earlier jobs, newest first, a page at a time.
import * as api from "./api.js";
import { announce, byId, h } from "./dom.js";
import { titleOf } from "./job.js";
import * as text from "./text.js";

const PAGE = 24;
const list = byId("gallery-list");
const more = byId("gallery-more");
const state = byId("gallery-state");
const count = byId("gallery-count");
let next = null;
let shown = 0;
let asked = 0;

/** A job as a picture with its words. */
export function tile(job) {
  const image = job.result?.images?.[0];
  const title = titleOf(job);
  const images = job.result?.images?.length ?? 0;
  const facts = [job.state === "done" ? text.KINDS[job.kind] : text.STATES[job.state], images > 0 && text.plural(images, "picture"), image?.score !== undefined && job.kind === "generate" && `best ${text.score(image.score)}`, text.ago(job.accepted_at)];
  return h("li", null, h("a", { href: `#/jobs/${job.id}` },
    h("span", { class: "plate" }, image ? h("img", { src: api.artifact(image.sha256), alt: "", loading: "lazy" }) : h("span", { class: "initial" }, job.kind === "score" && job.state === "done" ? text.plural(job.result?.scores?.length ?? 0, "score") : text.STATES[job.state])),
    h("span", { class: "title", dir: "auto" }, title || "(without a prompt)"),
    h("span", { class: "meta" }, facts.filter(Boolean).join(" · "))));
}

async function load(before) {
  const mine = ++asked;
  more.disabled = true;
  try {
    const page = await api.jobs({ before, limit: PAGE, state: state.value });
    if (mine !== asked) {
      return;
    }
    const first = before ? list.children.length : 0;
    if (!before) {
      list.replaceChildren();
      shown = 0;
    }
    list.append(...page.jobs.map(tile));
    shown += page.jobs.length;
    next = page.next ?? null;
    count.textContent = shown === 0 ? "Nothing here yet." : next ? `The latest ${text.plural(shown, "job")}` : text.plural(shown, "job");
    const hadFocus = document.activeElement === more || document.activeElement === document.body;
    more.hidden = next === null;
    if (before && hadFocus) {
      list.children[first]?.querySelector("a").focus();
      announce(`${text.plural(page.jobs.length, "more job", "more jobs")}.`);
    }
  } catch (problem) {
    count.textContent = problem.text ?? problem.message;
  } finally {
    more.disabled = false;
  }
}

more.addEventListener("click", () => load(next));
state.addEventListener("change", () => load(null));

export const show = () => load(null);
