using DiffusionClip.Families;
using DiffusionClip.Models;

namespace DiffusionClip;

/// <summary>Model folders as a host with all families reads them.</summary>
internal static class Folders
{
    public static IReadOnlyList<IModelFamily> Families { get; } = [new StableDiffusion(), new StableDiffusionXl(), new LatentConsistency()];

    public static IReadOnlyList<IModelFormat> BuiltIn { get; } = [new DiffusersFormat(Families), new ClipFormat()];

    public static ModelFormats Formats { get; } = new(BuiltIn);

    public static ModelFolder Open(string path) => Formats.Open(path);

    public static GeneratorFolder Generator(string path) => Formats.Open<GeneratorFolder>(path, "a generator");

    public static ModelCatalog Catalog(IEnumerable<string> roots, HubCache? hub = null) => new(roots, Formats, hub);
}
