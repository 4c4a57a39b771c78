namespace DiffusionClip.Conditioning;

/// <summary>The sizes that a request may condition a model on (Podell et al. 2023, section 2.2).</summary>
internal static class SizeConditions
{
    /// <summary>Each of them by its field, with the smallest number it may hold.</summary>
    public static (string Field, RowsColumns? Size, int Least)[] Of(SamplingRequest sampling) =>
    [
        ("original_size", sampling.OriginalSize, 1),
        ("crops_coords_top_left", sampling.CropsCoordsTopLeft, 0),
        ("target_size", sampling.TargetSize, 1),
        ("negative_original_size", sampling.NegativeOriginalSize, 1),
        ("negative_crops_coords_top_left", sampling.NegativeCropsCoordsTopLeft, 0),
        ("negative_target_size", sampling.NegativeTargetSize, 1),
    ];
}
