// Two pictures of a search: scores over the steps, and the population that shrinks and branches.
import { h, s, table } from "./dom.js";
import * as text from "./text.js";

const series = (candidate) => `series-${candidate.index % 8}`;

function steps(least, most, about) {
  const raw = (most - least) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const ticks = [];
  for (let tick = Math.ceil(least / step) * step; tick <= most + step * 1e-6; tick += step) {
    ticks.push(tick);
  }
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function evaluationTicks(evaluations, width) {
  const every = Math.max(1, Math.ceil(evaluations / Math.max(2, Math.floor(width / 60))));
  const nice = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250].find((size) => size >= every) ?? every;
  return Array.from({ length: Math.floor(evaluations / nice) + 1 }, (_, i) => i * nice);
}

const cross = (x, y, extra) => s("path", { class: "cross", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`, ...extra });
const star = (x, y) => {
  const points = Array.from({ length: 10 }, (_, i) => {
    const radius = i % 2 ? 3.2 : 7.5;
    const angle = (Math.PI / 5) * i - Math.PI / 2;
    return `${(x + radius * Math.cos(angle)).toFixed(1)},${(y + radius * Math.sin(angle)).toFixed(1)}`;
  });
  return s("polygon", { class: "star", points: points.join(" ") });
};

/** Scores over the steps; null as long as there is nothing to draw. */
export function scoreChart(run, width) {
  const drawn = run.all.filter((candidate) => candidate.points.length > 0);
  if (drawn.length === 0 || run.evaluations === 0) {
    return null;
  }

  const values = drawn.flatMap((candidate) => candidate.points.map((point) => point.score));
  let [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least || Math.abs(most) || 1) * 0.12;
  [least, most] = [least - room, most + room];
  const height = width < 480 ? 240 : 300;
  const box = { left: 52, right: width - 44, top: 10, bottom: height - 38 };
  const x = (evaluation) => box.left + (evaluation / run.evaluations) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - least) / (most - least)) * (box.bottom - box.top);

  const { ticks, digits } = steps(least, most, 5);
  const parts = ticks.map((tick) => [
    s("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
    s("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(digits)),
  ]).flat();
  parts.push(s("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  evaluationTicks(run.evaluations, width).forEach((tick) => parts.push(s("text", { x: x(tick), y: box.bottom + 17, "text-anchor": "middle" }, String(tick))));
  parts.push(s("text", { x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, "evaluations"));

  const labels = [];
  for (const candidate of drawn) {
    const isCut = candidate.state === "cut" || candidate.state === "failed";
    const group = s("g", { class: series(candidate) });
    const origin = candidate.parent === null ? null : lastBefore(run, run.candidates.get(candidate.parent), candidate.forkedAt);
    if (origin) {
      const first = candidate.points[0];
      group.append(s("path", { class: "fork", d: `M${x(origin.evaluation)} ${y(origin.score)}L${x(first.evaluation)} ${y(first.score)}` }));
    }
    group.append(s("polyline", { class: isCut ? "trace cut" : "trace", points: candidate.points.map((point) => `${x(point.evaluation).toFixed(1)},${y(point.score).toFixed(1)}`).join(" ") }));
    candidate.points.forEach((point) => group.append(s("circle", { class: point.final ? "dot" : "ring", cx: x(point.evaluation), cy: y(point.score), r: point.final ? 4.5 : 3.5 })));
    const end = candidate.points.at(-1);
    if (isCut) {
      group.append(cross(x(end.evaluation), y(end.score)));
    }
    if (candidate.kept) {
      group.append(star(x(end.evaluation), y(end.score)));
    }
    parts.push(group);
    labels.push({ candidate, x: x(end.evaluation) + 11, y: y(end.score) + 4 });
  }
  parts.push(...placed(labels, box).map(({ candidate, x: left, y: top }) => s("text", { class: `series-label ${series(candidate)}`, x: left, y: top }, text.candidate(candidate.index))));
  return figure(width, height, "Scores over the steps", summary(run, drawn), parts);
}

/** One score for each candidate, on a line: how far apart they are. */
export function scoreStrip(run, width) {
  const drawn = run.all.filter((candidate) => candidate.points.length > 0);
  if (drawn.length === 0) {
    return null;
  }
  const values = drawn.map((candidate) => candidate.points.at(-1).score);
  let [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least || Math.abs(most) || 1) * 0.08;
  [least, most] = [least - room, most + room];
  const height = 108;
  const box = { left: 26, right: width - 26, axis: 72 };
  const x = (value) => box.left + ((value - least) / (most - least)) * (box.right - box.left);
  const { ticks, digits } = steps(least, most, Math.max(3, Math.floor(width / 110)));
  const parts = [s("line", { class: "axis", x1: box.left, x2: box.right, y1: box.axis, y2: box.axis })];
  ticks.forEach((tick) => parts.push(s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: box.axis, y2: box.axis + 6 }), s("text", { x: x(tick), y: box.axis + 22, "text-anchor": "middle" }, tick.toFixed(digits))));
  const rows = [-Infinity, -Infinity, -Infinity];
  for (const candidate of [...drawn].sort((a, b) => a.points.at(-1).score - b.points.at(-1).score)) {
    const at = x(candidate.points.at(-1).score);
    const group = s("g", { class: series(candidate) }, candidate.kept ? star(at, box.axis) : s("circle", { class: "dot", cx: at, cy: box.axis, r: 5 }));
    // Labels that would lie on each other climb; those that find no row are left out: the ranking has them.
    const row = rows.findIndex((end) => at - end > 30);
    if (row >= 0) {
      rows[row] = at;
      group.append(s("text", { class: "series-label", x: at, y: box.axis - 15 - row * 16, "text-anchor": "middle" }, text.candidate(candidate.index)));
    }
    parts.push(group);
  }
  return figure(width, height, "Scores", `${text.plural(drawn.length, "score")} from ${text.score(Math.min(...values))} to ${text.score(Math.max(...values))}. The numbers are in the ranking below.`, parts);
}

function lastBefore(run, parent, evaluation) {
  for (let candidate = parent; candidate; candidate = run.candidates.get(candidate.parent)) {
    const point = candidate.points.filter((known) => known.evaluation <= evaluation).at(-1);
    if (point) {
      return point;
    }
  }
  return null;
}

/** Labels that would lie on each other move apart; those that find no room are left out: the table has them. */
function placed(labels, box) {
  const done = [];
  for (const label of labels.sort((a, b) => Number(b.candidate.kept) - Number(a.candidate.kept) || a.y - b.y)) {
    const clashes = (top) => done.some((other) => Math.abs(other.x - label.x) < 30 && Math.abs(other.y - top) < 12);
    const top = [0, 12, -12, 24, -24].map((shift) => label.y + shift).find((at) => !clashes(at) && at > box.top && at < box.bottom);
    if (top !== undefined) {
      done.push({ ...label, y: top });
    }
  }
  return done;
}

function summary(run, drawn) {
  const best = [...drawn].filter((candidate) => candidate.rank === 1)[0];
  return `${text.plural(drawn.length, "line")}. ${best ? `The best is candidate ${best.index} with ${text.score(best.score)}.` : ""} The numbers are in the table below.`;
}

function figure(width, height, title, description, parts) {
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}. ${description}` }, parts);
}

