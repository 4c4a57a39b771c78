namespace DiffusionClip.Denoising;

/// <summary>Options of the schedulers of rectified flows.</summary>
internal abstract record FlowMatchConfig : SchedulerConfig
{
    /// <summary>Steps that the model was trained with.</summary>
    public int NumTrainTimesteps { get; init; } = 1000;

    /// <summary>Moves sigmas towards noise (Esser et al. 2024, equation 23).</summary>
    public double Shift { get; init; } = 1;

    /// <summary>
    /// Sigmas, evenly from the schedule's highest to its lowest; the two ends may be shifted already, so that a shift counts twice, as in
    /// the reference implementation.
    /// </summary>
    protected double[] EvenSigmas(int steps, bool shifted)
    {
        float low = End(1);
        float high = End(NumTrainTimesteps);
        double n = NumTrainTimesteps;
        return Array.ConvertAll(TorchRounding.Linspace(high * n, low * n, steps), t => t / n);

        float End(int timestep)
        {
            float sigma = timestep / (float)NumTrainTimesteps;
            return shifted ? (float)Shift * sigma / (1 + ((float)(Shift - 1) * sigma)) : sigma;
        }
    }
}
