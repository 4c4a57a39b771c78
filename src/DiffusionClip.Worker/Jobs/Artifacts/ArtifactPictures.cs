using DiffusionClip.Imaging;

namespace DiffusionClip.Worker.Jobs.Artifacts;

/// <summary>Artefacts as pictures.</summary>
internal static class ArtifactPictures
{
    /// <summary>The pictures that a generation starts from, by name; null where there are none.</summary>
    /// <exception cref="InvalidRequestException">One is not there or is no picture.</exception>
    public static async Task<IReadOnlyDictionary<string, RgbImage>?> DecodeAsync(
        this IArtifactStore store, OriginRequest? origin, IImageCodec codec, ImageLimits limits, CancellationToken cancellationToken)
    {
        if (origin is null)
        {
            return null;
        }

        var images = new Dictionary<string, RgbImage>(StringComparer.Ordinal);
        foreach ((string field, string? name) in new[] { ("init_image", origin.Image), ("mask", origin.Mask) })
        {
            if (name is null || images.ContainsKey(name))
            {
                continue;
            }

            Artifact file = await store.FindAsync(name, cancellationToken).ConfigureAwait(false) ?? throw Missing(field, name);
            try
            {
                images.Add(name, codec.Decode(file.Content, limits, cancellationToken));
            }
            catch (ImageFormatException exception)
            {
                throw new InvalidRequestException(field, name, exception.Message);
            }
        }

        return images;
    }

    /// <summary>There is no such artefact, or not for this caller: the answer is the same.</summary>
    public static InvalidRequestException Missing(string field, string? name) =>
        new(field, name, "there is no such artefact of yours; upload the picture first");
}
