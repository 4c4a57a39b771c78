// One job: live while it runs, its ranking and report when it is over.
import * as api from "./api.js";
import * as charts from "./charts.js";
import { compareView } from "./compare.js";
import { announce, h, s, setText, table } from "./dom.js";
import * as lightbox from "./lightbox.js";
import { reportView } from "./report.js";
import { Run } from "./run.js";
import * as text from "./text.js";

const CHART_INTERVAL = 250;
const LONG_TITLE = 120;

/** What a job is about, in words. */
export function titleOf(job) {
  const { body } = job;
  return body.generate?.prompt?.text ?? body.rank?.prompt ?? body.score?.pairs?.[0]?.texts?.[0] ?? "";
}

/**
 * Shows a job in an element. Actions: again(request, from), submit(body).
 * Returns what ends the showing.
 */
export function showJob(container, job, actions) {
  return new JobView(container, job, actions).start();
}

class JobView {
  constructor(container, job, actions) {
    this.run = new Run(job);
    this.actions = actions;
    this.cards = new Map();
    this.charted = 0;
    this.stops = [];
    this.root = h("article", { class: "job", "aria-busy": String(!api.isOver(job)) });
    container.replaceChildren(this.root);
  }

  start() {
    const { job } = this.run;
    this.root.append(this.head());
    if (api.isOver(job)) {
      this.showOutcome();
    } else {
      this.live = this.liveSections();
      this.root.append(...this.live);
      this.stops.push(api.watch(job.id, (kind, data) => this.happened(kind, data), (over) => this.over(over)));
    }
    this.draw();
    const observer = new ResizeObserver(() => this.drawCharts());
    observer.observe(this.root);
    this.stops.push(() => observer.disconnect());
    return () => {
      this.stopped = true;
      this.stops.forEach((stop) => stop());
    };
  }

  // The head

  head() {
    const { job } = this.run;
    const title = titleOf(job);
    const request = job.body.generate;
    this.facts = h("dl", { class: "facts" });
    this.drawFacts();
    this.badge = h("span", { class: "badge" });
    this.status = h("span", { class: "status" });
    this.progress = h("progress", { max: "1", value: "0", "aria-label": "Progress of the job" });
    this.actionRow = h("div", { class: "actions", role: "group", "aria-label": "What to do with this job" });
    this.notices = h("div", { class: "warnings" });
    return h("header", { class: "job-head" },
      h("h1", { class: ["prompt-title", title ? "" : "empty", title.length > LONG_TITLE ? "long" : ""].join(" ").trim(), tabindex: "-1", dir: "auto" }, title || (job.kind === "generate" ? "(without a prompt)" : "(without a text)")),
      request?.prompt?.negative && h("p", { class: "negative", dir: "auto" }, h("span", { class: "actions-label" }, "without "), request.prompt.negative),
      this.facts,
      h("div", { class: "state-line" }, this.badge, this.status),
      this.progress,
      this.actionRow,
      this.notices);
  }

