using System.Security.Cryptography;
using System.Text;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs.Running;

/// <summary>Answers a generation from the caller's own earlier one: same normalized request, same plan, same models to the last byte.</summary>
internal sealed class ResultCache(JobLedger ledger, ArtifactStore artifacts, ModelCatalog catalog, ScorerSource scorers, IModelStore store, PipelineOptions options)
{
    /// <summary>The result of an equal job whose artefacts are all there; null where there is none.</summary>
    public JobResult? Find(Job job)
    {
        if (job.Body.Cache != CacheUse.Allow || KeyBefore(job.Body.Generate!) is not { } key || ledger.FindCached(job.Caller, key) is not { Result: { } result } earlier)
        {
            return null;
        }

        return result.Images.Select(image => image.Sha256).Append(result.ContactSheet).OfType<string>().All(artifacts.Hold)
            ? result with { CachedFrom = result.CachedFrom ?? earlier.Id }
            : null;
    }

    /// <summary>The key by which equal jobs find a result; null where it is not what an equal job would have.</summary>
    public string? KeyOf(ImageRequest request, JobResult result)
    {
        if (result.Report is not { FinishedEarly: false } report
            || report.Candidates.Any(candidate => candidate.Failure is not null || candidate.ScoringFailure is not null)
            || (report.Scoring is null && request.Search.Scorer != ScorerSource.None))
        {
            return null;
        }

        return Key(request, Sha256("generator"), Sha256("scorer") ?? Plugin(request));
        string? Sha256(string role) => report.Models.FirstOrDefault(model => model.Role == role)?.Sha256;
    }

    private string? KeyBefore(ImageRequest request)
    {
        try
        {
            string generator = ModelHashes.Compute(catalog.ResolveGenerator(request.Model.Id!)).Identity;
            string? scorer = Plugin(request) ?? (request.Search.Scorer == ScorerSource.None ? null : ModelHashes.Compute(catalog.ResolveScorer(request.Search.Scorer!)).Identity);
            return Key(request, generator, scorer);
        }
        catch (ModelFolderException)
        {
            // The run says it better.
            return null;
        }
    }

    private string? Plugin(ImageRequest request) => scorers.Registered(request.Search.Scorer) is { } plugin ? plugin.Descriptor.ToString() : null;

    private string Key(ImageRequest request, string? generator, string? scorer) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\n',
        request.ComputeSha256(),
        ImagePipeline.Software,
        store.Runtime,
        FormattableString.Invariant($"{store.Threads} {options.Plan.BatchedGuidance} {options.Plan.CandidatesPerRun}"),
        generator,
        scorer))));
}
