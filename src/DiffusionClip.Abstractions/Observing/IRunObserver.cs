using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>How a run is stopped and watched.</summary>
/// <param name="Abort">Frees everything and throws <see cref="OperationCanceledException"/>, also inside a running evaluation.</param>
/// <param name="Finish">Starts nothing more and returns the best so far.</param>
/// <param name="Observer">Told what happens, on the thread that does it.</param>
/// <param name="Plan">A plan to follow, to repeat an earlier run bit for bit; null: chosen from the configuration.</param>
public sealed record RunControl(CancellationToken Abort = default, CancellationToken Finish = default, IRunObserver? Observer = null, ExecutionPlan? Plan = null)
{
    /// <summary>The pictures that the request names (<see cref="OriginRequest"/>), by the SHA-256 of their files.</summary>
    public IReadOnlyDictionary<string, RgbImage>? Images { get; init; }

    /// <summary>
    /// Where the run writes itself down, and what it goes on from; null: nowhere. A run that goes on first tells its observer what
    /// the one before was told of moves and candidates, in the same order; not the stages and steps.
    /// </summary>
    public IRunSnapshots? Snapshots { get; init; }
}

/// <summary>Told what happens in a run. Must not block; what it throws ends the run.</summary>
public interface IRunObserver
{
    /// <summary>A stage began or ended.</summary>
    void OnStage(in StageUpdate update)
    {
    }

    /// <summary>An evaluation ended. The update lives only during the call.</summary>
    void OnStep(in StepUpdate update)
    {
    }

    /// <summary>A candidate began, was scored, was cut, finished or failed.</summary>
    void OnCandidate(CandidateUpdate update)
    {
    }

    /// <summary>The strategy made a move.</summary>
    void OnMove(SearchMove move)
    {
    }
}

/// <summary>The stops of the road, named as the folders are.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Stage>))]
public enum Stage
{
    /// <summary>Sessions are made or leased.</summary>
    [JsonStringEnumMemberName("models")]
    Models,

    /// <summary>Text becomes token ids.</summary>
    [JsonStringEnumMemberName("tokenization")]
    Tokenization,

    /// <summary>Ids become embeddings.</summary>
    [JsonStringEnumMemberName("conditioning")]
    Conditioning,

    /// <summary>Candidates get their first sample.</summary>
    [JsonStringEnumMemberName("origins")]
    Origins,

    /// <summary>The denoising evaluations.</summary>
    [JsonStringEnumMemberName("denoising")]
    Denoising,

    /// <summary>Latents become pixels.</summary>
    [JsonStringEnumMemberName("decoding")]
    Decoding,

    /// <summary>Pictures get scores.</summary>
    [JsonStringEnumMemberName("scoring")]
    Scoring,

    /// <summary>The strategy decides.</summary>
    [JsonStringEnumMemberName("selection")]
    Selection,

    /// <summary>Results are put together and written.</summary>
    [JsonStringEnumMemberName("reporting")]
    Reporting,
}

/// <summary>A stage began or ended.</summary>
/// <param name="Stage">The stage.</param>
/// <param name="Cause">For finished pictures or for a checkpoint's glimpses.</param>
/// <param name="Elapsed">Null when it began; its duration when it ended.</param>
public readonly record struct StageUpdate(Stage Stage, ScoringPhase Cause, TimeSpan? Elapsed);

/// <summary>An evaluation of one candidate ended.</summary>
public readonly ref struct StepUpdate
{
    private readonly IPreviewSource? _previews;

    /// <summary>Creates the update.</summary>
    public StepUpdate(CandidateId candidate, int evaluation, int evaluations, float timestep, ReadOnlySpan<float> sample, IPreviewSource? previews)
    {
        Candidate = candidate;
        Evaluation = evaluation;
        Evaluations = evaluations;
        Timestep = timestep;
        Sample = sample;
        _previews = previews;
    }

    /// <summary>The candidate.</summary>
    public CandidateId Candidate { get; }

    /// <summary>How many of its evaluations are done, from 1.</summary>
    public int Evaluation { get; }

    /// <summary>How many there are.</summary>
    public int Evaluations { get; }

    /// <summary>The timestep that was evaluated.</summary>
    public float Timestep { get; }

    /// <summary>The latents after it, [channels, height, width]; valid during the call.</summary>
    public ReadOnlySpan<float> Sample { get; }

    /// <summary>Decodes the predicted x0 cheaply; null where the scheduler stands between boundaries. Costs a decode: call it seldom.</summary>
    public RgbImage? DecodePreview() => _previews?.DecodePreview(Candidate);
}

/// <summary>Decodes a candidate in the making.</summary>
public interface IPreviewSource
{
    /// <summary>The predicted x0 as a picture, or null where there is none.</summary>
    RgbImage? DecodePreview(CandidateId candidate);
}

/// <summary>What happened to a candidate.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CandidateEvent>))]
public enum CandidateEvent
{
    /// <summary>It began, from noise or as a fork.</summary>
    [JsonStringEnumMemberName("started")]
    Started,

    /// <summary>It was scored at a checkpoint.</summary>
    [JsonStringEnumMemberName("scored")]
    Scored,

    /// <summary>The strategy let it go no further.</summary>
    [JsonStringEnumMemberName("stopped")]
    Stopped,

    /// <summary>Its picture is ready.</summary>
    [JsonStringEnumMemberName("finished")]
    Finished,

    /// <summary>It came to nothing.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,
}

/// <summary>Something happened to a candidate.</summary>
/// <param name="Candidate">The candidate.</param>
/// <param name="Event">What happened.</param>
/// <param name="Seed">The seed of its root.</param>
/// <param name="Evaluation">Where it stands.</param>
public sealed record CandidateUpdate(CandidateId Candidate, CandidateEvent Event, ulong Seed, int Evaluation)
{
    /// <summary>Whose fork it is, if it is one.</summary>
    public CandidateId? Parent { get; init; }

    /// <summary>Its score, if it was scored.</summary>
    public double? Score { get; init; }

    /// <summary>Why it stopped or failed.</summary>
    public string? Reason { get; init; }

    /// <summary>Its picture, once finished.</summary>
    public RgbImage? Image { get; init; }
}
