using System.CommandLine;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

/// <summary>The flags that verbs share which score pictures that exist.</summary>
internal sealed class ScoringFlags
{
    /// <summary>The providers that may be named.</summary>
    public static readonly string[] Providers = ["auto", "cpu", "dml", "cuda"];

    /// <summary>The ways to combine scores that may be named.</summary>
    public static readonly string[] Combinations = ["weighted-sum", "standard-scores", "mean-rank"];

    public Option<string?> Scorer { get; } =
        new("--scorer")
        {
            HelpName = "NAME",
            Description =
                "Scorer: a CLIP or SigLIP by name (dclip models), by the path of its folder, or as org/name[@revision] of the Hugging Face "
                + "cache, with #q4f16 and the like for one of several precisions; or a registered scorer. Several with weights: a=1,b=0.5; 0 watches. "
                + "Default: the one that goes with the default generator.",
        };

    /// <summary>How several scores become one; of verbs that rank.</summary>
    public static Option<string?> CombineFlag() => new("--combine")
    {
        HelpName = string.Join('|', Combinations),
        Description =
            "How the scores of several scorers become one: their weighted sum (of scores on one scale), the weighted sum of their "
            + "standard scores, or the weighted mean of their ranks. Default: weighted-sum.",
    };

    public Option<string?> Provider { get; } =
        new("--provider") { HelpName = "auto|cpu|dml|cuda", Description = "Execution provider. Default: auto." };

    public Option<string?> LongText { get; } =
        new("--long-text")
        {
            HelpName = "truncate|windows-mean",
            Description = "What happens to text beyond the scorer's limit: dropped, or read in windows whose mean stands for it. "
                + "Such scores do not compare. Default: truncate.",
        };

    public Option<bool> NoCache { get; } =
        new("--no-cache") { Description = "Do not keep embeddings of pictures in the user's cache folder." };

    /// <summary>Adds the flags to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(Scorer);
        command.Add(Provider);
        command.Add(LongText);
        command.Add(NoCache);
    }

    /// <summary>A policy by its name; null is the default.</summary>
    public static LongTextPolicy ReadLongText(string? text) => text?.ToLowerInvariant() switch
    {
        null or "truncate" => LongTextPolicy.Truncate,
        "windows-mean" => LongTextPolicy.WindowsMean,
        _ => throw new InvalidRequestException("long_text", text, "known are truncate, windows-mean"),
    };

    /// <summary>A combination by its name; null is the default.</summary>
    public static ScoreCombination? ReadCombination(string? text) => text?.ToLowerInvariant() switch
    {
        null => null,
        "weighted-sum" => ScoreCombination.WeightedSum,
        "standard-scores" => ScoreCombination.StandardScores,
        "mean-rank" => ScoreCombination.MeanRank,
        _ => throw new InvalidRequestException("combination", text, $"known are {string.Join(", ", Combinations)}"),
    };

    /// <summary>Leases what the flags ask for.</summary>
    /// <param name="services">The program.</param>
    /// <param name="parse">The command line.</param>
    /// <param name="search">What else is asked of the scorers.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public Task<PictureScoring> OpenAsync(
        IServiceProvider services, ParseResult parse, SearchRequest search, CancellationToken cancellationToken)
    {
        string? provider = parse.GetValue(Provider);
        if (provider is not null && !Providers.Contains(provider, StringComparer.OrdinalIgnoreCase))
        {
            throw new InvalidRequestException("provider", provider, $"known are {string.Join(", ", Providers)}");
        }

        return PictureScoring.OpenAsync(
            services.GetRequiredService<ScorerCatalog>(),
            services.GetRequiredService<IImageCodec>(),
            CliContext.Limits(services),
            search with { Scorer = parse.GetValue(Scorer), LongText = ReadLongText(parse.GetValue(LongText)) },
            provider?.ToLowerInvariant(),
            parse.GetValue(NoCache) ? null : CliContext.CacheFolder(services.GetRequiredService<DiffusionClipOptions>()),
            cancellationToken);
    }
}
