namespace DiffusionClip.Models;

/// <summary>CLIP and SigLIP folders, in any of the layouts that <see cref="ClipFolder"/> lists.</summary>
public sealed class ClipFormat : IModelFormat
{
    /// <inheritdoc/>
    public ModelKind Kind => ModelKind.Clip;

    /// <inheritdoc/>
    public string Layout => ClipFolder.Layouts;

    /// <inheritdoc/>
    public bool Matches(string path) => ClipFolder.FindLayout(path) is not null;

    /// <inheritdoc/>
    public ModelFolder Read(ModelLocation location)
    {
        ArgumentNullException.ThrowIfNull(location);
        return new ClipFolder(location);
    }
}
