using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DiffusionClip.Cli.Inputs;
using DiffusionClip.Cli.Output;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

/// <summary>A file of prompts: a folder each, finished ones skipped, one failure does not end the others.</summary>
internal sealed class PromptsRun(CliContext context, IServiceProvider services, GenerateRun run, RunStyle style)
{
    /// <summary>Runs every prompt of a file that is not finished yet.</summary>
    /// <param name="file">The file.</param>
    /// <param name="flags">What a line does not say.</param>
    /// <param name="output">Where the folders are made.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(string file, ImageRequest flags, string output)
    {
        IReadOnlyList<PromptLine> prompts = PromptsFile.Read(file, flags);
        Check(file, prompts);
        int failures = 0, skipped = 0;
        for (int i = 0; i < prompts.Count && !context.Interruption.WasAsked; i++)
        {
            (int line, ImageRequest request) = prompts[i];
            string name = FolderName(i + 1, request);
            string folder = Path.GetFullPath(Path.Combine(output, name));
            if (File.Exists(Path.Combine(folder, RunFolder.ReportName)))
            {
                skipped++;
                Tell(new { line, folder, skipped = true }, $"{Paths.Shown(folder)}  finished before");
                continue;
            }

            try
            {
                string title = string.Create(CultureInfo.InvariantCulture, $"[{i + 1}/{prompts.Count}] {request.Prompt.Text}");
                GeneratedRun generated = await run.RunAsync(request, plan: null, output, name, title).ConfigureAwait(false);
                Tell(new { line, folder = generated.Folder, report = generated.WithPaths() }, Summary(generated));
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                failures++;
                string message = CliApplication.Describe(exception);
                context.Terminal.Fail($"{PromptsFile.At(file, line)}: {message}");
                Tell(new { line, error = message }, null);
                if (exception is InvalidRequestException { Field: "output" })
                {
                    // The others would fail alike.
                    throw;
                }
            }
        }

        if (context.Interruption.WasAsked)
        {
            return ExitCodes.Interrupted;
        }

        if (!style.Quiet && !style.Json)
        {
            context.Terminal.Say(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{prompts.Count} prompts: {prompts.Count - skipped - failures} painted, {skipped} finished before, {failures} failed")
            );
        }

        return failures > 0 ? ExitCodes.Failure : ExitCodes.Success;
    }

    /// <summary>Every line is judged before the first one runs: a typing error in the last line shows at once, not after an hour.</summary>
    private void Check(string file, IReadOnlyList<PromptLine> prompts)
    {
        ImagePipeline pipeline = services.GetRequiredService<ImagePipeline>();
        foreach (PromptLine prompt in prompts)
        {
            context.Interruption.Abort.ThrowIfCancellationRequested();
            try
            {
                pipeline.Prepare(prompt.Request, run.Images);
            }
            catch (InvalidRequestException exception)
            {
                throw new InvalidRequestException(
                    $"{PromptsFile.At(file, prompt.Line)}: {exception.Field}",
                    exception.Value,
                    exception.Remedy);
            }
            catch (DiffusionClipException exception)
            {
                throw new DiffusionClipException($"{PromptsFile.At(file, prompt.Line)}: {exception.Message}", exception);
            }
        }
    }

    /// <summary>The same line always gives the same folder: index, words, and a hash of the request as asked.</summary>
    private static string FolderName(int index, ImageRequest request)
    {
        string hash = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(request, DiffusionClipJson.Compact)))[
            ..8
        ];
        return string.Create(CultureInfo.InvariantCulture, $"{index:0000}-{RunFolder.Slug(request.Prompt.Text)}-{hash}");
    }

    private static string Summary(GeneratedRun generated)
    {
        CandidateReport best = generated.Ranked.Best!.Candidate;
        string score = best.Score is { } value ? string.Create(CultureInfo.InvariantCulture, $", score {value:0.0000}") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{Paths.Shown(generated.Folder)}  best: seed {best.Seed}{score}");
    }

    private void Tell(object json, string? line)
    {
        if (style.Json)
        {
            context.Terminal.Out.WriteLine(JsonSerializer.Serialize(json, DiffusionClipJson.Compact));
        }
        else if (!style.Quiet && line is not null)
        {
            context.Terminal.Out.WriteLine(line);
        }
    }
}
