using System.Globalization;
using System.Numerics.Tensors;
using DiffusionClip.Models;
using DiffusionClip.Scoring;

namespace DiffusionClip.Verification;

/// <summary>Tries a CLIP model as a whole: plain colours against their names.</summary>
/// <param name="source">Leases the model.</param>
internal sealed class ScorerTrial(ScorerCatalog source)
{
    private static readonly (string Name, byte Red, byte Green, byte Blue)[] Colours =
        [("red", 220, 20, 20), ("green", 20, 180, 40), ("blue", 30, 60, 220)];

    /// <summary>Tries it; what is wrong is in the checks, not thrown.</summary>
    public async Task<List<VerificationCheck>> TryAsync(ClipFolder folder, string provider, CancellationToken cancellationToken)
    {
        var checks = new List<VerificationCheck>();
        try
        {
            using ClipScorer scorer = await source.LeaseClipAsync(
                FolderFacts.NameOf(folder), provider, LongTextPolicy.Truncate, cancellationToken).ConfigureAwait(false);
            ClipEmbedder embedder = scorer.Embedder;
            RgbImage[] pictures = [.. Colours.Select(colour => TestPicture.Plain(colour.Red, colour.Green, colour.Blue))];
            float[] first = embedder.EmbedImages(pictures, cancellationToken), again = embedder.EmbedImages(pictures, cancellationToken);
            TextEmbedding[] texts =
                [.. Colours.Select(colour => embedder.EmbedText($"a picture that is {colour.Name} all over", cancellationToken))];
            int width = first.Length / pictures.Length;
            checks.Add(Embeddings(first, texts, width));
            if (checks[^1].State == CheckState.Failed)
            {
                return checks;
            }

            checks.Add(first.AsSpan().SequenceEqual(again)
                ? VerificationCheck.Of("repetition", CheckState.Ok, "the same bits twice")
                : VerificationCheck.Of("repetition", CheckState.Note, "the same picture gave other bits the second time"));
            float[] single = embedder.EmbedImages([pictures[0]], cancellationToken);
            float alone = TensorPrimitives.Dot<float>(single, first.AsSpan(0, width));
            checks.Add(VerificationCheck.Of(
                "batches",
                alone > 0.999f ? CheckState.Ok : CheckState.Failed,
                string.Create(CultureInfo.InvariantCulture, $"a picture alone and in a batch: cosine {alone:0.000000}")));
            checks.Add(ColoursNamed(first, texts, width));
            if (folder.Family == ClipFamily.Siglip)
            {
                ClipLogits logits = scorer.Logits;
                checks.Add(VerificationCheck.Of(
                    "logits",
                    CheckState.Ok,
                    string.Create(CultureInfo.InvariantCulture, $"scale {logits.Scale:G6}, bias {logits.Bias:G6}")));
            }
        }
        catch (Exception exception) when (exception is DiffusionClipException and not ExecutionProviderException)
        {
            checks.Add(VerificationCheck.Of("scoring", CheckState.Failed, exception.Message));
        }

        return checks;
    }

    private static VerificationCheck Embeddings(float[] images, TextEmbedding[] texts, int width)
    {
        const string Name = "embeddings";
        if (!images.All(float.IsFinite) || !texts.All(text => text.Embeds.ToArray().All(float.IsFinite)))
        {
            return VerificationCheck.Of(Name, CheckState.Failed, "not finite");
        }

        int other = texts[0].Embeds.Length;
        return other == width
            ? VerificationCheck.Of(Name, CheckState.Ok, string.Create(CultureInfo.InvariantCulture, $"{width} wide, finite"))
            : VerificationCheck.Of(
                Name,
                CheckState.Failed,
                string.Create(CultureInfo.InvariantCulture, $"pictures are {width} wide, texts {other}; expected two towers of one model"));
    }

    // Of a model with random weights nothing can be expected, so this is no failure.
    private static VerificationCheck ColoursNamed(float[] images, TextEmbedding[] texts, int width)
    {
        int right = 0;
        float least = 1, most = -1;
        for (int i = 0; i < texts.Length; i++)
        {
            float[] cosines = [.. texts.Select(text => TensorPrimitives.Dot(images.AsSpan(i * width, width), text.Embeds.Span))];
            (least, most) = (Math.Min(least, cosines.Min()), Math.Max(most, cosines.Max()));
            right += Array.IndexOf(cosines, cosines.Max()) == i ? 1 : 0;
        }

        string counted = string.Create(CultureInfo.InvariantCulture, $"{right} of {texts.Length}, cosines {least:0.000} to {most:0.000}");
        return right == texts.Length
            ? VerificationCheck.Of("plain colours named", CheckState.Ok, counted)
            : VerificationCheck.Of(
                "plain colours named", CheckState.Note, $"{counted}; trained models mostly name all, random weights do not");
    }
}
