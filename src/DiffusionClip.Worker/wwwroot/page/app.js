// The page: which view is shown, and what leads from one to another.
import * as api from "./api.js";
import { byId, h } from "./dom.js";
import * as form from "./form.js";
import * as gallery from "./gallery.js";
import { showJob, titleOf } from "./job.js";
import * as rank from "./rank.js";
import * as text from "./text.js";

const LATELY = 8;
const QUEUE_INTERVAL = 15_000;
const IDEAS = ["a red apple on a blue background", "two cats", "a fox and a purple umbrella on a white background", "three stars on a black background"];

const frame = document.querySelector(".frame");
const views = { job: byId("view-job"), rank: byId("view-rank"), gallery: byId("view-gallery") };
let leave = () => {};
let isFirst = true;

const go = (hash) => {
  if (location.hash === hash) {
    route();
  } else {
    location.hash = hash;
  }
};

/** Jobs just handed over, so that their view need not ask for them first. */
const fresh = new Map();
const follow = (job) => {
  fresh.set(job.id, job);
  go(`#/jobs/${job.id}`);
  drawQueue();
};

const actions = {
  changed: () => drawQueue(),
  again: (request, from) => {
    go("#/");
    // After the view has changed, so that the focus stays in the form.
    setTimeout(() => form.take(request, from));
  },
  submit: async (body) => follow(await api.submit(body)),
};

async function route() {
  leave();
  leave = () => {};
  const [, name = "", id = ""] = location.hash.match(/^#\/([a-z]*)\/?([^/]*)$/) ?? [];
  const view = name === "rank" || name === "gallery" ? name : "job";
  frame.dataset.view = name === "jobs" ? "job" : name === "" ? "create" : name;
  for (const [key, element] of Object.entries(views)) {
    element.hidden = key !== view;
  }
  document.querySelectorAll("[data-nav]").forEach((link) => {
    const isCurrent = link.dataset.nav === (name === "jobs" ? "" : name || "create");
    isCurrent ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  });
  byId("lightbox").close();
  if (name === "jobs") {
    await showOne(decodeURIComponent(id));
  } else if (name === "gallery") {
    document.title = "Gallery – DiffusionClip";
    gallery.show();
  } else if (name === "rank") {
    document.title = "Rank – DiffusionClip";
  } else {
    document.title = "DiffusionClip";
    welcome();
  }
  if (!isFirst) {
    window.scrollTo(0, 0);
    views[view].querySelector("h1")?.focus({ preventScroll: true });
  }
  isFirst = false;
}

async function showOne(id) {
  const asked = location.hash;
  try {
    const job = fresh.get(id) ?? await api.job(id);
    fresh.delete(id);
    if (location.hash !== asked) {
      return;
    }
    document.title = `${titleOf(job).slice(0, 60) || "A job"} – DiffusionClip`;
    leave = showJob(views.job, job, actions);
  } catch (problem) {
    document.title = "No such job – DiffusionClip";
    views.job.replaceChildren(h("div", { class: "welcome" }, h("div", { class: "intro" },
      h("h1", { tabindex: "-1" }, problem.status === 404 ? "There is no such job" : "The job cannot be shown"),
      h("p", { class: "lede" }, problem.status === 404 ? "It may have been removed with its pictures after its time. The gallery has those that are left." : problem.text ?? problem.message))));
  }
}

function welcome() {
  const ideas = h("div", { class: "ideas", role: "group", "aria-label": "Prompts to begin with" });
  const lately = h("section", { hidden: true, "aria-label": "Lately" });
  views.job.replaceChildren(h("div", { class: "welcome" },
    h("div", { class: "intro" },
      h("h1", { tabindex: "-1" }, "Paint several, keep the best"),
      h("p", { class: "lede" }, "Stable Diffusion paints candidates for your prompt. CLIP looks at each and puts them in order. You see all of it happen: previews, scores, which candidates continue and which are cut."),
      ideas),
    lately));
  api.models().then((models) => {
    // The prompts are those that the embedded model has seen.
    if (models.some((model) => model.is_default && model.id === "emoji-sd")) {
      ideas.append(...IDEAS.map((idea) => h("button", { type: "button", onclick: () => form.setPrompt(idea) }, idea)));
    }
  }).catch(() => {});
  api.jobs({ limit: 3 * LATELY, state: "done" }).then((page) => {
    const jobs = page.jobs.filter((job) => job.kind !== "score").slice(0, LATELY);
    if (jobs.length > 0) {
      lately.append(h("h2", null, "Lately"), h("ul", { class: "gallery" }, jobs.map(gallery.tile)));
      lately.hidden = false;
    }
  }).catch(() => {});
}

async function drawQueue() {
  const element = byId("queue");
  try {
    const { queue } = await api.limits();
    const parts = [queue.running && `${queue.running} running`, queue.queued && `${queue.queued} waiting`].filter(Boolean);
    element.textContent = parts.join(", ");
    element.hidden = parts.length === 0;
  } catch {
    element.textContent = "The worker cannot be reached.";
    element.hidden = false;
  }
}

form.start(follow);
rank.start(follow);
window.addEventListener("hashchange", route);
setInterval(() => document.visibilityState === "visible" && drawQueue(), QUEUE_INTERVAL);
route();
drawQueue();
