using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

public sealed class RequestTests(TestHost host) : IClassFixture<TestHost>
{
    private static readonly (string Field, ImageRequest Request)[] _unusable =
    [
        ("width", Sampling(s => s with { Width = 0 })),
        ("width", Sampling(s => s with { Width = -8 })),
        ("width", Sampling(s => s with { Width = 7 })),
        ("width", Sampling(s => s with { Width = 1_000_000_000 })),
        ("height", Sampling(s => s with { Height = 129 })),
        ("num_inference_steps", Sampling(s => s with { NumInferenceSteps = 0 })),
        ("num_inference_steps", Sampling(s => s with { NumInferenceSteps = 1_000_000 })),
        ("guidance_scale", Sampling(s => s with { GuidanceScale = float.NaN })),
        ("guidance_scale", Sampling(s => s with { GuidanceScale = -1 })),
        ("guidance_scale", Sampling(s => s with { GuidanceScale = float.PositiveInfinity })),
        ("guidance_rescale", Sampling(s => s with { GuidanceRescale = 1.5f })),
        ("eta", Sampling(s => s with { Eta = -0.1f })),
        ("scheduler", Sampling(s => s with { Scheduler = "Eulr" })),
        (
            "scheduler_options.use_karras_sigma",
            Sampling(s =>
                s with
                {
                    SchedulerOptions = new Dictionary<string, JsonElement>
                    {
                        ["use_karras_sigma"] = JsonSerializer.SerializeToElement(true),
                    },
                })),
        ("candidates", Search(s => s with { Candidates = 0 })),
        ("candidates", Search(s => s with { Candidates = 100_000 })),
        ("keep", Search(s => s with { Candidates = 2, Keep = 3 })),
        ("strategy", Search(s => s with { Strategy = "magic" })),
        ("prompt", ImageRequest.For(new string('a', 1 << 20))),
        ("prompt", ImageRequest.For("half \ud83e a fox")),
        ("negative_prompt", new() { Prompt = new() { Negative = "\udd8a" } }),
        ("schema_version", new() { SchemaVersion = 99 }),
        ("format", Output(new() { Format = (OutputFormat)7 })),
        ("quality", Output(new() { Quality = 90 })),
        ("quality", Output(new() { Format = OutputFormat.Jpeg, Quality = 0 })),
        ("quality", Output(new() { Format = OutputFormat.Webp, Quality = 101 })),
    ];

    public static TheoryData<int, string> Unusable => [.. _unusable.Select((unusable, i) => (i, unusable.Field))];

    [Theory]
    [MemberData(nameof(Unusable))]
    public async Task What_cannot_be_used_is_named(int index, string field)
    {
        InvalidRequestException exception = await Assert.ThrowsAsync<InvalidRequestException>(() =>
            host.Pipeline.GenerateAsync(_unusable[index].Request));
        Assert.Equal(field, exception.Field);
        Assert.DoesNotContain('\n', exception.Message);
        Assert.InRange(exception.Message.Length, 20, 1200);
    }

    [Fact]
    public void Normalizing_twice_changes_nothing()
    {
        ImageRequest once = host.Pipeline.Prepare(ImageRequest.For("two (cats:1.2)")).Request;
        Assert.Equal(once, host.Pipeline.Prepare(once).Request);
        Assert.Equal("two cats", once.Search.ScoreText);
        Assert.NotNull(once.Sampling.Seed);
        Assert.Equal((128, 128), (once.Sampling.Width, once.Sampling.Height));
        Assert.Equal(20, once.Sampling.NumInferenceSteps);
    }

    [Theory]
    [InlineData("""{"format":"png"}""", OutputFormat.Png, null)]
    [InlineData("""{"format":"jpeg"}""", OutputFormat.Jpeg, 95)]
    [InlineData("""{"format":"webp","quality":100}""", OutputFormat.Webp, 100)]
    [InlineData("""{}""", OutputFormat.Png, null)]
    public void Format_and_quality_are_made_concrete(string json, OutputFormat format, int? quality)
    {
        OutputRequest output = JsonSerializer.Deserialize<OutputRequest>(json, DiffusionClipJson.Compact)!;
        output = host.Pipeline.Prepare(Output(output)).Request.Output;
        Assert.Equal(new OutputRequest { Format = format, Quality = quality }, output);
        Assert.Equal(output, host.Pipeline.Prepare(Output(output)).Request.Output);
    }

    [Fact]
    public void A_WebP_too_wide_to_be_written_is_refused_before_it_is_painted()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddDiffusionClip(contentRoot: Golden.Repository)
            .AddSingleton(new PipelineOptions { Limits = new() { Side = 20_000 } })
            .BuildServiceProvider();
        ImagePipeline pipeline = services.GetRequiredService<ImagePipeline>();
        ImageRequest wide = Sampling(s => s with { Width = 16_384 }) with { Output = new() { Format = OutputFormat.Webp } };
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(() => pipeline.Prepare(wide));
        Assert.Equal("format", exception.Field);
        Assert.Contains("16383", exception.Message, StringComparison.Ordinal);
        Assert.Equal(16_384, pipeline.Prepare(wide with { Output = new() { Format = OutputFormat.Jpeg } }).Request.Sampling.Width);
    }

    [Fact]
    public void A_request_survives_JSON()
    {
        ImageRequest request = host.Pipeline.Prepare(Sampling(s => s with { Seed = ulong.MaxValue, Noise = NoiseKind.Philox })).Request;
        string json = JsonSerializer.Serialize(request, DiffusionClipJson.Compact);
        ImageRequest again = JsonSerializer.Deserialize<ImageRequest>(json, DiffusionClipJson.Compact)!;
        Assert.Equal(request.ComputeSha256(), again.ComputeSha256());
        Assert.Equal(json, JsonSerializer.Serialize(again, DiffusionClipJson.Compact));
        Assert.Contains("\"noise\":\"philox\"", json, StringComparison.Ordinal);
        Assert.Contains("\"num_inference_steps\":20", json, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_model_names_those_there_are()
    {
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() =>
            host.Pipeline.Prepare(new() { Model = new() { Id = "no-such-model" } }).Request);
        Assert.Contains("emoji-sd", exception.Message, StringComparison.Ordinal);
    }

    private static ImageRequest Sampling(Func<SamplingRequest, SamplingRequest> change) =>
        ImageRequest.For("a cat") with
        {
            Sampling = change(new()),
        };

    private static ImageRequest Output(OutputRequest output) => ImageRequest.For("a cat") with { Output = output };

    private static ImageRequest Search(Func<SearchRequest, SearchRequest> change) =>
        ImageRequest.For("a cat") with
        {
            Search = change(new()),
        };
}
