namespace DiffusionClip.Denoising;

/// <summary>How sigmas lie between the two ends of an EDM schedule.</summary>
internal enum EdmSigmaSchedule
{
    /// <summary>Evenly in sigma^(1/rho).</summary>
    Karras,

    /// <summary>Evenly in log sigma.</summary>
    Exponential,
}

/// <summary>Options of the schedulers in the EDM formulation (Karras et al. 2022, table 1), which has no betas.</summary>
internal abstract record EdmSchedulerConfig : SchedulerConfig
{
    /// <summary>Lowest sigma.</summary>
    public double SigmaMin { get; init; } = 0.002;

    /// <summary>Highest sigma.</summary>
    public double SigmaMax { get; init; } = 80;

    /// <summary>Standard deviation of the data.</summary>
    public double SigmaData { get; init; } = 0.5;

    /// <summary>How sigmas lie in between.</summary>
    public EdmSigmaSchedule SigmaSchedule { get; init; }

    /// <summary>Steps that the model was trained with.</summary>
    public int NumTrainTimesteps { get; init; } = 1000;

    /// <summary>What the model predicts: epsilon, or v, which has c_out negative.</summary>
    public PredictionType PredictionType { get; init; } = PredictionType.Epsilon;

    /// <summary>Exponent of the Karras schedule.</summary>
    public double Rho { get; init; } = 7;

    /// <summary>The level that the last step ends on.</summary>
    public FinalSigmasType FinalSigmasType { get; init; }

    /// <summary>Refuses what cannot be used and gives the number of steps.</summary>
    protected int Check(ScheduleRequest request)
    {
        if (PredictionType is PredictionType.Sample or PredictionType.Flow)
        {
            throw OptionCheck.Invalid("prediction_type", OptionNames.Of(PredictionType), $"{ClassName} reads epsilon and v_prediction");
        }

        OptionCheck.Within("sigma_min", SigmaMin, double.Epsilon, SigmaMax);
        return OptionCheck.Steps(request, ClassName, NumTrainTimesteps, takesTimesteps: false, takesSigmas: false);
    }

    /// <summary>The sigmas, without the final level.</summary>
    /// <param name="steps">Number of steps.</param>
    /// <param name="single">Whether the reference works in float32 here; it does in one of the two schedulers.</param>
    protected float[] EdmSigmas(int steps, bool single)
    {
        if (SigmaSchedule == EdmSigmaSchedule.Exponential)
        {
            float[] sigmas = Array.ConvertAll(
                TorchRounding.Linspace((float)Math.Log(SigmaMin), (float)Math.Log(SigmaMax), steps),
                TorchRounding.Exp);
            Array.Reverse(sigmas);
            return sigmas;
        }

        double low = Math.Pow(SigmaMin, 1 / Rho);
        double high = Math.Pow(SigmaMax, 1 / Rho);
        return single
            ? Array.ConvertAll(TorchRounding.Linspace(0f, 1f, steps), r => (float)Math.Pow((float)high + (r * (float)(low - high)), Rho))
            : Array.ConvertAll(TorchRounding.Linspace(0.0, 1.0, steps), r => (float)Math.Pow(high + (r * (low - high)), Rho));
    }

    /// <summary>The part of a plan that EDM schedulers share.</summary>
    protected PlanLayout EdmLayout(ScheduleRequest request, float[] levels, float last)
    {
        float[] sigmas = [.. levels, last];
        return new PlanLayout
        {
            // c_noise of table 1.
            Timesteps = Array.ConvertAll(levels, s => 0.25f * TorchRounding.Log(s)),
            Levels = SigmaPlan.VarianceExploding(sigmas),
            Sigmas = sigmas,
            FirstEvaluation = OptionCheck.BeginIndex(request, levels.Length),
            PredictionType = PredictionType,
            InitNoiseSigma = (float)Math.Sqrt((SigmaMax * SigmaMax) + 1),
        };
    }
}

/// <summary>The preconditioning of EDM: c_in of inputs, c_skip and c_out of outputs (Karras et al. 2022, table 1).</summary>
internal readonly struct EdmPreconditioning(double sigmaData, PredictionType predictionType)
{
    private readonly float _data2 = (float)(sigmaData * sigmaData);
    private readonly float _data = (float)(predictionType == PredictionType.VPrediction ? -sigmaData : sigmaData);

    /// <summary>Scales the model's input.</summary>
    public void ScaleInput(Span<float> destination, ReadOnlySpan<float> sample, float sigma) =>
        LinearCombination.Write(destination, 1 / MathF.Sqrt((sigma * sigma) + _data2), sample);

    /// <summary>x0 from sample and output.</summary>
    public Parameterization Original(float sigma)
    {
        float norm = (sigma * sigma) + _data2;
        return Parameterization.Sum(_data2 / norm, sigma * _data / MathF.Sqrt(norm));
    }
}
