namespace DiffusionClip.Denoising;

/// <summary>
/// Plans of the solvers in lambda, which also run flows: a flow's x0 is read at its own sigma, whatever the level's variance.
/// </summary>
internal abstract class LambdaPlan(PlanLayout layout) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    protected override Parameterization Original(int evaluation) =>
        Layout.PredictionType == PredictionType.Flow ? Parameterization.Difference(Layout.Sigmas[evaluation]) : base.Original(evaluation);
}
