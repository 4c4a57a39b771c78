using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using DiffusionClip.Imaging;

namespace DiffusionClip.Scoring;

/// <summary>
/// Scores any number of picture files in bounded memory: files are read, decoded and prepared ahead while scorers compute, pictures go to
/// each scorer in batches through its <see cref="CheckedScorer"/>, and results come in the order of the items. A bad file costs only its
/// own result.
/// </summary>
internal sealed class ScoringStream
{
    // Registered scorers get whole pictures, which stay in memory until they are scored.
    private const int MostPictures = 64;
    private const long MostBytes = 64L << 20;
    private const int PicturesAhead = 2;

    private readonly ScoringLane[] _lanes;
    private readonly IImageCodec _codec;
    private readonly ImageLimits _limits;
    private readonly bool _keepsPictures;
    private readonly int _batch;

    private ScoringStream(ScoringLane[] lanes, IImageCodec codec, ImageLimits limits)
    {
        _lanes = lanes;
        _codec = codec;
        _limits = limits;
        _keepsPictures = Array.Exists(lanes, lane => lane.KeepsPictures);
        _batch = Math.Clamp(lanes.Max(lane => lane.Entry.Scorer.Descriptor.MaxBatch ?? MostPictures), 1, MostPictures);
    }

    /// <summary>Makes a stream; completes when the hashes of the models are known, which records name.</summary>
    /// <param name="scorers">The scorers; borrowed.</param>
    /// <param name="codec">Decodes pictures.</param>
    /// <param name="limits">What pictures may be read.</param>
    /// <param name="cacheFolder">Where embeddings are kept between runs; null: nowhere.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<ScoringStream> OpenAsync(
        ScorerSet scorers, IImageCodec codec, ImageLimits limits, string? cacheFolder, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(scorers);
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentOutOfRangeException.ThrowIfZero(scorers.Entries.Count);
        var lanes = new ScoringLane[scorers.Entries.Count];
        for (int i = 0; i < lanes.Length; i++)
        {
            ScorerLease entry = scorers.Entries[i];
            lanes[i] = entry.Scorer.Inner is ClipScorer clip
                ? await ClipLane.OpenAsync(entry, clip, cacheFolder, cancellationToken).ConfigureAwait(false)
                : new PictureLane(entry);
        }

        return new(lanes, codec, limits);
    }

    /// <summary>Scores items as they come.</summary>
    public async IAsyncEnumerable<ScoredItem> ScoreAsync(
        IAsyncEnumerable<ScoringItem> items, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ahead = Channel.CreateBounded<Task<PreparedPicture>>(
            new BoundedChannelOptions(_keepsPictures ? PicturesAhead : _batch) { SingleReader = true, SingleWriter = true });
        Task feeding = FeedAsync(items, ahead.Writer, stop.Token);
        var pending = new List<PreparedPicture>(_batch);
        try
        {
            long bytes = 0;
            await foreach (Task<PreparedPicture> preparing in ahead.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
            {
                PreparedPicture picture = await preparing.ConfigureAwait(false);
                pending.Add(picture);
                bytes += picture.Image?.Pixels.Length ?? 0;
                if (pending.Count == _batch || bytes >= MostBytes)
                {
                    foreach (ScoredItem scored in await ScoreAsync(pending, stop.Token).ConfigureAwait(false))
                    {
                        yield return scored;
                    }

                    bytes = 0;
                }
            }

            foreach (ScoredItem scored in await ScoreAsync(pending, stop.Token).ConfigureAwait(false))
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

    private async Task FeedAsync(
        IAsyncEnumerable<ScoringItem> items, ChannelWriter<Task<PreparedPicture>> ahead, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (ScoringItem item in items.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                await ahead.WaitToWriteAsync(cancellationToken).ConfigureAwait(false);
                await ahead.WriteAsync(
                    Task.Run(() => PrepareAsync(item, cancellationToken), cancellationToken), cancellationToken).ConfigureAwait(false);
            }

            ahead.Complete();
        }
        catch (Exception exception)
        {
            ahead.Complete(exception);
        }
    }

    private async Task<PreparedPicture> PrepareAsync(ScoringItem item, CancellationToken cancellationToken)
    {
        var picture = new PreparedPicture(item, _lanes.Length);
        try
        {
            byte[] file = await item.ReadAsync(cancellationToken).ConfigureAwait(false);
            picture.Hash = Convert.ToHexStringLower(SHA256.HashData(file));
            picture.Texts = item.Texts is not null && Array.Exists(_lanes, lane => lane.Entry.Request.Text is null) ? item.Texts(file) : [];
            bool isKnown = true;
            for (int i = 0; i < _lanes.Length; i++)
            {
                isKnown &= _lanes[i].Knows(picture, i);
            }

            if (!isKnown)
            {
                RgbImage image = _codec.Decode(file, _limits, cancellationToken);
                picture.Image = _keepsPictures ? image : null;
                for (int i = 0; i < _lanes.Length; i++)
                {
                    _lanes[i].Prepare(picture, i, image);
                }
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            picture.Fail(exception.Message);
        }

        return picture;
    }

    private async Task<ScoredItem[]> ScoreAsync(List<PreparedPicture> pending, CancellationToken cancellationToken)
    {
        PreparedPicture[] pictures = [.. pending];
        pending.Clear();
        try
        {
            var scored = new ScoredBy[_lanes.Length][];
            for (int i = 0; i < _lanes.Length; i++)
            {
                scored[i] = pictures.Length > 0 ? await _lanes[i].ScoreAsync(pictures, i, cancellationToken).ConfigureAwait(false) : [];
            }

            return [.. pictures.Select((picture, at) => new ScoredItem
            {
                Name = picture.Item.Name,
                Scorers = [.. scored.Select(lane => lane[at])],
                ContentHash = picture.Hash,
            })];
        }
        finally
        {
            foreach (PreparedPicture picture in pictures)
            {
                picture.Release();
            }
        }
    }
}
