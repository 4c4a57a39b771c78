using System.Text.Json.Serialization;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>An immutable plan from noise to sample, shared by all candidates of a run. Thread-safe.</summary>
public interface IScheduler
{
    /// <summary>Evaluations in all: the steps, but Heun and DPM2 have 2N - 1, PNDM N + 1.</summary>
    int Evaluations { get; }

    /// <summary>The first evaluation that runs: 0, or later where denoising starts from a picture.</summary>
    int FirstEvaluation { get; }

    /// <summary>Standard deviation of the first sample: pure noise is multiplied by it.</summary>
    float InitNoiseSigma { get; }

    /// <summary>The timestep of each evaluation, as the model is given it.</summary>
    ReadOnlySpan<float> Timesteps { get; }

    /// <summary>
    /// (alpha, sigma) before each evaluation and after the last: sample = alpha·x0 + sigma·noise, in the scheduler's own sample space.
    /// The k-diffusion style has alpha = 1, the variance-preserving one alpha² + sigma² = 1, flows alpha + sigma = 1.
    /// </summary>
    ReadOnlySpan<SignalNoise> Levels { get; }

    /// <summary>How the model's output is to be read.</summary>
    PredictionType PredictionType { get; }

    /// <summary>Whether steps draw noise, so that forks of one candidate part.</summary>
    bool IsStochastic { get; }

    /// <summary>
    /// Whether a candidate may be decoded, written down, forked or cut before this evaluation; true for 0 and for
    /// <see cref="Evaluations"/>.
    /// </summary>
    bool IsBoundary(int evaluation);

    /// <summary>
    /// Where the step that an evaluation belongs to ends: the evaluation whose level the sample is brought to. One later, but two
    /// later for the first of two evaluations of one step (Heun, DPM2).
    /// </summary>
    /// <param name="evaluation">0 to <see cref="Evaluations"/> - 1.</param>
    /// <returns>1 to <see cref="Evaluations"/>.</returns>
    int StepEnd(int evaluation);

    /// <summary>A fresh memory for one candidate. A fresh one may also be used from any boundary on.</summary>
    /// <param name="length">Values of a sample.</param>
    SchedulerState CreateState(int length);

    /// <summary>Writes what the model is given.</summary>
    void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination);

    /// <summary>One step in place; allocates nothing.</summary>
    /// <param name="modelOutput">The model's output, after guidance.</param>
    /// <param name="evaluation">Which evaluation this was, from 0.</param>
    /// <param name="sample">The sample before and after.</param>
    /// <param name="state">The candidate's memory.</param>
    /// <param name="noise">The candidate's stream.</param>
    void Step(ReadOnlySpan<float> modelOutput, int evaluation, Span<float> sample, SchedulerState state, NoiseSource noise);

    /// <summary>Noises clean latents to the level before an evaluation.</summary>
    void AddNoise(ReadOnlySpan<float> clean, ReadOnlySpan<float> noise, int evaluation, Span<float> destination);

    /// <summary>The predicted x0 at a boundary, from the sample before the evaluation and the model's output there.</summary>
    void PredictOriginal(ReadOnlySpan<float> modelOutput, ReadOnlySpan<float> sample, int evaluation, Span<float> destination);
}

/// <summary>Signal and noise of a sample: sample = alpha·x0 + sigma·noise.</summary>
/// <param name="Alpha">Factor of the clean sample.</param>
/// <param name="Sigma">Factor of the noise.</param>
public readonly record struct SignalNoise(float Alpha, float Sigma);

/// <summary>What a model predicts.</summary>
public enum PredictionType
{
    /// <summary>The noise (Ho et al. 2020).</summary>
    [JsonStringEnumMemberName("epsilon")]
    Epsilon,

    /// <summary>The velocity alpha·noise - sigma·x0 (Salimans and Ho 2022).</summary>
    [JsonStringEnumMemberName("v_prediction")]
    VPrediction,

    /// <summary>The clean sample.</summary>
    [JsonStringEnumMemberName("sample")]
    [OptionAlias("original_sample")]
    Sample,

    /// <summary>The flow noise - x0 (Lipman et al. 2022).</summary>
    [JsonStringEnumMemberName("flow_prediction")]
    Flow,
}

/// <summary>A multistep method's memory of one candidate.</summary>
public abstract class SchedulerState
{
    /// <summary>Copies this memory into another of the same scheduler and length.</summary>
    public abstract void CopyTo(SchedulerState destination);

    /// <summary>Forgets everything: the next step starts as the first does.</summary>
    public abstract void Reset();

    /// <summary>Writes the memory down.</summary>
    public abstract void Write(BinaryWriter writer);

    /// <summary>Reads a memory that <see cref="Write"/> wrote.</summary>
    public abstract void Read(BinaryReader reader);
}
