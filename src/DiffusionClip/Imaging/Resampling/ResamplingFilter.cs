namespace DiffusionClip.Imaging.Resampling;

/// <summary>
/// The filters of Pillow's <c>Image.resize</c>, under Pillow's numbers, which preprocessor configurations use (<c>resample: 3</c>).
/// </summary>
public enum ResamplingFilter
{
    /// <summary>The pixel under the centre; no antialiasing.</summary>
    Nearest = 0,

    /// <summary>Windowed sinc, three lobes.</summary>
    Lanczos = 1,

    /// <summary>Triangle.</summary>
    Bilinear = 2,

    /// <summary>Keys' cubic with a = -0.5.</summary>
    Bicubic = 3,

    /// <summary>Mean of the covered pixels.</summary>
    Box = 4,

    /// <summary>Hamming-windowed sinc, one lobe.</summary>
    Hamming = 5,
}
