using DiffusionClip.Models;

namespace DiffusionClip.Families;

/// <summary>
/// Folders in diffusers' layout: <c>model_index.json</c> names the pipeline, and the family that runs it reads the folder.
/// </summary>
public sealed class DiffusersFormat : IModelFormat
{
    private readonly IModelFamily[] _families;

    /// <summary>Gathers the families that this build runs.</summary>
    public DiffusersFormat(IEnumerable<IModelFamily> families) => _families = [.. families];

    /// <inheritdoc/>
    public ModelKind Kind => ModelKind.Diffusion;

    /// <inheritdoc/>
    public string Layout => $"a {ModelIndex.FileName} (diffusion)";

    /// <inheritdoc/>
    public bool Matches(string path) => File.Exists(Path.Combine(path, ModelIndex.FileName))
        || Directory.Exists(Path.Combine(path, "unet")) || Directory.Exists(Path.Combine(path, "transformer"));

    /// <inheritdoc/>
    public ModelFolder Read(ModelLocation location)
    {
        ArgumentNullException.ThrowIfNull(location);
        if (location.Variant is { } variant)
        {
            throw new ModelFolderException(location.Path, $"a generator, which has no variants; leave '#{variant}' out");
        }

        var index = new ModelIndex(location);
        IModelFamily family = Array.Find(_families, candidate => candidate.Matches(index)) ?? throw Unknown(index);
        return family.Read(index);
    }

    private ModelFolderException Unknown(ModelIndex index)
    {
        string parts = string.Join(", ", index.Parts.Select(part => $"{part.Key} {part.Value}"));
        string known = string.Join(", ", _families.Select(family => $"{family.Name} ({family.Pipeline})"));
        return new(
            index.PathOf(ModelIndex.FileName),
            $"a {index.PipelineClass}{(parts.Length > 0 ? $" of {parts}" : "")}, whose family this build does not run; it runs {known}");
    }
}
