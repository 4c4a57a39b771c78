// What is known of a job: from its events while it runs, from its result when it is over. Populations shrink and branch.

export class Run {
  constructor(job) {
    this.job = job;
    this.candidates = new Map();
    this.evaluations = 0;
    this.stage = null;
    this.until = null;
    this.finishing = null;
    if (job.result) {
      this.settle(job);
    }
  }

  get all() {
    return [...this.candidates.values()].sort((a, b) => a.index - b.index);
  }

  /** Whether any candidate was cut or forked, so that there is a population to show. */
  get branches() {
    return this.all.some((candidate) => candidate.parent !== null || candidate.state === "cut");
  }

  get hasCheckpoints() {
    return this.all.some((candidate) => candidate.points.some((point) => !point.final));
  }

  candidate(index) {
    let known = this.candidates.get(index);
    if (!known) {
      known = { index, seed: null, parent: null, forkedAt: 0, evaluation: 0, state: "waiting", reason: null, score: null, points: [], preview: null, sha256: null, kept: false, rank: null, margin: null };
      this.candidates.set(index, known);
    }
    return known;
  }

  /** Takes in an event. Events may come again after a lost connection: each says what is, not what changed. */
  apply(kind, data) {
    if (data.progress !== undefined) {
      this.job.progress = data.progress;
    }
    switch (kind) {
      case "state":
        this.job.state = data.state;
        this.job.reason = data.reason ?? null;
        break;
      case "stage":
        this.stage = data.seconds === undefined ? data.stage : this.stage;
        break;
      case "step": {
        const candidate = this.candidate(data.candidate);
        candidate.evaluation = data.evaluation;
        candidate.state = "running";
        this.evaluations = Math.max(this.evaluations, data.evaluations ?? 0);
        break;
      }
      case "preview":
        if (data.image) {
          const candidate = this.candidate(data.candidate);
          candidate.preview = data.image;
          candidate.previewAt = data.evaluation;
        }
        break;
      case "move":
        this.move(data);
        break;
      case "candidate":
        this.happened(data);
        break;
    }
  }

  move(data) {
    this.until = data.until ?? this.until;
    if (data.move === "finish") {
      const kept = new Set(data.candidates ?? []);
      this.all.forEach((candidate) => {
        candidate.kept = kept.has(candidate.index);
      });
    }
  }

  happened(data) {
    const candidate = this.candidate(data.candidate);
    candidate.seed = data.seed ?? candidate.seed;
    candidate.parent = data.parent ?? candidate.parent;
    candidate.reason = data.reason ?? candidate.reason;
    switch (data.event) {
      case "started":
        candidate.forkedAt = data.evaluation ?? 0;
        candidate.isForkSeen = true;
        candidate.evaluation = data.evaluation ?? 0;
        if (candidate.parent !== null && !candidate.preview) {
          candidate.preview = this.candidate(candidate.parent).preview;
        }
        break;
      case "scored":
        this.point(candidate, data, false);
        candidate.state = "scored";
        break;
      case "finished":
        this.point(candidate, data, true);
        candidate.state = "finished";
        candidate.sha256 = data.sha256 ?? candidate.sha256;
        break;
      case "stopped":
        candidate.state = "cut";
        candidate.evaluation = data.evaluation ?? candidate.evaluation;
        break;
      case "failed":
        candidate.state = "failed";
        break;
    }
  }

  point(candidate, data, final) {
    candidate.evaluation = data.evaluation ?? candidate.evaluation;
    if (final) {
      this.evaluations = Math.max(this.evaluations, candidate.evaluation);
    }
    candidate.score = data.score ?? null;
    const last = candidate.points.at(-1);
    const same = last && last.evaluation === candidate.evaluation && last.final === final;
    if (data.score !== undefined && !same) {
      candidate.points.push({ evaluation: candidate.evaluation, score: data.score, final });
    }
  }

  /** Takes in the result: it is the truth, whatever events were missed. */
  settle(job) {
    this.job = job;
    this.finishing = null;
    const report = job.result?.report;
    if (report) {
      const finished = report.candidates.filter((entry) => !entry.stopped && !entry.failure);
      this.evaluations = Math.max(this.evaluations, ...finished.map((entry) => entry.evaluations));
      const byIndex = new Map(report.candidates.map((entry) => [entry.index, entry]));
      for (const entry of report.candidates) {
        this.settleCandidate(entry, byIndex);
      }
    }
    for (const image of job.result?.images ?? []) {
      const candidate = this.candidate(image.index);
      candidate.sha256 = image.sha256;
      candidate.kept = image.kept;
      candidate.rank = image.rank ?? null;
      candidate.score = image.score ?? candidate.score;
      candidate.scores = image.scores ?? candidate.scores;
      candidate.margin = image.margin ?? null;
      candidate.seed = image.seed ?? candidate.seed;
      candidate.failure = image.failure ?? null;
      candidate.state = candidate.state === "waiting" || candidate.state === "running" ? "finished" : candidate.state;
    }
  }

  settleCandidate(entry, byIndex) {
    const candidate = this.candidate(entry.index);
    const checkpoints = entry.checkpoints ?? [];
    candidate.seed = entry.seed ?? null;
    candidate.parent = entry.parent ?? null;
    candidate.state = entry.failure ? "failed" : entry.stopped ? "cut" : "finished";
    candidate.reason = entry.failure ?? entry.stopped ?? null;
    candidate.failure = entry.scoring_failure ?? null;
    candidate.score = entry.score ?? null;
    candidate.rank = entry.rank ?? null;
    candidate.margin = entry.margin ?? null;
    candidate.kept = entry.kept ?? false;
    candidate.done = entry.evaluations;
    // A fork has its parent's scores up to where it left.
    const shared = candidate.parent === null
      ? 0
      : candidate.isForkSeen
        ? checkpoints.filter((point) => point.evaluation <= candidate.forkedAt).length
        : commonStart(checkpoints, byIndex.get(candidate.parent)?.checkpoints ?? []);
    if (shared > 0 && !candidate.isForkSeen) {
      candidate.forkedAt = checkpoints[shared - 1].evaluation;
    }
    candidate.points = checkpoints.slice(shared).filter((point) => point.score !== undefined && point.score !== null).map((point) => ({ evaluation: point.evaluation, score: point.score, final: false }));
    if (candidate.state === "finished") {
      candidate.evaluation = this.evaluations;
      if (candidate.score !== null) {
        candidate.points.push({ evaluation: this.evaluations, score: candidate.score, final: true });
      }
    } else {
      candidate.evaluation = checkpoints.at(-1)?.evaluation ?? entry.evaluations;
    }
  }
}

function commonStart(mine, theirs) {
  let count = 0;
  while (count < mine.length && count < theirs.length && mine[count].evaluation === theirs[count].evaluation && mine[count].score === theirs[count].score) {
    count++;
  }
  return count;
}
