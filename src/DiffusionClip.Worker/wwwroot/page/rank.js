// Rank your own pictures.
import * as api from "./api.js";
import { announce, byId, h } from "./dom.js";
import { clearErrors, fillSelect, scorerOptions, showError } from "./fields.js";
import * as text from "./text.js";

const form = byId("rank-form");
const input = byId("rank-images");
const drop = byId("rank-drop");
const thumbs = byId("rank-thumbs");
const files = [];

function add(chosen) {
  const pictures = [...chosen].filter((file) => file.type.startsWith("image/"));
  const others = chosen.length - pictures.length;
  files.push(...pictures.map((file) => ({ file, address: URL.createObjectURL(file) })));
  draw();
  announce(`${text.plural(pictures.length, "picture")} added, ${files.length} in all.${others ? ` ${text.plural(others, "file is", "files are")} no picture.` : ""}`);
}

function remove(entry) {
  const at = files.indexOf(entry);
  URL.revokeObjectURL(entry.address);
  files.splice(at, 1);
  draw();
  (thumbs.children[Math.min(at, files.length - 1)]?.querySelector("button") ?? input).focus();
}

function draw() {
  thumbs.replaceChildren(...files.map((entry, i) => h("li", null,
    h("img", { src: entry.address, alt: `Picture ${i + 1}: ${entry.file.name}` }),
    h("span", { class: "file", title: entry.file.name, dir: "auto" }, entry.file.name),
    h("button", { type: "button", class: "quiet", onclick: () => remove(entry) }, "Remove", h("span", { class: "visually-hidden" }, ` ${entry.file.name}`)))));
}

async function submit(onJob) {
  const button = form.querySelector(".primary");
  clearErrors(form);
  if (files.length === 0) {
    showError(form, "Choose at least one picture.", input);
    return;
  }
  button.disabled = true;
  button.textContent = "Handing over…";
  try {
    const images = [];
    for (const { file } of files) {
      images.push(await api.upload(file, "images"));
    }
    const rank = { prompt: byId("rank-prompt").value, images };
    if (byId("rank-scorer").value) {
      rank.scorer = byId("rank-scorer").value;
    }
    if (byId("rank-long_text").value) {
      rank.long_text = byId("rank-long_text").value;
    }
    onJob(await api.submit({ kind: "rank", rank }));
  } catch (problem) {
    const name = problem.field?.split(".").at(-1).replace(/\[\d+\]$/, "");
    showError(form, problem.text ?? problem.message, name ? byId(`rank-${name}`) : null);
  } finally {
    button.disabled = false;
    button.textContent = "Rank";
  }
}

/** Makes the form work; onJob gets every job it leads to. */
export function start(onJob) {
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.remove("over");
    });
  }
  drop.addEventListener("drop", (event) => add(event.dataTransfer.files));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(onJob);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  api.scorers().then((scorers) => fillSelect(byId("rank-scorer"), scorerOptions(scorers, [{ value: "", label: "The configured one" }]))).catch((problem) => showError(form, problem.text ?? problem.message, null));
}
