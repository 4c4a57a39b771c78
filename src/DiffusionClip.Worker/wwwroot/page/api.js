// The worker's own interface, /api/v1, and nothing else.

const ROOT = "api/v1";

/** A request that came to nothing: what the worker said (problem+json), or that it could not be reached. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    const said = body?.detail ?? body?.title;
    super(said ?? (status === 0 ? "The worker cannot be reached. Is it still running?" : `The worker answered ${status}.`));
    this.status = status;
    this.field = body?.field ?? null;
    this.retryAfter = retryAfter;
  }

  get text() {
    return this.retryAfter ? `${this.message} It is worth trying again in ${this.retryAfter} s.` : this.message;
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(`${ROOT}/${path}`, { ...options, headers: { accept: "application/json", ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new Problem(0);
  }
  const isJson = /[/+]json/.test(response.headers.get("content-type") ?? "");
  const body = isJson ? await response.json() : null;
  if (!response.ok) {
    throw new Problem(response.status, body, Number(response.headers.get("retry-after")) || null);
  }
  return body;
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const known = new Map();
/** Lists that do not change while the page is open; a failure is not remembered. */
function list(name) {
  if (!known.has(name)) {
    known.set(name, request(name).catch((error) => {
      known.delete(name);
      throw error;
    }));
  }
  return known.get(name);
}

export const models = () => list("models");
export const scorers = () => list("scorers");
export const strategies = () => list("strategies");
export const samplers = () => list("samplers");
export const limits = () => request("limits");
export const artifact = (sha256) => `${ROOT}/artifacts/${sha256}`;
export const jobAddress = (id) => `${ROOT}/jobs/${encodeURIComponent(id)}`;
export const job = (id) => request(`jobs/${encodeURIComponent(id)}`);
export const cancel = (id, finish) => request(`jobs/${encodeURIComponent(id)}${finish ? "?finish=true" : ""}`, { method: "DELETE" });

export function jobs({ before, limit, state }) {
  const query = new URLSearchParams({ limit });
  if (before) {
    query.set("before", before);
  }
  if (state) {
    query.set("state", state);
  }
  return request(`jobs?${query}`);
}

/** Hands a job over. The key makes it the same job when the reply got lost and it is sent once more. */
export async function submit(body) {
  const options = { method: "POST", headers: { "content-type": "application/json", "idempotency-key": newKey() }, body: JSON.stringify(body) };
  try {
    return await request("jobs", options);
  } catch (problem) {
    if (problem.status === 0) {
      return request("jobs", options);
    }
    throw problem;
  }
}

/** Uploads a picture; its SHA-256 names it from then on. */
export async function upload(file, field) {
  try {
    const type = /^image\/(png|jpeg|webp)$/.test(file.type) ? file.type : "application/octet-stream";
    return (await request("artifacts", { method: "POST", headers: { "content-type": type }, body: file })).sha256;
  } catch (problem) {
    problem.field = field;
    throw problem;
  }
}

const OVER = new Set(["done", "failed", "cancelled", "set_aside"]);
export const isOver = (job) => OVER.has(job.state);

/** Tells what happens to a job until it is over, across lost connections. Returns what stops the telling. */
export function watch(id, onEvent, onOver) {
  let source = null;
  let timer = 0;
  let last = 0;
  let stopped = false;

  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };
  const end = async () => {
    source?.close();
    try {
      const now = await job(id);
      if (stopped) {
        return;
      }
      if (isOver(now)) {
        stop();
        onOver(now);
        return;
      }
    } catch (problem) {
      if (problem.status === 404 || stopped) {
        stop();
        return;
      }
    }
    timer = setTimeout(open, 2000);
  };
  const open = () => {
    source = new EventSource(`${jobAddress(id)}/events${last ? `?after=${last}` : ""}`);
    for (const kind of ["state", "stage", "step", "preview", "candidate", "move"]) {
      source.addEventListener(kind, (message) => {
        last = Number(message.lastEventId) || last;
        const data = JSON.parse(message.data);
        onEvent(kind, data);
        if (kind === "state" && OVER.has(data.state)) {
          end();
        }
      });
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED && !stopped) {
        end();
      }
    });
  };
  open();
  return stop;
}
