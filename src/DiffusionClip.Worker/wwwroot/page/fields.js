// Errors at the field that they name.
import { h } from "./dom.js";

/** Takes away what an earlier try left. */
export function clearErrors(form) {
  form.querySelectorAll(".field-error").forEach((error) => error.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => {
    field.removeAttribute("aria-invalid");
    const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && !id.endsWith("-error"));
    others.length ? field.setAttribute("aria-describedby", others.join(" ")) : field.removeAttribute("aria-describedby");
  });
  const general = form.querySelector(".form-error");
  general.hidden = true;
  general.textContent = "";
}

/** Shows an error at its field and goes there, or above the form where no field is to blame. */
export function showError(form, message, field) {
  if (!field) {
    const general = form.querySelector(".form-error");
    general.hidden = false;
    general.textContent = message;
    general.scrollIntoView({ block: "center" });
    return;
  }
  const id = `${field.id}-error`;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", [id, field.getAttribute("aria-describedby")].filter(Boolean).join(" "));
  field.closest("details")?.setAttribute("open", "");
  field.closest(".field").append(h("p", { class: "field-error", id }, message));
  field.focus();
}

/** Options of a select; a value that is wanted but not known is added, so that it is not silently lost. */
export function fillSelect(select, options, wanted = select.value) {
  select.replaceChildren(...options.map((option) => h("option", { value: option.value, disabled: option.disabled }, option.label)));
  choose(select, wanted);
}

export function choose(select, value) {
  if (value && ![...select.options].some((option) => option.value === value)) {
    select.append(h("option", { value }, value));
  }
  select.value = value ?? "";
}

export const scorerOptions = (scorers, first) => [
  ...first,
  ...scorers.map((scorer) => ({ value: scorer.id, label: scorer.problem ? `${scorer.id} (cannot be used)` : scorer.id, disabled: Boolean(scorer.problem) })),
];
