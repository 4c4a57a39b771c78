using System.Collections.Concurrent;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Tests;

/// <summary>Artefacts in memory, for tests of what is done with pictures before they are kept.</summary>
internal sealed class MemoryArtifacts : IArtifactStore
{
    private readonly ConcurrentDictionary<string, Artifact> _files = new();
    private readonly ConcurrentDictionary<(string, string), bool> _owners = new();

    public int Count => _files.Count;

    public Task<string> PutAsync(ReadOnlyMemory<byte> content, string mediaType, CancellationToken cancellationToken = default)
    {
        string name = OriginRequest.NameOf(content.Span);
        _files[name] = new Artifact(name, mediaType, content);
        return Task.FromResult(name);
    }

    public Task RequireDiskAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    public Task<Artifact?> FindAsync(string sha256, CancellationToken cancellationToken = default) =>
        Task.FromResult(_files.GetValueOrDefault(sha256));

    public bool IsVisible(string caller, string sha256) => _owners.ContainsKey((caller, sha256));

    public Task OwnAsync(string caller, string sha256)
    {
        _owners[(caller, sha256)] = true;
        return Task.CompletedTask;
    }
}
