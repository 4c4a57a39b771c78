// The form of new pictures, and the way between it and a request.
import * as api from "./api.js";
import { announce, byId, h } from "./dom.js";
import { choose, clearErrors, fillSelect, scorerOptions, showError } from "./fields.js";

const TEXT = "text";
const WHOLE = "whole number";
const NUMBER = "number";

/** Where each field stands in a request. */
const FIELDS = {
  prompt: { path: ["prompt", "text"], kind: TEXT },
  negative_prompt: { path: ["prompt", "negative"], kind: TEXT },
  syntax: { path: ["prompt", "syntax"], kind: TEXT },
  model: { path: ["model", "id"], kind: TEXT },
  scheduler: { path: ["sampling", "scheduler"], kind: TEXT },
  num_inference_steps: { path: ["sampling", "num_inference_steps"], kind: WHOLE },
  guidance_scale: { path: ["sampling", "guidance_scale"], kind: NUMBER },
  guidance_rescale: { path: ["sampling", "guidance_rescale"], kind: NUMBER },
  eta: { path: ["sampling", "eta"], kind: NUMBER },
  seed: { path: ["sampling", "seed"], kind: "seed" },
  noise: { path: ["sampling", "noise"], kind: TEXT },
  width: { path: ["sampling", "width"], kind: WHOLE },
  height: { path: ["sampling", "height"], kind: WHOLE },
  clip_skip: { path: ["sampling", "clip_skip"], kind: WHOLE },
  strategy: { path: ["search", "strategy"], kind: TEXT },
  candidates: { path: ["search", "candidates"], kind: WHOLE },
  keep: { path: ["search", "keep"], kind: WHOLE },
  scorer: { path: ["search", "scorer"], kind: TEXT },
  score_text: { path: ["search", "score_text"], kind: TEXT },
  long_text: { path: ["search", "long_text"], kind: TEXT },
  strength: { path: ["origin", "strength"], kind: NUMBER },
  format: { path: ["output", "format"], kind: TEXT },
  quality: { path: ["output", "quality"], kind: WHOLE },
};

/** Names that problems use for a field, beside its own. */
const ALSO = { text: "prompt", negative: "negative_prompt", id: "model", image: "init_image", origin: "init_image", file: "init_image" };

/** What an empty choice stands for. */
const IMPLIED = { syntax: "a1111", long_text: "truncate", format: "png" };

const EMPTY = { prompt: {}, model: {}, sampling: {}, search: {} };
const form = byId("generate-form");
const control = (name) => form.elements.namedItem(name);
const chosen = { init_image: null, mask: null };
let base = structuredClone(EMPTY);
let models = [];

class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

const read = (request, path) => path.reduce((part, name) => part?.[name], request);

function write(request, path, value) {
  const [name, ...rest] = path;
  if (rest.length > 0) {
    request[name] = { ...request[name] };
    write(request[name], rest, value);
  } else if (value === undefined) {
    delete request[name];
  } else {
    request[name] = value;
  }
}

function valueOf(name, kind) {
  const field = control(name);
  if (field.disabled) {
    return undefined;
  }
  const given = kind === TEXT ? field.value : field.value.trim();
  if (field.validity.badInput) {
    throw new FieldError(name, "This is not a number.");
  }
  if (given === "") {
    return undefined;
  }
  switch (kind) {
    case WHOLE:
      if (!/^[+-]?\d{1,9}$/.test(given)) {
        throw new FieldError(name, "This has to be a whole number.");
      }
      return Number(given);
    case NUMBER:
      return Number(given);
    case "seed":
      if (!/^\d{1,20}$/.test(given)) {
        throw new FieldError(name, "A seed is a whole number from 0 to 18446744073709551615.");
      }
      return given;
    default:
      return given;
  }
}

/** The request that the form stands for; what the form has no field for stays as it was taken over. */
async function toRequest() {
  const request = structuredClone(base);
  for (const [name, { path, kind }] of Object.entries(FIELDS)) {
    if (path[0] !== "origin") {
      write(request, path, valueOf(name, kind));
    }
  }
  if (request.search.scorer) {
    delete request.search.scorers;
  }
  const strength = valueOf("strength", NUMBER);
  const image = await pictureOf("init_image");
  const mask = await pictureOf("mask");
  delete request.origin;
  if (image || mask || strength !== undefined) {
    if (!image) {
      throw new FieldError("init_image", "Strength and mask go with a picture to start from. Choose one, or clear them.");
    }
    request.origin = { image, ...(mask && { mask }), ...(strength !== undefined && { strength }) };
  }
  return request;
}

async function pictureOf(name) {
  const file = control(name).files[0];
  return file ? api.upload(file, name) : chosen[name];
}

/** Notes a picture that is there already, from an earlier job. */
function setChosen(name, sha256) {
  chosen[name] = sha256 ?? null;
  const note = byId(`${name}-chosen`);
  note.hidden = !sha256;
  if (sha256) {
    const what = name === "mask" ? "mask" : "picture";
    control(name).value = "";
    note.replaceChildren(
      h("img", { src: api.artifact(sha256), alt: `The ${what} taken over` }),
      h("span", null, "taken over"),
      h("button", { type: "button", class: "quiet", onclick: () => { setChosen(name, null); control(name).focus(); } }, "Remove", h("span", { class: "visually-hidden" }, ` the ${what}`)));
  }
}

