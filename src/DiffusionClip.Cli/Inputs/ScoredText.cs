using DiffusionClip.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Inputs;

/// <summary>Texts that pictures are scored against.</summary>
internal static class ScoredText
{
    /// <summary>Refuses what no tokenizer should see.</summary>
    /// <param name="field">What the text is.</param>
    /// <param name="text">The text.</param>
    /// <param name="services">The program; its limits count.</param>
    /// <returns>The text.</returns>
    /// <exception cref="InvalidRequestException">It is too long or no valid Unicode.</exception>
    public static string Check(string field, string text, IServiceProvider services) =>
        RequestChecks.Check(field, text, services.GetRequiredService<DiffusionClipOptions>().Limits.PromptLength);
}
