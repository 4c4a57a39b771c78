namespace DiffusionClip.Worker.Tests;

/// <summary>Tests that measure the process, or load the machine at the other tests' loss.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
