namespace DiffusionClip.Runtime;

/// <summary>The execution provider that runs a model.</summary>
/// <param name="Name"><c>cpu</c>, <c>dml</c> or <c>cuda</c>.</param>
/// <param name="FallbackReason">
/// Why <c>auto</c> did not take a faster one, for the report's warnings; null if it did or was not asked.
/// </param>
public sealed record ProviderInUse(string Name, string? FallbackReason = null);
