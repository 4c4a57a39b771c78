namespace DiffusionClip.Scoring;

/// <summary>Remembers unit vectors of pictures by the hash of their content, per model and preprocessing. Thread-safe.</summary>
internal interface IEmbeddingCache
{
    /// <summary>The vector of a picture, if it is known.</summary>
    /// <param name="contentHash">SHA-256 of the picture's file, lower-case hexadecimal.</param>
    /// <param name="embeds">The unit vector.</param>
    bool TryGet(string contentHash, out ReadOnlyMemory<float> embeds);

    /// <summary>Remembers a vector.</summary>
    void Add(string contentHash, ReadOnlyMemory<float> embeds);
}
