using System.Buffers.Binary;

namespace DiffusionClip.Models;

/// <summary>Finds the weights of the layer norm that ends in an output of an ONNX graph (field numbers of onnx.proto).</summary>
internal sealed class OnnxLayerNorm
{
    private const int MaxWidth = 1 << 16;
    private const string WeightName = "final_layer_norm.weight";
    private const string BiasName = "final_layer_norm.bias";

    private readonly string _path;
    private readonly Dictionary<string, Node> _producers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Vector> _vectors = new(StringComparer.Ordinal);

    private OnnxLayerNorm(string path) => _path = path;

    /// <summary>
    /// Reads weight and bias: of the LayerNormalization node that gives the output, or of the multiplication and addition at its end
    /// in graphs of older operator sets; else of the initializers that are named so.
    /// </summary>
    /// <param name="path">The graph; what its external data may be was checked when the model was loaded.</param>
    /// <param name="output">The output's name.</param>
    /// <exception cref="ModelFolderException">The graph has none that can be recognized.</exception>
    public static (float[] Weight, float[] Bias) ReadFinal(string path, string output)
    {
        var file = new OnnxLayerNorm(path);
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 14);
            ProtobufCursor model = new(stream);
            while (model.Next(out int field))
            {
                if (field == 7)
                {
                    file.ReadGraph(model.Message());
                }
                else
                {
                    model.Skip();
                }
            }