  drawFacts() {
    this.facts.replaceChildren(...facts(this.run.job).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
  }

  drawHead() {
    const { job } = this.run;
    this.badge.className = `badge ${job.state}`;
    setText(this.badge, text.STATES[job.state] ?? job.state);
    this.progress.hidden = api.isOver(job);
    this.progress.value = job.progress ?? 0;
    setText(this.status, this.statusText());
    if (this.drawnState !== `${job.state} ${this.run.finishing}`) {
      this.drawnState = `${job.state} ${this.run.finishing}`;
      this.drawActions();
      this.drawNotices();
    }
  }

  statusText() {
    const { job, stage, finishing } = this.run;
    if (finishing && !api.isOver(job)) {
      return finishing === "finish" ? "Finishing with the best so far…" : "Stopping…";
    }
    switch (job.state) {
      case "queued":
        return "It starts when its turn comes.";
      case "running":
        return `${Math.round((job.progress ?? 0) * 100)} %${stage ? `, ${text.STAGES[stage] ?? stage}` : ""}`;
      case "done": {
        const took = job.result?.report?.seconds;
        return [took !== undefined ? `in ${text.seconds(took)}` : "", job.result?.report?.finished_early ? "finished early, as asked" : ""].filter(Boolean).join(", ");
      }
      default:
        return "";
    }
  }

  drawActions() {
    const { job, finishing } = this.run;
    const hadFocus = this.actionRow.contains(document.activeElement);
    const row = [];
    if (!api.isOver(job)) {
      row.push(
        job.state === "running" && job.kind === "generate" && h("button", { type: "button", disabled: Boolean(finishing), onclick: () => this.end(true) }, "Finish now"),
        h("button", { type: "button", class: "danger", disabled: finishing === "abort", onclick: () => this.end(false) }, "Cancel"));
    } else if (job.kind === "generate") {
      row.push(
        h("span", { class: "actions-label", id: "again-label" }, "Again with…"),
        h("button", { type: "button", onclick: () => this.again() }, "these settings"),
        h("button", { type: "button", onclick: () => this.againNow() }, "new seeds"));
    }
    this.actionRow.replaceChildren(...row.filter(Boolean));
    if (hadFocus && !this.actionRow.contains(document.activeElement)) {
      this.root.querySelector("h1").focus();
    }
  }

  drawNotices() {
    const { job } = this.run;
    const notices = [];
    if (job.reason) {
      notices.push(h("p", { class: job.state === "cancelled" || job.state === "queued" || job.state === "running" ? "notice plain" : "notice" }, job.reason));
    }
    if (job.result?.cached_from) {
      notices.push(h("p", { class: "notice plain" }, "The same was made before: these are the pictures of ", h("a", { href: `#/jobs/${job.result.cached_from}` }, "an earlier job"), "."));
    }
    for (const warning of new Set([...(job.result?.warnings ?? []), ...(job.result?.report?.warnings ?? [])])) {
      notices.push(h("p", { class: "notice plain" }, warning));
    }
    this.notices.replaceChildren(...notices);
  }

  async end(finish) {
    this.run.finishing = finish ? "finish" : "abort";
    this.drawHead();
    announce(finish ? "Finishing with the best so far." : "Stopping.");
    try {
      await api.cancel(this.run.job.id, finish);
    } catch (problem) {
      // It may have ended by itself in the meantime; its events say so.
      if (problem.status !== 409) {
        this.run.finishing = null;
        this.notices.append(h("p", { class: "notice", role: "alert" }, problem.text ?? problem.message));
        this.drawHead();
      }
    }
  }

  // Again with…

  request() {
    const { job } = this.run;
    return job.result?.report?.request ?? job.body.generate;
  }

  again(change = {}, what = "an earlier job") {
    const request = structuredClone(this.request());
    Object.assign(request.sampling, change.sampling);
    Object.assign(request.search, change.search);
    if (change.origin) {
      request.origin = change.origin;
    }
    this.actions.again(request, what);
  }

  async againNow() {
    const request = structuredClone(this.request());
    delete request.sampling.seed;
    try {
      await this.actions.submit({ kind: "generate", generate: request });
    } catch (problem) {
      this.notices.append(h("p", { class: "notice", role: "alert" }, problem.text ?? problem.message));
    }
  }

  // Live

  liveSections() {
    if (this.run.job.kind !== "generate") {
      return [];
    }
    this.grid = h("ul", { class: "pictures", "aria-label": "Candidates in the making" });
    this.liveNote = h("p", null);
    this.chartSection = this.chartsSection();
    return [
      h("section", { "aria-label": "Candidates" }, h("div", { class: "section-head" }, h("h2", null, "Candidates"), this.liveNote), this.grid),
      this.chartSection,
    ];
  }

  happened(kind, data) {
    if (this.stopped) {
      return;
    }
    const before = { state: this.run.job.state, candidate: this.run.candidates.get(data.candidate)?.state };
    this.run.apply(kind, data);
    this.tell(kind, data, before);
    if (kind === "state") {
      this.actions.changed();
    }
    if (!this.scheduled) {
      this.scheduled = true;
      requestAnimationFrame(() => {
        this.scheduled = false;
        if (!this.stopped) {
          this.draw();
        }
      });
    }
  }

  /** Milestones only: a screen reader that tells every step tells nothing. */
  tell(kind, data, before) {
    if (kind === "state" && data.state !== before.state && data.state === "running") {
      announce("The job is running.");
    } else if (kind === "move" && data.move === "advance") {
      announce(`${text.plural(data.candidates?.length ?? 0, "candidate goes on", "candidates go on")} until evaluation ${data.until}.`);
    } else if (kind === "candidate" && data.event === "finished" && before.candidate !== "finished") {
      announce(`Candidate ${data.candidate} is finished${data.score === undefined ? "" : `, score ${text.score(data.score)}`}.`);
    } else if (kind === "candidate" && data.event === "failed") {
      announce(`Candidate ${data.candidate} failed.`);
    }
  }

  draw() {
    this.drawHead();
    if (this.grid) {
      const all = this.run.all;
      this.grid.classList.toggle("few", all.length <= 4);
      all.forEach((candidate) => this.card(candidate, this.grid));
      const going = all.filter((candidate) => candidate.state !== "cut" && candidate.state !== "failed").length;
      const cut = all.length - going;
      setText(this.liveNote, all.length === 0 ? "They appear as they begin." : cut ? `${going} of ${all.length} go on, ${cut} stopped` : text.plural(all.length, "candidate"));
    }
    if (performance.now() - this.charted > CHART_INTERVAL || api.isOver(this.run.job)) {
      this.drawCharts();
    }
  }

  over(job) {
    const focused = document.activeElement;
    this.run.settle(job);
    this.root.setAttribute("aria-busy", "false");
    this.actions.changed();
    this.live.forEach((section) => section.remove());
    this.grid = null;
    // The state may be known from an event already; the warnings are not.
    this.drawnState = null;
    this.drawFacts();
    this.showOutcome();
    this.draw();
    const best = this.run.all.find((candidate) => candidate.rank === 1);
    announce(`${text.STATES[job.state]}. ${best ? `The best is ${job.kind === "rank" ? text.nameOf(best.index, "rank") : `candidate ${best.index}`} with score ${text.score(best.score)}.` : job.reason ?? ""}`);
    if (!document.contains(focused)) {
      this.root.querySelector("h1").focus();
    }
  }

  // The outcome

  showOutcome() {
    const { job } = this.run;
    const images = job.result?.images ?? [];
    const sections = [];
    if (job.kind === "score" && job.result) {
      sections.push(scoresSection(job));
    } else if (images.length > 0) {
      sections.push(...this.pictureSections(), ...(job.kind === "generate" ? [this.chartSection ?? this.chartsSection()] : []), this.rankingSection());
      const scored = job.result.report?.scoring?.text ?? job.body.rank?.score_text ?? job.body.rank?.prompt;
      if (scored !== undefined) {
        const compare = compareView(job, scored, job.result.report?.scoring?.model ?? job.result.report?.scoring?.scorer ?? text.scorers(job.result.report?.request.search ?? job.body.rank));
        this.stops.push(compare.stop);
        sections.push(h("section", null, h("h2", null, "Scorers side by side"), ...compare.element));
      }
    }
    if (job.result) {
      sections.push(h("section", { class: "report" }, h("h2", null, "Report"), ...reportView(job)));
    }
    this.root.append(...sections);
  }

  pictureSections() {
    const ranked = [...this.run.all].sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.index - b.index);
    const kept = ranked.filter((candidate) => candidate.kept && candidate.sha256);
    const rest = ranked.filter((candidate) => !kept.includes(candidate));
    const grid = (candidates, name, few) => {
      const list = h("ol", { class: `pictures ${few}`, "aria-label": name });
      candidates.forEach((candidate) => this.card(candidate, list));
      return list;
    };
    const isRank = this.run.job.kind === "rank";
    const title = isRank ? "In order" : kept.length === 1 ? "Kept" : "Kept, best first";
    return [
      kept.length > 0 && h("section", null, h("h2", null, title), grid(kept, title, kept.length <= 4 ? "few" : "")),
      rest.length > 0 && h("section", null, h("h2", null, "Not kept"), grid(rest, "Not kept", "rest")),
    ].filter(Boolean);
  }

