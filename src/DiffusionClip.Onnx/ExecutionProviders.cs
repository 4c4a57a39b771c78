using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>
/// The execution providers and how one is chosen: one that is asked for by name and absent is an error, <c>auto</c> takes the fastest
/// there is and says why it fell back. DirectML and CUDA have not been tried by the authors: they are labelled untested.
/// </summary>
public static class ExecutionProviders
{
    /// <summary>The fastest provider there is.</summary>
    public const string Auto = "auto";

    /// <summary>The processor.</summary>
    public const string Cpu = "cpu";

    /// <summary>DirectML: any GPU under Windows. Untested.</summary>
    public const string DirectMl = "dml";

    /// <summary>CUDA: needs a build with the GPU package of ONNX Runtime. Untested.</summary>
    public const string Cuda = "cuda";

    // In the order in which auto tries them.
    private static readonly (string Name, string Runtime)[] Known =
        [(Cuda, "CUDAExecutionProvider"), (DirectMl, "DmlExecutionProvider"), (Cpu, "CPUExecutionProvider")];

    /// <summary>The providers that this build of ONNX Runtime has, fastest first; a device for them may still be missing.</summary>
    public static IReadOnlyList<string> Available()
    {
        // The call creates an environment where there is none, and that one would lack the pool of threads.
        _ = OrtEnv.IsCreated ? null : OnnxEnvironment.Current;
        string[] built = OrtEnv.Instance().GetAvailableProviders();
        return [.. Known.Where(provider => built.Contains(provider.Runtime, StringComparer.Ordinal)).Select(provider => provider.Name)];
    }

    /// <summary>The provider that a name stands for on this machine, tried by setting a session up for it.</summary>
    /// <param name="provider"><c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>.</param>
    /// <exception cref="InvalidRequestException">Not a provider's name.</exception>
    /// <exception cref="ExecutionProviderException">The provider was asked for by name and is not there.</exception>
    public static string Resolve(string provider) => Choose(
        provider,
        candidate =>
        {
            using var _ = OnnxSession.CreateOptions(candidate, OnnxEnvironment.Current);
        },
        Available()).Name;

    /// <summary>Checks a provider's name.</summary>
    /// <returns>The name in lower case.</returns>
    /// <exception cref="InvalidRequestException">Not a provider's name.</exception>
    internal static string Parse(string provider)
    {
        string name = provider.Trim().ToLowerInvariant();
        return name is Auto or Cpu or DirectMl or Cuda
            ? name
            : throw new InvalidRequestException("provider", provider, "give auto, cpu, dml or cuda");
    }

    /// <summary>Chooses a provider by trying to set sessions up for it.</summary>
    /// <param name="provider">Name of a provider, or <c>auto</c>.</param>
    /// <param name="trySetUp">
    /// Sets session options up for a provider; throws <see cref="OnnxRuntimeException"/> if its device is missing.
    /// </param>
    /// <param name="available">What the build has.</param>
    /// <exception cref="ExecutionProviderException">The provider was asked for by name and is not there.</exception>
    internal static ProviderInUse Choose(string provider, Action<string> trySetUp, IReadOnlyList<string> available)
    {
        string wanted = Parse(provider);
        string there = $"available are {string.Join(", ", available)}, and auto";
        if (wanted != Auto)
        {
            if (!available.Contains(wanted))
            {
                throw new ExecutionProviderException($"provider: '{wanted}' is not in this build of ONNX Runtime{Hint(wanted)}; {there}");
            }

            try
            {
                trySetUp(wanted);
                return new(wanted);
            }
            catch (Exception exception) when (IsMissingDevice(exception))
            {
                throw new ExecutionProviderException(
                    $"provider: '{wanted}' cannot be used on this machine ({FirstLine(exception)}); {there}",
                    exception);
            }
        }

        var reasons = new List<string>();
        foreach (string candidate in available)
        {
            try
            {
                trySetUp(candidate);
                string[] faster =
                [
                    .. Known
                        .TakeWhile(known => known.Name != candidate)
                        .Select(known => known.Name)
                        .Where(name => !available.Contains(name)),
                ];
                if (candidate == Cpu && faster.Length > 0)
                {
                    reasons.Insert(0, $"this build of ONNX Runtime has no {string.Join(" and no ", faster)}");
                }

                return new(candidate, reasons.Count > 0 ? $"provider auto fell back to {candidate}: {string.Join("; ", reasons)}" : null);
            }
            catch (Exception exception) when (candidate != Cpu && IsMissingDevice(exception))
            {
                reasons.Add($"{candidate} cannot be used on this machine ({FirstLine(exception)})");
            }
        }

        throw new ExecutionProviderException(
            $"provider: this build of ONNX Runtime has none that is known here; it has {string.Join(", ", OrtEnv.Instance().GetAvailableProviders())}"
        );
    }

    /// <summary>Sets session options up for a provider.</summary>
    internal static void SetUp(SessionOptions options, string provider)
    {
        switch (provider)
        {
            case DirectMl:
                // DirectML records whole command lists: neither reuse patterns nor parallel execution of operators.
                options.EnableMemoryPattern = false;
                options.ExecutionMode = ExecutionMode.ORT_SEQUENTIAL;
                options.AppendExecutionProvider_DML(0);
                break;
            case Cuda:
                options.AppendExecutionProvider_CUDA(0);
                break;
        }
    }

    private static bool IsMissingDevice(Exception exception) =>
        exception is OnnxRuntimeException or DllNotFoundException or EntryPointNotFoundException;

    private static string FirstLine(Exception exception) => exception.Message.ReplaceLineEndings("\n").Split('\n')[0];

    private static string Hint(string provider) => provider switch
    {
        DirectMl => " (DirectML comes with builds for Windows)",
        Cuda => " (CUDA needs the package Microsoft.ML.OnnxRuntime.Gpu in place of the CPU's)",
        _ => "",
    };
}