            return file.Trace(output) is var (weight, bias)
                ? (file.Floats(weight, stream), file.Floats(bias, stream))
                : throw new ModelFolderException(path, $"the layer norm before {output} was not found, which clip skip needs; export the text encoder again");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }
    }

    private void ReadGraph(ProtobufCursor graph)
    {
        while (graph.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    ReadNode(graph.Message());
                    break;
                case 5:
                    ReadTensor(graph.Message(), name: null);
                    break;
                default:
                    graph.Skip();
                    break;
            }
        }
    }

    private void ReadNode(ProtobufCursor cursor)
    {
        List<string> inputs = [], outputs = [];
        string operation = "";
        while (cursor.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    inputs.Add(cursor.Text());
                    break;
                case 2:
                    outputs.Add(cursor.Text());
                    break;
                case 4:
                    operation = cursor.Text();
                    break;
                case 5 when operation == "Constant" && outputs.Count == 1:
                    ReadConstant(cursor.Message(), outputs[0]);
                    break;
                default:
                    cursor.Skip();
                    break;
            }
        }

        var node = new Node(operation, inputs);
        foreach (string output in outputs)
        {
            _producers[output] = node;
        }
    }

    private void ReadConstant(ProtobufCursor attribute, string name)
    {
        while (attribute.Next(out int field))
        {
            if (field == 5)
            {
                ReadTensor(attribute.Message(), name);
            }
            else
            {
                attribute.Skip();
            }
        }
    }

    private void ReadTensor(ProtobufCursor tensor, string? name)
    {
        long length = 1;
        int type = 0;
        ByteRange? raw = null, typed = null;
        var external = new Dictionary<string, string>(StringComparer.Ordinal);
        while (tensor.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    foreach (ulong dimension in tensor.Numbers())
                    {
                        length = dimension <= MaxWidth && length <= MaxWidth ? length * (long)dimension : long.MaxValue;
                    }

                    break;
                case 2:
                    type = (int)tensor.Number();
                    break;
                case 4:
                    typed = tensor.Range();
                    break;
                case 8:
                    string own = tensor.Text();
                    name ??= own;
                    break;
                case 9:
                    raw = tensor.Range();
                    break;
                case 13:
                    ReadExternalEntry(tensor.Message(), external);
                    break;
                default:
                    tensor.Skip();
                    break;
            }
        }

        if (name is { Length: > 0 } && length is > 1 and <= MaxWidth && type is Vector.Float or Vector.Half or Vector.Double or Vector.Brain)
        {
            _vectors[name] = new Vector((int)length, type, raw ?? typed, external.GetValueOrDefault("location"), External(external, "offset"));
        }
    }

    private static void ReadExternalEntry(ProtobufCursor entry, Dictionary<string, string> entries)
    {
        string key = "", value = "";
        while (entry.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    key = entry.Text();
                    break;
                case 2:
                    value = entry.Text();
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        entries[key] = value;
    }

    private static long External(Dictionary<string, string> entries, string key) =>
        long.TryParse(entries.GetValueOrDefault(key), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out long value) ? value : 0;

    private (Vector Weight, Vector Bias)? Trace(string output)
    {
        if (Producer(output) is { } last)
        {
            switch (last.Operation)
            {
                case "LayerNormalization" when last.Inputs.Count >= 3 && Weights(last.Inputs[1]) is { } weight && Weights(last.Inputs[2]) is { } bias:
                    return (weight, bias);
                case "SkipLayerNormalization" when last.Inputs.Count >= 4 && Weights(last.Inputs[2]) is { } weight && Weights(last.Inputs[3]) is { } bias:
                    return (weight, bias);
                case "Add" when Split(last) is var (shifted, bias) && Producer(shifted) is { Operation: "Mul" } scaled && Split(scaled) is var (_, weight):
                    return (weight, bias);
            }
        }

        Vector? named = Named(WeightName), with = Named(BiasName);
        return named is not null && with is not null ? (named, with) : null;
    }

    private Vector? Named(string end) => _vectors.FirstOrDefault(entry => entry.Key.EndsWith(end, StringComparison.Ordinal)).Value;

    /// <summary>Of an operation on a value and a weight, which is which.</summary>
    private (string Value, Vector Weight)? Split(Node node) => node.Inputs is not [string a, string b] ? null
        : Weights(b) is { } second ? (a, second)
        : Weights(a) is { } first ? (b, first)
        : null;

    private Node? Producer(string name)
    {
        Node? node = _producers.GetValueOrDefault(name);
        for (int i = 0; i < 8 && node is { Operation: "Cast" or "Identity", Inputs: [string from, ..] }; i++)
        {
            node = _producers.GetValueOrDefault(from);
        }

        return node;
    }

    private Vector? Weights(string name)
    {
        for (int i = 0; i < 8 && !_vectors.ContainsKey(name) && _producers.GetValueOrDefault(name) is { Operation: "Cast" or "Identity", Inputs: [string from, ..] }; i++)
        {
            name = from;
        }

        return _vectors.GetValueOrDefault(name);
    }

    private float[] Floats(Vector vector, FileStream graph)
    {
        int size = vector.Type switch { Vector.Float => 4, Vector.Double => 8, _ => 2 };
        byte[] bytes = new byte[vector.Length * size];
        if (vector.Location is { } location)
        {
            using FileStream data = new(Path.Combine(Path.GetDirectoryName(_path)!, location), FileMode.Open, FileAccess.Read, FileShare.Read);
            data.Seek(vector.Offset, SeekOrigin.Begin);
            data.ReadExactly(bytes);
        }
        else if (vector.Data is { } range && range.Length == bytes.Length)
        {
            graph.Seek(range.Offset, SeekOrigin.Begin);
            graph.ReadExactly(bytes);
        }
        else
        {
            throw new ModelFolderException(_path, "the weights of its final layer norm are stored in a form that is not read here; export the text encoder again");
        }

        float[] values = new float[vector.Length];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> value = bytes.AsSpan(i * size, size);
            values[i] = vector.Type switch
            {
                Vector.Float => BinaryPrimitives.ReadSingleLittleEndian(value),
                Vector.Double => (float)BinaryPrimitives.ReadDoubleLittleEndian(value),
                Vector.Half => (float)BinaryPrimitives.ReadHalfLittleEndian(value),
                _ => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadInt16LittleEndian(value) << 16),
            };
        }

        return values;
    }

    private sealed record Node(string Operation, IReadOnlyList<string> Inputs);

    /// <summary>Where a vector's values lie: in the graph, or in a file beside it.</summary>
    private sealed record Vector(int Length, int Type, ByteRange? Data, string? Location, long Offset)
    {
        // The numbers of onnx.proto's data types.
        public const int Float = 1;
        public const int Half = 10;
        public const int Double = 11;
        public const int Brain = 16;
    }
}
