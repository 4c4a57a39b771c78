using System.CommandLine;

namespace DiffusionClip.Cli.Verbs;

/// <summary>The flags that verbs share which score pictures that exist.</summary>
internal sealed class ScoringFlags
{
    /// <summary>The providers that may be named.</summary>
    public static readonly string[] Providers = ["auto", "cpu", "dml", "cuda"];

    public Option<string?> Scorer { get; } = new("--scorer") { HelpName = "NAME", Description = "CLIP or SigLIP that scores: a name (dclip models), the path of a folder, or org/name[@revision] of the Hugging Face cache, with #q4f16 and the like for one of several precisions. Default: the one that goes with the default generator." };

    public Option<string?> Provider { get; } = new("--provider") { HelpName = "auto|cpu|dml|cuda", Description = "Execution provider. Default: auto." };

    public Option<string?> LongText { get; } = new("--long-text") { HelpName = "truncate|windows-mean", Description = "What happens to text beyond the scorer's limit: dropped, or read in windows whose mean stands for it. Such scores do not compare. Default: truncate." };

    public Option<bool> NoCache { get; } = new("--no-cache") { Description = "Do not keep embeddings of pictures in the user's cache folder." };

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

    /// <summary>Leases what the flags ask for.</summary>
    public Task<PictureScoring> OpenAsync(IServiceProvider services, ParseResult parse, CancellationToken cancellationToken)
    {
        string? provider = parse.GetValue(Provider);
        if (provider is not null && !Providers.Contains(provider, StringComparer.OrdinalIgnoreCase))
        {
            throw new InvalidRequestException("provider", provider, $"known are {string.Join(", ", Providers)}");
        }

        return PictureScoring.OpenAsync(services, parse.GetValue(Scorer), provider?.ToLowerInvariant(), ReadLongText(parse.GetValue(LongText)), !parse.GetValue(NoCache), cancellationToken);
    }
}
