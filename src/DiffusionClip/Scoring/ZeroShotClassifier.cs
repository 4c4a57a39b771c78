using System.Numerics.Tensors;
using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

/// <summary>
/// Names what pictures show without having been trained for it: a class is the mean of its label's embeddings in several templates (Radford
/// et al. 2021, section 3.1.4). Thread-safe.
/// </summary>
public sealed class ZeroShotClassifier
{
    private readonly float[][] _classes;
    private readonly ClipEmbedder _embedder;
    private readonly ClipLogits _logits;
    private readonly bool _isSiglip;

    /// <summary>Embeds the classes.</summary>
    /// <param name="scorer">The model; borrowed.</param>
    /// <param name="labels">Names of the classes; at least one.</param>
    /// <param name="templates">Texts with <c>{}</c> where the label goes, e.g. <c>a photo of {}</c>; at least one.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <exception cref="InvalidRequestException">A template has no place for the label, or a list is empty.</exception>
    public ZeroShotClassifier(
        ClipScorer scorer,
        IReadOnlyList<string> labels,
        IReadOnlyList<string> templates,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(templates);
        if (labels.Count == 0)
        {
            throw new InvalidRequestException("labels", null, "give at least one label");
        }

        if (templates.Count == 0 || templates.FirstOrDefault(text => !text.Contains(Place, StringComparison.Ordinal)) is not null)
        {
            throw new InvalidRequestException(
                "templates",
                templates.FirstOrDefault(text => !text.Contains(Place, StringComparison.Ordinal)),
                "give texts with {} where the label goes");
        }

        Labels = labels;
        _embedder = scorer.Embedder;
        _logits = scorer.Logits;
        _isSiglip = scorer.Folder.Family == ClipFamily.Siglip;
        _classes = [.. labels.Select(label => Class(label, templates, cancellationToken))];
    }

    private const string Place = "{}";

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>Classifies pictures as one batch.</summary>
    /// <param name="images">The pictures, of any sizes.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>
    /// Per picture one number per label: of a CLIP probabilities that add up to 1, of a SigLIP each label's own probability.
    /// </returns>
    public float[][] Classify(IReadOnlyList<RgbImage> images, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        float[] embeds = images.Count == 0 ? [] : _embedder.EmbedImages(images, cancellationToken);
        float[][] results = new float[images.Count][];
        int width = _classes[0].Length;
        float[] cosines = new float[_classes.Length];
        for (int i = 0; i < results.Length; i++)
        {
            for (int label = 0; label < cosines.Length; label++)
            {
                cosines[label] = TensorPrimitives.Dot<float>(embeds.AsSpan(i * width, width), _classes[label]);
            }

            results[i] = _isSiglip
                ? [.. cosines.Select(cosine => ClipMetrics.MatchProbability(cosine, _logits))]
                : ClipMetrics.Probabilities(cosines, _logits.Scale);
        }

        return results;
    }

    private float[] Class(string label, IReadOnlyList<string> templates, CancellationToken cancellationToken)
    {
        float[]? mean = null;
        foreach (string template in templates)
        {
            ReadOnlySpan<float> embeds = _embedder
                .EmbedText(template.Replace(Place, label, StringComparison.Ordinal), cancellationToken)
                .Embeds.Span;
            mean ??= new float[embeds.Length];
            TensorPrimitives.Add(mean, embeds, mean);
        }

        // Only the direction counts, so the sum does for the mean.
        TensorPrimitives.Divide(mean!, TensorPrimitives.Norm<float>(mean!), mean!);
        return mean!;
    }
}
