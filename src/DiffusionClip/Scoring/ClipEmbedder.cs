using System.Collections.Concurrent;
using System.Numerics.Tensors;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Scoring;

/// <summary>
/// The two towers of a CLIP model as unit vectors (Radford et al. 2021, section 2.3): text and picture in one space,
/// normalised whether or not the graph does it. Thread-safe.
/// </summary>
public sealed class ClipEmbedder
{
    private const int MaxCachedTexts = 4096;

    private readonly ClipLease _lease;
    private readonly ClipTokenizer? _tokenizer;
    private readonly SiglipTokenizer? _siglip;
    private readonly ConcurrentDictionary<string, TextEmbedding> _texts = new(StringComparer.Ordinal);

    /// <summary>Embeds with a leased model; the lease stays the caller's.</summary>
    /// <param name="lease">The model.</param>
    /// <param name="tokenizers">Where its tokenizer comes from.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    public ClipEmbedder(ClipLease lease, TokenizerCache tokenizers, LongTextPolicy longText = LongTextPolicy.Truncate)
    {
        ArgumentNullException.ThrowIfNull(lease);
        ArgumentNullException.ThrowIfNull(tokenizers);
        _lease = lease;
        _siglip = lease.Folder.Family == ClipFamily.Siglip ? tokenizers.GetSiglip(lease.Folder.TokenizerPath) : null;
        _tokenizer = _siglip is null ? tokenizers.Get(lease.Folder.TokenizerPath) : null;
        Preprocessing = lease.Folder.Preprocessing;
        LongText = _siglip is null || longText != LongTextPolicy.WindowsMean
            ? longText
            : throw new InvalidRequestException("long_text", "windows-mean", $"{lease.Folder.Id} is a SigLIP, whose texts are padded to one length; use truncate");
    }

    /// <summary>What happens to text beyond the model's limit.</summary>
    public LongTextPolicy LongText { get; }

    /// <summary>How pictures are prepared.</summary>
    public ClipPreprocessing Preprocessing { get; }

    /// <summary>
    /// Embeds a text. <see cref="LongTextPolicy.Truncate"/> cuts it at the model's limit and keeps its end token;
    /// <see cref="LongTextPolicy.WindowsMean"/> takes the mean of its windows' unit vectors and normalises that. A text of one
    /// window is the same under both.
    /// </summary>
    public TextEmbedding EmbedText(string text, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_texts.TryGetValue(text, out TextEmbedding? cached))
        {
            return cached;
        }

        TextEmbedding embedding;
        if (LongText == LongTextPolicy.WindowsMean)
        {
            PromptWindows windows = PromptWindows.Of(_tokenizer!, _lease.Folder.TokenLimit, [new WeightedText(text, 1)], TextNormalization.Scoring);
            embedding = new TextEmbedding(EmbedWindows(windows, cancellationToken), windows.Count, windows.Dropped);
        }
        else
        {
            TokenizedText tokens = _siglip?.Tokenize(text, _lease.Folder.TokenLimit) ?? _tokenizer!.Tokenize(text, _lease.Folder.TokenLimit, TextNormalization.Scoring);
            embedding = new TextEmbedding(EmbedIds(tokens.Ids.Span, cancellationToken), tokens.Count, tokens.Dropped);
        }

        if (_texts.Count < MaxCachedTexts)
        {
            _texts.TryAdd(text, embedding);
        }

        return embedding;
    }

    /// <summary>Embeds pictures, a few at a time.</summary>
    /// <param name="images">The pictures, of any sizes.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>Unit vectors [pictures, width].</returns>
    public float[] EmbedImages(IReadOnlyList<RgbImage> images, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(images);
        int length = Preprocessing.Length, most = Math.Min(images.Count, ClipScorer.Batch);
        float[] embeds = [], pixels = System.Buffers.ArrayPool<float>.Shared.Rent(checked(most * length));
        try
        {
            for (int start = 0; start < images.Count; start += most)
            {
                int rows = Math.Min(most, images.Count - start);
                for (int i = 0; i < rows; i++)
                {
                    Preprocessing.Apply(images[start + i], pixels.AsSpan(i * length, length));
                }

                float[] part = EmbedPixels(pixels.AsSpan(0, rows * length), rows, cancellationToken);
                int width = part.Length / rows;
                if (start == 0)
                {
                    embeds = rows == images.Count ? part : new float[checked(images.Count * width)];
                }

                part.CopyTo(embeds, start * width);
            }

            return embeds;
        }
        finally
        {
            System.Buffers.ArrayPool<float>.Shared.Return(pixels);
        }
    }

    /// <summary>Embeds pictures that are prepared already.</summary>
    /// <param name="pixelValues">[rows, 3, height, width] as <see cref="Preprocessing"/> writes them.</param>
    /// <param name="rows">Pictures.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>Unit vectors [rows, width].</returns>
    public float[] EmbedPixels(ReadOnlySpan<float> pixelValues, int rows, CancellationToken cancellationToken)
    {
        float[] embeds = _lease.ImageEncoder.Encode(pixelValues, rows, Preprocessing.Height, Preprocessing.Width, cancellationToken).ToArray();
        Normalize(embeds, embeds.Length / rows);
        return embeds;
    }

    private float[] EmbedWindows(PromptWindows text, CancellationToken cancellationToken)
    {
        float[] mean = EmbedIds(text.Windows[0].Ids.Span, cancellationToken);
        if (text.Windows.Count == 1)
        {
            return mean;
        }

        foreach (PromptWindow window in text.Windows.Skip(1))
        {
            TensorPrimitives.Add(mean, EmbedIds(window.Ids.Span, cancellationToken), mean);
        }

        TensorPrimitives.Divide(mean, text.Windows.Count, mean);
        Normalize(mean, mean.Length);
        return mean;
    }

    private float[] EmbedIds(ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        float[] embeds = _lease.TextEncoder.Encode(ids, cancellationToken).ToArray();
        Normalize(embeds, embeds.Length);
        return embeds;
    }

    // A vector that is not finite or zero stays as it is: its cosine is then not finite, which the caller reports.
    private static void Normalize(Span<float> vectors, int width)
    {
        for (int start = 0; start < vectors.Length; start += width)
        {
            Span<float> vector = vectors.Slice(start, width);
            TensorPrimitives.Divide(vector, TensorPrimitives.Norm<float>(vector), vector);
        }
    }
}

/// <summary>A text in CLIP's space.</summary>
/// <param name="Embeds">Its unit vector.</param>
/// <param name="Tokens">Tokens read, without start, end and padding.</param>
/// <param name="TokensDropped">Tokens beyond the limit, not read.</param>
public sealed record TextEmbedding(ReadOnlyMemory<float> Embeds, int Tokens, int TokensDropped);
