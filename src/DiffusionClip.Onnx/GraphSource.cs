namespace DiffusionClip.Onnx;

/// <summary>Where a session's graph comes from: a file, or bytes that were made of one. Immutable.</summary>
internal sealed record GraphSource
{
    private GraphSource(string path, byte[]? bytes)
    {
        Path = path;
        Bytes = bytes;
    }

    /// <summary>Path of the graph; of rewritten bytes that of the file they were made of, beside which their external data lies.</summary>
    public string Path { get; }

    /// <summary>The rewritten graph; null: the file's own.</summary>
    public byte[]? Bytes { get; }

    /// <summary>A graph as its file has it.</summary>
    public static GraphSource OfFile(string path) => new(path, null);

    /// <summary>A graph that was made of a file's.</summary>
    /// <param name="path">The file, for errors, and for the external data that the bytes still refer to.</param>
    /// <param name="bytes">The graph, below 2 GiB; weights beyond that stay in external data.</param>
    public static GraphSource Rewritten(string path, byte[] bytes) => new(path, bytes);
}
