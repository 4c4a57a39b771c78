using System.Text.Json;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Records for tests.</summary>
internal static class PictureRecords
{
    public static SchedulerReport Sampler { get; } = new("DPMSolverMultistepScheduler", "DPM++ 2M", "Karras");

    public static PictureRecord For(string prompt, string negative = "", ulong seed = 5) => new()
    {
        Software = "DiffusionClip 0.1.0",
        Request = new()
        {
            Prompt = new() { Text = prompt, Negative = negative },
            Model = new() { Id = "emoji-sd", Provider = "cpu" },
            Sampling = new()
            {
                Scheduler = "DPMSolverMultistepScheduler",
                SchedulerOptions = new Dictionary<string, JsonElement> { ["use_karras_sigmas"] = JsonSerializer.SerializeToElement(true), ["rho"] = JsonSerializer.SerializeToElement(7.25) },
                NumInferenceSteps = 20,
                GuidanceScale = 7.1f,
                Seed = seed,
                Noise = NoiseKind.Cpu,
                Width = 128,
                Height = 96,
            },
            Search = new() { Strategy = "best-of-n", Candidates = 4, Keep = 2, Scorer = "emoji-clip", ScoreText = prompt },
        },
        Plan = new() { Provider = "cpu", RowsPerRun = 2, BatchedGuidance = true, Threads = 2, Runtime = "ONNX Runtime 1.31.1" },
        Models =
        [
            new() { Role = "generator", Id = "models/emoji-sd", Sha256 = new string('a', 64), Files = new Dictionary<string, string> { ["unet/model.onnx"] = new string('b', 64) } },
        ],
        Candidate = new() { Index = 1, Seed = unchecked(seed + 1), Rank = 1, Score = 0.28912345678901234, Margin = 0.1, Kept = true, Evaluations = 20, File = "01.png", Checkpoints = [new() { Evaluation = 5, Score = 0.1 }, new() { Evaluation = 9 }], Lineage = [1, 2] },
        Scoring = new() { Scorer = "clip", Version = "1", Scale = ScoreScale.Cosine, Model = "emoji-clip", Sha256 = new string('c', 64), Text = prompt, TokensDropped = 3, Precision = "float32", Provider = "cpu" },
    };
}
