using System.Text.Json;
using DiffusionClip.Models;

namespace DiffusionClip;

internal static partial class Golden
{
    /// <summary>Reads a table as Python wrote it: bare infinities and NaN become text.</summary>
    public static JsonElement Read(params string[] parts) => JsonFile.Parse(File.ReadAllBytes(PathOf(parts)));
}
