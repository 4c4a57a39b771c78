using System.Buffers.Binary;
using System.Globalization;

namespace DiffusionClip.Models.Graphs;

/// <summary>Finds the weights of the layer norm that ends in an output of an ONNX graph.</summary>
internal sealed class OnnxLayerNorm : OnnxGraphWalker
{
    private const int MaxWidth = 1 << 16;
    private const string WeightName = "final_layer_norm.weight";
    private const string BiasName = "final_layer_norm.bias";

    private readonly string _path;
    private readonly Dictionary<string, OnnxNode> _producers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OnnxTensor> _vectors = new(StringComparer.Ordinal);

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
            file.WalkModel(model);
            return file.Trace(output) is var (weight, bias)
                ? (file.Floats(weight, stream), file.Floats(bias, stream))
                : throw new ModelFolderException(
                    path,
                    $"the layer norm before {output} was not found, which clip skip needs; export the text encoder again");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }
    }

    // Weights of inner graphs and of functions do not end the encoder.
    protected override void OnNode(OnnxNode node)
    {
        if (!IsMain)
        {
            return;
        }

        foreach (string output in node.Outputs)
        {
            _producers[output] = node;
        }

        if (node is { Operation: "Constant", Outputs: [var name] })
        {
            foreach (OnnxTensor value in node.Tensors)
            {
                Add(name, value);
            }
        }
    }

    protected override void OnTensor(OnnxTensor tensor, bool isInitializer)
    {
        if (isInitializer && IsMain)
        {
            Add(tensor.Name, tensor);
        }
    }

    private void Add(string name, OnnxTensor tensor)
    {
        if (name.Length > 0 && tensor.Length is > 1 and <= MaxWidth
            && tensor.Type is OnnxTensor.Single or OnnxTensor.Half or OnnxTensor.Double or OnnxTensor.Brain)
        {
            _vectors[name] = tensor;
        }
    }

    private (OnnxTensor Weight, OnnxTensor Bias)? Trace(string output)
    {
        if (Producer(output) is { } last)
        {
            switch (last.Operation)
            {
                case "LayerNormalization"
                    when last.Inputs.Count >= 3 && Weights(last.Inputs[1]) is { } weight && Weights(last.Inputs[2]) is { } bias:
                    return (weight, bias);
                case "SkipLayerNormalization"
                    when last.Inputs.Count >= 4 && Weights(last.Inputs[2]) is { } weight && Weights(last.Inputs[3]) is { } bias:
                    return (weight, bias);
                case "Add"
                    when Split(last) is var (shifted, bias)
                        && Producer(shifted) is { Operation: "Mul" } scaled
                        && Split(scaled) is var (_, weight):
                    return (weight, bias);
            }
        }

        OnnxTensor? named = Named(WeightName), with = Named(BiasName);
        return named is not null && with is not null ? (named, with) : null;
    }

    private static long Offset(IReadOnlyDictionary<string, string> entries) =>
        long.TryParse(entries.GetValueOrDefault("offset"), NumberStyles.None, CultureInfo.InvariantCulture, out long offset) ? offset : 0;

    private OnnxTensor? Named(string end) => _vectors.FirstOrDefault(entry => entry.Key.EndsWith(end, StringComparison.Ordinal)).Value;

    /// <summary>Of an operation on a value and a weight, which is which.</summary>
    private (string Value, OnnxTensor Weight)? Split(OnnxNode node) => node.Inputs is not [string a, string b] ? null
        : Weights(b) is { } second ? (a, second)
        : Weights(a) is { } first ? (b, first)
        : null;

    private OnnxNode? Producer(string name)
    {
        OnnxNode? node = _producers.GetValueOrDefault(name);
        for (int i = 0; i < 8 && node is { Operation: "Cast" or "Identity", Inputs: [string from, ..] }; i++)
        {
            node = _producers.GetValueOrDefault(from);
        }

        return node;
    }

    private OnnxTensor? Weights(string name)
    {
        for (
            int i = 0;
            i < 8
                && !_vectors.ContainsKey(name)
                && _producers.GetValueOrDefault(name) is { Operation: "Cast" or "Identity", Inputs: [string from, ..] };
            i++)
        {
            name = from;
        }

        return _vectors.GetValueOrDefault(name);
    }

    private float[] Floats(OnnxTensor vector, FileStream graph)
    {
        int size = vector.Type switch { OnnxTensor.Single => 4, OnnxTensor.Double => 8, _ => 2 };
        int length = (int)vector.Length;
        byte[] bytes = new byte[length * size];
        if (vector.External?.GetValueOrDefault("location") is { } location)
        {
            using FileStream data = new(
                Path.Combine(Path.GetDirectoryName(_path)!, location),
                FileMode.Open,
                FileAccess.Read,
                FileShare.Read);
            data.Seek(Offset(vector.External), SeekOrigin.Begin);
            data.ReadExactly(bytes);
        }
        else if (vector.Data is { } range && range.Length == bytes.Length)
        {
            graph.Seek(range.Offset, SeekOrigin.Begin);
            graph.ReadExactly(bytes);
        }
        else
        {
            throw new ModelFolderException(
                _path,
                "the weights of its final layer norm are stored in a form that is not read here; export the text encoder again");
        }

        float[] values = new float[length];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> value = bytes.AsSpan(i * size, size);
            values[i] = vector.Type switch
            {
                OnnxTensor.Single => BinaryPrimitives.ReadSingleLittleEndian(value),
                OnnxTensor.Double => (float)BinaryPrimitives.ReadDoubleLittleEndian(value),
                OnnxTensor.Half => (float)BinaryPrimitives.ReadHalfLittleEndian(value),
                _ => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadInt16LittleEndian(value) << 16),
            };
        }

        return values;
    }
}
