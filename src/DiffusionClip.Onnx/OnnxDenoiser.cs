using System.Globalization;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Onnx;

/// <summary>A UNet in ONNX Runtime. Owns its session.</summary>
internal sealed class OnnxDenoiser : IDenoiser
{
    private readonly OnnxSession _session;

    /// <summary>Maps the graph to its roles and compares it with its folder.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <exception cref="ModelFolderException">A role has no input or output, or the graph is not that of the folder.</exception>
    public OnnxDenoiser(OnnxSession session, DenoiserFolder folder)
    {
        _session = session;
        try
        {
            Ports = new(session);
            Descriptor = Describe(session.Path, folder, Ports);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public DenoiserDescriptor Descriptor { get; }

    internal DenoiserPorts Ports { get; }

    public IDenoiserBinding Bind(LatentShape shape, int rows, int sequenceLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        if (shape.Channels != Descriptor.OutChannels)
        {
            throw new ArgumentException($"Latents have {shape.Channels} channels, the denoiser gives {Descriptor.OutChannels}.", nameof(shape));
        }

        if ((Descriptor.FixedHeight ?? shape.Height) != shape.Height || (Descriptor.FixedWidth ?? shape.Width) != shape.Width)
        {
            string fixedSize = string.Create(CultureInfo.InvariantCulture, $"{Descriptor.FixedWidth ?? shape.Width}x{Descriptor.FixedHeight ?? shape.Height}");
            throw new InvalidRequestException("width, height", string.Create(CultureInfo.InvariantCulture, $"latents of {shape.Width}x{shape.Height}"), $"the model's graph takes only {fixedSize}");
        }

        if (Ports.Conditioning.Fixed(1) is { } tokens && tokens != sequenceLength)
        {
            throw new ModelFolderException(_session.Path, $"takes exactly {tokens} tokens, but the text encoder gives {sequenceLength}");
        }

        return new DenoiserBinding(_session, Ports, Descriptor, shape, rows, sequenceLength);
    }

    internal OnnxSession Session => _session;

    public void Dispose() => _session.Dispose();

    private static DenoiserDescriptor Describe(string path, DenoiserFolder folder, DenoiserPorts ports)
    {
        int Agree(string what, int? inGraph, int? inFolder)
        {
            if (inGraph is { } graph && inFolder is { } config && graph != config)
            {
                throw new ModelFolderException(path, $"its {what} is {graph}, but {folder.ConfigPath} says {config}; expected graph and configuration of one model");
            }

            return inGraph ?? inFolder ?? 0;
        }

        return new()
        {
            InChannels = Agree("number of input channels", ports.Sample.Fixed(1), folder.InChannels),
            OutChannels = Agree("number of output channels", ports.Output.Fixed(1), folder.OutChannels),
            CrossAttentionDim = Agree("width of text embeddings", ports.Conditioning.Fixed(2), folder.CrossAttentionDim),
            GuidanceEmbedDim = ports.Guidance is null ? 0 : Agree("width of timestep_cond", ports.Guidance.Fixed(1), folder.TimeCondProjDim),
            PooledDim = ports.Pooled?.Fixed(1) ?? 0,
            TimeIds = ports.TimeIds?.Fixed(1) ?? 0,
            FixedHeight = ports.Sample.Fixed(2),
            FixedWidth = ports.Sample.Fixed(3),
        };
    }
}

/// <summary>Which of a UNet's ports plays which role.</summary>
internal sealed class DenoiserPorts
{
    public DenoiserPorts(OnnxSession session)
    {
        var map = new PortMap(session, "a denoiser", "sample, timestep, encoder_hidden_states, and at most timestep_cond, text_embeds, time_ids");
        Sample = map.Input("sample", port => port is { Rank: 4, IsReal: true }, "latent_sample", "x");
        Conditioning = map.Input("encoder_hidden_states", port => port is { Rank: 3, IsReal: true }, "context", "text_embeddings");
        Timestep = map.Input("timestep", port => port.Rank <= 1 && (port.IsReal || port.IsInteger), "timesteps", "t");
        Guidance = map.OptionalInput("timestep_cond", port => port is { Rank: 2, IsReal: true });
        Pooled = map.OptionalInput("text_embeds", port => port is { Rank: 2, IsReal: true }, "pooled_projections");
        TimeIds = map.OptionalInput("time_ids", port => port is { Rank: 2, IsReal: true });
        map.RefuseOthers();
        Output = map.Output("out_sample", port => port is { Rank: 4, IsReal: true }, "noise_pred", "sample");
    }

    public Port Sample { get; }

    public Port Timestep { get; }

    public Port Conditioning { get; }

    public Port? Guidance { get; }

    public Port? Pooled { get; }

    public Port? TimeIds { get; }

    public Port Output { get; }
}

/// <summary>
/// Buffers of one shape. The rows lie one behind the other; a graph with a fixed batch smaller than the rows runs once per group of rows
/// (a larger one is filled up with rows that nobody reads).
/// </summary>
internal sealed class DenoiserBinding : IDenoiserBinding
{
    private readonly OnnxSession _session;
    private readonly DenoiserDescriptor _descriptor;
    private readonly int _rows;
    private readonly int _sequenceLength;
    private readonly RowTensor _sample;
    private readonly RowTensor _output;
    private readonly RowTensor _embeds;
    private readonly RowTensor? _guidance;
    private readonly RowTensor? _pooled;
    private readonly RowTensor? _timeIds;
    private readonly HostTensor _timestep;
    private readonly List<IDisposable> _owned = [];
    private readonly Group[] _groups;
    private readonly TextConditioning?[] _held;

    // Held while running: Dispose waits for the run to end.
    private readonly Lock _running = new();

    // Guards the run options alone: Terminate must not wait for the run it ends.
    private readonly Lock _ending = new();
    private readonly RunOptions _options;
    private volatile bool _terminated;
    private bool _disposed;

    public DenoiserBinding(OnnxSession session, DenoiserPorts ports, DenoiserDescriptor descriptor, LatentShape shape, int rows, int sequenceLength)
    {
        _descriptor = descriptor;
        _rows = rows;
        _sequenceLength = sequenceLength;
        _held = new TextConditioning?[rows];
        int batch = ports.Sample.Fixed(0) ?? ports.Conditioning.Fixed(0) ?? rows;
        int timesteps = ports.Timestep.Rank == 0 ? 1 : ports.Timestep.Fixed(0) ?? batch;
        var shapes = new List<(Port, long[])>
        {
            (ports.Sample, [batch, descriptor.InChannels, shape.Height, shape.Width]),
            (ports.Conditioning, [batch, sequenceLength, descriptor.CrossAttentionDim]),
            (ports.Timestep, ports.Timestep.Rank == 0 ? [] : [timesteps]),
        };
        shapes.AddRange(new[] { ports.Guidance, ports.Pooled, ports.TimeIds }.OfType<Port>().Select(port => (port, new long[] { batch })));
        _session = session.ForShapes(shapes);
        try
        {
            int groups = (rows + batch - 1) / batch;
            int allRows = groups * batch;
            _sample = Own(new RowTensor(ports.Sample, allRows, descriptor.InChannels, shape.Height, shape.Width));
            _embeds = Own(new RowTensor(ports.Conditioning, allRows, sequenceLength, descriptor.CrossAttentionDim));
            _output = Own(new RowTensor(ports.Output, allRows, descriptor.OutChannels, shape.Height, shape.Width));
            _guidance = ports.Guidance is { } guidance ? Own(new RowTensor(guidance, allRows, descriptor.GuidanceEmbedDim)) : null;
            _pooled = ports.Pooled is { } pooled ? Own(new RowTensor(pooled, allRows, descriptor.PooledDim)) : null;
            _timeIds = ports.TimeIds is { } timeIds ? Own(new RowTensor(timeIds, allRows, descriptor.TimeIds)) : null;

            _timestep = Own(ports.Timestep.Rank == 0 ? new HostTensor(ports.Timestep.Type) : new HostTensor(ports.Timestep.Type, timesteps));
            OrtValue timestep = Own(ports.Timestep.Rank == 0 ? _timestep.View(0) : _timestep.View(0, timesteps));

            _groups = new Group[groups];
            for (int i = 0; i < groups; i++)
            {
                var inputs = new List<(string, OrtValue)> { (ports.Timestep.Name, timestep) };
                foreach (RowTensor tensor in new[] { _sample, _embeds, _guidance, _pooled, _timeIds }.OfType<RowTensor>())
                {
                    inputs.Add((tensor.Name, Own(tensor.View(i * batch, batch))));
                }

                _groups[i] = Own(new Group(_session, inputs, (ports.Output.Name, Own(_output.View(i * batch, batch)))));
            }

            _options = Own(new RunOptions());
        }
        catch
        {
            Free();
            throw;
        }
    }

    public void SetConditioning(int row, TextConditioning conditioning)
    {
        ArgumentNullException.ThrowIfNull(conditioning);
        CheckRow(row);
        if (ReferenceEquals(_held[row], conditioning))
        {
            return;
        }

        if (conditioning.SequenceLength != _sequenceLength || conditioning.Width != _descriptor.CrossAttentionDim)
        {
            throw new ArgumentException(
                $"The embeddings are [{conditioning.SequenceLength}, {conditioning.Width}]; bound for [{_sequenceLength}, {_descriptor.CrossAttentionDim}].", nameof(conditioning));
        }

        _embeds.Write(row, conditioning.PromptEmbeds.Span, "embeddings");
        _guidance?.Write(row, conditioning.GuidanceEmbeds.Span, "guidance embedding");
        _pooled?.Write(row, conditioning.PooledEmbeds.Span, "pooled embedding");
        _timeIds?.Write(row, conditioning.TimeIds.Span, "size conditions");
        _held[row] = conditioning;
    }

    public Span<float> Sample(int row)
    {
        CheckRow(row);
        return _sample.Floats(row);
    }

    public ReadOnlySpan<float> ModelOutput(int row)
    {
        CheckRow(row);
        return _output.Floats(row);
    }

    public void Run(float timestep)
    {
        lock (_running)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ThrowIfTerminated(null);
            for (int row = 0; row < _rows; row++)
            {
                if (_held[row] is null)
                {
                    throw new InvalidOperationException($"Row {row} has no conditioning.");
                }
            }

            WriteTimestep(timestep);
            _sample.Upload(_rows);
            try
            {
                foreach (Group group in _groups)
                {
                    group.Run(_session, _options);
                }
            }
            catch (OnnxRuntimeException exception)
            {
                ThrowIfTerminated(exception);
                throw new DiffusionClipException($"{_session.Path}: the evaluation failed: {exception.Message.ReplaceLineEndings(" ")}", exception);
            }

            ThrowIfTerminated(null);
            _output.Download(_rows);
        }
    }

    public void Terminate()
    {
        lock (_ending)
        {
            if (!_terminated)
            {
                _terminated = true;
                if (!_disposed)
                {
                    _options.Terminate = true;
                }
            }
        }
    }

    public void Dispose()
    {
        Terminate();
        lock (_running)
        {
            lock (_ending)
            {
                if (_disposed)
                {
                    return;
                }

                _disposed = true;
                Free();
            }
        }
    }

    private void WriteTimestep(float timestep)
    {
        Span<byte> bytes = _timestep.Bytes;
        int size = Elements.SizeOf(_timestep.Type);
        ReadOnlySpan<float> one = [timestep];
        for (int i = 0; i < _timestep.Length; i++)
        {
            Elements.Write(one, bytes.Slice(i * size, size), _timestep.Type);
        }
    }

    private void ThrowIfTerminated(Exception? cause)
    {
        if (_terminated)
        {
            throw new OperationCanceledException("The evaluation was ended from outside.", cause);
        }
    }

    private void CheckRow(int row)
    {
        if ((uint)row >= (uint)_rows)
        {
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The binding has {_rows} rows.");
        }
    }

    private T Own<T>(T resource) where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    private void Free()
    {
        // Views before the memory that they look at.
        for (int i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        _owned.Clear();
        _session.Release();
    }

    /// <summary>One run of the graph: a batch of rows.</summary>
    private sealed class Group : IDisposable
    {
        private readonly OrtIoBinding _binding;
        private readonly List<(string Name, OrtValue Value)>? _uploads;

        public Group(OnnxSession session, List<(string Name, OrtValue Value)> inputs, (string Name, OrtValue Value) output)
        {
            _binding = session.Inner.CreateIoBinding();
            foreach ((string name, OrtValue value) in inputs)
            {
                _binding.BindInput(name, value);
            }

            _binding.BindOutput(output.Name, output.Value);

            // A device reads host memory when an input is bound, not when it runs.
            _uploads = session.IsHost ? null : inputs;
        }

        public void Run(OnnxSession session, RunOptions options)
        {
            if (_uploads is not null)
            {
                foreach ((string name, OrtValue value) in _uploads)
                {
                    _binding.BindInput(name, value);
                }
            }

            session.Run(options, _binding);
        }

        public void Dispose() => _binding.Dispose();
    }
}

/// <summary>Rows of one role in the graph's element type, seen as float32: without a copy where the graph takes float32.</summary>
internal sealed class RowTensor : IDisposable
{
    private readonly HostTensor _tensor;
    private readonly HostTensor? _floats;
    private readonly long[] _rowShape;
    private readonly int _rowLength;

    public RowTensor(Port port, int rows, params long[] rowShape)
    {
        Name = port.Name;
        _rowShape = rowShape;
        _tensor = new(port.Type, [rows, .. rowShape]);
        _rowLength = _tensor.Length / rows;
        _floats = port.Type == TensorElementType.Float ? null : new(TensorElementType.Float, [rows, .. rowShape]);
    }

    public string Name { get; }

    public Span<float> Floats(int row) => (_floats ?? _tensor).Floats.Slice(row * _rowLength, _rowLength);

    public OrtValue View(int firstRow, int rows) => _tensor.View(firstRow * _rowLength, [rows, .. _rowShape]);

    /// <summary>Writes a row that the graph reads as it is.</summary>
    public void Write(int row, ReadOnlySpan<float> values, string what)
    {
        if (values.Length != _rowLength)
        {
            throw new ArgumentException($"The {what} has {values.Length} values; the denoiser takes {_rowLength}.", nameof(values));
        }

        int size = Elements.SizeOf(_tensor.Type);
        Elements.Write(values, _tensor.Bytes.Slice(row * _rowLength * size, _rowLength * size), _tensor.Type);
    }

    /// <summary>Casts the first rows to the graph's type.</summary>
    public void Upload(int rows)
    {
        if (_floats is not null)
        {
            Elements.Write(_floats.Floats[..(rows * _rowLength)], _tensor.Bytes, _tensor.Type);
        }
    }

    /// <summary>Casts the first rows from the graph's type.</summary>
    public void Download(int rows)
    {
        if (_floats is not null)
        {
            int length = rows * _rowLength;
            Elements.Read(_tensor.Bytes[..(length * Elements.SizeOf(_tensor.Type))], _tensor.Type, _floats.Floats[..length]);
        }
    }

    public void Dispose()
    {
        _tensor.Dispose();
        _floats?.Dispose();
    }
}
