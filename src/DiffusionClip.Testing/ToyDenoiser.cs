using System.Numerics.Tensors;
using DiffusionClip.Runtime;

namespace DiffusionClip.Testing;

/// <summary>
/// The exact noise predictor of a world of few pictures: data is one of the given samples with equal chance, so the posterior
/// mean of x0 is a softmax over distances (e.g. Karras et al. 2022, appendix B.3) and epsilon = (x - alpha·x0)/sigma. Where a
/// candidate ends depends on its noise alone. Takes inputs as models of the scaled-linear schedule do, alpha^2 + sigma^2 = 1.
/// </summary>
public sealed class ToyDenoiser : IDenoiser
{
    private readonly float[][] _world;
    private readonly double[] _alphasCumprod;

    /// <summary>Makes a world.</summary>
    /// <param name="world">The samples there are, all of one length.</param>
    /// <param name="trainTimesteps">Timesteps of the schedule.</param>
    /// <param name="betaStart">First beta.</param>
    /// <param name="betaEnd">Last beta.</param>
    public ToyDenoiser(IReadOnlyList<float[]> world, int trainTimesteps = 1000, double betaStart = 0.00085, double betaEnd = 0.012)
    {
        ArgumentNullException.ThrowIfNull(world);
        _world = [.. world];
        _alphasCumprod = new double[trainTimesteps];
        double product = 1;
        for (int t = 0; t < trainTimesteps; t++)
        {
            double root = Math.Sqrt(betaStart) + ((Math.Sqrt(betaEnd) - Math.Sqrt(betaStart)) * t / (trainTimesteps - 1));
            product *= 1 - (root * root);
            _alphasCumprod[t] = product;
        }
    }

    /// <inheritdoc/>
    public DenoiserDescriptor Descriptor { get; } = new() { InChannels = 4, OutChannels = 4, CrossAttentionDim = 1 };

    /// <summary>Runs of all bindings so far.</summary>
    public int Runs { get; private set; }

    /// <summary>Called before each run; may throw or wait.</summary>
    public Action? BeforeRun { get; set; }

    /// <inheritdoc/>
    public IDenoiserBinding Bind(LatentShape shape, int rows, int sequenceLength) => new Binding(this, shape.Length, rows);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Predict(ReadOnlySpan<float> sample, double timestep, Span<float> epsilon)
    {
        double alphaCumprod = _alphasCumprod[Math.Clamp((int)Math.Round(timestep), 0, _alphasCumprod.Length - 1)];
        float alpha = (float)Math.Sqrt(alphaCumprod);
        float sigma = (float)Math.Sqrt(1 - alphaCumprod);
        double[] distances = [.. new double[_world.Length]];
        for (int k = 0; k < _world.Length; k++)
        {
            for (int i = 0; i < sample.Length; i++)
            {
                double difference = sample[i] - (alpha * _world[k][i]);
                distances[k] += difference * difference;
            }
        }

        double nearest = distances.Min();
        double[] weights = [.. distances.Select(distance => Math.Exp(-(distance - nearest) / (2 * sigma * sigma)))];
        double total = weights.Sum();
        epsilon.Clear();
        for (int k = 0; k < _world.Length; k++)
        {
            TensorPrimitives.MultiplyAdd(_world[k], (float)(-alpha * weights[k] / total), epsilon, epsilon);
        }

        TensorPrimitives.Add(epsilon, sample, epsilon);
        TensorPrimitives.Divide(epsilon, sigma, epsilon);
    }

    private sealed class Binding(ToyDenoiser denoiser, int length, int rows) : IDenoiserBinding
    {
        private readonly float[] _samples = new float[length * rows];
        private readonly float[] _outputs = new float[length * rows];
        private volatile bool _terminated;

        public void SetConditioning(int row, TextConditioning conditioning)
        {
        }

        public Span<float> Sample(int row) => _samples.AsSpan(row * length, length);

        public ReadOnlySpan<float> ModelOutput(int row) => _outputs.AsSpan(row * length, length);

        public void Run(float timestep)
        {
            denoiser.BeforeRun?.Invoke();
            if (_terminated)
            {
                throw new OperationCanceledException();
            }

            denoiser.Runs++;
            for (int row = 0; row < rows; row++)
            {
                denoiser.Predict(Sample(row), timestep, _outputs.AsSpan(row * length, length));
            }
        }

        public void Terminate() => _terminated = true;

        public void Dispose()
        {
        }
    }
}
