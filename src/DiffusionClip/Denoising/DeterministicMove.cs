using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>
/// alpha·x0 + sigma·noise at a new level, x0 and noise from sample and output (Song et al. 2020, DDIM, equation 12 without its noise).
/// </summary>
internal readonly struct DeterministicMove(Parameterization original, Parameterization noise, float alpha, float sigma) : IBinaryKernel
{
    private readonly Parameterization _original = original;
    private readonly Parameterization _noise = noise;
    private readonly float _alpha = alpha;
    private readonly float _sigma = sigma;

    /// <inheritdoc/>
    public Vector<float> Invoke(Vector<float> x, Vector<float> y) => (_original.Invoke(x, y) * _alpha) + (_noise.Invoke(x, y) * _sigma);
}