/** A search in the form's words: one scorer is chosen by name, and several follow the text of the form. */
function searchOf({ scorers, ...search }) {
  if (scorers === undefined) {
    return search;
  }
  if (scorers.length <= 1) {
    const [only] = scorers;
    const scorer = only === undefined ? "none" : only.optional ? undefined : only.id;
    return { ...search, ...(scorer && { scorer }), ...(only?.text && { score_text: only.text }) };
  }
  return { ...search, scorers: scorers.map(({ text: own, ...one }) => (own === search.score_text ? one : { ...one, text: own })) };
}

/** Takes a request into the form. */
export function take(request, from) {
  base = structuredClone({ ...EMPTY, ...request });
  base.search = searchOf(base.search);
  for (const [name, { path }] of Object.entries(FIELDS)) {
    const value = read(base, path);
    const field = control(name);
    if (field instanceof HTMLSelectElement) {
      choose(field, value === IMPLIED[name] ? "" : value);
    } else {
      field.value = value ?? "";
    }
  }
  setChosen("init_image", request.origin?.image);
  setChosen("mask", request.origin?.mask);
  byId("origin-panel").open = Boolean(request.origin);
  byId("base-note").hidden = !from;
  byId("base-note").firstElementChild.textContent = from ? `Taken over from ${from}.` : "";
  clearErrors(form);
  showDefaults();
  control("prompt").focus();
}

export function setPrompt(text) {
  control("prompt").value = text;
  control("prompt").focus();
}

/** Puts what the chosen model does by itself where nothing is said. */
function showDefaults() {
  const id = control("model").value;
  const model = models.find((one) => (id ? one.id === id : one.is_default)) ?? {};
  for (const name of ["num_inference_steps", "guidance_scale", "width", "height"]) {
    control(name).placeholder = model[name] ?? "the model’s";
  }
  for (const name of ["width", "height"]) {
    control(name).step = model.size_multiple ?? 8;
  }
  // PNG has no quality.
  control("quality").disabled = control("format").value === "";
  const takes = model.takes_images !== false;
  byId("origin-panel").hidden = !takes && !chosen.init_image;
}

async function loadChoices() {
  const [allModels, scorers, strategies, samplers, limits] = await Promise.all([api.models(), api.scorers(), api.strategies(), api.samplers(), api.limits()]);
  models = allModels;
  const standard = models.find((model) => model.is_default);
  fillSelect(control("model"), [
    { value: "", label: standard ? `${standard.id} (default)` : "The default" },
    ...models.filter((model) => model !== standard).map((model) => ({ value: model.id, label: model.problem ? `${model.id} (cannot be used)` : model.id, disabled: Boolean(model.problem) })),
  ]);
  fillSelect(control("scorer"), scorerOptions(scorers, [{ value: "", label: "The one that goes with the model" }, { value: "none", label: "None: no ranking" }]));
  fillSelect(control("strategy"), [{ value: "", label: "best-of-n (default)" }, ...strategies.filter((one) => one.name !== "best-of-n").map((one) => ({ value: one.name, label: one.name }))]);
  fillSelect(control("scheduler"), [{ value: "", label: "The model’s own" }, ...samplers.map((sampler) => ({ value: sampler.label, label: sampler.label }))]);
  control("candidates").placeholder = limits.default_candidates;
  showDefaults();
}

/** Makes the form work; onJob gets every job it leads to. */
export function start(onJob) {
  const button = byId("generate");
  const submit = async () => {
    clearErrors(form);
    button.disabled = true;
    button.textContent = "Handing over…";
    try {
      const request = await toRequest();
      onJob(await api.submit({ kind: "generate", generate: request, cache: control("refresh").checked ? "refresh" : "allow" }));
    } catch (error) {
      fail(error);
    } finally {
      button.disabled = false;
      button.textContent = "Generate";
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  control("model").addEventListener("change", showDefaults);
  control("format").addEventListener("change", showDefaults);
  byId("clear-seed").addEventListener("click", () => {
    control("seed").value = "";
    announce("A new seed will be drawn.");
  });
  byId("base-clear").addEventListener("click", () => {
    take(EMPTY, null);
    announce("All settings are back at their defaults.");
  });
  for (const name of ["init_image", "mask"]) {
    control(name).addEventListener("change", () => control(name).files.length && setChosen(name, null));
  }
  showDefaults();
  loadChoices().catch((problem) => showError(form, problem.text ?? problem.message, null));
}

function fail(error) {
  const name = error.field?.split(".").at(-1).replace(/\[\d+\]$/, "");
  const field = name ? control(FIELDS[name] || name === "init_image" || name === "mask" ? name : ALSO[name] ?? "") : null;
  showError(form, error.text ?? error.message, field instanceof Element ? field : null);
}
