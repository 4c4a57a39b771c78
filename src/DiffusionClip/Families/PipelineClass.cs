namespace DiffusionClip.Families;

/// <summary>Reads the class names of diffusers' pipelines and of those that exporters derive from them.</summary>
internal static class PipelineClass
{
    private static readonly string[] _prefixes = ["ORT", "Onnx"];
    private static readonly string[] _tasks = ["Legacy", "Pipeline", "Img2Img", "Inpaint"];

    /// <summary>
    /// Whether a pipeline's class is of a family, for whatever task: <c>StableDiffusionXL</c> for
    /// <c>ORTStableDiffusionXLImg2ImgPipeline</c>.
    /// </summary>
    public static bool IsOf(ReadOnlySpan<char> name, string family)
    {
        foreach (string prefix in _prefixes)
        {
            name = name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;
        }

        foreach (string task in _tasks)
        {
            name = name.EndsWith(task, StringComparison.Ordinal) ? name[..^task.Length] : name;
        }

        return name.Equals(family, StringComparison.Ordinal);
    }
}
