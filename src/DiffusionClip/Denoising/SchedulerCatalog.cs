using System.Text.Json;

namespace DiffusionClip.Denoising;

/// <summary>A sampler as users know it.</summary>
/// <param name="Label">The A1111 label, e.g. <c>DPM++ 2M SDE</c>, or the class's plain name where A1111 has none.</param>
/// <param name="ClassName">The diffusers class, e.g. <c>DPMSolverMultistepScheduler</c>.</param>
/// <param name="Aliases">Names that other programs use: k-diffusion, ComfyUI, InvokeAI.</param>
/// <param name="Options">Options of the class that the label stands for, by their JSON names.</param>
public sealed record SchedulerDescriptor(
    string Label, string ClassName, IReadOnlyList<string> Aliases, IReadOnlyDictionary<string, JsonElement> Options);

/// <summary>A name resolved: which class, and which options the name stands for.</summary>
/// <param name="ClassName">The diffusers class.</param>
/// <param name="Options">Options that the name implies; a value of null means: turn it off where the class has it.</param>
public sealed record ResolvedScheduler(string ClassName, IReadOnlyDictionary<string, JsonElement> Options);

/// <summary>
/// All schedulers by all their names; and the way from a folder's configuration, a name and options to a <see cref="SchedulerConfig"/>.
/// </summary>
public static class SchedulerCatalog
{
    /// <summary>What there is, in the order of a menu.</summary>
    public static IReadOnlyList<SchedulerDescriptor> All => SamplerNames.All;

    /// <summary>
    /// Which class and options a name stands for: A1111's labels (old ones with their schedule type, too), aliases of k-diffusion,
    /// ComfyUI and InvokeAI, class names. Case does not matter.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <exception cref="InvalidRequestException">
    /// The name is unknown, or diffusers has nothing like it; the message names the nearest.
    /// </exception>
    public static ResolvedScheduler Resolve(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return SamplerNames.Resolve(name);
    }

    /// <summary>
    /// The configuration of a run: the folder's, moved to another class where a name asks for one, with options laid over it.
    /// Keys that both classes have keep the folder's values, all others get the new class's defaults, as diffusers'
    /// <c>from_config</c> does.
    /// </summary>
    /// <param name="folderConfig">
    /// The folder's <c>scheduler_config.json</c>; numbers may be text, which is what the bare <c>Infinity</c> and <c>NaN</c> that Python
    /// writes become in JSON. An undefined element: none.
    /// </param>
    /// <param name="schedulerName">Any name that <see cref="Resolve"/> knows; null: the folder's own class.</param>
    /// <param name="overrides">Options by their JSON names; they win over the name's and the folder's.</param>
    /// <exception cref="InvalidRequestException">A name, key or value cannot be used; the message names it and what could.</exception>
    public static SchedulerConfig Configure(
        JsonElement folderConfig, string? schedulerName, IReadOnlyDictionary<string, JsonElement>? overrides) =>
        SchedulerMerge.Configure(folderConfig, schedulerName, overrides);

    /// <summary>What A1111 would call a configuration.</summary>
    /// <param name="config">The configuration.</param>
    public static SchedulerReport Label(SchedulerConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return SamplerNames.Label(config);
    }
}
