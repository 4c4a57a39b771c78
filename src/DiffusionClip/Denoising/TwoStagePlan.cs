namespace DiffusionClip.Denoising;

/// <summary>Plans whose steps take two evaluations, but for the last: even evaluations begin a step, odd ones finish it.</summary>
internal abstract class TwoStagePlan(PlanLayout layout) : SigmaPlan(layout)
{
    /// <inheritdoc/>
    public override bool IsBoundary(int evaluation) => base.IsBoundary(evaluation) && (evaluation % 2 == 0 || evaluation == Evaluations);

    /// <inheritdoc/>
    public override int StepEnd(int evaluation) =>
        IsFirstStage(evaluation) ? Math.Min(base.StepEnd(evaluation) + 1, Evaluations) : base.StepEnd(evaluation);

    /// <summary>The first evaluation of a step.</summary>
    protected static bool IsFirstStage(int evaluation) => evaluation % 2 == 0;

    /// <summary>a[0], then every other value twice, as two evaluations need them.</summary>
    public static T[] Twice<T>(ReadOnlySpan<T> values)
    {
        var twice = new T[(2 * values.Length) - 1];
        for (int i = 0; i < twice.Length; i++)
        {
            twice[i] = values[(i + 1) / 2];
        }

        return twice;
    }
}
