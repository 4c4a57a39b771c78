// The same pictures in the eyes of several scorers, side by side.
import * as api from "./api.js";
import { announce, h, table } from "./dom.js";
import * as text from "./text.js";

const key = (id) => `scorers-of-${id}`;
const remembered = (id) => JSON.parse(localStorage.getItem(key(id)) ?? "[]");

/** Ranks from 1; pictures without a score have none. */
function ranks(scores, higherIsBetter) {
  const order = scores.map((value, i) => ({ value, i })).filter(({ value }) => value !== null && value !== undefined).sort((a, b) => (higherIsBetter ? b.value - a.value : a.value - b.value));
  const result = scores.map(() => null);
  order.forEach(({ i }, place) => {
    result[i] = place + 1;
  });
  return result;
}

/** Spearman's rank correlation over the pictures that both have ranked. */
function agreement(mine, theirs) {
  const both = mine.map((rank, i) => [rank, theirs[i]]).filter(([a, b]) => a !== null && b !== null);
  const count = both.length;
  return count < 2 ? null : 1 - (6 * both.reduce((sum, [a, b]) => sum + (a - b) ** 2, 0)) / (count * (count * count - 1));
}

/** The section of a finished job with pictures. */
export function compareView(job, scoredText, ownScorer) {
  const images = job.result.images;
  const result = h("div", { "aria-live": "off" });
  const message = h("p", { class: "hint", role: "status" });
  const select = h("select", { id: "compare-scorer", "aria-describedby": "compare-hint" });
  const button = h("button", { type: "submit" }, "Score with it too");
  const columns = [{ name: ownScorer ?? "This job’s scorer", scores: images.map((image) => image.score ?? null), higher: inferHigher(images) }];
  if (columns[0].scores.every((value) => value === null)) {
    columns.pop();
  }
  let stop = () => {};

  const draw = () => {
    columns.forEach((column) => {
      column.ranks = ranks(column.scores, column.higher);
    });
    const agreements = columns.slice(1).map((column) => agreement(columns[0].ranks, column.ranks)).map((value, i) => (value === null ? null : `${columns[i + 1].name} and ${columns[0].name}: rank correlation ${value.toFixed(2)}.`)).filter(Boolean);
    result.replaceChildren(columns.length === 0 ? "" : table("Scores of every picture, and its place in that scorer’s order",
      [{ title: "Picture" }, ...columns.map((column) => ({ title: column.name, number: true }))],
      images.map((image, row) => [
        h("span", { class: "seen" }, h("img", { class: "tiny", src: api.artifact(image.sha256), alt: "", loading: "lazy" }), text.candidate(image.index)),
        ...columns.map((column) => ({ content: column.ranks[row] === null ? "–" : `${text.score(column.scores[row])} (${column.ranks[row]}.)`, class: column.ranks[row] === 1 ? "best" : "" })),
      ])), ...(agreements.length ? [h("p", { class: "hint" }, agreements.join(" "))] : []));
  };

  const add = (scored, name, higher) => {
    const byImage = new Map(scored.result.scores.map((row) => [row.image, row.score ?? null]));
    columns.push({ name, scores: images.map((image) => byImage.get(image.sha256) ?? null), higher });
    draw();
  };

  const follow = (submitted, name, higher) => {
    button.disabled = true;
    message.textContent = `${name} is looking at ${text.plural(images.length, "picture")}…`;
    const over = (scored) => {
      button.disabled = false;
      if (scored.state !== "done") {
        message.textContent = `${name} came to nothing: ${scored.reason ?? scored.state}.`;
        return;
      }
      add(scored, name, higher);
      message.textContent = "";
      announce(`Scores of ${name} are in the table.`);
    };
    if (api.isOver(submitted)) {
      over(submitted);
    } else {
      stop = api.watch(submitted.id, () => {}, over);
    }
  };

  const form = h("form", {
    class: "compare-form",
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      const name = select.value;
      const higher = select.selectedOptions[0]?.dataset.higher !== "false";
      try {
        const submitted = await api.submit({ kind: "score", score: { scorer: name, pairs: images.map((image) => ({ image: image.sha256, texts: [scoredText] })) } });
        localStorage.setItem(key(job.id), JSON.stringify([...remembered(job.id), { id: submitted.id, name, higher }]));
        follow(submitted, name, higher);
      } catch (problem) {
        message.textContent = problem.text ?? problem.message;
      }
    },
  }, h("div", { class: "actions" }, h("label", { for: "compare-scorer" }, "Another scorer"), h("span", null, select), button),
  h("p", { class: "hint", id: "compare-hint" }, "Scores of different scorers are on different scales: compare the order, not the numbers."), message);

  api.scorers().then((scorers) => {
    select.replaceChildren(...scorers.filter((scorer) => !scorer.problem).map((scorer) => h("option", { value: scorer.id, "data-higher": String(scorer.higher_is_better ?? true) }, scorer.id)));
    const other = scorers.find((scorer) => scorer.id !== ownScorer && !scorer.problem);
    if (other) {
      select.value = other.id;
    }
  }).catch(() => {});
  for (const { id, name, higher } of remembered(job.id)) {
    api.job(id).then((scored) => (api.isOver(scored) ? scored.state === "done" && add(scored, name, higher) : follow(scored, name, higher))).catch(() => {});
  }
  draw();
  return { element: [form, result], stop: () => stop() };
}

/** Which way a scorer's numbers run, from the order they led to. */
function inferHigher(images) {
  const ranked = images.filter((image) => image.rank && image.score !== undefined).sort((a, b) => a.rank - b.rank);
  return ranked.length < 2 || ranked[0].score >= ranked.at(-1).score;
}
