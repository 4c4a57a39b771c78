namespace DiffusionClip.Denoising;

/// <summary>Plans whose samples are x0 + sigma·noise (Karras et al. 2022): the model is given samples scaled to unit variance.</summary>
internal abstract class SigmaPlan(PlanLayout layout) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination)
    {
        CheckEvaluation(evaluation);
        float sigma = Layout.Levels[evaluation].Sigma;
        LinearCombination.Write(destination, 1 / MathF.Sqrt((sigma * sigma) + 1), sample);
    }

    /// <summary>The levels of samples with alpha = 1.</summary>
    public static SignalNoise[] Exploding(ReadOnlySpan<float> sigmas)
    {
        var levels = new SignalNoise[sigmas.Length];
        for (int i = 0; i < levels.Length; i++)
        {
            levels[i] = new(1, sigmas[i]);
        }

        return levels;
    }

    /// <summary>The factors of sample and output that give dx/dsigma = (x - x0)/sigma (Karras et al. 2022, equation 3).</summary>
    protected static X0Coefficients Derivative(X0Coefficients original, double sigma) =>
        new((float)((1.0 - original.Sample) / sigma), (float)(-original.Output / sigma));
}
