using DiffusionClip.Models;
using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>
/// The text tower of a CLIP in ONNX Runtime; of a joint graph, it shows the other half an empty picture. Owns its session; re-entrant.
/// </summary>
internal sealed class OnnxClipTextEncoder : IClipTextEncoder
{
    private readonly OnnxSession _session;
    private readonly ClipPorts _ports;
    private readonly string[] _outputs;

    /// <summary>Maps the graph to its roles.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <exception cref="ModelFolderException">A role has no input or output.</exception>
    public OnnxClipTextEncoder(OnnxSession session, ClipFolder folder)
    {
        _session = session;
        try
        {
            _ports = new(session, folder, wantText: true, wantImage: folder.IsJoint, "a CLIP text tower");
            _outputs = [_ports.Embeds("text_embeds", "text_embedding", "embedding", "pooler_output").Name];
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public ReadOnlyMemory<float> Encode(ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        using EncoderCall call = new();
        _ports.Text!.Add(call, ids, _session);
        _ports.AddEmptyPicture(call);
        using IDisposableReadOnlyCollection<OrtValue> results = call.Run(_session, _outputs, cancellationToken);
        float[] embeds = TensorElements.ToFloats(results[0]);
        return embeds.AsMemory(0, embeds.Length / (_ports.Text.FixedRows ?? 1));
    }

    internal OnnxSession Session => _session;

    public void Dispose() => _session.Dispose();
}

/// <summary>
/// The image tower of a CLIP in ONNX Runtime; of a joint graph, it shows the other half an empty text. Owns its session; re-entrant.
/// </summary>
internal sealed class OnnxClipImageEncoder : IClipImageEncoder
{
    private readonly OnnxSession _session;
    private readonly ClipPorts _ports;
    private readonly Port _pixels;
    private readonly string[] _outputs;

    /// <summary>Maps the graph to its roles and compares it with its folder.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <exception cref="ModelFolderException">A role has no input or output, or the graph is not that of the folder.</exception>
    public OnnxClipImageEncoder(OnnxSession session, ClipFolder folder)
    {
        _session = session;
        try
        {
            _ports = new(session, folder, wantText: folder.IsJoint, wantImage: true, "a CLIP image tower");
            _pixels = _ports.Pixels!;
            _outputs = [_ports.Embeds("image_embeds", "image_embedding", "embedding", "pooler_output").Name];
            ClipPreprocessing preprocessing = folder.Preprocessing;
            if (
                (_pixels.Fixed(2) ?? preprocessing.Height) != preprocessing.Height
                || (_pixels.Fixed(3) ?? preprocessing.Width) != preprocessing.Width)
            {
                throw new ModelFolderException(
                    session.Path,
                    $"takes pictures of {_pixels.Fixed(3)}x{_pixels.Fixed(2)}, but {preprocessing.Source} prepares {preprocessing.Width}x{preprocessing.Height}; expected graph and configuration of one model"
                );
            }
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public unsafe ReadOnlyMemory<float> Encode(
        ReadOnlySpan<float> pixelValues,
        int rows,
        int height,
        int width,
        CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        int length = checked(3 * height * width);
        if (pixelValues.Length != (long)length * rows)
        {
            throw new ArgumentException($"{pixelValues.Length} values are not {rows} pictures of 3x{height}x{width}.", nameof(pixelValues));
        }

        int batch = _pixels.Fixed(0) ?? rows;
        if (batch == rows)
        {
            return Run(pixelValues, rows, height, width, cancellationToken);
        }

        // A graph for a fixed number of pictures: one batch after the other, the last one filled up with black.
        var all = new List<float>();
        int embedDim = 0;
        for (int first = 0; first < rows; first += batch)
        {
            int count = Math.Min(batch, rows - first);
            ReadOnlySpan<float> part = pixelValues.Slice(first * length, count * length);
            ReadOnlyMemory<float> embeds;
            if (count == batch)
            {
                embeds = Run(part, batch, height, width, cancellationToken);
            }
            else
            {
                float[] filled = new float[batch * length];
                part.CopyTo(filled);
                embeds = Run(filled, batch, height, width, cancellationToken);
            }

            embedDim = embeds.Length / batch;
            all.AddRange(embeds.Span[..(count * embedDim)]);
        }

        return all.ToArray();
    }

    internal OnnxSession Session => _session;

    public void Dispose() => _session.Dispose();

    private unsafe ReadOnlyMemory<float> Run(
        ReadOnlySpan<float> pixelValues,
        int rows,
        int height,
        int width,
        CancellationToken cancellationToken)
    {
        fixed (float* pinned = pixelValues)
        {
            using EncoderCall call = new();
            call.AddPinned(_pixels, pinned, pixelValues.Length, rows, 3, height, width);
            _ports.AddEmptyText(call, _session);
            using IDisposableReadOnlyCollection<OrtValue> results = call.Run(_session, _outputs, cancellationToken);
            return TensorElements.ToFloats(results[0]);
        }
    }
}

/// <summary>Which of a CLIP graph's ports plays which role.</summary>
internal sealed class ClipPorts
{
    private readonly PortMap _map;
    private readonly ClipFolder _folder;
    private readonly bool _isJoint;

    public ClipPorts(OnnxSession session, ClipFolder folder, bool wantText, bool wantImage, string purpose)
    {
        _folder = folder;
        _map = new(session, purpose, (wantText, wantImage) switch
        {
            (true, true) => "input_ids, pixel_values, attention_mask",
            (true, false) => "input_ids, and at most attention_mask, position_ids",
            _ => "pixel_values",
        });
        _isJoint = wantText && wantImage;
        Pixels = wantImage ? _map.Input("pixel_values", port => port is { Rank: 4, IsReal: true }, "image", "images", "input") : null;
        Text = wantText ? new(_map) : null;
        _map.RefuseOthers();
    }

    public Port? Pixels { get; }

    public TextInputs? Text { get; }

    /// <summary>The embeddings: by name; of a split tower also the only output of rank 2.</summary>
    public Port Embeds(params string[] names)
    {
        Port port = _isJoint
            ? _map.OptionalOutput(candidate => candidate is { Rank: 2, IsReal: true }, names[0], names[1])
                ?? throw _map.Unmapped($"no output {names[0]}")
            : _map.Output(names[0], candidate => candidate is { Rank: 2, IsReal: true }, names[1..]);
        if (port.Fixed(1) is { } width && _folder.EmbedDim is { } expected && width != expected)
        {
            throw _map.Unmapped($"{port} is {width} wide, but the folder's config.json says {expected}");
        }

        return port;
    }

    /// <summary>The logits of a joint graph, [pictures, texts].</summary>
    public Port Logits() =>
        _map.OptionalOutput(port => port is { Rank: 2, IsReal: true }, "logits_per_image")
        ?? throw _map.Unmapped("no output logits_per_image");

    /// <summary>Of a joint graph, something for the image half to look at.</summary>
    public void AddEmptyPicture(EncoderCall call)
    {
        if (_isJoint && Pixels is { } pixels)
        {
            call.AddZeros(pixels, pixels.Fixed(0) ?? 1, 3, _folder.Preprocessing.Height, _folder.Preprocessing.Width);
        }
    }

    /// <summary>Of a joint graph, something for the text half to read.</summary>
    public void AddEmptyText(EncoderCall call, OnnxSession session)
    {
        if (_isJoint && Text is { } text)
        {
            text.Add(call, new int[text.FixedLength ?? 1], session);
        }
    }
}
