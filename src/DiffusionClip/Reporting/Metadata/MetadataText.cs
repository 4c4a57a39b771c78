using System.Globalization;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Values that metadata holds as text; every number is read with the invariant culture.</summary>
internal static class MetadataText
{
    private const int MaxDigits = 64;

    private static readonly string[] ModelExtensions = [".safetensors", ".ckpt", ".gguf", ".sft", ".pt"];

    /// <summary>A whole number that fits an int; null if it is none.</summary>
    public static int? Int(string? text) =>
        int.TryParse(Trim(text), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) ? value : null;

    /// <summary>A finite number; null if it is none.</summary>
    public static double? Double(string? text) =>
        double.TryParse(
            Trim(text),
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
            CultureInfo.InvariantCulture,
            out double value
        ) && double.IsFinite(value)
            ? value
            : null;

    /// <summary>A whole number of any size in decimal digits, never by way of a double; null if it is none.</summary>
    public static string? Digits(string? text)
    {
        string trimmed = Trim(text);
        ReadOnlySpan<char> digits = trimmed.AsSpan(trimmed.StartsWith('-') ? 1 : 0);
        return digits.Length is > 0 and <= MaxDigits && !digits.ContainsAnyExceptInRange('0', '9') ? trimmed : null;
    }

    /// <summary><c>WxH</c>, digits only; null if it is anything else.</summary>
    public static (int Width, int Height)? Size(string text)
    {
        int cross = text.IndexOf('x', StringComparison.Ordinal);
        return cross > 0
            && int.TryParse(text.AsSpan(0, cross), NumberStyles.None, CultureInfo.InvariantCulture, out int width)
            && int.TryParse(text.AsSpan(cross + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int height)
                ? (width, height)
                : null;
    }

    /// <summary>A model's or adapter's name without its folder and its file's extension.</summary>
    public static string? ModelName(string? path)
    {
        if (path is null)
        {
            return null;
        }

        string name = path[(path.AsSpan().LastIndexOfAny('/', '\\') + 1)..];
        string? extension = ModelExtensions.FirstOrDefault(known => name.EndsWith(known, StringComparison.OrdinalIgnoreCase));
        return extension is null ? name : name[..^extension.Length];
    }

    /// <summary>InvokeAI and its kin mark Karras sigmas by <c>_k</c> at the scheduler's end.</summary>
    public static (string? Sampler, string? Scheduler) SplitInvokeAiScheduler(string? name) =>
        name is { Length: > 2 } && name.EndsWith("_k", StringComparison.Ordinal) ? (name[..^2], "Karras") : (name, null);

    private static string Trim(string? text) => text is null ? "" : PythonText.Strip(text);
}
