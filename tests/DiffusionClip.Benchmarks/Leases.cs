using DiffusionClip.Models;
using DiffusionClip.Onnx;
using DiffusionClip.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Benchmarks;

/// <summary>The models of a request on loan, and the sessions behind them.</summary>
internal sealed class Leases : IDisposable
{
    private readonly GeneratorLease _generator;
    private readonly ClipLease _scorer;

    private Leases(GeneratorLease generator, ClipLease scorer) => (_generator, _scorer) = (generator, scorer);

    public static async Task<Leases> OpenAsync(IServiceProvider services, ImageRequest normalized)
    {
        var catalog = services.GetRequiredService<ModelCatalog>();
        var store = services.GetRequiredService<IModelStore>();
        Task<GeneratorLease> generator = store.LeaseAsync<GeneratorLease>(
            new() { Folder = catalog.ResolveGenerator(normalized.Model.Id!) },
            CancellationToken.None);
        Task<ClipLease> scorer = store.LeaseAsync<ClipLease>(
            new() { Folder = catalog.ResolveScorer(normalized.Search.Scorers![0].Id) },
            CancellationToken.None);
        var leases = new Leases(await generator, await scorer);
        await Task.WhenAll(leases._generator.Hashes, leases._scorer.Hashes);
        return leases;
    }

    /// <summary>The session of a graph.</summary>
    public InferenceSession SessionOf(string path) =>
        new[]
        {
            ((OnnxDenoiser)_generator.Denoiser).Session,
            ((OnnxLatentDecoder)_generator.LatentDecoder).Session,
            ((OnnxClipTextEncoder)_scorer.TextEncoder).Session,
            ((OnnxClipImageEncoder)_scorer.ImageEncoder).Session,
        }
            .Concat(_generator.TextEncoders.Cast<OnnxTextEncoder>().Select(encoder => encoder.Session))
            .First(session => session.Path == path)
            .Inner;

    public void Dispose()
    {
        _generator.Dispose();
        _scorer.Dispose();
    }
}
