using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>The file format that pictures are written in.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<OutputFormat>))]
public enum OutputFormat
{
    /// <summary>PNG: lossless; metadata in text chunks.</summary>
    [JsonStringEnumMemberName("png")]
    Png,

    /// <summary>JPEG: lossy; metadata in EXIF, which has room for 64 KiB.</summary>
    [JsonStringEnumMemberName("jpeg")]
    Jpeg,

    /// <summary>WebP: lossy, at quality 100 lossless; metadata in EXIF. At most 16,383 pixels a side.</summary>
    [JsonStringEnumMemberName("webp")]
    Webp,
}
