namespace DiffusionClip;

/// <summary>What the host configures of the road; the section <c>DiffusionClip</c> of the configuration.</summary>
public class PipelineOptions
{
    /// <summary>The generator used where a request names none.</summary>
    public string DefaultModel { get; set; } = "emoji-sd";

    /// <summary>The scorer used where neither request nor generator names one; null: no scores then.</summary>
    public string? DefaultScorer { get; set; }

    /// <summary>Candidates of a request that does not say, 1 to 1024.</summary>
    public int Candidates { get; set; } = 4;

    /// <summary>The random number generator where a request names none.</summary>
    public NoiseKind Noise { get; set; } = NoiseKind.Cpu;

    /// <summary>Execution provider of a request that does not say: <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>.</summary>
    public string Provider { get; set; } = "auto";

    /// <summary>How requests are executed.</summary>
    public PlanOptions Plan { get; set; } = new();

    /// <summary>How scorers are called.</summary>
    public ScoringOptions Scoring { get; set; } = new();

    /// <summary>What requests may ask for.</summary>
    public LimitOptions Limits { get; set; } = new();
}

/// <summary>How requests are executed.</summary>
public sealed class PlanOptions
{
    /// <summary>
    /// Whether both halves of guidance share a run; null: on a device yes, on the CPU no (there a run of two costs as much as two).
    /// </summary>
    public bool? BatchedGuidance { get; set; }

    /// <summary>Candidates that share a run, 1 to 64. With more than 1 a picture's last bits may depend on its neighbours.</summary>
    public int CandidatesPerRun { get; set; } = 1;

    /// <summary>
    /// Pictures that are handed to the scorers at once, 1 to 1024. A picture is shown as soon as it is decoded; its score comes with its
    /// batch.
    /// </summary>
    public int PicturesPerScoring { get; set; } = 16;
}

/// <summary>What requests may ask for.</summary>
public sealed class LimitOptions
{
    /// <summary>Largest number of candidates.</summary>
    public int Candidates { get; set; } = 1024;

    /// <summary>The most that <see cref="Side"/> may be: a square of it has 805 million values, which one array or span holds.</summary>
    public const int MostSide = 16_384;

    /// <summary>Largest width or height in pixels, 8 to <see cref="MostSide"/>.</summary>
    public int Side { get; set; } = 4096;

    /// <summary>Largest number of steps.</summary>
    public int Steps { get; set; } = 1000;

    /// <summary>Longest prompt in UTF-16 code units.</summary>
    public int PromptLength { get; set; } = 65_536;

    /// <summary>Largest picture read, in pixels.</summary>
    public long ImagePixels { get; set; } = 100_000_000;

    /// <summary>Largest picture file read, in bytes.</summary>
    public long ImageBytes { get; set; } = 512L << 20;
}