  /** Whether a picture stands out: kept where others are not, else the best. */
  stands(candidate) {
    const all = this.run.all.filter((other) => other.sha256 || other.state !== "finished");
    return candidate.kept && (all.some((other) => !other.kept) || candidate.rank === 1);
  }

  card(candidate, list) {
    let card = this.cards.get(candidate.index);
    if (!card || card.list !== list) {
      card = this.newCard(candidate, list);
      this.cards.set(candidate.index, card);
    }
    const { run } = this;
    // Artefacts are the caller's once the job is over; until then there are previews, the last of them of the finished picture.
    const isOver = candidate.sha256 !== null && api.isOver(run.job);
    const source = isOver ? api.artifact(candidate.sha256) : candidate.preview;
    if (source && card.image?.getAttribute("src") !== source) {
      this.setPicture(card, candidate, source, isOver);
    }
    if (card.image) {
      const alt = this.altOf(candidate, isOver);
      if (card.image.alt !== alt) {
        card.image.alt = alt;
      }
    }
    if (!card.image) {
      setText(card.plate.firstElementChild, candidate.state === "cut" ? "cut" : candidate.state === "failed" ? "failed" : "");
    }
    card.item.className = ["candidate", `series-${candidate.index % 8}`, this.stands(candidate) ? "kept" : "", candidate.state === "cut" || candidate.state === "failed" ? "cut" : "", isOver ? "" : "latent"].join(" ");
    setText(card.name, `${candidate.rank && candidate.kept ? `${candidate.rank}. ` : ""}${text.nameOf(candidate.index, run.job.kind)}`);
    setText(card.score, candidate.score === null ? "" : text.score(candidate.score));
    const notes = [candidate.parent === null ? "" : charts.lineage(candidate), candidate.state === "finished" && candidate.kept ? (candidate.margin === null ? "" : `ahead by ${text.score(candidate.margin)}`) : charts.outcome(candidate, run), candidate.failure ?? ""];
    setText(card.note, notes.filter(Boolean).join(" · "));
    const isRunning = !api.isOver(run.job) && (candidate.state === "running" || candidate.state === "scored");
    card.bar.hidden = api.isOver(run.job);
    card.bar.classList.toggle("idle", !isRunning);
    if (isRunning && run.evaluations) {
      card.bar.max = run.evaluations;
      card.bar.value = candidate.evaluation;
    }
  }

