namespace DiffusionClip.Files;

/// <summary>What a committed file outlasts. Whatever is chosen, other processes see the whole file or none.</summary>
public enum Durability
{
    /// <summary>The end of this process. A power failure may lose the file or its content: for what can be computed again.</summary>
    Process,

    /// <summary>A power failure, but for the name: the content is on the disk before the file has its name.</summary>
    Content,

    /// <summary>A power failure: content and name are on the disk when the call returns.</summary>
    Name,
}
