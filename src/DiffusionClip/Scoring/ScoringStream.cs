using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using DiffusionClip.Imaging;

namespace DiffusionClip.Scoring;

/// <summary>A picture to be scored against texts.</summary>
/// <param name="Name">Its name in results and errors.</param>
/// <param name="ReadAsync">Reads its file.</param>
/// <param name="Texts">What it is scored against, given its file (metadata may hold the text); throws if there is nothing.</param>
public sealed record ScoringItem(string Name, Func<CancellationToken, Task<byte[]>> ReadAsync, Func<ReadOnlyMemory<byte>, IReadOnlyList<string>> Texts);

/// <summary>A scored picture, or the reason why it is not.</summary>
/// <param name="Name">The item's name.</param>
/// <param name="Texts">What it was scored against.</param>
/// <param name="Outcome">One score per text, or a failure.</param>
/// <param name="ContentHash">SHA-256 of its file; null if it could not be read.</param>
public sealed record ScoredItem(string Name, IReadOnlyList<TextScore> Texts, ImageOutcome Outcome, string? ContentHash);

/// <summary>A text and how scores against it come about.</summary>
/// <param name="Text">The text.</param>
/// <param name="Record">Scorer, model, preprocessing, tokens dropped.</param>
public sealed record TextScore(string Text, ScoreRecord Record);

/// <summary>
/// Scores any number of pictures in bounded memory: files are read, decoded and prepared ahead while the encoder runs,
/// pictures are encoded in batches, and results come in the order of the items. A bad file costs only its own result.
/// </summary>
public sealed class ScoringStream(ClipScorer scorer, IImageCodec codec, IEmbeddingCache cache, ImageLimits limits, int batch = 8)
{
    /// <summary>Scores items as they come.</summary>
    public async IAsyncEnumerable<ScoredItem> ScoreAsync(IAsyncEnumerable<ScoringItem> items, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        await scorer.ReadyAsync(cancellationToken).ConfigureAwait(false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ahead = Channel.CreateBounded<Task<Prepared>>(new BoundedChannelOptions(batch) { SingleReader = true, SingleWriter = true });
        Task feeding = FeedAsync(items, ahead.Writer, stop.Token);
        try
        {
            var pending = new List<Prepared>(batch);
            await foreach (Task<Prepared> preparing in ahead.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
            {
                pending.Add(await preparing.ConfigureAwait(false));
                if (pending.Count == batch)
                {
                    foreach (ScoredItem scored in Encode(pending, stop.Token))
                    {
                        yield return scored;
                    }

                    pending.Clear();
                }
            }

            foreach (ScoredItem scored in Encode(pending, stop.Token))
            {
                yield return scored;
            }

            await feeding.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await feeding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Items as the stream takes them.</summary>
    internal static async IAsyncEnumerable<ScoringItem> Feed(IEnumerable<ScoringItem> items, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (ScoringItem item in items)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return item;
        }

        await Task.CompletedTask.ConfigureAwait(false);
    }

    private async Task FeedAsync(IAsyncEnumerable<ScoringItem> items, ChannelWriter<Task<Prepared>> ahead, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (ScoringItem item in items.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                await ahead.WaitToWriteAsync(cancellationToken).ConfigureAwait(false);
                await ahead.WriteAsync(Task.Run(() => PrepareAsync(item, cancellationToken), cancellationToken), cancellationToken).ConfigureAwait(false);
            }

            ahead.Complete();
        }
        catch (Exception exception)
        {
            ahead.Complete(exception);
        }
    }

    private async Task<Prepared> PrepareAsync(ScoringItem item, CancellationToken cancellationToken)
    {
        string? hash = null;
        try
        {
            byte[] file = await item.ReadAsync(cancellationToken).ConfigureAwait(false);
            hash = Convert.ToHexStringLower(SHA256.HashData(file));
            IReadOnlyList<string> texts = item.Texts(file);
            if (cache.TryGet(hash, out ReadOnlyMemory<float> embeds))
            {
                return new Prepared(item, hash, texts, embeds, null, null);
            }

            RgbImage image = codec.Decode(file, limits, cancellationToken);
            int length = scorer.Embedder.Preprocessing.Length;
            float[] pixels = ArrayPool<float>.Shared.Rent(length);
            scorer.Embedder.Preprocessing.Apply(image, pixels.AsSpan(0, length));
            return new Prepared(item, hash, texts, default, pixels, null);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new Prepared(item, hash, [], default, null, exception.Message);
        }
    }

    private List<ScoredItem> Encode(List<Prepared> pending, CancellationToken cancellationToken)
    {
        int length = scorer.Embedder.Preprocessing.Length;
        List<Prepared> fresh = [.. pending.Where(item => item.Pixels is not null).DistinctBy(item => item.Hash)];
        var encoded = new Dictionary<string, ReadOnlyMemory<float>>(StringComparer.Ordinal);
        if (fresh.Count > 0)
        {
            float[] embeds = EmbedPixels(fresh, length, cancellationToken);
            int width = embeds.Length / fresh.Count;
            for (int i = 0; i < fresh.Count; i++)
            {
                // A vector of its own, so that the cache does not hold whole batches.
                float[] vector = embeds.AsSpan(i * width, width).ToArray();
                encoded.Add(fresh[i].Hash!, vector);
                cache.Add(fresh[i].Hash!, vector);
            }
        }

        foreach (Prepared item in pending.Where(item => item.Pixels is not null))
        {
            ArrayPool<float>.Shared.Return(item.Pixels!);
        }

        return [.. pending.Select(item => Finish(item, encoded, cancellationToken))];
    }

    private float[] EmbedPixels(List<Prepared> items, int length, CancellationToken cancellationToken)
    {
        // Batches are megabytes: rented, or each would be cleared first and collected with the oldest generation.
        float[] pixels = ArrayPool<float>.Shared.Rent(items.Count * length);
        try
        {
            for (int i = 0; i < items.Count; i++)
            {
                items[i].Pixels.AsSpan(0, length).CopyTo(pixels.AsSpan(i * length));
            }

            return scorer.Embedder.EmbedPixels(pixels.AsSpan(0, items.Count * length), items.Count, cancellationToken);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(pixels);
        }
    }

    private ScoredItem Finish(Prepared item, Dictionary<string, ReadOnlyMemory<float>> encoded, CancellationToken cancellationToken)
    {
        if (item.Failure is not null)
        {
            return new ScoredItem(item.Item.Name, [], new ImageOutcome(default, default, item.Failure), item.Hash);
        }

        TextEmbedding[] texts = [.. item.Texts.Select(text => scorer.Embedder.EmbedText(text, cancellationToken))];
        ReadOnlyMemory<float> embeds = item.Pixels is null ? item.Embeds : encoded[item.Hash!];
        return new ScoredItem(
            item.Item.Name,
            [.. item.Texts.Select((text, i) => new TextScore(text, scorer.Record(text, texts[i])))],
            scorer.Outcome(embeds, texts),
            item.Hash);
    }

    private sealed record Prepared(ScoringItem Item, string? Hash, IReadOnlyList<string> Texts, ReadOnlyMemory<float> Embeds, float[]? Pixels, string? Failure);
}
