namespace DiffusionClip.Denoising;

/// <summary>
/// The settings of one scheduler, as <c>scheduler_config.json</c> holds them: property names are the file's keys in .NET casing,
/// defaults are those of diffusers. Immutable; <see cref="SchedulerCatalog"/> makes them.
/// </summary>
public abstract record SchedulerConfig
{
    /// <summary>The class name as diffusers writes it to <c>_class_name</c>, e.g. <c>EulerDiscreteScheduler</c>.</summary>
    public abstract string ClassName { get; }

    /// <summary>Builds the plan of one run.</summary>
    /// <param name="request">Steps, where to begin, and the settings of single steps.</param>
    /// <exception cref="InvalidRequestException">The request or an option cannot be used; the message names it.</exception>
    public abstract IScheduler Build(ScheduleRequest request);
}
