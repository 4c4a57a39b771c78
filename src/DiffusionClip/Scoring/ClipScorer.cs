using System.Buffers;
using System.Numerics.Tensors;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Scoring;

/// <summary>
/// Scores by the cosine between a picture's and a text's CLIP embeddings (CLIPScore without its factor, Hessel et al. 2021,
/// section 3), -1 to 1; a SigLIP by the probability that the text fits, sigmoid(scale · cosine + bias) (Zhai et al. 2023, section 3.2), 0 to 1.
/// Two models' scores do not compare.
/// </summary>
public sealed class ClipScorer : IImageScorer
{
    private readonly ClipLease _lease;
    private readonly ClipLogits? _probability;
    private ModelHashes? _hashes;

    /// <summary>Scores with a leased model, which is given back on disposal.</summary>
    /// <param name="lease">The model.</param>
    /// <param name="tokenizers">Where its tokenizer comes from.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    public ClipScorer(ClipLease lease, TokenizerCache tokenizers, LongTextPolicy longText = LongTextPolicy.Truncate)
    {
        ArgumentNullException.ThrowIfNull(lease);
        _lease = lease;
        Embedder = new ClipEmbedder(lease, tokenizers, longText);
        _probability = lease.Folder.Family == ClipFamily.Siglip ? lease.Logits : null;
        Descriptor = _probability is null ? new("clip", "1", ScoreScale.Cosine) : new("siglip", "1", ScoreScale.Probability);
    }

    /// <inheritdoc/>
    public ScorerDescriptor Descriptor { get; }

    /// <summary>How the model makes logits of cosines; of a CLIP it may be measured on first use.</summary>
    public ClipLogits Logits => _probability ?? _lease.Logits;

    /// <summary>The towers.</summary>
    public ClipEmbedder Embedder { get; }

    /// <summary>The model's folder.</summary>
    public ClipFolder Folder => _lease.Folder;

    /// <summary>The hashes of the model's files.</summary>
    public Task<ModelHashes> Hashes => _lease.Hashes;

    /// <summary>Waits until the model's hashes are known, which every <see cref="Record"/> names.</summary>
    public async ValueTask ReadyAsync(CancellationToken cancellationToken) =>
        _hashes ??= await _lease.Hashes.WaitAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        await ReadyAsync(cancellationToken).ConfigureAwait(false);
        var texts = new TextEmbedding[batch.Texts.Count];
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = Embedder.EmbedText(batch.Texts[i], cancellationToken);
        }

        ScoreRecord[] records = [.. texts.Select((text, i) => Record(batch.Texts[i], text))];
        if (batch.Images.Count == 0)
        {
            return new ScoringResult([], records);
        }

        return new ScoringResult(Score(batch.Images, texts, cancellationToken), records);
    }

    private ImageOutcome[] Score(IReadOnlyList<RgbImage> images, TextEmbedding[] texts, CancellationToken cancellationToken)
    {
        int length = Embedder.Preprocessing.Length;
        string?[] failures = new string?[images.Count];
        float[] pixels = ArrayPool<float>.Shared.Rent(images.Count * length);
        try
        {
            // The runtime's threads have nothing to do until the batch is there.
            Parallel.For(0, images.Count, i =>
            {
                Span<float> destination = pixels.AsSpan(i * length, length);
                try
                {
                    Embedder.Preprocessing.Apply(images[i], destination);
                }
                catch (ImageFormatException exception)
                {
                    failures[i] = exception.Message;
                    destination.Clear();
                }
            });
            float[] embeds = Embedder.EmbedPixels(pixels.AsSpan(0, images.Count * length), images.Count, cancellationToken);
            int width = embeds.Length / images.Count;
            return [.. failures.Select((failure, i) => failure is null ? Outcome(embeds.AsMemory(i * width, width), texts) : new ImageOutcome(default, default, failure))];
        }
        finally
        {
            ArrayPool<float>.Shared.Return(pixels);
        }
    }

    /// <summary>Compares a picture's unit vector with texts.</summary>
    public ImageOutcome Outcome(ReadOnlyMemory<float> imageEmbeds, IReadOnlyList<TextEmbedding> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        float[] scores = new float[texts.Count];
        for (int i = 0; i < scores.Length; i++)
        {
            float cosine = TensorPrimitives.Dot(imageEmbeds.Span, texts[i].Embeds.Span);
            scores[i] = _probability is { } logits ? ClipMetrics.MatchProbability(cosine, logits) : cosine;
            if (!float.IsFinite(scores[i]))
            {
                return new ImageOutcome(default, default, "the CLIP model's output is not finite");
            }
        }

        return new ImageOutcome(scores, imageEmbeds);
    }

    /// <summary>How a score against a text comes about.</summary>
    public ScoreRecord Record(string text, TextEmbedding embedding)
    {
        ArgumentNullException.ThrowIfNull(embedding);
        return new ScoreRecord
        {
            Scorer = Descriptor.Name,
            Version = Descriptor.Version,
            Scale = Descriptor.Scale,
            Model = _lease.Folder.Id,
            Sha256 = _hashes?.Identity,
            Preprocessing = Embedder.Preprocessing.Description,
            Text = text,
            TokensDropped = embedding.TokensDropped,
            LongText = Embedder.LongText == LongTextPolicy.WindowsMean ? "windows-mean" : "truncate",
            Precision = _lease.Precision,
            Provider = _lease.Provider.Name,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _lease.Dispose();
}
