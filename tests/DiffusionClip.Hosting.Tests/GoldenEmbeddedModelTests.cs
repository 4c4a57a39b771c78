using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Hosting;

/// <summary>
/// The embedded model's own pictures: within 3 grey levels, scores within 1e-3, the same order but for pairs closer than that.
/// </summary>
public sealed class GoldenEmbeddedModelTests(TestHost host, ITestOutputHelper output) : IClassFixture<TestHost>
{
    private const int GreyTolerance = 3;
    private const double ScoreTolerance = 1e-3;

    [Fact]
    public async Task Golden_embedded_model()
    {
        JsonElement[] cases = [.. Golden.Read("models", "emoji-sd", "expected", "expected.json").GetProperty("cases").EnumerateArray()];
        int worstGrey = 0, pictures = 0;
        double worstScore = 0;
        foreach (JsonElement @case in cases)
        {
            string prompt = @case.GetProperty("prompt").GetString()!;
            string[] seeds = [.. @case.GetProperty("seeds").EnumerateArray().Select(seed => seed.ToString())];
            double[] expected = [.. @case.GetProperty("cosine").EnumerateArray().Select(value => value.GetDouble())];
            int[] order = [.. @case.GetProperty("order").EnumerateArray().Select(value => value.GetInt32())];
            string[] images = [.. @case.GetProperty("images").EnumerateArray().Select(image => image.GetString()!)];
            double[] scores = new double[seeds.Length];
            for (int i = 0; i < seeds.Length; i++)
            {
                RankedImages ranked = await host.Pipeline.GenerateAsync(
                    Request(@case, ulong.Parse(seeds[i], CultureInfo.InvariantCulture), candidates: 1));
                RankedImage image = Assert.Single(ranked.Images);
                scores[i] = image.Score!.Value;
                int grey = TestHost.LargestDifference(host.Read(Golden.PathOf("models", "emoji-sd", "expected", images[i])), image.Image);
                worstGrey = Math.Max(worstGrey, grey);
                worstScore = Math.Max(worstScore, Math.Abs(scores[i] - expected[i]));
                pictures++;
                Assert.True(grey <= GreyTolerance, $"{prompt}, seed {seeds[i]}: {grey} grey levels");
                Assert.True(
                    Math.Abs(scores[i] - expected[i]) <= ScoreTolerance,
                    $"{prompt}, seed {seeds[i]}: score {scores[i]:R}, expected {expected[i]:R}");
            }

            AssertOrder(prompt, order, expected, scores);
        }

        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"embedded {pictures}/{pictures} pictures of {cases.Length} prompts, worst {worstGrey} grey levels, {worstScore:0.0e0} in score"
            ));
    }

    [Fact]
    public async Task Golden_embedded_model_as_one_run_of_candidates()
    {
        JsonElement @case = Golden.Read("models", "emoji-sd", "expected", "expected.json").GetProperty("cases")[0];
        ulong first = ulong.Parse(@case.GetProperty("seeds")[0].ToString(), CultureInfo.InvariantCulture);
        int count = @case.GetProperty("seeds").GetArrayLength();
        RankedImages together = await host.Pipeline.GenerateAsync(Request(@case, first, count));
        Assert.Equal(count, together.Images.Count);
        Assert.Equal(Enumerable.Range(1, count), together.Images.Select(image => image.Rank!.Value));
        Assert.Equal(together.Images.OrderByDescending(image => image.Score), together.Images);
        foreach (RankedImage image in together.Images)
        {
            RankedImages alone = await host.Pipeline.GenerateAsync(Request(@case, image.Seed, 1));
            Assert.True(
                image.Image.Pixels.Span.SequenceEqual(alone.Images[0].Image.Pixels.Span),
                $"seed {image.Seed} differs between 1 and {count} candidates");
            Assert.Equal(alone.Images[0].Score, image.Score);
        }
    }

    private static void AssertOrder(string prompt, int[] order, double[] expected, double[] scores)
    {
        for (int i = 0; i < order.Length; i++)
        {
            for (int j = i + 1; j < order.Length; j++)
            {
                bool close = Math.Abs(expected[order[i]] - expected[order[j]]) < ScoreTolerance;
                Assert.True(close || scores[order[i]] > scores[order[j]], $"{prompt}: image {order[i]} should rank before {order[j]}");
            }
        }
    }

    private static ImageRequest Request(JsonElement @case, ulong seed, int candidates) => new()
    {
        Prompt = new() { Text = @case.GetProperty("prompt").GetString()!, Negative = @case.GetProperty("negative_prompt").GetString()! },
        Model = new() { Id = "emoji-sd" },
        Sampling = new()
        {
            Scheduler = @case.GetProperty("scheduler").GetString(),
            SchedulerOptions = @case.GetProperty("scheduler_overrides").EnumerateObject().ToDictionary(option => option.Name, option => option.Value),
            NumInferenceSteps = @case.GetProperty("num_inference_steps").GetInt32(),
            GuidanceScale = @case.GetProperty("guidance_scale").GetSingle(),
            Seed = seed,
        },
        Search = new() { Candidates = candidates },
    };
}
