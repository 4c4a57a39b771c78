using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>Noise added before a step (Karras et al. 2022, algorithm 2, lines 4 to 6).</summary>
internal readonly struct Churn
{
    private readonly double _gamma;
    private readonly double _lowest;
    private readonly double _highest;
    private readonly float _factor;

    /// <summary>Takes the settings of a request.</summary>
    /// <param name="request">The request.</param>
    /// <param name="steps">Steps that the churn is shared among.</param>
    public Churn(ScheduleRequest request, int steps)
    {
        _gamma = Math.Min(request.SChurn / steps, Math.Sqrt(2) - 1);
        _lowest = request.STmin;
        _highest = request.STmax;
        _factor = (float)request.SNoise;
    }

    /// <summary>Raises the sample's noise and gives its new level; draws only where noise is added.</summary>
    public float Apply(Span<float> sample, float sigma, SchedulerMemory memory, NoiseSource noise)
    {
        if (!(_gamma > 0 && _lowest <= sigma && sigma <= _highest))
        {
            return sigma;
        }

        float raised = sigma * (float)(_gamma + 1);
        noise.Fill(memory.Noise);
        LinearCombination.Add(sample, _factor * MathF.Sqrt((raised * raised) - (sigma * sigma)), memory.Noise);
        return raised;
    }
}
