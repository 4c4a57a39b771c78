using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Imaging;
using DiffusionClip.Scoring;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Trust;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// <c>interrogate</c>: the caption that CLIP finds nearest to a picture, out of those that the request gives (<c>captions</c>), of the
/// configured file, or of the list that ships.
/// </summary>
internal sealed class Interrogator(
    ImageSource source,
    IArtifactStore artifacts,
    IImageCodec codec,
    ImageLimits limits,
    ScorerCatalog scorers,
    WorkerOptions options
) : IDisposable
{
    private const string Resource = "DiffusionClip.Worker.Interfaces.A1111.phrases.txt";
    private const int MostCaptions = 1000;
    private const int MostCaptionLength = 2000;
    private const int Shown = 5;

    // Beside the queue, so bounded by itself: one at a time.
    private readonly SemaphoreSlim _one = new(1);
    private readonly ConcurrentDictionary<string, float[]> _embeds = new(StringComparer.Ordinal);
    private IReadOnlyList<IReadOnlyList<string>>? _stages;

    /// <summary>Answers a request.</summary>
    public async Task<IResult> RunAsync(HttpContext context)
    {
        CancellationToken gone = context.RequestAborted;
        string? given;
        IReadOnlyList<string> captions;
        using (JsonDocument body = await BodyFields.ReadAsync(context).ConfigureAwait(false))
        {
            var fields = new BodyFields(body.RootElement);
            given = fields.Text("image");
            string? model = fields.Text("model");
            captions = fields.Texts("captions");
            if (captions.Count > MostCaptions || captions.Any(caption => caption.Length > MostCaptionLength))
            {
                fields.Add(
                    "captions",
                    $"at most {MostCaptions} captions of at most {MostCaptionLength} characters",
                    "value_error.list.max_items");
            }

            fields.Check();
            if (model is not (null or "" or "clip"))
            {
                throw new A1111Exception(StatusCodes.Status404NotFound, "Model not found", "there is clip");
            }

            if (string.IsNullOrEmpty(given))
            {
                throw new A1111Exception(StatusCodes.Status404NotFound, "Image not found");
            }
        }

        string sha256 = await source.ResolveAsync(Caller.Of(context), "image", given, gone).ConfigureAwait(false);
        Artifact file =
            await artifacts.FindAsync(sha256, gone).ConfigureAwait(false)
            ?? throw new StorageException($"the picture {sha256} is no longer there");
        RgbImage image = codec.Decode(file.Content, limits, gone);
        await _one.WaitAsync(gone).ConfigureAwait(false);
        try
        {
            IReadOnlyList<IReadOnlyList<string>> stages = captions.Count > 0 ? [captions] : _stages ??= Read();
            using ClipScorer scorer = await scorers.LeaseClipAsync(null, null, LongTextPolicy.Truncate, gone).ConfigureAwait(false);
            IReadOnlyList<(string Caption, double Score)> ranked = await Task.Run(() => Rank(scorer, image, stages, gone), gone)
                .ConfigureAwait(false);
            return Results.Json(
                new JsonObject
                {
                    ["caption"] = ranked[0].Caption,
                    ["captions"] = new JsonArray([
                        .. ranked
                            .Take(captions.Count > 0 ? captions.Count : Shown)
                            .Select(item => (JsonNode)new JsonObject { ["caption"] = item.Caption, ["score"] = item.Score }),
                    ]),
                    ["model"] = scorer.Folder.Id,
                });
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _one.Dispose();

    /// <summary>
    /// Ranks captions; after the first stage only the best is gone on with, and what is added has to fit better than without.
    /// </summary>
    internal IReadOnlyList<(string Caption, double Score)> Rank(
        ClipScorer scorer,
        RgbImage image,
        IReadOnlyList<IReadOnlyList<string>> stages,
        CancellationToken cancellationToken)
    {
        float[] seen = scorer.Embedder.EmbedImages([image], cancellationToken);
        List<(string Caption, double Score)> ranked =
        [
            .. stages[0]
                .Distinct(StringComparer.Ordinal)
                .Select(caption => (caption, Score(caption)))
                .OrderByDescending(item => item.Item2),
        ];
        foreach (IReadOnlyList<string> endings in stages.Skip(1))
        {
            (string caption, double score) = endings
                .Select(ending => $"{ranked[0].Caption} {ending}")
                .Select(text => (text, Score(text)))
                .MaxBy(item => item.Item2);
            if (score > ranked[0].Score)
            {
                ranked.Insert(0, (caption, score));
            }
        }

        return ranked;

        double Score(string caption)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string key = $"{scorer.Folder.Path}#{scorer.Folder.Id}\n{caption}";
            if (!_embeds.TryGetValue(key, out float[]? embeds))
            {
                embeds = scorer.Embedder.EmbedText(caption, cancellationToken).Embeds.ToArray();
                if (_embeds.Count < 8 * MostCaptions)
                {
                    _embeds.TryAdd(key, embeds);
                }
            }

            return TensorPrimitives.Dot<float>(embeds, seen);
        }
    }

    /// <summary>The stages of a list of phrases.</summary>
    internal static IReadOnlyList<IReadOnlyList<string>> Parse(IEnumerable<string> lines)
    {
        var stages = new List<List<string>> { new() };
        foreach (string line in lines.Select(line => line.Trim()))
        {
            if (line.StartsWith('[') && line.EndsWith(']'))
            {
                if (stages[^1].Count > 0)
                {
                    stages.Add([]);
                }
            }
            else if (line.Length > 0 && !line.StartsWith('#'))
            {
                stages[^1].Add(line);
            }
        }

        return [.. stages.Where(stage => stage.Count > 0)];
    }

    private IReadOnlyList<IReadOnlyList<string>> Read()
    {
        if (options.Compatibility.InterrogatePhrases is { Length: > 0 } path)
        {
            try
            {
                IReadOnlyList<IReadOnlyList<string>> stages = Parse(File.ReadLines(path));
                return stages.Count > 0
                    ? stages
                    : throw new InvalidRequestException(
                        "Worker:Compatibility:InterrogatePhrases",
                        path,
                        "it holds no phrase; write one a line");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new InvalidRequestException(
                    "Worker:Compatibility:InterrogatePhrases",
                    path,
                    "it cannot be read; name a text file with one phrase a line");
            }
        }

        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd().Split('\n'));
    }
}
