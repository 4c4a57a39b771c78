using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>dx/dsigma = (x - x0)/sigma (Karras et al. 2022, equation 3), from sample and output.</summary>
internal readonly struct Derivative(Parameterization original, float sigma) : IBinaryKernel
{
    private readonly Parameterization _original = original;
    private readonly float _sigma = sigma;

    /// <inheritdoc/>
    public Vector<float> Invoke(Vector<float> x, Vector<float> y) => (x - _original.Invoke(x, y)) / new Vector<float>(_sigma);
}

/// <summary>A step of Euler's method: x + dx/dsigma·step, from sample and output.</summary>
internal readonly struct EulerStep(Parameterization original, float sigma, float step) : IBinaryKernel
{
    private readonly Derivative _derivative = new(original, sigma);
    private readonly float _step = step;

    /// <inheritdoc/>
    public Vector<float> Invoke(Vector<float> x, Vector<float> y) => x + (_derivative.Invoke(x, y) * _step);
}

/// <summary>A step of Euler's method and noise: x + dx/dsigma·step + up·z, from sample, output and noise.</summary>
internal readonly struct AncestralStep(Parameterization original, float sigma, float step, float up) : ITernaryKernel
{
    private readonly EulerStep _step = new(original, sigma, step);
    private readonly float _up = up;

    /// <inheritdoc/>
    public Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z) => _step.Invoke(x, y) + (z * _up);
}
