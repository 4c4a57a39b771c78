using System.Buffers;

namespace DiffusionClip.Scoring;

/// <summary>A picture on its way through the lanes of a <see cref="ScoringStream"/>.</summary>
internal sealed class PreparedPicture(ScoringItem item, int lanes)
{
    public ScoringItem Item { get; } = item;

    /// <summary>SHA-256 of its file; null if it could not be read.</summary>
    public string? Hash { get; set; }

    /// <summary>Its own texts.</summary>
    public IReadOnlyList<string> Texts { get; set; } = [];

    /// <summary>Its pixels, where a lane needs them as they are.</summary>
    public RgbImage? Image { get; set; }

    /// <summary>Per lane, a rented buffer with the model's input.</summary>
    public float[]?[] Pixels { get; } = new float[]?[lanes];

    /// <summary>Per lane, the unit vector where it is known already.</summary>
    public ReadOnlyMemory<float>[] Embeds { get; } = new ReadOnlyMemory<float>[lanes];

    /// <summary>Per lane, why it cannot be scored.</summary>
    public string?[] Failures { get; } = new string?[lanes];

    /// <summary>No lane can score it.</summary>
    public void Fail(string reason) => Failures.AsSpan().Fill(reason);

    /// <summary>Gives the buffers back.</summary>
    public void Release()
    {
        foreach (ref float[]? pixels in Pixels.AsSpan())
        {
            if (pixels is not null)
            {
                ArrayPool<float>.Shared.Return(pixels);
                pixels = null;
            }
        }

        Image = null;
    }
}

/// <summary>The way of one scorer through a <see cref="ScoringStream"/>.</summary>
internal abstract class ScoringLane(ScorerLease entry)
{
    public ScorerLease Entry { get; } = entry;

    /// <summary>Whether pictures have to stay in memory until they are scored.</summary>
    public abstract bool KeepsPictures { get; }

    /// <summary>Whether a picture needs not be decoded. Called side by side.</summary>
    public abstract bool Knows(PreparedPicture picture, int lane);

    /// <summary>Brings a picture into the scorer's form. Called side by side.</summary>
    public abstract void Prepare(PreparedPicture picture, int lane, RgbImage image);

    /// <summary>Scores pictures; result i is picture i's.</summary>
    public abstract Task<ScoredBy[]> ScoreAsync(PreparedPicture[] pictures, int lane, CancellationToken cancellationToken);

    protected IReadOnlyList<string> TextsOf(PreparedPicture picture) => Entry.Request.Text is { } own ? [own] : picture.Texts;

    protected ScoredBy Failed(string reason, IReadOnlyList<string>? texts = null) =>
        new() { Scorer = Entry.Request.Id, Outcome = ImageOutcome.Failed(reason), Texts = texts ?? [] };
}

/// <summary>A CLIP: embeddings are remembered by the picture's file, and the same picture is encoded once.</summary>
internal sealed class ClipLane : ScoringLane
{
    private readonly ClipScorer _clip;
    private readonly EmbeddingCache _cache;

    private ClipLane(ScorerLease entry, ClipScorer clip, EmbeddingCache cache) : base(entry) => (_clip, _cache) = (clip, cache);

    public override bool KeepsPictures => false;

    public static async Task<ClipLane> OpenAsync(ScorerLease entry, ClipScorer clip, string? cacheFolder, CancellationToken cancellationToken)
    {
        await clip.ReadyAsync(cancellationToken).ConfigureAwait(false);

        // Vectors depend on the weights, on how pictures are prepared, and in their last bits on what computes them.
        ScoreRecord record = clip.Record("", new TextEmbedding(default, 0, 0));
        string key = string.Join('\n', record.Scorer, record.Version, record.Sha256, record.Preprocessing, record.Precision, record.Provider);
        int width = clip.Embedder.EmbedText("", cancellationToken).Embeds.Length;
        return new(entry, clip, new EmbeddingCache(key, width, cacheFolder));
    }

    public override bool Knows(PreparedPicture picture, int lane) => _cache.TryGet(picture.Hash!, out picture.Embeds[lane]);

    public override void Prepare(PreparedPicture picture, int lane, RgbImage image)
    {
        if (!picture.Embeds[lane].IsEmpty)
        {
            return;
        }

        int length = _clip.Embedder.Preprocessing.Length;
        float[] pixels = ArrayPool<float>.Shared.Rent(length);
        picture.Pixels[lane] = pixels;
        try
        {
            _clip.Embedder.Preprocessing.Apply(image, pixels.AsSpan(0, length));
        }
        catch (ImageFormatException exception)
        {
            picture.Failures[lane] = exception.Message;
        }
    }

