using DiffusionClip.Imaging;
using DiffusionClip.Models;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

/// <summary>One composed host for a test class: models are loaded once.</summary>
public sealed class TestHost : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection()
        .AddDiffusionClip(new ConfigurationBuilder().Build(), Golden.Repository)
        .BuildServiceProvider();

    internal ImagePipeline Pipeline => _services.GetRequiredService<ImagePipeline>();

    internal IImageCodec Codec => _services.GetRequiredService<IImageCodec>();

    internal ModelCatalog Catalog => _services.GetRequiredService<ModelCatalog>();

    internal IServiceProvider Services => _services;

    public void Dispose() => _services.Dispose();

    internal RgbImage Read(string path) => Codec.Decode(File.ReadAllBytes(path), ImageLimits.Default);

    internal static int LargestDifference(RgbImage expected, RgbImage actual)
    {
        Assert.Equal((expected.Width, expected.Height), (actual.Width, actual.Height));
        int largest = 0;
        for (int i = 0; i < expected.Pixels.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected.Pixels.Span[i] - actual.Pixels.Span[i]));
        }

        return largest;
    }
}

/// <summary>Keeps what the steps show.</summary>
internal sealed class Recorder : IRunObserver
{
    public Dictionary<CandidateId, float[]> Latents { get; } = [];

    public List<CandidateUpdate> Candidates { get; } = [];

    public List<SearchMove> Moves { get; } = [];

    public List<StageUpdate> Stages { get; } = [];

    public int Steps { get; private set; }

    public Action<int>? AfterStep { get; init; }

    public void OnStep(in StepUpdate update)
    {
        Steps++;
        Latents[update.Candidate] = update.Sample.ToArray();
        AfterStep?.Invoke(Steps);
    }

    public void OnCandidate(CandidateUpdate update) => Candidates.Add(update);

    public void OnMove(SearchMove move) => Moves.Add(move);

    public void OnStage(in StageUpdate update) => Stages.Add(update);
}
