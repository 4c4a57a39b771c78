// How numbers, times and states are said.

export const score = (value) => (value === null || value === undefined ? "–" : Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(4));
export const seconds = (value) => (value >= 100 ? `${value.toFixed(0)} s` : value >= 1 ? `${value.toFixed(1)} s` : `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`);
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
export const candidate = (index) => `#${index}`;
/** A candidate has a number that reports and errors use too; an uploaded picture has its place among the uploads. */
export const nameOf = (index, kind) => (kind === "rank" ? `picture ${index + 1}` : candidate(index));
export const short = (sha256) => sha256?.slice(0, 12) ?? "";

/** Scorers of a request or job in one line, as they are asked for: a=1,b=0.5. */
export const scorers = (part) => part?.scorer ?? (part?.scorers === undefined ? undefined
  : part.scorers.length === 0 ? "none"
  : part.scorers.length === 1 && part.scorers[0].weight === 1 ? part.scorers[0].id
  : part.scorers.map((one) => `${one.id}=${one.weight}`).join(","));

export const STATES = {
  queued: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  set_aside: "Set aside",
};

export const STAGES = {
  models: "loading models",
  tokenization: "reading the prompt",
  conditioning: "reading the prompt",
  origins: "drawing noise",
  denoising: "painting",
  decoding: "developing",
  scoring: "scoring",
  selection: "choosing",
  reporting: "writing the report",
};

export const KINDS = { generate: "Generated", rank: "Ranked", score: "Scored" };

export function ago(time, now = Date.now()) {
  const passed = (now - Date.parse(time)) / 1000;
  if (passed < 60) {
    return "just now";
  }
  if (passed < 3600) {
    return `${Math.floor(passed / 60)} min ago`;
  }
  if (passed < 86400) {
    return `${Math.floor(passed / 3600)} h ago`;
  }
  return new Date(time).toISOString().slice(0, 10);
}
