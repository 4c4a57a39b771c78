using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Hosting;

/// <summary>
/// One model as different exporters write it: the timestep as int64 or a vector of doubles, ids of either width, weights outside the graph,
/// half precision. The runs of sd1-tiny-random give the same latents with each.
/// </summary>
public sealed class GoldenExporterTests(TestHost host, ITestOutputHelper output) : IClassFixture<TestHost>
{
    private const double FractionTolerance = 1e-2, ClippedTolerance = 5e-2;

    [Theory]
    [InlineData("int64", 1e-4)]
    [InlineData("older", 1e-4)]
    [InlineData("external", 1e-4)]
    [InlineData("fp16", 1e-2)]
    public async Task Golden_exporters(string variant, double tolerance)
    {
        string? folder = Golden.PathOrShared("tiny-models", $"sd1-tiny-random-{variant}");
        Assert.SkipWhen(folder is null, $"sd1-tiny-random-{variant} is neither in tests/Golden nor in ../shared");
        bool isInteger = variant == "int64";
        int given = 0;
        var unknown = new List<string>();
        var between = new List<string>();
        double worst = 0;
        string where = "";
        foreach (
            JsonElement run in Golden
                .Read("tiny-models", "pipelines.json")
                .GetProperty("runs")
                .EnumerateArray()
                .Where(run => run.GetProperty("model").GetString() == "sd1-tiny-random"))
        {
            string name = run.GetProperty("case").GetString()!;
            if (GoldenPipelineTests.UnknownArgument(run.GetProperty("arguments")) is { } argument)
            {
                unknown.Add($"{name} ({argument})");
                continue;
            }

            JsonElement scheduler = run.GetProperty("scheduler");
            float[] expected = [.. run.GetProperty("latents").EnumerateArray().Select(value => value.GetSingle())];
            ulong[] seeds = [.. run.GetProperty("seeds").EnumerateArray().Select(seed => seed.GetUInt64())];
            (ImageRequest request, Dictionary<string, RgbImage>? pictures) = GoldenPipelineTests.Request(host, folder, run);
            given++;
            if (variant == "older" && request.Sampling.ClipSkip is > 0)
            {
                // Older exports do not list the hidden states that clip skip reads.
                ModelFolderException missing = await Assert.ThrowsAsync<ModelFolderException>(() => host.Pipeline.GenerateAsync(request));
                Assert.Contains("does not list its hidden states", missing.Message, StringComparison.Ordinal);
                between.Add(name);
                continue;
            }

            for (int i = 0; i < seeds.Length; i++)
            {
                var recorder = new Timesteps();
                await host.Pipeline.GenerateAsync(
                    request with
                    {
                        Sampling = request.Sampling with { Seed = seeds[i] },
                    },
                    new RunControl { Observer = recorder },
                    pictures);
                float[] latents = recorder.Latents;
                float[] mine = expected[(i * latents.Length)..((i + 1) * latents.Length)];
                double deviation =
                    latents.Zip(mine, (a, b) => float.IsFinite(a) ? (double)Math.Abs(a - b) : double.PositiveInfinity).Max()
                    / expected.Max(MathF.Abs);
                if (isInteger && recorder.HaveFractions)
                {
                    // Some schedulers evaluate between whole timesteps, which an int64 cannot say: the graph's limit, not the loader's.
                    between.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {deviation:0.0e0}"));
                    Assert.True(deviation <= FractionTolerance, $"{name} deviates by {deviation}");
                }
                else if (variant == "older" && request.Origin is not null)
                {
                    // This encoder gives the mean alone; the reference draws from mean and variance.
                    between.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {deviation:0.0e0}"));
                    Assert.True(double.IsFinite(deviation), $"{name} is not finite");
                }
                else if (variant == "fp16" && Clips(scheduler))
                {
                    // Clipping x0 to -1..1, which is not for latents, divides what rounding adds by the signal's few percent, step by step.
                    between.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {deviation:0.0e0}"));
                    Assert.True(deviation <= ClippedTolerance, $"{name} deviates by {deviation}");
                }
                else if (deviation > worst)
                {
                    (worst, where) = (deviation, name);
                }
            }
        }

        string cannot = variant switch
        {
            "int64" => "fractions of timesteps",
            "older" => "hidden states, variance of the encoder",
            _ => "clipped x0 in half precision",
        };
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"exporter {variant} {given}, worst {worst:0.0e0} of the largest latent, {where}; what the format cannot carry ({cannot}): {(between.Count == 0 ? "none" : string.Join(", ", between))}"
            ));
        Assert.Empty(unknown);
        Assert.True(given > 0, "no case ran");
        Assert.True(worst <= tolerance, string.Create(CultureInfo.InvariantCulture, $"{where} deviates by {worst:0.0e0}"));
    }

    private static bool Clips(JsonElement scheduler) => scheduler.ValueKind == JsonValueKind.Object
        && scheduler.GetProperty("config").TryGetProperty("clip_sample", out JsonElement clips) && clips.ValueKind == JsonValueKind.True;

    private sealed class Timesteps : IRunObserver
    {
        public float[] Latents { get; private set; } = [];

        public bool HaveFractions { get; private set; }

        public void OnStep(in StepUpdate update)
        {
            Latents = update.Sample.ToArray();
            HaveFractions |= update.Timestep != MathF.Truncate(update.Timestep);
        }
    }
}
