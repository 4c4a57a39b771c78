namespace DiffusionClip.Denoising;

/// <summary>How strongly guidance leads, and how much of its output is rescaled.</summary>
/// <param name="Scale">Scale of classifier-free guidance (Ho and Salimans 2022); at 1 and below there is none.</param>
/// <param name="Rescale">Rescale of the guided output (Lin et al. 2023, section 3.4), 0 to 1.</param>
public readonly record struct GuidanceSettings(float Scale, float Rescale)
{
    /// <summary>No guidance: the model's output for the prompt alone.</summary>
    public static GuidanceSettings None { get; } = new(1, 0);

    /// <summary>Whether the negative side has to be evaluated at all.</summary>
    public bool IsActive => Scale > 1;
}

/// <summary>Guidance by evaluation. Where it is not active an evaluation costs one run of the denoiser in place of two.</summary>
public interface IGuidancePlan
{
    /// <summary>Whether it is active in any evaluation: whether a negative side is needed.</summary>
    bool IsActive { get; }

    /// <summary>Guidance of one evaluation.</summary>
    /// <param name="evaluation">The evaluation, from 0.</param>
    GuidanceSettings At(int evaluation);
}

/// <summary>The same guidance in every evaluation.</summary>
/// <param name="settings">The guidance.</param>
public sealed class ConstantGuidance(GuidanceSettings settings) : IGuidancePlan
{
    /// <inheritdoc/>
    public bool IsActive => settings.IsActive;

    /// <inheritdoc/>
    public GuidanceSettings At(int evaluation) => settings;
}

/// <summary>
/// Guidance in an interval of the evaluations and none outside of it (Kynkäänniemi et al. 2024, applying guidance in a limited interval).
/// </summary>
/// <param name="settings">The guidance inside.</param>
/// <param name="from">The first evaluation that is guided.</param>
/// <param name="until">The first evaluation after it that is not.</param>
public sealed class IntervalGuidance(GuidanceSettings settings, int from, int until) : IGuidancePlan
{
    /// <inheritdoc/>
    public bool IsActive => settings.IsActive && from < until;

    /// <inheritdoc/>
    public GuidanceSettings At(int evaluation) => evaluation >= from && evaluation < until ? settings : GuidanceSettings.None;
}
