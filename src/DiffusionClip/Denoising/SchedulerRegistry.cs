using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using DiffusionClip.Denoising.Schedulers;
using DiffusionClip.Naming;

namespace DiffusionClip.Denoising;

/// <summary>The scheduler classes that this build has, by the names that diffusers gives them. Case does not matter.</summary>
internal static class SchedulerRegistry
{
    private static readonly Func<SchedulerConfig>[] _classes =
    [
        () => new DdimConfig(),
        () => new DdpmConfig(),
        () => new DeisMultistepConfig(),
        () => new DpmSolverMultistepConfig(),
        () => new DpmSolverSinglestepConfig(),
        () => new EdmDpmSolverMultistepConfig(),
        () => new EdmEulerConfig(),
        () => new EulerAncestralDiscreteConfig(),
        () => new EulerDiscreteConfig(),
        () => new FlowMatchEulerDiscreteConfig(),
        () => new FlowMatchHeunDiscreteConfig(),
        () => new HeunDiscreteConfig(),
        () => new IpndmConfig(),
        () => new Kdpm2AncestralDiscreteConfig(),
        () => new Kdpm2DiscreteConfig(),
        () => new LcmConfig(),
        () => new LmsDiscreteConfig(),
        () => new PndmConfig(),
        () => new SASolverConfig(),
        () => new TcdConfig(),
        () => new UniPCMultistepConfig(),
    ];

    private static readonly FrozenDictionary<string, SchedulerClass> _byName = _classes
        .Select(create => (Create: create, Config: create()))
        .ToFrozenDictionary(
            entry => entry.Config.ClassName,
            entry => new SchedulerClass(entry.Config.ClassName, [.. SchedulerOptions.Of(entry.Config.GetType()).Keys], entry.Create),
            StringComparer.OrdinalIgnoreCase);

    /// <summary>The names of all classes, in ordinal order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. _byName.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The options that any class has, by their JSON names.</summary>
    public static FrozenSet<string> AllOptions { get; } =
        _byName.Values.SelectMany(entry => entry.Options).ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Whether there is such a class.</summary>
    public static bool Contains(string className) => _byName.ContainsKey(className);

    /// <summary>The class of a name.</summary>
    public static bool TryGet(string className, [NotNullWhen(true)] out SchedulerClass? found) => _byName.TryGetValue(className, out found);

    /// <summary>The class of a name that the program itself wrote.</summary>
    /// <exception cref="InvalidOperationException">There is no such class: the name is mistyped in this program.</exception>
    public static SchedulerClass Get(string className) => TryGet(className, out SchedulerClass? found)
        ? found
        : throw new InvalidOperationException(
            $"{className} is no scheduler of this build; nearest is {Suggestions.Nearest(className, Names)}.");
}

/// <summary>A scheduler class.</summary>
/// <param name="Name">As diffusers writes it to <c>_class_name</c>.</param>
/// <param name="Options">Its options by their JSON names, in ordinal order.</param>
/// <param name="Create">Makes a configuration with the class's defaults.</param>
internal sealed record SchedulerClass(string Name, IReadOnlyList<string> Options, Func<SchedulerConfig> Create);
