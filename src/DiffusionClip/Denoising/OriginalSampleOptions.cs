namespace DiffusionClip.Denoising;

/// <summary>Options of dynamic thresholding of a predicted x0 (Saharia et al. 2022, Imagen, section 2.3).</summary>
internal sealed record ThresholdingOptions : OptionGroup
{
    /// <summary>Whether x0 is thresholded dynamically.</summary>
    public bool Thresholding { get; init; }

    /// <summary>Quantile of dynamic thresholding, 0 to 1.</summary>
    public double DynamicThresholdingRatio { get; init; } = 0.995;

    /// <summary>Upper bound of the threshold.</summary>
    public double SampleMaxValue { get; init; } = 1;
}

/// <summary>Options of a plain clip of a predicted x0.</summary>
internal sealed record ClippingOptions : OptionGroup
{
    /// <summary>Whether the predicted x0 is clipped.</summary>
    public bool ClipSample { get; init; }

    /// <summary>Bound of that clip.</summary>
    public double ClipSampleRange { get; init; } = 1;
}
