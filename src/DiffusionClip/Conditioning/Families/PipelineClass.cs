using DiffusionClip.Models;

namespace DiffusionClip.Conditioning.Families;

/// <summary>Reads the class names of diffusers' pipelines and of those that exporters derive from them.</summary>
internal static class PipelineClass
{
    private static readonly string[] Prefixes = ["ORT", "Onnx"];
    private static readonly string[] Tasks = ["Legacy", "Pipeline", "Img2Img", "Inpaint"];

    /// <summary>Whether a folder's pipeline is of a family, for whatever task: <c>StableDiffusionXL</c> for <c>ORTStableDiffusionXLImg2ImgPipeline</c>.</summary>
    public static bool IsOf(DiffusionFolder folder, string family)
    {
        ReadOnlySpan<char> name = folder.PipelineClass;
        foreach (string prefix in Prefixes)
        {
            name = name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;
        }

        foreach (string task in Tasks)
        {
            name = name.EndsWith(task, StringComparison.Ordinal) ? name[..^task.Length] : name;
        }

        return name.Equals(family, StringComparison.Ordinal);
    }
}