  newCard(candidate, list) {
    const size = this.run.job.body.generate?.sampling;
    const card = {
      list,
      plate: h("div", { class: "plate" }, h("span", { class: "blank" })),
      name: h("span", null),
      score: h("span", { class: "score" }),
      note: h("span", { class: "note" }),
      bar: h("progress", { hidden: true, "aria-label": `Progress of candidate ${candidate.index}` }),
    };
    if (size?.width && size?.height) {
      card.ratio = `${size.width} / ${size.height}`;
      card.plate.style.aspectRatio = card.ratio;
    } else {
      card.plate.style.aspectRatio = "1";
    }
    const marker = h("span", { class: `swatch series-${candidate.index % 8}`, "aria-hidden": "true" });
    card.item = h("li", null, card.plate, card.bar, h("div", { class: "caption" }, h("span", { class: "name rank-mark" }, marker, card.name), card.score, card.note));
    list.append(card.item);
    return card;
  }

  setPicture(card, candidate, source, isOver) {
    if (isOver && card.plate.tagName !== "BUTTON") {
      const plate = h("button", { type: "button", class: "plate", onclick: () => this.enlarge(candidate.index) });
      plate.style.aspectRatio = card.plate.style.aspectRatio;
      card.plate.replaceWith(plate);
      card.plate = plate;
      card.image = null;
    }
    if (!card.image) {
      card.image = h("img", { alt: "" });
      card.plate.replaceChildren(card.image);
    }
    card.image.src = source;
  }

