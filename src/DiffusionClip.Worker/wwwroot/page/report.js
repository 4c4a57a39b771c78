// A run's report, to be read, and as it is.
import * as api from "./api.js";
import { announce, h, table } from "./dom.js";
import * as text from "./text.js";

const pairs = (entries) => h("dl", { class: "pairs" }, entries.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, String(value)))));
const block = (title, ...content) => h("div", { class: "block" }, h("h3", null, title), ...content);

export function reportView(job) {
  const report = job.result.report;
  return [
    ...(report ? readable(report) : []),
    h("details", null, h("summary", null, "As JSON"), ...raw(job)),
  ];
}

function readable(report) {
  const { request, plan, sampler, scoring } = report;
  const whole = report.stages.reduce((sum, stage) => sum + stage.seconds, 0) || 1;
  return [
    pairs([
      ["Software", report.software],
      ["Began", report.started_at.replace("T", " ").replace(/\.\d+|\+00:00/g, "") + " UTC"],
      ["Took", text.seconds(report.seconds)],
      ["Ended", report.finished_early ? "early, as asked" : "as planned"],
      ["After an interruption", report.resumed && interruption(report.resumed)],
      ["Sampler", sampler.schedule_type ? `${sampler.label}, ${sampler.schedule_type}` : sampler.label],
      ["Scheduler", sampler.scheduler],
      ["Steps", request.sampling.num_inference_steps],
      ["Guidance", request.sampling.guidance_scale],
      ["Size", `${request.sampling.width} × ${request.sampling.height}`],
      ["First seed", request.sampling.seed],
      ["Noise", request.sampling.noise],
      ["Strategy", request.search.strategy],
      ["Scores combined by", report.combination],
      ["Runs on", plan.provider],
      ["Provider", report.provider_reason],
      ["Rows of a run", plan.rows_per_run],
      ["Threads", plan.threads],
      ["Runtime", plan.runtime],
    ]),
    (report.scorers ?? []).length > 1 && block("How scores came about", table("Scorers", [{ title: "Scorer" }, { title: "Weight", number: true }, { title: "Better" }, { title: "Version" }, { title: "Scale" }, { title: "Text as scored", class: "text" }, { title: "Tokens dropped", number: true }],
      report.scorers.map((one) => [one.id, String(one.weight), one.higher_is_better ? "higher" : "lower", one.record ? `${one.record.scorer} ${one.record.version}` : "", one.record?.scale ?? "", h("span", { dir: "auto" }, one.record?.text ?? ""), String(one.record?.tokens_dropped ?? "")]))),
    scoring && block("How scores came about", pairs([
      ["Scorer", `${scoring.scorer} ${scoring.version}`],
      ["Model", scoring.model],
      ["Text as scored", scoring.text],
      ["Scale", scoring.scale],
      ["Tokens dropped", scoring.tokens_dropped || null],
      ["Long text", scoring.long_text],
      ["Preparation", scoring.preprocessing],
      ["Precision", scoring.precision],
      ["Runs on", scoring.provider],
    ])),
    block("Where the time went", table("Seconds by stage", [{ title: "Stage" }, { title: "For" }, { title: "Times", number: true }, { title: "Time", number: true }, { title: "Share", number: true }],
      report.stages.map((stage) => [stage.stage, stage.cause === "checkpoint" ? "checkpoints" : "finished pictures", String(stage.count), text.seconds(stage.seconds), `${((100 * stage.seconds) / whole).toFixed(1)} %`]))),
    block("What the models read", table("Texts and tokens", [{ title: "For" }, { title: "Text", class: "text" }, { title: "Tokens", number: true }, { title: "Dropped", number: true }],
      report.texts.map((one) => [one.role, h("span", { dir: "auto" }, one.text || "(empty)"), String(one.tokens), String(one.tokens_dropped)]))),
    block("Models", table("Models and their hashes", [{ title: "Role" }, { title: "Model" }, { title: "SHA-256", class: "hash" }], report.models.map((model) => [model.role, model.id, model.sha256]))),
  ].filter(Boolean);
}

const interruption = (resumed) => resumed.from_snapshot
  ? `went on from a snapshot: ${text.plural(resumed.evaluations_skipped, "evaluation")} and ${text.seconds(resumed.seconds_before)} kept`
  : `began anew: ${resumed.reason}`;

function raw(job) {
  const json = JSON.stringify(job.result.report ?? job.result, null, 2);
  const copy = async () => {
    await navigator.clipboard.writeText(json);
    announce("Copied.");
  };
  return [
    h("div", { class: "actions" },
      navigator.clipboard && h("button", { type: "button", onclick: copy }, "Copy"),
      h("a", { class: "button", href: api.jobAddress(job.id), target: "_blank", rel: "noopener" }, "Whole job")),
    h("pre", { tabindex: "0", role: "region", "aria-label": "The report as JSON" }, json),
  ];
}
