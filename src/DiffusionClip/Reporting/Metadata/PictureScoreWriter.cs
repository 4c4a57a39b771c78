using DiffusionClip.Imaging.Png;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Writes a score into an existing PNG file of any program; its pixels and other metadata stay as they are.</summary>
public static class PictureScoreWriter
{
    /// <summary>
    /// Adds the score: in a chunk of our own, and as <c>Score</c> among the parameters of an A1111 text if the file has
    /// one. An earlier score is replaced. Our record of the picture's making stays as it is.
    /// </summary>
    /// <param name="png">The whole file.</param>
    /// <param name="score">The score.</param>
    /// <returns>The new file.</returns>
    /// <exception cref="ImageFormatException">No PNG file, or cut off inside a chunk.</exception>
    public static byte[] Write(ReadOnlyMemory<byte> png, PictureScore score)
    {
        ArgumentNullException.ThrowIfNull(score);
        List<KeyValuePair<string, string>> texts = [];
        PngTextContent content = PngTextReader.Read(png);
        // More than one, and replacing them by keyword would lose the others.
        if (
            content.Texts.Where(text => text.Keyword == "parameters").Take(2).ToList() is [PngText only]
            && WithScore(only.Meant, score) is { } parameters
            && !parameters.Contains('\0', StringComparison.Ordinal))
        {
            texts.Add(new("parameters", parameters));
        }

        texts.Add(new(PictureRecordJson.ScoreKeyword, PictureRecordJson.Write(score)));
        return PngTextWriter.SetTexts(png, texts);
    }

    private static string? WithScore(string text, PictureScore score)
    {
        // What is JSON belongs to SwarmUI or Fooocus; adding a line of parameters to it would break it.
        if (JsonTree.ParseObject(PythonText.Strip(text)) is not null
            || Infotext.SetField(text, InfotextWriter.ScoreKey, InfotextWriter.ScoreText(score.Score)) is not { } scored)
        {
            return null;
        }

        return InfotextWriter.FolderName(score.Scoring.Model) is { Length: > 0 } model
            ? Infotext.SetField(scored, InfotextWriter.ScoreModelKey, model)
            : scored;
    }
}