/** Each candidate's evaluations, with cuts and forks. */
export function populationChart(run, width) {
  const order = [];
  const visit = (candidate) => {
    order.push(candidate);
    run.all.filter((other) => other.parent === candidate.index).forEach(visit);
  };
  run.all.filter((candidate) => candidate.parent === null || !run.candidates.has(candidate.parent)).forEach(visit);
  if (order.length === 0 || run.evaluations === 0) {
    return null;
  }

  const row = order.length > 24 ? 18 : 26;
  const box = { left: 44, right: width - 34, top: 16 };
  const height = box.top + row * order.length + 30;
  const x = (evaluation) => box.left + (evaluation / run.evaluations) * (box.right - box.left);
  const y = new Map(order.map((candidate, i) => [candidate.index, box.top + row * i]));
  const bottom = height - 34;
  const parts = [];
  evaluationTicks(run.evaluations, width).forEach((tick) => {
    parts.push(s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 4, y2: bottom }));
    parts.push(s("text", { x: x(tick), y: bottom + 16, "text-anchor": "middle" }, String(tick)));
  });
  parts.push(s("text", { x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, "evaluations"));

  for (const candidate of order) {
    const at = y.get(candidate.index);
    const from = x(candidate.parent === null ? 0 : candidate.forkedAt);
    const to = x(Math.max(candidate.evaluation, candidate.forkedAt));
    const isCut = candidate.state === "cut" || candidate.state === "failed";
    const group = s("g", { class: series(candidate) }, s("text", { class: "series-label", x: 8, y: at + 4 }, text.candidate(candidate.index)));
    if (y.has(candidate.parent)) {
      const above = y.get(candidate.parent);
      group.append(s("path", { class: "fork", d: `M${from} ${above}C${from} ${(above + at) / 2} ${from - 10} ${at} ${from} ${at}` }));
      group.append(s("circle", { class: "dot", cx: from, cy: above, r: 3.5 }));
    }
    group.append(s("line", { class: isCut ? "lane cut" : "lane", x1: from, x2: to, y1: at, y2: at }));
    candidate.points.filter((point) => !point.final).forEach((point) => group.append(s("circle", { class: "ring", cx: x(point.evaluation), cy: at, r: 3.5 })));
    if (isCut) {
      group.append(cross(to, at));
    } else if (candidate.kept) {
      group.append(star(to, at));
    } else if (candidate.state === "finished") {
      group.append(s("circle", { class: "dot", cx: to, cy: at, r: 4.5 }));
    }
    parts.push(group);
  }
  const cut = order.filter((candidate) => candidate.state === "cut").length;
  const forks = order.filter((candidate) => candidate.parent !== null).length;
  return figure(width, height, "Population over the steps", `${text.plural(order.length, "candidate")}, ${text.plural(forks, "fork")}, ${cut} cut. The table below says the same.`, parts);
}

