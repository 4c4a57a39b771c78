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
    public static SignalNoise[] Exploding(ReadOnlySpan<float> sigmas)
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

    /// <summary>dx/dsigma = (x - x0)/sigma (Karras et al. 2022, equation 3), from sample and output.</summary>
    protected readonly struct Derivative(Parameterization original, float sigma) : IBinaryKernel
    {
        private readonly Parameterization _original = original;
        private readonly float _sigma = sigma;

        /// <inheritdoc/>
        public Vector<float> Invoke(Vector<float> x, Vector<float> y) => (x - _original.Invoke(x, y)) / new Vector<float>(_sigma);
    }

    /// <summary>A step of Euler's method: x + dx/dsigma·step, from sample and output.</summary>
    protected readonly struct EulerStep(Parameterization original, float sigma, float step) : IBinaryKernel
    {
        private readonly Derivative _derivative = new(original, sigma);
        private readonly float _step = step;

        /// <inheritdoc/>
        public Vector<float> Invoke(Vector<float> x, Vector<float> y) => x + (_derivative.Invoke(x, y) * _step);
    }

    /// <summary>A step of Euler's method and noise: x + dx/dsigma·step + up·z, from sample, output and noise.</summary>
    protected readonly struct AncestralStep(Parameterization original, float sigma, float step, float up) : ITernaryKernel
    {
        private readonly EulerStep _step = new(original, sigma, step);
        private readonly float _up = up;

        /// <inheritdoc/>
        public Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z) => _step.Invoke(x, y) + (z * _up);
    }
}
