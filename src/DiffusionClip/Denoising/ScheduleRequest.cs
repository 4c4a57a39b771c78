namespace DiffusionClip.Denoising;

/// <summary>What a plan is built from: how many steps (or which), where to begin, and the settings of single steps.</summary>
public sealed record ScheduleRequest
{
    /// <summary>
    /// Denoising steps; 1 to the scheduler's <c>num_train_timesteps</c>. Exactly one of this, <see cref="Timesteps"/> and
    /// <see cref="Sigmas"/> is given.
    /// </summary>
    public int? NumInferenceSteps { get; init; }

    /// <summary>The timesteps themselves, descending, where the scheduler takes them.</summary>
    public IReadOnlyList<double>? Timesteps { get; init; }

    /// <summary>
    /// The noise levels themselves, descending, where the scheduler takes them; the last is the level of the result where the scheduler
    /// says so.
    /// </summary>
    public IReadOnlyList<double>? Sigmas { get; init; }

    /// <summary>How much of the way is denoised, above 0 to 1: of N steps the last ⌊N·strength⌋ run (Meng et al. 2021, SDEdit).</summary>
    public double Strength { get; init; } = 1;

    /// <summary>Steps left out at the beginning; overrides <see cref="Strength"/>.</summary>
    public int? BeginIndex { get; init; }

    /// <summary>Shift in log space of flow schedules with <c>use_dynamic_shifting</c>, as it follows from the picture's size.</summary>
    public double? Mu { get; init; }

    /// <summary>
    /// Stochasticity of DDIM (0 to 1) and gamma of TCD (0 to 1); null: the scheduler's default. Other schedulers do not look at it.
    /// </summary>
    public double? Eta { get; init; }

    /// <summary>Whether DDIM derives the noise again from the clipped x0 (Nichol et al. 2021, GLIDE).</summary>
    public bool UseClippedModelOutput { get; init; }

    /// <summary>
    /// Noise added before each step in all, where the scheduler knows churn (Karras et al. 2022, algorithm 2); 0 or more.
    /// </summary>
    public double SChurn { get; init; }

    /// <summary>Lowest sigma at which churn is added.</summary>
    public double STmin { get; init; }

    /// <summary>Highest sigma at which churn is added.</summary>
    public double STmax { get; init; } = double.PositiveInfinity;

    /// <summary>Factor of the noise that churn adds.</summary>
    public double SNoise { get; init; } = 1;

    /// <summary>Order of linear multistep (LMS), 1 to 8; null: 4.</summary>
    public int? Order { get; init; }

    /// <summary>
    /// Steps of the schedule that a consistency model was distilled on; null: the scheduler's <c>original_inference_steps</c>.
    /// </summary>
    public int? OriginalInferenceSteps { get; init; }

    /// <summary>How much of the distilled schedule the steps of a consistency model are taken from, above 0 to 1.</summary>
    public double OriginalStrength { get; init; } = 1;
}
