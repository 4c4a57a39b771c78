using System.Globalization;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Onnx;

/// <summary>A denoiser in ONNX Runtime. Owns its session.</summary>
internal sealed class OnnxDenoiser : IDenoiser
{
    private readonly OnnxSession _session;

    /// <summary>Maps the graph to its roles and compares it with its folder.</summary>
    /// <param name="session">The graph; owned from here on, also if this fails.</param>
    /// <param name="folder">What the folder says of it.</param>
    /// <param name="signature">What its family calls it with.</param>
    /// <exception cref="ModelFolderException">A role has no input or output, or the graph is not that of the folder.</exception>
    public OnnxDenoiser(OnnxSession session, DenoiserFolder folder, DenoiserSignature signature)
    {
        _session = session;
        try
        {
            Ports = new(session, signature);
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

    internal OnnxSession Session => _session;

    public IDenoiserBinding Bind(LatentShape shape, int rows, int sequenceLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        if (shape.Channels != Descriptor.OutChannels)
        {
            throw new ArgumentException(
                $"Latents have {shape.Channels} channels, the denoiser gives {Descriptor.OutChannels}.",
                nameof(shape));
        }

        if ((Descriptor.FixedHeight ?? shape.Height) != shape.Height || (Descriptor.FixedWidth ?? shape.Width) != shape.Width)
        {
            string fixedSize = string.Create(
                CultureInfo.InvariantCulture, $"{Descriptor.FixedWidth ?? shape.Width}x{Descriptor.FixedHeight ?? shape.Height}");
            throw new InvalidRequestException(
                "width, height",
                string.Create(CultureInfo.InvariantCulture, $"latents of {shape.Width}x{shape.Height}"),
                $"the model's graph takes only {fixedSize}");
        }

        if (Ports.Embeds.Fixed(1) is { } tokens && tokens != sequenceLength)
        {
            throw new ModelFolderException(_session.Path, $"takes exactly {tokens} tokens, but the text encoder gives {sequenceLength}");
        }

        return new DenoiserBinding(_session, Ports, Descriptor, shape, rows, sequenceLength);
    }

    public void Dispose() => _session.Dispose();

    private static DenoiserDescriptor Describe(string path, DenoiserFolder folder, DenoiserPorts ports)
    {
        int Agree(string what, int? inGraph, int? inFolder)
        {
            if (inGraph is { } graph && inFolder is { } config && graph != config)
            {
                throw new ModelFolderException(
                    path, $"its {what} is {graph}, but {folder.ConfigPath} says {config}; expected graph and configuration of one model");
            }

            return inGraph ?? inFolder ?? 0;
        }

        // In a layout of its own, the graph's axes say nothing of channels, height and width.
        bool isPlanar = ports.Signature.Layout is null;
        return new()
        {
            InChannels = Agree("number of input channels", isPlanar ? ports.Sample.Fixed(1) : null, folder.InChannels),
            OutChannels = Agree("number of output channels", isPlanar ? ports.Output.Fixed(1) : null, folder.OutChannels),
            CrossAttentionDim = Agree("width of text embeddings", ports.Embeds.Fixed(2), ports.EmbedsWidth),
            Widths = ports.Further.ToDictionary(
                part => part.Conditioning.Role,
                part => part.Conditioning.Rank == 1
                    ? 1
                    : Agree($"width of {part.Conditioning.Port.Name}", part.Port.Fixed(-1), part.Conditioning.Width)),
            FixedHeight = isPlanar ? ports.Sample.Fixed(2) : null,
            FixedWidth = isPlanar ? ports.Sample.Fixed(3) : null,
        };
    }
}

/// <summary>Which of a denoiser's ports plays which role of its family's signature.</summary>
internal sealed class DenoiserPorts
{
    public DenoiserPorts(OnnxSession session, DenoiserSignature signature)
    {
        Signature = signature;
        ConditioningPort embeds = signature.Conditioning.First(part => part.Role == ConditioningRole.PromptEmbeds);
        ConditioningPort[] others = [.. signature.Conditioning.Where(part => part.Role != ConditioningRole.PromptEmbeds)];
        var map = new PortMap(session, "a denoiser", Expected(signature, embeds, others));
        int rank = (signature.Layout?.ShapeOf(new LatentShape(1, 2, 2)).Count ?? 3) + 1;
        bool IsSample(Port port) => port.Rank == rank && port.IsReal;
        Sample = map.Input(signature.Sample, IsSample);
        Embeds = map.Input(embeds.Port, port => port.Rank == embeds.Rank && port.IsReal);
        EmbedsWidth = embeds.Width;
        Timestep = map.Input(signature.Timestep, port => port.Rank <= 1 && (port.IsReal || port.IsInteger));
        var further = new List<(ConditioningPort, Port)>();
        foreach (ConditioningPort part in others)
        {
            bool Fits(Port port) => port.Rank == part.Rank && (port.IsReal || port.IsInteger);
            if (part.IsRequired)
            {
                further.Add((part, map.Input(part.Port, Fits)));
            }
            else if (map.OptionalInput(part.Port, Fits) is { } found)
            {
                further.Add((part, found));
            }
        }

        Further = further;
        Shapes = [.. signature.Shapes.Select(part => (part, map.Input(part.Port, port => port.IsReal || port.IsInteger)))];
        map.RefuseOthers();
        Output = map.Output(signature.Output, IsSample);
    }

    public DenoiserSignature Signature { get; }

    public Port Sample { get; }

    public Port Timestep { get; }

    public Port Embeds { get; }

    public int? EmbedsWidth { get; }

    /// <summary>What it attends to beside the text embeddings.</summary>
    public IReadOnlyList<(ConditioningPort Conditioning, Port Port)> Further { get; }

    /// <summary>Inputs that follow from the shape.</summary>
    public IReadOnlyList<(ShapePort Shape, Port Port)> Shapes { get; }

    public Port Output { get; }

    private static string Expected(DenoiserSignature signature, ConditioningPort embeds, ConditioningPort[] others)
    {
        IEnumerable<string> required = new[] { signature.Sample, signature.Timestep, embeds.Port }
            .Concat(others.Where(part => part.IsRequired).Select(part => part.Port))
            .Concat(signature.Shapes.Select(part => part.Port))
            .Select(port => port.Name);
        string[] optional = [.. others.Where(part => !part.IsRequired).Select(part => part.Port.Name)];
        return $"{string.Join(", ", required)}{(optional.Length > 0 ? $", and at most {string.Join(", ", optional)}" : "")}";
    }
}

/// <summary>
/// Buffers of one shape. The rows lie one behind the other; a graph with a fixed batch smaller than the rows runs once per group of rows
/// (a larger one is filled up with rows that are not read).
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
    private readonly (ConditioningRole Role, RowTensor Tensor)[] _further;

    // The latents as the scheduler sees them, where they lie otherwise in the graph.
    private readonly ILatentLayout? _layout;
    private readonly LatentShape _inShape;
    private readonly LatentShape _outShape;
    private readonly float[] _unpackedSample = [];
    private readonly float[] _unpackedOutput = [];
    private readonly float _timestepScale;
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

    public DenoiserBinding(
        OnnxSession session,
        DenoiserPorts ports,
        DenoiserDescriptor descriptor,
        LatentShape shape,
        int rows,
        int sequenceLength)
    {
        _descriptor = descriptor;
        _rows = rows;
        _sequenceLength = sequenceLength;
        _held = new TextConditioning?[rows];
        _layout = ports.Signature.Layout;
        _timestepScale = ports.Signature.TimestepScale;
        _inShape = shape with { Channels = descriptor.InChannels };
        _outShape = shape with { Channels = descriptor.OutChannels };
        long[] inShape = ShapeOf(_inShape), outShape = ShapeOf(_outShape);
        int batch = ports.Sample.Fixed(0) ?? ports.Embeds.Fixed(0) ?? rows;
        int timesteps = ports.Timestep.Rank == 0 ? 1 : ports.Timestep.Fixed(0) ?? batch;
        var shapes = new List<(Port, long[])>
        {
            (ports.Sample, [batch, .. inShape]),
            (ports.Embeds, [batch, sequenceLength, descriptor.CrossAttentionDim]),
            (ports.Timestep, ports.Timestep.Rank == 0 ? [] : [timesteps]),
        };
        shapes.AddRange(ports.Further.Select(part => (part.Port, new long[] { batch })));
        var fixedInputs = ports.Shapes.Select(part => (part.Port, Made: part.Shape.Make(shape, sequenceLength))).ToList();
        shapes.AddRange(fixedInputs.Select(part => (part.Port, Array.ConvertAll(part.Made.Shape, size => (long)size))));
        _session = session.ForShapes(shapes);
        try
        {
            int groups = (rows + batch - 1) / batch;
            int allRows = groups * batch;
            _sample = Own(new RowTensor(ports.Sample, allRows, inShape));
            _embeds = Own(new RowTensor(ports.Embeds, allRows, sequenceLength, descriptor.CrossAttentionDim));
            _output = Own(new RowTensor(ports.Output, allRows, outShape));
            _further =
            [
                .. ports.Further.Select(part => (part.Conditioning.Role, Own(FurtherTensor(part.Conditioning, part.Port, allRows)))),
            ];
            if (_layout is not null)
            {
                _unpackedSample = new float[rows * _inShape.Length];
                _unpackedOutput = new float[rows * _outShape.Length];
            }

            _timestep = Own(
                ports.Timestep.Rank == 0 ? new HostTensor(ports.Timestep.Type) : new HostTensor(ports.Timestep.Type, timesteps));
            OrtValue timestep = Own(ports.Timestep.Rank == 0 ? _timestep.View(0) : _timestep.View(0, timesteps));

            var constants = new List<(string, OrtValue)>();
            foreach ((Port port, (int[] size, float[] values)) in fixedInputs)
            {
                HostTensor tensor = Own(new HostTensor(port.Type, Array.ConvertAll(size, length => (long)length)));
                TensorElements.Write(values, tensor.Bytes, port.Type);
                constants.Add((port.Name, Own(tensor.View(0, Array.ConvertAll(size, length => (long)length)))));
            }

            _groups = new Group[groups];
            for (int i = 0; i < groups; i++)
            {
                List<(string, OrtValue)> inputs = [(ports.Timestep.Name, timestep), .. constants];
                foreach (RowTensor tensor in _further.Select(part => part.Tensor).Prepend(_embeds).Prepend(_sample))
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
                $"The embeddings are [{conditioning.SequenceLength}, {conditioning.Width}]; bound for [{_sequenceLength}, {_descriptor.CrossAttentionDim}].",
                nameof(conditioning));
        }

        _embeds.Write(row, conditioning.PromptEmbeds.Span, ConditioningRole.PromptEmbeds.Name);
        foreach ((ConditioningRole role, RowTensor tensor) in _further)
        {
            tensor.Write(row, conditioning[role].Span, role.Name);
        }

        _held[row] = conditioning;
    }

    public Span<float> Sample(int row)
    {
        CheckRow(row);
        return _layout is null ? _sample.Floats(row) : _unpackedSample.AsSpan(row * _inShape.Length, _inShape.Length);
    }

    public ReadOnlySpan<float> ModelOutput(int row)
    {
        CheckRow(row);
        return _layout is null ? _output.Floats(row) : _unpackedOutput.AsSpan(row * _outShape.Length, _outShape.Length);
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
            Pack();
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
                throw new DiffusionClipException(
                    $"{_session.Path}: the evaluation failed: {exception.Message.ReplaceLineEndings(" ")}",
                    exception);
            }

            ThrowIfTerminated(null);
            _output.Download(_rows);
            Unpack();
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
        int size = TensorElements.SizeOf(_timestep.Type);
        ReadOnlySpan<float> one = [timestep * _timestepScale];
        for (int i = 0; i < _timestep.Length; i++)
        {
            TensorElements.Write(one, bytes.Slice(i * size, size), _timestep.Type);
        }
    }

