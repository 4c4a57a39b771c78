namespace DiffusionClip.Models.Graphs;

/// <summary>
/// Walks an ONNX file without a runtime (field numbers of onnx.proto): its graph, inner graphs and functions. Reads kilobytes: weights are
/// skipped, and where they lie is remembered. Derived classes pick what they need.
/// </summary>
internal abstract class OnnxGraphWalker
{
    // A tensor has a handful of axes; more numbers than this are an attack.
    private const int MostAxes = 64;

    private int _depth;

    /// <summary>
    /// Whether the node, tensor or input at hand belongs to the main graph itself, not to a graph in it or to a function.
    /// </summary>
    protected bool IsMain => _depth == 1;

    /// <summary>Walks a model.</summary>
    /// <returns>Whether it holds a graph.</returns>
    protected bool WalkModel(ProtobufCursor model)
    {
        bool found = false;
        while (model.Next(out int field))
        {
            switch (field)
            {
                case 7:
                    WalkGraph(model.Message());
                    found = true;
                    break;
                case 25:
                    WalkFunction(model.Message());
                    break;
                default:
                    OnModelField(field, model);
                    break;
            }
        }

        return found;
    }

    /// <summary>A field of the model beside its graph and functions; has to be consumed.</summary>
    protected virtual void OnModelField(int field, ProtobufCursor model) => model.Skip();

    /// <summary>A graph begins: the main one, or one in an attribute.</summary>
    protected virtual void OnGraph()
    {
    }

    /// <summary>A graph has been walked.</summary>
    protected virtual void OnGraphEnd()
    {
    }

    /// <summary>A node of a graph or of a function.</summary>
    protected abstract void OnNode(OnnxNode node);

    /// <summary>A tensor: an initializer of a graph, or an attribute's value.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="isInitializer">Whether it is an initializer.</param>
    protected virtual void OnTensor(OnnxTensor tensor, bool isInitializer)
    {
    }

    /// <summary>An input of the main graph; the message has to be walked to its end.</summary>
    protected virtual void OnInput(ProtobufCursor input) => ReadEach(input, -1, _ => { });

    /// <summary>A domain that a function is defined in.</summary>
    protected virtual void OnFunctionDomain(string domain)
    {
    }

    /// <summary>Reads every field of one number as a message, and skips the others.</summary>
    protected static void ReadEach(ProtobufCursor message, int wanted, Action<ProtobufCursor> read)
    {
        while (message.Next(out int field))
        {
            if (field == wanted)
            {
                read(message.Message());
            }
            else
            {
                message.Skip();
            }
        }
    }

    /// <summary>A StringStringEntryProto; null where a text is too long to be meant.</summary>
    protected static (string? Key, string? Value) ReadEntry(ProtobufCursor entry)
    {
        string? key = "", value = "";
        while (entry.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    key = entry.TextIfShort();
                    break;
                case 2:
                    value = entry.TextIfShort();
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        return (key, value);
    }

    private void WalkGraph(ProtobufCursor graph)
    {
        _depth++;
        OnGraph();
        while (graph.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    OnNode(ReadNode(graph.Message()));
                    break;
                case 5:
                    OnTensor(ReadTensor(graph.Message()), isInitializer: true);
                    break;
                case 11 when IsMain:
                    OnInput(graph.Message());
                    break;
                default:
                    graph.Skip();
                    break;
            }
        }

        OnGraphEnd();
        _depth--;
    }

    private void WalkFunction(ProtobufCursor function)
    {
        while (function.Next(out int field))
        {
            switch (field)
            {
                case 7:
                    OnNode(ReadNode(function.Message()));
                    break;
                case 10:
                    OnFunctionDomain(function.Text());
                    break;
                default:
                    function.Skip();
                    break;
            }
        }
    }

    private OnnxNode ReadNode(ProtobufCursor node)
    {
        List<string> inputs = [], outputs = [];
        List<OnnxTensor> tensors = [];
        string operation = "", domain = "";
        while (node.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    inputs.Add(node.Text());
                    break;
                case 2:
                    outputs.Add(node.Text());
                    break;
                case 4:
                    operation = node.Text();
                    break;
                case 5:
                    ReadAttribute(node.Message(), tensors);
                    break;
                case 7:
                    domain = node.Text();
                    break;
                default:
                    node.Skip();
                    break;
            }
        }

        return new(operation, domain, inputs, outputs, tensors);
    }

    private void ReadAttribute(ProtobufCursor attribute, List<OnnxTensor> tensors)
    {
        while (attribute.Next(out int field))
        {
            switch (field)
            {
                case 5 or 10:
                    tensors.Add(ReadTensor(attribute.Message()));
                    OnTensor(tensors[^1], isInitializer: false);
                    break;
                case 6 or 11:
                    WalkGraph(attribute.Message());
                    break;
                default:
                    attribute.Skip();
                    break;
            }
        }
    }

    private static OnnxTensor ReadTensor(ProtobufCursor tensor)
    {
        var axes = new List<ulong>();
        int type = 0;
        string name = "";
        ByteRange? raw = null, floats = null;
        Dictionary<string, string>? external = null;
        while (tensor.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    axes.AddRange(tensor.Numbers(MostAxes - axes.Count));
                    break;
                case 2:
                    type = (int)tensor.Number();
                    break;
                case 4:
                    floats = tensor.Range();
                    break;
                case 8:
                    name = tensor.Text();
                    break;
                case 9:
                    raw = tensor.Range();
                    break;
                case 13:
                    if (ReadEntry(tensor.Message()) is ({ } key, { } value))
                    {
                        (external ??= new(StringComparer.Ordinal))[key] = value;
                    }

                    break;
                default:
                    tensor.Skip();
                    break;
            }
        }

        return new(name, type, axes, raw ?? floats, external);
    }
}

/// <summary>A node of a graph.</summary>
/// <param name="Operation">Its operator.</param>
/// <param name="Domain">The operator's domain; empty for the standard one.</param>
/// <param name="Inputs">Names of its inputs.</param>
/// <param name="Outputs">Names of its outputs.</param>
/// <param name="Tensors">Tensors in its attributes: the value of a Constant.</param>
internal sealed record OnnxNode(
    string Operation, string Domain, IReadOnlyList<string> Inputs, IReadOnlyList<string> Outputs, IReadOnlyList<OnnxTensor> Tensors);

/// <summary>A tensor that an ONNX file holds or refers to.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its element type, as onnx.proto numbers them.</param>
/// <param name="Axes">Its sizes.</param>
/// <param name="Data">Where its values lie in the file: raw, or as floats; null where they lie elsewhere.</param>
/// <param name="External">What it says of a file beside the graph (<c>location</c>, <c>offset</c>, <c>length</c>); null: nothing.</param>
internal sealed record OnnxTensor(
    string Name, int Type, IReadOnlyList<ulong> Axes, ByteRange? Data, IReadOnlyDictionary<string, string>? External)
{
    // The numbers of onnx.proto's data types.
    public const int Single = 1, Half = 10, Double = 11, Brain = 16;

    /// <summary>Number of its values; <see cref="long.MaxValue"/> where that overflows.</summary>
    public long Length => Axes.Aggregate(1L, (length, size) => size <= 1 << 30 && length <= 1 << 30 ? length * (long)size : long.MaxValue);
}
