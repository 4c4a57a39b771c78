using System.Globalization;
using DiffusionClip.Models;
using DiffusionClip.Models.Graphs;
using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>A text encoder that conditions a denoiser, in ONNX Runtime. Owns its session; re-entrant.</summary>
internal sealed class OnnxTextEncoder : ITextEncoder
{
    private readonly OnnxSession _session;
    private readonly TextInputs _inputs;
    private readonly Port _last;
    private readonly Port? _pooled;
    private readonly Port[] _layers;
    private readonly string[] _outputs;
    private readonly Lazy<LayerNormWeights> _finalNorm;

    /// <summary>Maps the graph to its roles and compares it with its folder.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <exception cref="ModelFolderException">A role has no input or output, or the graph is not that of the folder.</exception>
    public OnnxTextEncoder(OnnxSession session, TextEncoderFolder folder)
    {
        _session = session;

        // A failure is not remembered: the file may be mended.
        _finalNorm = new(() => ReadFinalNorm(session.Path, folder), LazyThreadSafetyMode.PublicationOnly);
        try
        {
            var map = new PortMap(session, "a text encoder", "input_ids, and at most attention_mask, position_ids, output_hidden_states");
            _inputs = new(map);
            map.RefuseOthers();
            _last = map.Output("last_hidden_state", port => port is { Rank: 3, IsReal: true });
            _pooled = map.OptionalOutput(port => port is { Rank: 2, IsReal: true }, "text_embeds", "pooler_output");
            _layers = [.. session.Outputs
                .Select(port => (Port: port, Layer: LayerOf(port.Name)))
                .Where(entry => entry.Layer is not null && entry.Port is { Rank: 3, IsReal: true })
                .OrderBy(entry => entry.Layer)
                .Select(entry => entry.Port)];
            if (_last.Fixed(2) is { } width && width != folder.HiddenSize)
            {
                throw new ModelFolderException(
                    session.Path,
                    $"its embeddings are {width} wide, but {folder.ConfigPath} says hidden_size {folder.HiddenSize}; expected graph and configuration of one model"
                );
            }

            HiddenSize = folder.HiddenSize;
            _outputs = [.. new[] { _last, _pooled }.OfType<Port>().Concat(_layers).Select(port => port.Name)];
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public int HiddenSize { get; }

    public LayerNormWeights FinalNorm => _finalNorm.Value;

    public TextEncoding Encode(ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        using EncoderCall call = new();
        _inputs.Add(call, ids, _session);
        using IDisposableReadOnlyCollection<OrtValue> results = call.Run(_session, _outputs, cancellationToken);
        float[] last = TensorElements.ToFloats(results[0]);
        if (last.Length != ids.Length * HiddenSize)
        {
            throw new ModelFolderException(
                _session.Path,
                $"{_last.Name} has {last.Length} values for {ids.Length} tokens; expected {HiddenSize} each");
        }

        int layers = _pooled is null ? 1 : 2;
        return new(
            last,
            _pooled is null ? ReadOnlyMemory<float>.Empty : TensorElements.ToFloats(results[1]),
            [.. results.Skip(layers).Select(value => (ReadOnlyMemory<float>)TensorElements.ToFloats(value))]);
    }

    internal OnnxSession Session => _session;

    public void Dispose() => _session.Dispose();

    private static LayerNormWeights ReadFinalNorm(string path, TextEncoderFolder folder)
    {
        (float[] weight, float[] bias) = FinalLayerNorm.Read(path, "last_hidden_state");
        return weight.Length == folder.HiddenSize && bias.Length == folder.HiddenSize
            ? new() { Weight = weight, Bias = bias, Epsilon = folder.LayerNormEpsilon }
            : throw new ModelFolderException(
                path,
                $"its final layer norm has {weight.Length} weights and {bias.Length} biases; expected {folder.HiddenSize} (hidden_size of {folder.ConfigPath})"
            );
    }

    private static int? LayerOf(string output)
    {
        const string prefix = "hidden_states";
        return
            output.StartsWith(prefix, StringComparison.Ordinal)
            && output.Length > prefix.Length + 1
            && output[prefix.Length] is '.' or '_'
            && int.TryParse(output.AsSpan(prefix.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            ? layer
            : null;
    }
}

/// <summary>What graphs that read tokens take beside the ids.</summary>
internal sealed class TextInputs
{
    private readonly Port _ids;
    private readonly Port? _mask;
    private readonly Port? _positions;
    private readonly Port? _hiddenStates;

    public TextInputs(PortMap map)
    {
        _ids = map.Input("input_ids", port => port is { Rank: 2, IsInteger: true }, "text", "tokens");
        _mask = map.OptionalInput("attention_mask", port => port.Rank == 2);
        _positions = map.OptionalInput("position_ids", port => port is { Rank: 2, IsInteger: true });

        // An export of OnnxStack's lists the switch of transformers as an input.
        _hiddenStates = map.OptionalInput("output_hidden_states", port => port.Rank <= 1);
    }

    /// <summary>Tokens the graph takes, if it takes no other number.</summary>
    public int? FixedLength => _ids.Fixed(1);

    /// <summary>Rows the graph takes, if it takes no other number.</summary>
    public int? FixedRows => _ids.Fixed(0);

    /// <summary>Adds one sequence; the mask lets all tokens through, as causal CLIP towers want it.</summary>
    public void Add(EncoderCall call, ReadOnlySpan<int> ids, OnnxSession session)
    {
        if (ids.IsEmpty)
        {
            throw new ArgumentException("No tokens.", nameof(ids));
        }

        if (FixedLength is { } length && length != ids.Length)
        {
            throw new ModelFolderException(session.Path, $"takes exactly {length} tokens, but the tokenizer's limit is {ids.Length}");
        }

        int rows = FixedRows ?? 1;
        int[] all = new int[rows * ids.Length], numbers = new int[all.Length], ones = new int[all.Length];
        ones.AsSpan().Fill(1);
        for (int row = 0; row < rows; row++)
        {
            ids.CopyTo(all.AsSpan(row * ids.Length));
            for (int i = 0; i < ids.Length; i++)
            {
                numbers[(row * ids.Length) + i] = i;
            }
        }

        call.Add(_ids, all, rows, ids.Length);
        if (_mask is not null)
        {
            call.Add(_mask, ones, rows, ids.Length);
        }

        if (_positions is not null)
        {
            // Exports keep them for one row whatever the batch.
            int positionRows = _positions.Fixed(0) ?? rows;
            call.Add(_positions, numbers.AsSpan(0, positionRows * ids.Length), positionRows, ids.Length);
        }

        if (_hiddenStates is not null)
        {
            call.Add(_hiddenStates, [1], _hiddenStates.Rank == 0 ? [] : [1]);
        }
    }
}
