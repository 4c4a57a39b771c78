using System.Globalization;
using System.Runtime.InteropServices;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;

namespace DiffusionClip.Verification;

/// <summary>
/// Loads a model folder, whatever it holds, and tries it: every graph on made-up inputs, then the model as a whole at the smallest size.
/// </summary>
/// <param name="catalog">Finds folders by name.</param>
/// <param name="store">Loads models.</param>
/// <param name="scorers">Leases scorers.</param>
/// <param name="pipeline">Paints.</param>
/// <param name="trials">Tries single graphs.</param>
public sealed class ModelVerifier(
    ModelCatalog catalog, IModelStore store, ScorerCatalog scorers, ImagePipeline pipeline, IGraphTrials trials)
{
    // Larger deviations than half precision explains.
    private const double SuspiciousDeviation = 0.05;

    private static readonly EnumerationOptions _threeDown = new() { RecurseSubdirectories = true, MaxRecursionDepth = 3 };

    /// <summary>Tries a model; what is wrong with it is in the report, not thrown.</summary>
    /// <param name="name">Name of a model, path of a folder, or <c>org/name</c> of the Hugging Face cache.</param>
    /// <param name="provider">
    /// <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>. Other than <c>cpu</c>: every graph runs on the CPU and on the device, and the
    /// results are compared.
    /// </param>
    /// <param name="duration">How long each graph is timed; null: a second.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ModelFolderException">There is no such folder.</exception>
    /// <exception cref="ExecutionProviderException">The provider is not there.</exception>
    public async Task<VerificationReport> VerifyAsync(
        string name, string provider = "cpu", TimeSpan? duration = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        provider = trials.Resolve(provider);
        VerificationMachine machine = Machine(provider);
        ModelFolder folder;
        try
        {
            folder = catalog.Resolve(name);
        }
        catch (ModelFolderException exception) when (FolderOf(name) is { } found)
        {
            return Unreadable(found, machine, exception);
        }

        try
        {
            var report = new VerificationReport
            {
                Model = folder.Id,
                Family = FolderFacts.FamilyOf(folder),
                Verdict = "",
                License = folder.License,
                Machine = machine,
                Facts = FolderFacts.Of(folder),
                Missing = [.. folder.Files.Where(file => !File.Exists(folder.PathOf(file)))],
                Without = [.. FolderFacts.Without(folder)],
                Graphs = folder.DescribeGraphs(),
            };
            TimeSpan each = duration ?? TimeSpan.FromSeconds(1);
            report = report with
            {
                Trials =
                [
                    .. report.Graphs.Select(graph =>
                        trials.Try(folder, graph.File, FolderFacts.SizesOf(folder, graph.File), provider, each, cancellationToken)),
                ],
            };
            List<VerificationCheck> checks = [.. report.Trials.SelectMany(Judge)];
            if (checks.TrueForAll(check => check.State != CheckState.Failed))
            {
                Task<List<VerificationCheck>> trial = folder is ClipFolder clip
                    ? new ScorerTrial(scorers).TryAsync(clip, provider, cancellationToken)
                    : new GeneratorTrial(pipeline).TryAsync((GeneratorFolder)folder, provider, cancellationToken);
                checks.AddRange(await trial.ConfigureAwait(false));
            }

            VerificationCheck? failed = checks.Find(check => check.State == CheckState.Failed);
            report = report with
            {
                Checks = checks,
                IsUsable = failed is null,
                Verdict = failed is null
                    ? $"can be used for {FolderFacts.UseOf(folder)}"
                    : $"cannot be used: {failed.Name}: {failed.Detail}",
            };
            return Posted(report, folder.Path);
        }
        catch (ModelFolderException exception)
        {
            return Unreadable(folder.Path, machine, exception) with { Model = folder.Id, Family = FolderFacts.FamilyOf(folder) };
        }
    }

    // Where there is no folder at all there is nothing to report on.
    private string? FolderOf(string name)
    {
        int variant = name.LastIndexOf('#');
        string bare = variant > 0 && !Directory.Exists(name) ? name[..variant] : name;
        return Directory.Exists(bare) ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(bare))
            : HubCache.IsName(bare) ? Found(() => catalog.Hub.Find(bare))
            : catalog.Roots.Select(root => Path.Combine(root, bare)).FirstOrDefault(Directory.Exists);

        static string? Found(Func<string?> find)
        {
            try
            {
                return find();
            }
            catch (ModelFolderException)
            {
                return null;
            }
        }
    }

    private VerificationReport Unreadable(string folder, VerificationMachine machine, ModelFolderException exception)
    {
        string[] files =
        [
            .. Directory.EnumerateFiles(folder, "*", _threeDown).Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/')),
        ];
        string[] graphs = [.. files.Where(file => file.EndsWith(".onnx", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Take(40)];
        string remedy = graphs.Length == 0 && files.Any(IsTorch)
            ? "; the folder holds PyTorch weights: export them to ONNX first, the README says how"
            : "";
        var report = new VerificationReport
        {
            Model = Path.GetFileName(folder),
            Verdict = $"cannot be used: {exception.Message}{remedy}",
            Machine = machine,
            Missing = MissingParts.Of(folder, files),
            Facts = graphs.Length > 0 ? new Dictionary<string, string> { ["graphs"] = string.Join(", ", graphs) } : [],
        };
        return Posted(report, folder);

        static bool IsTorch(string file) => Path.GetExtension(file) is ".safetensors" or ".bin" or ".ckpt";
    }

    private VerificationMachine Machine(string provider) => new()
    {
        Software = ImagePipeline.Software,
        Runtime = store.Runtime,
        System = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}",
        DotNet = RuntimeInformation.FrameworkDescription,
        Processors = Environment.ProcessorCount,
        Provider = provider,
        Providers = trials.Providers,
    };

    private static IEnumerable<VerificationCheck> Judge(GraphTrial trial)
    {
        if (trial.Failure is { } failure)
        {
            yield return VerificationCheck.Of(trial.File, CheckState.Failed, failure);
            yield break;
        }

        if (!trial.IsFinite)
        {
            yield return VerificationCheck.Of(
                trial.File, CheckState.Failed, "its outputs are not finite; a half-precision export may overflow, try the full one");
        }

        if (!trial.IsDeterministic)
        {
            yield return VerificationCheck.Of(
                trial.File, CheckState.Note, "the same inputs gave other bits the second time; pictures will not repeat exactly");
        }

        if (trial.LargestDeviation is > SuspiciousDeviation and var deviation)
        {
            yield return VerificationCheck.Of(
                trial.File,
                CheckState.Note,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the device deviates from the CPU by {deviation:0.0e0} of the largest number"));
        }
    }

    // What others may read: nothing of where it lies on this machine.
    private VerificationReport Posted(VerificationReport report, string folder)
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string Clean(string text)
        {
            (string Path, string Name)[] places =
                [(folder, "MODEL"), (catalog.Hub.Root, "HF_HUB_CACHE"), (Environment.CurrentDirectory, "."), (home, "~")];
            foreach ((string path, string name) in places)
            {
                text = path.Length > 1 ? text.Replace(path, name, StringComparison.Ordinal) : text;
            }

            return text;
        }

        return report with
        {
            Verdict = Clean(report.Verdict),
            Missing = [.. report.Missing.Select(Clean)],
            Trials = [.. report.Trials.Select(trial => trial with { Failure = trial.Failure is { } failure ? Clean(failure) : null })],
            Checks = [.. report.Checks.Select(check => check with { Detail = Clean(check.Detail) })],
        };
    }
}
