using System.Globalization;
using System.Numerics.Tensors;
using System.Text.Json;
using DiffusionClip.Scoring;
using DiffusionClip.Tokenization;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

/// <summary>
/// What transformers, torchmetrics and open_clip make of pictures and texts: every number of clip.json and siglip.json within 1e-4.
/// </summary>
public sealed class GoldenClipTests(TestHost host, ITestOutputHelper output) : IClassFixture<TestHost>
{
    private const double Tolerance = 1e-4;

    [Theory]
    [InlineData(null)]
    [InlineData("joint")]
    [InlineData("suffix")]
    [InlineData("flat")]
    public async Task Golden_clip(string? layout)
    {
        var table = new Comparison();
        JsonElement clip = Golden.Read("tiny-models", "clip.json");
        Only(clip, ["about", "runs", "metrics"]);
        foreach (JsonElement run in clip.GetProperty("runs").EnumerateArray())
        {
            string model = run.GetProperty("model").GetString()!;
            using var folder = LayoutCopy.Of(Folder(model), layout);
            if (folder is not null)
            {
                await CheckRunAsync(table, model, folder.Path, run);
            }
        }

        using (var folder = LayoutCopy.Of(Folder("clip-tiny-random"), layout))
        {
            JsonElement first = clip.GetProperty("runs")
                .EnumerateArray()
                .First(run => run.GetProperty("model").GetString() == "clip-tiny-random");
            if (folder is not null)
            {
                await CheckMetricsAsync(table, folder.Path, Pictures(first), clip.GetProperty("metrics"));
            }
        }

        table.Report(output, layout is null ? "clip" : $"clip ({layout})");
    }