    public override async Task<ScoredBy[]> ScoreAsync(PreparedPicture[] pictures, int lane, CancellationToken cancellationToken)
    {
        PreparedPicture[] fresh =
        [
            .. pictures.Where(picture => picture.Failures[lane] is null && picture.Pixels[lane] is not null).DistinctBy(picture => picture.Hash),
        ];
        var encoded = new Dictionary<string, ImageOutcome>(StringComparer.Ordinal);
        if (fresh.Length > 0)
        {
            ScoringResult result = await Entry.Scorer.ScoreAsync(
                fresh.Length,
                [],
                (start, count, token) => ValueTask.FromResult(Encode(fresh.AsSpan(start, count), lane, token)),
                cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < fresh.Length; i++)
            {
                encoded.Add(fresh[i].Hash!, result.Images[i]);
                if (result.Images[i].Failure is null)
                {
                    _cache.Add(fresh[i].Hash!, result.Images[i].ImageEmbeds);
                }
            }
        }

        return await Task.Run(() => pictures.Select(picture => Finish(picture, lane, encoded, cancellationToken)).ToArray(), cancellationToken).ConfigureAwait(false);
    }

    private ScoringResult Encode(ReadOnlySpan<PreparedPicture> pictures, int lane, CancellationToken cancellationToken)
    {
        int length = _clip.Embedder.Preprocessing.Length;

        // Batches are megabytes: rented, or each would be cleared first and collected with the oldest generation.
        float[] pixels = ArrayPool<float>.Shared.Rent(checked(pictures.Length * length));
        try
        {
            for (int i = 0; i < pictures.Length; i++)
            {
                // A buffer that was given back: the call came too late.
                float[] source = pictures[i].Pixels[lane] ?? throw new OperationCanceledException();
                source.AsSpan(0, length).CopyTo(pixels.AsSpan(i * length));
            }

            float[] embeds = _clip.Embedder.EmbedPixels(pixels.AsSpan(0, pictures.Length * length), pictures.Length, cancellationToken);
            int width = embeds.Length / pictures.Length;
            var outcomes = new ImageOutcome[pictures.Length];
            for (int i = 0; i < outcomes.Length; i++)
            {
                // A vector of its own, so that the cache does not hold whole batches.
                outcomes[i] = new() { ImageEmbeds = embeds.AsSpan(i * width, width).ToArray() };
            }

            return new() { Images = outcomes, Texts = [] };
        }
        finally
        {
            ArrayPool<float>.Shared.Return(pixels);
        }
    }

    private ScoredBy Finish(PreparedPicture picture, int lane, Dictionary<string, ImageOutcome> encoded, CancellationToken cancellationToken)
    {
        if (picture.Failures[lane] is { } reason)
        {
            return Failed(reason);
        }

        IReadOnlyList<string> texts = TextsOf(picture);
        ReadOnlyMemory<float> embeds = picture.Embeds[lane];
        if (embeds.IsEmpty)
        {
            ImageOutcome outcome = encoded[picture.Hash!];
            if (outcome.Failure is { } failure)
            {
                return Failed(failure, texts);
            }

            embeds = outcome.ImageEmbeds;
        }

        try
        {
            TextEmbedding[] embedded = [.. texts.Select(text => _clip.Embedder.EmbedText(text, cancellationToken))];
            return new()
            {
                Scorer = Entry.Request.Id,
                Outcome = _clip.Outcome(embeds, embedded),
                Texts = texts,
                Records = [.. texts.Select((text, i) => _clip.Record(text, embedded[i]))],
            };
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return Failed($"{Entry.Scorer.Descriptor.Name} failed: {exception.Message}", texts);
        }
    }
}

/// <summary>A registered scorer: it gets the pictures themselves, those with the same texts together.</summary>
internal sealed class PictureLane(ScorerLease entry) : ScoringLane(entry)
{
    public override bool KeepsPictures => true;

    public override bool Knows(PreparedPicture picture, int lane) => false;

    public override void Prepare(PreparedPicture picture, int lane, RgbImage image)
    {
    }

    public override async Task<ScoredBy[]> ScoreAsync(PreparedPicture[] pictures, int lane, CancellationToken cancellationToken)
    {
        var scored = new ScoredBy[pictures.Length];
        var groups = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        for (int i = 0; i < pictures.Length; i++)
        {
            if (pictures[i].Failures[lane] is { } reason)
            {
                scored[i] = Failed(reason);
                continue;
            }

            // No text holds its own length before it, so that no two lists have one key.
            string key = string.Concat(TextsOf(pictures[i]).Select(text => FormattableString.Invariant($"{text.Length}:{text}")));
            if (!groups.TryGetValue(key, out List<int>? group))
            {
                groups.Add(key, group = []);
            }

            group.Add(i);
        }

        foreach (List<int> group in groups.Values)
        {
            IReadOnlyList<string> texts = TextsOf(pictures[group[0]]);
            ScoringResult result = await Entry.Scorer.ScoreAsync(
                new() { Images = [.. group.Select(i => pictures[i].Image!)], Texts = texts }, cancellationToken).ConfigureAwait(false);
            for (int at = 0; at < group.Count; at++)
            {
                scored[group[at]] = new()
                {
                    Scorer = Entry.Request.Id,
                    Outcome = result.Images[at],
                    Texts = texts,
                    Records = result.Images[at].Failure is null ? result.Texts : [],
                };
            }
        }

        return scored;
    }
}
