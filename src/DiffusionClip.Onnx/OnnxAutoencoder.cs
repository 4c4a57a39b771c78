using DiffusionClip.Models;
using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>The decoder of an autoencoder in ONNX Runtime. Owns its session; re-entrant.</summary>
internal sealed class OnnxLatentDecoder : ILatentDecoder
{
    private readonly OnnxSession _session;
    private readonly Port _latents;
    private readonly string[] _outputs;

    /// <summary>Maps the graph to its roles and compares it with its folder.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <exception cref="ModelFolderException">A role has no input or output, or the graph is not that of the folder.</exception>
    public OnnxLatentDecoder(OnnxSession session, AutoencoderFolder folder)
    {
        _session = session;
        try
        {
            var map = new PortMap(session, "a latent decoder", "latent_sample");
            _latents = map.Input("latent_sample", port => port is { Rank: 4, IsReal: true }, "latents", "sample");
            map.RefuseOthers();
            _outputs = [map.Output("sample", port => port is { Rank: 4, IsReal: true }, "images").Name];
            if (_latents.Fixed(1) is { } channels && channels != folder.LatentChannels)
            {
                throw new ModelFolderException(
                    session.Path,
                    $"takes {channels} latent channels, but {folder.ConfigPath} says latent_channels {folder.LatentChannels}; expected graph and configuration of one model"
                );
            }

            LatentChannels = folder.LatentChannels;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public int LatentChannels { get; }

    public unsafe void Decode(ReadOnlySpan<float> latents, LatentShape shape, Span<float> destination, CancellationToken cancellationToken)
    {
        if (latents.Length != shape.Length || shape.Channels != LatentChannels)
        {
            throw new ArgumentException(
                $"{latents.Length} values of {shape.Channels} channels are no latents of {LatentChannels} channels and {shape.Length} values.",
                nameof(latents));
        }

        if ((_latents.Fixed(2) ?? shape.Height) != shape.Height || (_latents.Fixed(3) ?? shape.Width) != shape.Width)
        {
            throw new ModelFolderException(
                _session.Path,
                $"takes only latents of {_latents.Fixed(3)}x{_latents.Fixed(2)}, not {shape.Width}x{shape.Height}");
        }

        // A graph for a fixed number of pictures gets this one several times over, and its first answer counts.
        int rows = _latents.Fixed(0) ?? 1;
        float[]? repeated = rows > 1 ? Repeat(latents, rows) : null;
        fixed (float* pinned = repeated ?? latents)
        {
            using EncoderCall call = new();
            call.AddPinned(_latents, pinned, latents.Length * rows, rows, shape.Channels, shape.Height, shape.Width);
            using IDisposableReadOnlyCollection<OrtValue> results = call.Run(_session, _outputs, cancellationToken);
            OrtTensorTypeAndShapeInfo info = results[0].GetTensorTypeAndShape();
            if (info.ElementCount != (long)destination.Length * rows)
            {
                throw new ArgumentException(
                    $"The picture has {info.ElementCount / rows} values ({string.Join("x", info.Shape)}), its destination {destination.Length}.",
                    nameof(destination));
            }

            int bytes = destination.Length * TensorElements.SizeOf(info.ElementDataType);
            TensorElements.Read(results[0].GetTensorMutableRawData()[..bytes], info.ElementDataType, destination);
        }
    }

    internal OnnxSession Session => _session;

    public void Dispose() => _session.Dispose();

    private static float[] Repeat(ReadOnlySpan<float> values, int times)
    {
        float[] all = new float[values.Length * times];
        for (int i = 0; i < times; i++)
        {
            values.CopyTo(all.AsSpan(i * values.Length));
        }

        return all;
    }
}

/// <summary>The encoder of an autoencoder in ONNX Runtime. Owns its session; re-entrant.</summary>
internal sealed class OnnxLatentEncoder : ILatentEncoder
{
    private readonly OnnxSession _session;
    private readonly Port _pixels;
    private readonly string[] _outputs;
    private readonly int _scale;

    /// <summary>Maps the graph to its roles and compares it with its folder.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <exception cref="ModelFolderException">A role has no input or output, or the graph is not that of the folder.</exception>
    public OnnxLatentEncoder(OnnxSession session, AutoencoderFolder folder)
    {
        _session = session;
        try
        {
            var map = new PortMap(session, "a latent encoder", "sample");
            _pixels = map.Input("sample", port => port is { Rank: 4, IsReal: true }, "images", "pixel_values");
            map.RefuseOthers();
            Port output = map.Output("latent_parameters", port => port is { Rank: 4, IsReal: true }, "latent_sample");
            LatentChannels = folder.LatentChannels;

            // By the number of channels where the graph says it, else by the name.
            GivesDistribution = output.Fixed(1) switch
            {
                { } channels when channels == 2 * LatentChannels => true,
                { } channels when channels == LatentChannels => false,
                { } channels => throw map.Unmapped(
                    $"{output} has {channels} channels, not {LatentChannels} or {2 * LatentChannels} (latent_channels of {folder.ConfigPath})"
                ),
                null => output.Name == "latent_parameters",
            };
            _outputs = [output.Name];
            _scale = folder.SpatialScale;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public int LatentChannels { get; }

    public bool GivesDistribution { get; }

    public unsafe LatentEncoding Encode(ReadOnlySpan<float> pixels, int height, int width, CancellationToken cancellationToken)
    {
        if (pixels.Length != 3L * height * width || height % _scale != 0 || width % _scale != 0)
        {
            throw new ArgumentException(
                $"{pixels.Length} values are no 3x{height}x{width} picture with sides that are multiples of {_scale}.",
                nameof(pixels));
        }

        var shape = new LatentShape(LatentChannels, height / _scale, width / _scale);
        fixed (float* pinned = pixels)
        {
            using EncoderCall call = new();
            call.AddPinned(_pixels, pinned, pixels.Length, 1, 3, height, width);
            using IDisposableReadOnlyCollection<OrtValue> results = call.Run(_session, _outputs, cancellationToken);
            float[] values = TensorElements.ToFloats(results[0]);
            int expected = shape.Length * (GivesDistribution ? 2 : 1);
            return values.Length == expected
                ? new(values.AsMemory(0, shape.Length), values.AsMemory(shape.Length), shape)
                : throw new ModelFolderException(
                    _session.Path,
                    $"gives {values.Length} values for a {width}x{height} picture; expected {expected}");
        }
    }

    internal OnnxSession Session => _session;

    public void Dispose() => _session.Dispose();
}
