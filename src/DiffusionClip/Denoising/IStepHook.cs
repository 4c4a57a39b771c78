namespace DiffusionClip.Denoising;

/// <summary>Works on candidates after each of their steps: steering by the gradient of a score, for one.</summary>
public interface IStepHook
{
    /// <summary>What it is, settings and hashes of weights included: a run goes on from a snapshot only where this is the same.</summary>
    string Identity { get; }

    /// <summary>Begins a candidate.</summary>
    /// <param name="length">Values of a sample.</param>
    IStepHookState Start(int length);

    /// <summary>Reads what the state of one of its candidates wrote (<see cref="IStepHookState.Write"/>).</summary>
    /// <param name="reader">The bytes.</param>
    /// <param name="length">Values of a sample.</param>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    /// <exception cref="InvalidDataException">The bytes are no such state.</exception>
    IStepHookState Read(BinaryReader reader, int length);
}

/// <summary>A hook's state for one candidate.</summary>
public interface IStepHookState
{
    /// <summary>Whether <see cref="CompletedStep.Original"/> is wanted after an evaluation; it costs a pass over the sample.</summary>
    /// <param name="evaluation">The evaluation, from 0.</param>
    bool WantsOriginal(int evaluation) => false;

    /// <summary>Called after each step; may change the sample. What it throws ends the run.</summary>
    /// <param name="step">The step; valid during the call.</param>
    void AfterStep(in CompletedStep step);

    /// <summary>The state of a fork. A state that never changes may return itself.</summary>
    IStepHookState Fork();

    /// <summary>Writes down what the hook itself does not know.</summary>
    /// <param name="writer">Where to.</param>
    void Write(BinaryWriter writer);
}

/// <summary>A step that was made.</summary>
public readonly ref struct CompletedStep
{
    /// <summary>The evaluation that it followed, from 0.</summary>
    public required int Evaluation { get; init; }

    /// <summary>
    /// The predicted x0 before the step [channels, height, width]; empty where it was not wanted, and between the evaluations of a step
    /// that has several.
    /// </summary>
    public required ReadOnlySpan<float> Original { get; init; }

    /// <summary>
    /// Signal and noise of the sample as it is now. With the predicted noise held fixed, moving x0 by d moves the sample by alpha·d (He et
    /// al. 2024, manifold preserving guided diffusion); a multistep method's history still holds the x0 that was not moved.
    /// </summary>
    public required SignalNoise Level { get; init; }

    /// <summary>The sample after the step [channels, height, width].</summary>
    public required Span<float> Sample { get; init; }
}
