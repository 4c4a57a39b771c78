using System.Buffers;
using System.Numerics.Tensors;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Scoring;

/// <summary>
/// Scores by the cosine between a picture's and a text's CLIP embeddings (CLIPScore without its factor, Hessel et al. 2021,
/// section 3), -1 to 1; a SigLIP by the probability that the text fits, sigmoid(scale · cosine + bias) (Zhai et al. 2023, section 3.2),
/// 0 to 1. Two models' scores do not compare. Thread-safe.
/// </summary>
public sealed class ClipScorer : IImageScorer
{
    /// <summary>Pictures of one run: what keeps a processor busy without holding the activations of hundreds.</summary>
    internal const int Batch = 8;

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
        Descriptor = Describe(lease.Folder);
    }

    /// <inheritdoc/>
    public ScorerDescriptor Descriptor { get; }

    /// <summary>How the model makes logits of cosines; of a CLIP it may be measured on first use.</summary>
    public ClipLogits Logits => _probability ?? _lease.Logits;

    /// <summary>The towers.</summary>
    public ClipEmbedder Embedder { get; }

    /// <summary>The model's folder.</summary>
    public ClipFolder Folder => _lease.Folder;

    /// <summary>Which execution provider computes it, and why not a faster one.</summary>
    public ProviderInUse Provider => _lease.Provider;

    /// <summary>The hashes of the model's files.</summary>
    public Task<ModelHashes> Hashes => _lease.Hashes;

    /// <summary>How the scores of a folder's model are read.</summary>
    public static ScorerDescriptor Describe(ClipFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Family == ClipFamily.Siglip
            ? new() { Name = "siglip", Version = "1", Scale = ScoreScale.Probability, MaxBatch = Batch }
            : new() { Name = "clip", Version = "1", Scale = ScoreScale.Cosine, MaxBatch = Batch };
    }

    /// <summary>Waits until the model's hashes are known, which every <see cref="Record"/> names.</summary>
    public async ValueTask ReadyAsync(CancellationToken cancellationToken) =>
        _hashes ??= await _lease.Hashes.WaitAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    /// <remarks>Larger batches than the descriptor's are run piece by piece. Computes on threads of the pool.</remarks>
    public async ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        await ReadyAsync(cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => Score(batch, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private ScoringResult Score(ScoringBatch batch, CancellationToken cancellationToken)
    {
        TextEmbedding[] texts = [.. batch.Texts.Select(text => Embedder.EmbedText(text, cancellationToken))];
        var outcomes = new ImageOutcome[batch.Images.Count];
        for (int start = 0; start < outcomes.Length; start += Batch)
        {
            Score(batch.Images, start, outcomes.AsSpan(start, Math.Min(Batch, outcomes.Length - start)), texts, cancellationToken);
        }

        return new() { Images = outcomes, Texts = [.. texts.Select((text, i) => Record(batch.Texts[i], text))] };
    }

    private void Score(IReadOnlyList<RgbImage> images, int start, Span<ImageOutcome> outcomes, TextEmbedding[] texts, CancellationToken cancellationToken)
    {
        int length = Embedder.Preprocessing.Length, rows = outcomes.Length;
        string?[] failures = new string?[rows];
        float[] pixels = ArrayPool<float>.Shared.Rent(checked(rows * length));
        try
        {
            // The runtime's threads have nothing to do until the batch is there.
            Parallel.For(0, rows, i =>
            {
                Span<float> destination = pixels.AsSpan(i * length, length);
                try
                {
                    Embedder.Preprocessing.Apply(images[start + i], destination);
                }
                catch (ImageFormatException exception)
                {
                    failures[i] = exception.Message;
                    destination.Clear();
                }
            });
            float[] embeds = Embedder.EmbedPixels(pixels.AsSpan(0, rows * length), rows, cancellationToken);
            int width = embeds.Length / rows;
            for (int i = 0; i < rows; i++)
            {
                outcomes[i] = failures[i] is { } failure ? ImageOutcome.Failed(failure) : Outcome(embeds.AsMemory(i * width, width), texts);
            }
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
                return ImageOutcome.Failed("the CLIP model's output is not finite");
            }
        }

        return new() { ScoresPerText = scores, ImageEmbeds = imageEmbeds };
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
