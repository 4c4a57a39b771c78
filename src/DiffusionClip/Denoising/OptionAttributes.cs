namespace DiffusionClip.Denoising;

/// <summary>A further name that a value is read by.</summary>
[AttributeUsage(AttributeTargets.Field, AllowMultiple = true)]
internal sealed class OptionAliasAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}

/// <summary>Properties of a base that this configuration does not offer as options.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class WithoutOptionsAttribute(params string[] names) : Attribute
{
    /// <summary>The properties.</summary>
    public string[] Names { get; } = names;
}
