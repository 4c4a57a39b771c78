using System.Numerics.Tensors;
using DiffusionClip.Models;
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

        float[] embeds = Embedder.EmbedImages(batch.Images, cancellationToken);
        int width = embeds.Length / batch.Images.Count;
        var outcomes = new ImageOutcome[batch.Images.Count];
        for (int i = 0; i < outcomes.Length; i++)
        {
            outcomes[i] = Outcome(embeds.AsMemory(i * width, width), texts);
        }

        return new ScoringResult(outcomes, records);
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
