using DiffusionClip.Collections;

namespace DiffusionClip.Models.Graphs;

/// <summary>
/// What an ONNX file says of itself without a runtime: files of external data, operator domains, precision, metadata.
/// </summary>
internal sealed class OnnxGraphFile : OnnxGraphWalker
{
    // Domains whose operators are part of ONNX Runtime; any other needs a library that the model names, which is never loaded.
    private static readonly HashSet<string> KnownDomains = new(StringComparer.Ordinal)
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "com.microsoft",
        "com.microsoft.nchwc",
        "com.microsoft.experimental",
        "com.microsoft.dml",
        "com.ms.internal.nhwc",
        "org.pytorch.aten",
        "pkg.onnxscript.torch_lib",
    };

    private const int MostMetadata = 1024;
    internal const int MostKnown = 256;

    // Every request opens its folders anew; a graph that has not changed is not read again as long as it is remembered.
    private static readonly BoundedCache<(string Path, long Length, long Written), OnnxGraphFile> Known = new(MostKnown);

    /// <summary>Graphs remembered now.</summary>
    internal static int KnownNow => Known.Count;

    private readonly string _path;
    private readonly HashSet<string> _external = new(StringComparer.Ordinal);
    private readonly HashSet<string> _domains = new(StringComparer.Ordinal);
    private readonly HashSet<string> _functionDomains = new(StringComparer.Ordinal);
    private readonly HashSet<string> _halfWeights = new(StringComparer.Ordinal);
    private bool _halfComputed;
    private bool _quantized;
    private string _producer = "", _producerVersion = "";
    private long _irVersion;
    private readonly SortedDictionary<string, long> _opsets = new(StringComparer.Ordinal);
    private readonly List<(string Name, long[] Sizes)> _inputs = [];
    private readonly HashSet<string> _weights = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private readonly Stack<List<string>> _uses = new();
    private int _nodes;

    private OnnxGraphFile(string path) => _path = path;

    /// <summary>Files beside the graph that hold weights, by path relative to the graph's folder, with <c>/</c>.</summary>
    public IReadOnlyCollection<string> ExternalData => _external;

    /// <summary><c>float32</c>, <c>float16</c> (weights not merely stored so and cast), or <c>int8</c>.</summary>
    public string Precision => _quantized ? "int8" : _halfComputed ? "float16" : "float32";

    /// <summary>What the graph says of itself.</summary>
    /// <param name="name">Its path in the model's folder.</param>
    public GraphFacts Facts(string name)
    {
        string folder = Path.GetDirectoryName(_path)!;
        long data = _external.Sum(file => new FileInfo(Path.Combine(folder, file)).Length);
        return new()
        {
            File = name,
            Producer = $"{_producer} {_producerVersion}".Trim(),
            IrVersion = _irVersion,
            Opsets = _opsets,
            Precision = Precision,
            StoredPrecision = Precision == "float32" && _halfWeights.Count > 0 ? "float16" : Precision,
            Nodes = _nodes,
            ExternalData = [.. _external.Order(StringComparer.Ordinal)],
            Bytes = new FileInfo(_path).Length + data,
            Metadata = _metadata,
        };
    }

    /// <summary>A fixed size of the only input of a rank; null where there is none, or several, or the size is free.</summary>
    public int? FixedSize(int rank, int axis) =>
        _inputs.Where(input => input.Sizes.Length == rank && !_weights.Contains(input.Name)).Select(input => input.Sizes[axis]).ToArray()
            is [> 0 and <= int.MaxValue and var size] ? (int)size : null;

    /// <summary>Reads a graph's structure and checks what it refers to.</summary>
    /// <param name="path">The graph.</param>
    /// <param name="folder">The model's folder, which external data must not leave.</param>
    /// <exception cref="ModelFolderException">
    /// Not a graph, cut off, with foreign operators, or with external data that is missing or leads out of the folder.
    /// </exception>
    public static OnnxGraphFile Read(string path, string folder)
    {
        ModelFile.CheckGraph(path);
        OnnxGraphFile file;
        try
        {
            // A link's own length and time say nothing of the file behind it.
            var info = new FileInfo(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path);
            file = Known.GetOrAdd((path, info.Length, info.LastWriteTimeUtc.Ticks), _ => Parse(path));
        }
        catch (EndOfStreamException exception)
        {
            throw new ModelFolderException(
                path,
                "cut off or damaged: a part of the graph reaches beyond the end of the file; download it again",
                exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }

        foreach (string data in file._external)
        {
            file.CheckExternal(data, folder);
        }

        return file;
    }

    private static OnnxGraphFile Parse(string path)
    {
        var file = new OnnxGraphFile(path);
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 14);
        if (!file.WalkModel(new ProtobufCursor(stream)))
        {
            throw new ModelFolderException(path, "holds no graph; expected an ONNX model");
        }

        file.CheckDomains();
        return file;
    }

    protected override void OnModelField(int field, ProtobufCursor model)
    {
        switch (field)
        {
            case 1:
                _irVersion = (long)model.Number();
                break;
            case 2:
                _producer = Printable(model.Text());
                break;
            case 3:
                _producerVersion = Printable(model.Text());
                break;
            case 8:
                ReadOpset(model.Message());
                break;
            case 14 when _metadata.Count < MostMetadata:
                if (ReadEntry(model.Message()) is ({ } key, { } value))
                {
                    _metadata[key] = value;
                }

                break;
            default:
                model.Skip();
                break;
        }
    }

    // Nodes are written before the weights they use, so which half-precision weights are used is known only afterwards.
    protected override void OnGraph() => _uses.Push([]);

    protected override void OnGraphEnd() =>
        _halfComputed |= _uses.Pop() is var uses && _halfWeights.Count > 0 && uses.Any(_halfWeights.Contains);

    protected override void OnFunctionDomain(string domain) => _functionDomains.Add(domain);

    protected override void OnNode(OnnxNode node)
    {
        _nodes++;
        _domains.Add(node.Domain);
        string operation = node.Operation;
        if (operation == "EPContext")
        {
            // Its attribute may name a compiled binary for the provider to load.
            throw new ModelFolderException(_path, "holds an EPContext node, which names a compiled binary; expected a plain ONNX graph");
        }

        if (operation != "Cast" && _uses.TryPeek(out List<string>? uses))
        {
            uses.AddRange(node.Inputs);
        }

        _quantized |= operation.Contains("Quantize", StringComparison.Ordinal) || operation.EndsWith("Integer", StringComparison.Ordinal)
            || operation.StartsWith("QLinear", StringComparison.Ordinal) || operation == "MatMulNBits";
    }

    protected override void OnTensor(OnnxTensor tensor, bool isInitializer)
    {
        if (tensor.External?.GetValueOrDefault("location") is { } location)
        {
            _external.Add(location);
        }

        if (isInitializer && IsMain)
        {
            _weights.Add(tensor.Name);
        }

        if (tensor.Type is OnnxTensor.Half or OnnxTensor.Brain && tensor.Name.Length > 0)
        {
            _halfWeights.Add(tensor.Name);
        }
    }

    // ValueInfoProto: name, and type.tensor_type.shape.dim[].dim_value.
    protected override void OnInput(ProtobufCursor input)
    {
        string name = "";
        var sizes = new List<long>();
        while (input.Next(out int field))
        {
            if (field == 1)
            {
                name = input.Text();
            }
            else if (field == 2)
            {
                ReadEach(input.Message(), 1, tensor => ReadEach(tensor, 2, shape => ReadEach(shape, 1, dimension =>
                {
                    sizes.Add(0);
                    while (dimension.Next(out int part))
                    {
                        sizes[^1] = part == 1 ? (long)dimension.Number() : sizes[^1];
                        if (part != 1)
                        {
                            dimension.Skip();
                        }
                    }
                })));
            }
            else
            {
                input.Skip();
            }
        }

        _inputs.Add((name, [.. sizes]));
    }

    private void ReadOpset(ProtobufCursor opset)
    {
        string domain = "";
        long version = 0;
        while (opset.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    domain = Printable(opset.Text());
                    break;
                case 2:
                    version = (long)opset.Number();
                    break;
                default:
                    opset.Skip();
                    break;
            }
        }

        _opsets[domain.Length == 0 ? "ai.onnx" : domain] = version;
    }

    private void CheckDomains()
    {
        foreach (string domain in _domains)
        {
            if (!KnownDomains.Contains(domain) && !_functionDomains.Contains(domain))
            {
                throw new ModelFolderException(
                    _path,
                    $"uses operators of the domain '{domain}', which no library here brings; expected standard ONNX operators");
            }
        }
    }

    private void CheckExternal(string data, string folder)
    {
        if (data.Length == 0 || Path.IsPathRooted(data) || data.AsSpan().IndexOfAny('\\', ':') >= 0 || data.Split('/').Contains(".."))
        {
            throw new ModelFolderException(_path, $"its external data '{Printable(data)}' leads out of the folder; refused");
        }

        string path = Path.Combine(Path.GetDirectoryName(_path)!, data);
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new ModelFolderException(path, $"missing; {Path.GetFileName(_path)} keeps its weights there");
        }

        if (!RegularFile.Is(path))
        {
            throw new ModelFolderException(path, "not a regular file; refused");
        }

        string target = Canonical(path), root = Canonical(folder);
        if (!target.StartsWith(root + Path.DirectorySeparatorChar, StringComparison.Ordinal) && !IsHubBlob(target, root))
        {
            throw new ModelFolderException(path, "a link that leads out of the folder; refused");
        }

        // A second name of a file may lie anywhere, and nothing says where.
        if (RegularFile.LinkCount(target) is > 1 and var links)
        {
            throw new ModelFolderException(
                path,
                $"a hard link ({links} names of one file), which may lead out of the folder; refused; copy the file in its place");
        }
    }

    // The Hugging Face cache keeps files as models--org--name/blobs/<hash> and links to them from …/snapshots/<revision>/.
    private static bool IsHubBlob(string target, string root)
    {
        for (string? folder = Path.GetDirectoryName(root); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (Path.GetFileName(folder) == "snapshots" && Path.GetDirectoryName(folder) is { } repository)
            {
                return Path.GetFileName(repository).StartsWith("models--", StringComparison.Ordinal)
                    && Path.GetDirectoryName(target) == Path.Combine(repository, "blobs");
            }
        }

        return false;
    }

    // Resolves the links of every part of a path.
    private static string Canonical(string path)
    {
        string full = Path.GetFullPath(path);
        string resolved = Path.GetPathRoot(full)!;
        foreach (string part in full[resolved.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(resolved, part);
            FileSystemInfo info = Directory.Exists(next) ? new DirectoryInfo(next) : new FileInfo(next);
            FileSystemInfo? target = info.LinkTarget is null ? null : info.ResolveLinkTarget(returnFinalTarget: true);
            resolved = target is null ? next : Canonical(target.FullName);
        }

        return resolved;
    }

    internal static string Printable(string text) => new([.. text.Take(80).Select(c => char.IsControl(c) ? '\uFFFD' : c)]);
}