  altOf(candidate, isOver) {
    const what = isOver ? "" : "A preview of ";
    const place = candidate.rank ? `, rank ${candidate.rank}` : "";
    return `${what}${this.run.job.kind === "rank" ? text.nameOf(candidate.index, "rank") : `candidate ${candidate.index}`}${place}: ${titleOf(this.run.job) || "no prompt"}`;
  }

  enlarge(index) {
    const shown = [...this.run.all].filter((candidate) => candidate.sha256).sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.index - b.index);
    const items = shown.map((candidate) => ({ candidate, name: text.nameOf(candidate.index, this.run.job.kind), alt: this.altOf(candidate, true), actions: this.pictureActions(candidate) }));
    lightbox.open(items, shown.findIndex((candidate) => candidate.index === index));
  }

  pictureActions(candidate) {
    if (this.run.job.kind !== "generate" || !api.isOver(this.run.job)) {
      return [];
    }
    const name = text.candidate(candidate.index);
    return [
      candidate.parent === null && candidate.seed !== null && { label: "Again with this seed", act: () => this.again({ sampling: { seed: candidate.seed }, search: { candidates: 1, keep: 1 } }, `${name} of an earlier job`) },
      { label: "Start from this picture", act: () => this.again({ origin: { image: candidate.sha256 } }, `an earlier job, starting from its ${name}`) },
    ].filter(Boolean);
  }

  // Charts

  chartsSection() {
    this.scoreBox = h("div", { class: "chart" });
    this.populationBox = h("div", { class: "chart" });
    this.scoreNote = h("p", null);
    this.tableBox = h("div", null);
    this.scoreTitle = h("h2", null);
    this.scoreBlock = h("section", { hidden: true }, h("div", { class: "section-head" }, this.scoreTitle, this.scoreNote), this.scoreBox);
    this.populationBlock = h("section", { hidden: true }, h("div", { class: "section-head" }, h("h2", null, "Population"), h("p", null, "Which candidates continued, were cut, or were forked.")), this.populationBox, legend());
    return h("div", { class: "job" }, this.scoreBlock, this.populationBlock, this.tableBox);
  }

  drawCharts() {
    if (!this.scoreBox || this.run.job.kind !== "generate") {
      return;
    }
    this.charted = performance.now();
    const width = Math.max(280, Math.min(1200, (this.root.clientWidth || 640) - 18));
    const overSteps = this.run.hasCheckpoints;
    const scores = overSteps ? charts.scoreChart(this.run, width) : charts.scoreStrip(this.run, width);
    this.scoreBlock.hidden = !scores;
    if (scores) {
      this.scoreBox.replaceChildren(scores);
      setText(this.scoreTitle, overSteps ? "Scores over the steps" : "Scores");
      setText(this.scoreNote, overSteps ? "A ring is a preview on the way, a dot a finished picture, a star one that was kept." : "This search looked at finished pictures only: one score for each, stars for those kept.");
    }
    const population = this.run.branches ? charts.populationChart(this.run, width) : null;
    this.populationBlock.hidden = !population;
    if (population) {
      this.populationBox.replaceChildren(population);
    }
    if (api.isOver(this.run.job) && scores && overSteps && !this.tableBox.hasChildNodes()) {
      this.tableBox.append(charts.scoreTable(this.run));
    }
  }

  // The ranking

  rankingSection() {
    const { run } = this;
    const ranked = [...run.all].sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.index - b.index);
    const widest = Math.max(...ranked.map((candidate) => candidate.margin ?? 0), 1e-9);
    const isGenerate = run.job.kind === "generate";
    const several = ranked.find((candidate) => candidate.scores)?.scores ?? [];
    const columns = [
      { title: "Rank" }, { title: "Picture" }, { title: isGenerate ? "Candidate" : "Given as" },
      { title: several.length > 0 ? "Total" : "Score", number: true }, { title: "Ahead of the next by", number: true },
      ...several.map((one) => ({ title: one.scorer, number: true })),
      ...(isGenerate ? [{ title: "Seed", number: true }] : []),
      ...(isGenerate && run.branches ? [{ title: "Comes from" }] : []),
      ...(isGenerate ? [{ title: "Outcome", class: "outcome" }] : []),
    ];
    const rows = ranked.map((candidate) => [
      candidate.rank ? `${candidate.rank}.` : "–",
      candidate.sha256 ? h("img", { class: "tiny", src: api.artifact(candidate.sha256), alt: "", loading: "lazy" }) : "none",
      text.nameOf(candidate.index, run.job.kind),
      text.score(candidate.score),
      candidate.margin === null ? "" : h("span", null, text.score(candidate.margin), marginBar(candidate.margin / widest)),
      ...several.map((_, i) => text.score(candidate.scores?.[i]?.score)),
      ...(isGenerate ? [candidate.seed === null ? "" : String(candidate.seed)] : []),
      ...(isGenerate && run.branches ? [charts.lineage(candidate)] : []),
      ...(isGenerate ? [[charts.outcome(candidate, run), candidate.failure].filter(Boolean).join("; ")] : []),
    ]);
    return h("section", null, h("h2", null, "Ranking"),
      table(isGenerate ? "Candidates, best first" : "Pictures, best first", columns, rows, (i) => (ranked[i].kept ? "" : "dim")));
  }
}

