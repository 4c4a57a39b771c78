namespace DiffusionClip.Denoising;

/// <summary>How a shift in log space moves flow sigmas.</summary>
internal enum TimeShiftType
{
    /// <summary>sigma → e^mu / (e^mu + 1/sigma - 1).</summary>
    Exponential,

    /// <summary>sigma → mu / (mu + 1/sigma - 1).</summary>
    Linear,
}

/// <summary>Shifts of flow schedules.</summary>
internal static class TimeShift
{
    /// <summary>Moves a sigma by mu (Esser et al. 2024, equation 23, with e^mu as the shift).</summary>
    public static double Apply(TimeShiftType type, double mu, double sigma)
    {
        double shift = type == TimeShiftType.Exponential ? Math.Exp(mu) : mu;
        return shift / (shift + ((1 / sigma) - 1));
    }

    /// <summary>Stretches a schedule so that it ends on a given sigma.</summary>
    public static double[] Stretch(double[] sigmas, double terminal)
    {
        double scale = (1 - sigmas[^1]) / (1 - terminal);
        return Array.ConvertAll(sigmas, s => 1 - ((1 - s) / scale));
    }
}
