using DiffusionClip.Cli.Inputs;
using DiffusionClip.Imaging;
using DiffusionClip.Scoring;

namespace DiffusionClip.Cli.Verbs;

/// <summary>Picture files that are scored.</summary>
internal static class ScoredFile
{
    /// <summary>A file to be scored.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What pictures may be read.</param>
    /// <param name="texts">What it is scored against, given the file; null: the scorers' own texts.</param>
    public static ScoringItem Item(string path, ImageLimits limits, Func<ReadOnlyMemory<byte>, IReadOnlyList<string>>? texts) => new()
    {
        Name = path,
        ReadAsync = cancellationToken => PictureFiles.ReadAsync(path, limits, cancellationToken),
        Texts = texts,
    };

    /// <summary>What a bad picture is reported as.</summary>
    public static string Bad(string path, string? failure) => new InvalidRequestException("files", path, failure ?? "it has no score").Message;
}
