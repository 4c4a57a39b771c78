using System.Security.Cryptography;
using System.Text;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs.Running;

/// <summary>Answers a generation from the caller's own earlier one: same normalized request, same plan, same models to the last byte.</summary>
internal sealed class ResultCache(JobLedger ledger, ArtifactStore artifacts, ModelCatalog catalog, ScorerCatalog scorers, IModelStore store, PipelineOptions options)
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
            || report.Scorers.Count != (request.Search.Scorers?.Count ?? 0))
        {
            return null;
        }

        Dictionary<string, string> clips = report.Models.Where(model => model.Role == "scorer").ToDictionary(model => model.Id, model => model.Sha256, StringComparer.Ordinal);
        string? generator = report.Models.FirstOrDefault(model => model.Role == "generator")?.Sha256;
        return Key(request, generator, Scorers(request, id => clips.GetValueOrDefault(id)));
    }

    private string? KeyBefore(ImageRequest request)
    {
        try
        {
            string generator = ModelHashes.Compute(catalog.ResolveGenerator(request.Model.Id!)).Identity;
            return Key(request, generator, Scorers(request, id => ModelHashes.Compute(catalog.ResolveScorer(id)).Identity));
        }
        catch (ModelFolderException)
        {
            // The run says it better.
            return null;
        }
    }

    /// <summary>What the scores of each scorer depend on.</summary>
    private string Scorers(ImageRequest request, Func<string, string?> clip) => string.Join(
        '\n',
        (request.Search.Scorers ?? []).Select(scorer => scorers.FindRegistered(scorer.Id) is { } plugin ? ScorerLease.IdentityOf(plugin.Descriptor) : clip(scorer.Id)));

    private string Key(ImageRequest request, string? generator, string scorers) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\n',
        request.ComputeSha256(),
        ImagePipeline.Software,
        store.Runtime,
        FormattableString.Invariant($"{store.Threads} {options.Plan.BatchedGuidance} {options.Plan.CandidatesPerRun}"),
        generator,
        scorers))));
}
