using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;

namespace DiffusionClip.Selection.Snapshots;

/// <summary>What has to be the same for a run to go on in the same bits: named values, compared in order.</summary>
internal sealed class RunIdentity
{
    private readonly (string Name, string Value)[] _parts;

    private RunIdentity((string Name, string Value)[] parts) => _parts = parts;

    /// <summary>The identity of a run.</summary>
    /// <param name="request">The normalized request.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="models">
    /// Models by their role and id, with their SHA-256, and scorers that are no models, with what they say of themselves.
    /// </param>
    public RunIdentity(ImageRequest request, ExecutionPlan plan, IEnumerable<(string Name, string Value)> models)
        : this([
            ("request", request.ComputeSha256()),
            ("build", ImagePipeline.Software),
            ("machine", Machine),
            ("plan", JsonSerializer.Serialize(plan, DiffusionClipJson.Compact)),
            .. models,
        ])
    {
    }

    // Sums of vectors differ with their width, functions like exp with the framework.
    private static string Machine { get; } =
        FormattableString.Invariant(
            $"{RuntimeInformation.ProcessArchitecture}, vectors of {(Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128)} bits, {RuntimeInformation.FrameworkDescription}"
        );

    /// <summary>The identity of a run on leased models; completes when they are hashed.</summary>
    public static async Task<RunIdentity> OfAsync(
        ImageRequest request,
        ExecutionPlan plan,
        GeneratorLease generator,
        ScorerSet scorers,
        IReadOnlyList<IStepHook> hooks)
    {
        ModelHashes hashes = await generator.Hashes.ConfigureAwait(false);
        var models = new List<(string, string)> { ($"generator {generator.Folder.Id}", hashes.Identity) };
        foreach (ScorerLease scorer in scorers.Entries)
        {
            models.Add(($"scorer {scorer.Request.Id}", await scorer.IdentityAsync().ConfigureAwait(false)));
        }

        models.AddRange(hooks.Select((hook, i) => (FormattableString.Invariant($"hook {i + 1}"), hook.Identity)));

        return new(request, plan, models);
    }

    /// <summary>Why a run of the other identity cannot go on here; null if it can.</summary>
    public string? DifferenceFrom(RunIdentity written)
    {
        for (int i = 0; i < Math.Max(_parts.Length, written._parts.Length); i++)
        {
            (string Name, string Value)? here = i < _parts.Length ? _parts[i] : null,
                there = i < written._parts.Length ? written._parts[i] : null;
            if (here != there)
            {
                return here?.Name == there?.Name
                    ? $"it is of another {here!.Value.Name}: {there!.Value.Value}, here {here.Value.Value}"
                    : $"it has {Describe(there)}, here is {Describe(here)}";
            }
        }

        return null;

        static string Describe((string Name, string Value)? part) =>
            part is { } given ? $"{given.Name} ({given.Value})" : "no further model";
    }

    public void Write(SnapshotWriter writer)
    {
        writer.Write(_parts.Length);
        foreach ((string name, string value) in _parts)
        {
            writer.WriteText(name);
            writer.WriteText(value);
        }
    }

    public static RunIdentity Read(SnapshotReader reader)
    {
        var parts = new (string, string)[reader.ReadCount(2, "parts of the identity")];
        foreach (ref (string Name, string Value) part in parts.AsSpan())
        {
            part = (reader.ReadText() ?? "", reader.ReadText() ?? "");
        }

        return new(parts);
    }
}
