using DiffusionClip.Models;

namespace DiffusionClip.Families;

/// <summary>Finds a folder's family again among those that the host registered.</summary>
public static class ModelFamilies
{
    /// <summary>The family that has read a folder.</summary>
    /// <exception cref="ModelFolderException">It is not among them.</exception>
    public static IModelFamily Of(this IEnumerable<IModelFamily> families, GeneratorFolder folder)
    {
        ArgumentNullException.ThrowIfNull(families);
        ArgumentNullException.ThrowIfNull(folder);
        return families.FirstOrDefault(family => family.Name == folder.Family)
            ?? throw new ModelFolderException(
                folder.Path, $"of the family {folder.Family}; registered are {string.Join(", ", families.Select(family => family.Name))}");
    }
}