    [Fact]
    public async Task Golden_siglip()
    {
        var table = new Comparison();
        JsonElement siglip = Golden.Read("tiny-models", "siglip.json");
        Only(siglip, ["about", "model", "texts", "images", "input_ids", "cosine", "logits", "probabilities", "logit_scale", "logit_bias"]);
        string[] texts = Texts(siglip);
        RgbImage[] pictures = Pictures(siglip);
        using ClipScorer scorer = await LeaseAsync(Folder(siglip.GetProperty("model").GetString()!));
        Assert.Equal(("siglip", "1", ScoreScale.Probability), (scorer.Descriptor.Name, scorer.Descriptor.Version, scorer.Descriptor.Scale));
        var tokenizer = SiglipTokenizer.Load(scorer.Folder.TokenizerPath);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] expected = [.. siglip.GetProperty("input_ids")[i].EnumerateArray().Select(id => id.GetInt32())];
            table.Check(
                $"input_ids[{i}]",
                expected.AsSpan().SequenceEqual(tokenizer.Tokenize(texts[i], scorer.Folder.TokenLimit).Ids.Span) ? 0 : 1);
        }

        table.Check("logit_scale", siglip.GetProperty("logit_scale").GetDouble(), scorer.Logits.Scale);
        table.Check("logit_bias", siglip.GetProperty("logit_bias").GetDouble(), scorer.Logits.Bias);
        float[][] cosines = Cosines(scorer, pictures, texts);
        ScoringResult scored = await scorer.ScoreAsync(
            new ScoringBatch { Images = pictures, Texts = texts },
            TestContext.Current.CancellationToken);
        Assert.All(scored.Texts, record => Assert.Equal(ScoreScale.Probability, record.Scale));
        for (int i = 0; i < pictures.Length; i++)
        {
            for (int j = 0; j < texts.Length; j++)
            {
                table.Check($"cosine[{i}][{j}]", siglip.GetProperty("cosine")[i][j].GetDouble(), cosines[i][j]);
                double logit = siglip.GetProperty("logits")[i][j].GetDouble();
                table.Check(
                    $"logits[{i}][{j}]",
                    logit,
                    (scorer.Logits.Scale * cosines[i][j]) + scorer.Logits.Bias,
                    Math.Max(1, Math.Abs(logit)));
                table.Check(
                    $"probabilities[{i}][{j}]",
                    siglip.GetProperty("probabilities")[i][j].GetDouble(),
                    scored.Images[i].ScoresPerText.Span[j]);
            }
        }

        table.Report(output, "siglip");
    }

    private async Task CheckRunAsync(Comparison table, string model, string folder, JsonElement run)
    {
        Only(
            run,
            [
                "model",
                "layout",
                "texts",
                "images",
                "cosine",
                "probabilities",
                "logit_scale",
                "text_embeds",
                "image_embeds",
                "tokens_dropped",
            ]);
        string[] texts = Texts(run);
        RgbImage[] pictures = Pictures(run);
        using ClipScorer scorer = await LeaseAsync(folder);
        Assert.Equal(("clip", "1", ScoreScale.Cosine), (scorer.Descriptor.Name, scorer.Descriptor.Version, scorer.Descriptor.Scale));
        double scale = run.GetProperty("logit_scale").GetDouble();
        table.Check($"{model} logit_scale", scale, scorer.Logits.Scale, scale);
        ScoringResult scored = await scorer.ScoreAsync(
            new ScoringBatch { Images = pictures, Texts = texts },
            TestContext.Current.CancellationToken);
        for (int j = 0; j < texts.Length; j++)
        {
            table.Check(
                $"{model} tokens_dropped[{j}]",
                run.GetProperty("tokens_dropped")[j].GetInt32() == scored.Texts[j].TokensDropped ? 0 : 1);
        }

        for (int i = 0; i < pictures.Length; i++)
        {
            Assert.Null(scored.Images[i].Failure);
            ReadOnlySpan<float> cosines = scored.Images[i].ScoresPerText.Span;
            float[] probabilities = ClipMetrics.Probabilities(cosines, scorer.Logits.Scale);
            for (int j = 0; j < texts.Length; j++)
            {
                table.Check($"{model} cosine[{i}][{j}]", run.GetProperty("cosine")[i][j].GetDouble(), cosines[j]);
                table.Check($"{model} probabilities[{i}][{j}]", run.GetProperty("probabilities")[i][j].GetDouble(), probabilities[j]);
            }
        }

        CheckVectors(
            table,
            $"{model} text_embeds",
            run.GetProperty("text_embeds"),
            i => scorer.Embedder.EmbedText(texts[i], CancellationToken.None).Embeds);
        CheckVectors(table, $"{model} image_embeds", run.GetProperty("image_embeds"), i => scored.Images[i].ImageEmbeds);
    }

    private async Task CheckMetricsAsync(Comparison table, string folder, RgbImage[] pictures, JsonElement metrics)
    {
        Only(metrics, ["clipscore_100", "clipscore_w", "ref_clipscore", "zero_shot"]);
        using ClipScorer scorer = await LeaseAsync(folder);

        JsonElement metric = metrics.GetProperty("clipscore_100");
        CheckValues(
            table,
            "clipscore_100",
            metric,
            [.. Cosines(scorer, pictures, [metric.GetProperty("text").GetString()!]).Select(row => ClipMetrics.ClipScore100(row[0]))],
            largest: 100);

        metric = metrics.GetProperty("clipscore_w");
        CheckValues(
            table,
            "clipscore_w",
            metric,
            [.. Cosines(scorer, pictures, [metric.GetProperty("caption").GetString()!]).Select(row => ClipMetrics.ClipScore(row[0]))]);

        metric = metrics.GetProperty("ref_clipscore");
        string caption = metric.GetProperty("caption").GetString()!;
        ReadOnlyMemory<float> embeds = scorer.Embedder.EmbedText(caption, CancellationToken.None).Embeds;
        float[] references =
        [
            .. metric
                .GetProperty("references")
                .EnumerateArray()
                .Select(text =>
                    TensorPrimitives.Dot(embeds.Span, scorer.Embedder.EmbedText(text.GetString()!, CancellationToken.None).Embeds.Span)),
        ];
        CheckValues(
            table,
            "ref_clipscore",
            metric,
            [.. Cosines(scorer, pictures, [caption]).Select(row => ClipMetrics.RefClipScore(row[0], references))]);

        metric = metrics.GetProperty("zero_shot");
        string[] labels = [.. metric.GetProperty("labels").EnumerateArray().Select(label => label.GetString()!)];
        string[] templates = [.. metric.GetProperty("templates").EnumerateArray().Select(template => template.GetString()!)];
        float[][] classes = new ZeroShotClassifier(scorer, labels, templates).Classify(pictures);
        Assert.Equal(metric.GetProperty("probabilities").GetArrayLength(), classes.Length);
        for (int i = 0; i < classes.Length; i++)
        {
            for (int j = 0; j < labels.Length; j++)
            {
                table.Check($"zero_shot[{i}][{j}]", metric.GetProperty("probabilities")[i][j].GetDouble(), classes[i][j]);
            }
        }
    }

    private static void CheckValues(Comparison table, string name, JsonElement metric, float[] actual, double largest = 1)
    {
        Assert.Equal(metric.GetProperty("values").GetArrayLength(), actual.Length);
        for (int i = 0; i < actual.Length; i++)
        {
            table.Check($"{name}[{i}]", metric.GetProperty("values")[i].GetDouble(), actual[i], largest);
        }
    }

    private static void CheckVectors(Comparison table, string name, JsonElement expected, Func<int, ReadOnlyMemory<float>> actual)
    {
        for (int i = 0; i < expected.GetArrayLength(); i++)
        {
            ReadOnlySpan<float> vector = actual(i).Span;
            Assert.Equal(expected[i].GetArrayLength(), vector.Length);
            for (int j = 0; j < vector.Length; j++)
            {
                table.Check($"{name}[{i}][{j}]", expected[i][j].GetDouble(), vector[j]);
            }
        }
    }

    private static float[][] Cosines(ClipScorer scorer, RgbImage[] pictures, string[] texts)
    {
        float[] embeds = scorer.Embedder.EmbedImages(pictures, CancellationToken.None);
        int width = embeds.Length / pictures.Length;
        return
        [
            .. pictures.Select(
                (_, i) =>
                    texts
                        .Select(text =>
                            TensorPrimitives.Dot(
                                embeds.AsSpan(i * width, width),
                                scorer.Embedder.EmbedText(text, CancellationToken.None).Embeds.Span))
                        .ToArray()),
        ];
    }

    private async Task<ClipScorer> LeaseAsync(string folder) =>
        await host
            .Services.GetRequiredService<ScorerCatalog>()
            .LeaseClipAsync(folder, "cpu", LongTextPolicy.Truncate, TestContext.Current.CancellationToken);

    private static string Folder(string model) =>
        Golden.PathOrShared("tiny-models", model) ?? throw new InvalidOperationException($"{model} is not in the reference data");

    private static string[] Texts(JsonElement run) => [.. run.GetProperty("texts").EnumerateArray().Select(text => text.GetString()!)];

    private RgbImage[] Pictures(JsonElement run) => [.. run.GetProperty("images").EnumerateArray().Select(image => host.Read(
        Golden.PathOrShared("golden", "preprocess", image.GetString()!) ?? Golden.PathOrShared("tiny-models", image.GetString()!)
        ?? throw new InvalidOperationException($"{image.GetString()} is not in the reference data")))];

    // A part that this test does not read fails.
    private static void Only(JsonElement element, string[] known) =>
        Assert.All(element.EnumerateObject(), property => Assert.Contains(property.Name, known));

    /// <summary>Counts numbers and their deviations.</summary>
    private sealed class Comparison
    {
        private readonly List<string> _failures = [];
        private int _given;
        private double _worst = -1;
        private string _where = "";

        public void Check(string name, double expected, double actual, double largest = 1) =>
            Check(name, double.IsFinite(actual) ? Math.Abs(expected - actual) / largest : double.PositiveInfinity);

        public void Check(string name, double deviation)
        {
            _given++;
            if (deviation > _worst)
            {
                (_worst, _where) = (deviation, name);
            }

            if (!(deviation <= Tolerance))
            {
                _failures.Add(string.Create(CultureInfo.InvariantCulture, $"{name} deviates by {deviation:0.0e0}"));
            }
        }

        public void Report(ITestOutputHelper output, string table)
        {
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{table} {_given - _failures.Count}/{_given}, worst {_worst:0.0e0}, {_where}"));
            Assert.True(_given > 0, "no number was compared");
            Assert.True(_failures.Count == 0, string.Join(Environment.NewLine, _failures.Take(20)));
        }
    }

    /// <summary>The same model in another layout that people publish; null where it does not have the parts for it.</summary>
    private sealed class LayoutCopy : IDisposable
    {
        private readonly string? _copy;

        private LayoutCopy(string path, string? copy) => (Path, _copy) = (path, copy);

        public string Path { get; }

        public static LayoutCopy? Of(string folder, string? layout)
        {
            (string From, string To)[] graphs = layout switch
            {
                // Optimum: one graph.
                "joint" => [("onnx/model.onnx", "model.onnx")],

                // Transformers.js: another precision.
                "suffix" =>
                [
                    ("onnx/text_model.onnx", "onnx/text_model_q4f16.onnx"),
                    ("onnx/vision_model.onnx", "onnx/vision_model_q4f16.onnx"),
                ],

                // Clip-as-service: two graphs side by side, and no configuration.
                "flat" => [("textual/model.onnx", "textual.onnx"), ("visual/model.onnx", "visual.onnx")],
                _ => [],
            };
            if (graphs.Length == 0)
            {
                return new(folder, null);
            }

            if (!graphs.All(graph => File.Exists(System.IO.Path.Combine(folder, graph.From))))
            {
                return null;
            }

            string copy = Directory.CreateTempSubdirectory("dclip-layout-").FullName;
            Directory.CreateDirectory(System.IO.Path.Combine(copy, "onnx"));
            foreach (string source in layout == "flat" ? new[] { "textual", "visual" } : [""])
            {
                foreach (
                    string file in Directory
                        .EnumerateFiles(System.IO.Path.Combine(folder, source))
                        .Where(file => !file.EndsWith(".onnx", StringComparison.Ordinal)))
                {
                    File.Copy(file, System.IO.Path.Combine(copy, System.IO.Path.GetFileName(file)));
                }
            }

            foreach ((string from, string to) in graphs)
            {
                File.Copy(System.IO.Path.Combine(folder, from), System.IO.Path.Combine(copy, to));
            }

            return new(layout == "suffix" ? $"{copy}#q4f16" : copy, copy);
        }

        public void Dispose()
        {
            if (_copy is not null)
            {
                Directory.Delete(_copy, recursive: true);
            }
        }
    }
}