/** The charts' numbers as a table. */
export function scoreTable(run) {
  const drawn = run.all.filter((candidate) => candidate.points.length > 0 || candidate.parent !== null || candidate.state === "cut");
  const evaluations = [...new Set(drawn.flatMap((candidate) => candidate.points.map((point) => point.evaluation)))].sort((a, b) => a - b);
  const columns = [{ title: "Candidate" }, { title: "Comes from" }, ...evaluations.map((evaluation) => ({ title: `after ${evaluation}`, number: true })), { title: "Outcome" }];
  const rows = drawn.map((candidate) => [
    text.candidate(candidate.index),
    lineage(candidate),
    ...evaluations.map((evaluation) => {
      const point = candidate.points.find((known) => known.evaluation === evaluation);
      return point ? text.score(point.score) : "";
    }),
    outcome(candidate, run),
  ]);
  return h("details", null, h("summary", null, "The same as a table"), table("Scores over the steps, by candidate", columns, rows));
}

export const lineage = (candidate) => (candidate.parent === null ? "noise" : `fork of ${text.candidate(candidate.parent)} at ${candidate.forkedAt}`);

/** What became of a candidate, in a few words. */
export function outcome(candidate, run) {
  switch (candidate.state) {
    case "cut":
      return candidate.reason ?? `cut after ${candidate.evaluation}`;
    case "failed":
      return `failed: ${candidate.reason ?? "no reason given"}`;
    case "finished":
      return candidate.kept ? "kept" : run.job.state === "running" ? "finished" : "not kept";
    default:
      return candidate.evaluation && run.evaluations ? `${candidate.evaluation} of ${run.evaluations}` : "waiting";
  }
}
