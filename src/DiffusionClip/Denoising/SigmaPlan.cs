using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>Plans whose samples are x0 + sigma·noise (Karras et al. 2022): the model is given samples scaled to unit variance.</summary>
internal abstract class SigmaPlan(PlanLayout layout) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination)
    {
        CheckEvaluation(evaluation);
        float sigma = Layout.Levels[evaluation].Sigma;
        Elementwise.Apply(destination, sample, new Quotient(MathF.Sqrt((sigma * sigma) + 1)));
    }

    /// <summary>The levels of samples with alpha = 1.</summary>
    public static SignalNoise[] VarianceExploding(ReadOnlySpan<float> sigmas)
    {
        var levels = new SignalNoise[sigmas.Length];
        for (int i = 0; i < levels.Length; i++)
        {
            levels[i] = new(1, sigmas[i]);
        }

        return levels;
    }

    private readonly struct Quotient(float divisor) : IUnaryKernel
    {
        private readonly float _divisor = divisor;

        public Vector<float> Invoke(Vector<float> x) => x / new Vector<float>(_divisor);
    }
}
