using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>Unicode's normalization form C.</summary>
internal static class CanonicalComposition
{
    /// <summary>Composes; the text must not hold lone surrogates.</summary>
    public static string Compose(string text)
    {
        // .NET refuses the noncharacter U+FFFE. Nothing composes across it, so the pieces between are the whole truth.
        return text.Contains('\uFFFE', StringComparison.Ordinal)
            ? string.Join('\uFFFE', text.Split('\uFFFE').Select(piece => piece.Normalize(NormalizationForm.FormC)))
            : text.Normalize(NormalizationForm.FormC);
    }
}
