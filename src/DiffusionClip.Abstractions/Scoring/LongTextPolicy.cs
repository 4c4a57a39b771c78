using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>
/// What a scorer does with a text that is longer than its model reads at once. Scores under different policies are never ranked together.
/// </summary>
[JsonConverter(typeof(JsonStringEnumConverter<LongTextPolicy>))]
public enum LongTextPolicy
{
    /// <summary>The beginning is read, the rest is dropped and reported, as CLIP scores are commonly computed.</summary>
    [JsonStringEnumMemberName("truncate")]
    Truncate,

    /// <summary>
    /// The text is cut into windows as prompts are; the mean of their unit vectors, brought to unit length again, stands for it.
    /// </summary>
    [JsonStringEnumMemberName("windows-mean")]
    WindowsMean,
}
