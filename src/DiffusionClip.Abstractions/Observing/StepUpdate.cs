namespace DiffusionClip;

/// <summary>An evaluation of one candidate ended.</summary>
public readonly ref struct StepUpdate
{
    private readonly IPreviewSource? _previews;

    /// <summary>Creates the update.</summary>
    public StepUpdate(
        CandidateId candidate,
        int evaluation,
        int evaluations,
        float timestep,
        ReadOnlySpan<float> sample,
        IPreviewSource? previews)
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

    /// <summary>
    /// Decodes the predicted x0 cheaply; null where the scheduler stands between boundaries. Costs a decode: call it seldom.
    /// </summary>
    public RgbImage? DecodePreview() => _previews?.DecodePreview(Candidate);
}

/// <summary>Decodes an unfinished candidate.</summary>
public interface IPreviewSource
{
    /// <summary>The predicted x0 as a picture, or null where there is none.</summary>
    RgbImage? DecodePreview(CandidateId candidate);
}