function marginBar(share) {
  return s("svg", { class: "margin-bar", viewBox: "0 0 72 8", "aria-hidden": "true", preserveAspectRatio: "none" },
    s("rect", { class: "back", width: 72, height: 8, rx: 4 }), s("rect", { width: Math.max(2, 72 * share).toFixed(1), height: 8, rx: 4 }));
}

function legend() {
  return h("p", { class: "legend", "aria-hidden": "true" }, ["○ scored on the way", "● finished", "★ kept", "× stopped", "┄ fork"].map((entry) => h("span", null, entry)));
}

function facts(job) {
  const request = job.result?.report?.request ?? job.body.generate;
  const entries = [["Asked for", h("time", { datetime: job.accepted_at, title: job.accepted_at }, text.ago(job.accepted_at))]];
  if (request) {
    const { sampling, search, model } = request;
    entries.push(["Model", model?.id], ["Size", sampling?.width && `${sampling.width} × ${sampling.height}`], job.result?.report ? ["Sampler", job.result.report.sampler.label] : ["Scheduler", sampling?.scheduler], ["Steps", sampling?.num_inference_steps],
      ["Guidance", sampling?.guidance_scale], ["Seed", sampling?.seed], ["Strategy", search?.strategy], ["Candidates", search?.candidates], ["Keep", search?.keep], ["Scorer", text.scorers(search)], ["Combined by", search?.combination],
      ["From a picture", request.origin && (request.origin.strength ? `strength ${request.origin.strength}` : "yes")]);
  } else if (job.body.rank) {
    entries.push(["Pictures", job.body.rank.images.length], ["Scorer", text.scorers(job.body.rank)], ["Combined by", job.body.rank.combination]);
  } else if (job.body.score) {
    entries.push(["Pictures", job.body.score.pairs.length], ["Scorer", text.scorers(job.body.score)]);
  }
  return entries.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => [name, value instanceof Node ? value : String(value)]);
}

function scoresSection(job) {
  const several = job.result.scores.some((row) => row.scorer);
  return h("section", null, h("h2", null, "Scores"),
    table("Scores of pictures against texts", [{ title: "Picture" }, { title: "Text", class: "text" }, ...(several ? [{ title: "Scorer" }] : []), { title: "Score", number: true }],
      job.result.scores.map((row) => [h("img", { class: "tiny", src: api.artifact(row.image), alt: `Picture ${text.short(row.image)}`, loading: "lazy" }), h("span", { dir: "auto" }, row.text ?? row.record?.text ?? ""), ...(several ? [row.scorer ?? ""] : []), row.failure ?? text.score(row.score)])));
}