    private void Pack()
    {
        for (int row = 0; _layout is not null && row < _rows; row++)
        {
            _layout.Pack(_unpackedSample.AsSpan(row * _inShape.Length, _inShape.Length), _inShape, _sample.Floats(row));
        }
    }

    private void Unpack()
    {
        for (int row = 0; _layout is not null && row < _rows; row++)
        {
            _layout.Unpack(_output.Floats(row), _outShape, _unpackedOutput.AsSpan(row * _outShape.Length, _outShape.Length));
        }
    }

    private long[] ShapeOf(LatentShape shape) => _layout is null
        ? [shape.Channels, shape.Height, shape.Width]
        : [.. _layout.ShapeOf(shape).Select(size => (long)size)];

    private RowTensor FurtherTensor(ConditioningPort part, Port port, int rows) =>
        part.Rank == 1 ? new(port, rows) : new(port, rows, _descriptor.WidthOf(part.Role));

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

        int size = TensorElements.SizeOf(_tensor.Type);
        TensorElements.Write(values, _tensor.Bytes.Slice(row * _rowLength * size, _rowLength * size), _tensor.Type);
    }

    /// <summary>Casts the first rows to the graph's type.</summary>
    public void Upload(int rows)
    {
        if (_floats is not null)
        {
            TensorElements.Write(_floats.Floats[..(rows * _rowLength)], _tensor.Bytes, _tensor.Type);
        }
    }

    /// <summary>Casts the first rows from the graph's type.</summary>
    public void Download(int rows)
    {
        if (_floats is not null)
        {
            int length = rows * _rowLength;
            TensorElements.Read(_tensor.Bytes[..(length * TensorElements.SizeOf(_tensor.Type))], _tensor.Type, _floats.Floats[..length]);
        }
    }

    public void Dispose()
    {
        _tensor.Dispose();
        _floats?.Dispose();
    }
}
