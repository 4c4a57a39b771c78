using System.Diagnostics.CodeAnalysis;
using DiffusionClip.Noise;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Benchmarks;

/// <summary>
/// A plain ONNX Runtime session in its fastest ordinary use: on the process's thread pool, inputs and outputs allocated and bound
/// once, every run a <c>RunWithBinding</c> and nothing else.
/// </summary>
internal sealed class BareGraph : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly InferenceSession _session;
    private readonly RunOptions _options;
    private readonly Func<int, long[]> _free;
    private OrtIoBinding? _binding;

    /// <summary>Loads a graph.</summary>
    /// <param name="path">The graph.</param>
    /// <param name="free">Sizes that inputs of a rank have where the graph leaves them open.</param>
    public BareGraph(string path, Func<int, long[]> free)
        : this(Load(path), free) => _owned.Insert(0, _session);

    /// <summary>Uses a session that somebody else owns.</summary>
    public BareGraph(InferenceSession session, Func<int, long[]> free)
    {
        _session = session;
        _options = Own(new RunOptions());
        _free = free;
    }

    /// <summary>Runs it; the first run also says how large the outputs are.</summary>
    public void Run()
    {
        if (_binding is null)
        {
            Bind();
        }

        _session.RunWithBinding(_options, _binding);
    }

    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }
    }

    private static InferenceSession Load(string path)
    {
        using SessionOptions options = new() { GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL };
        options.DisablePerSessionThreads();
        return new InferenceSession(path, options);
    }

    [MemberNotNull(nameof(_binding))]
    private void Bind()
    {
        string[] names = [.. _session.InputMetadata.Keys];
        OrtValue[] values = [.. names.Select(name => Own(Input(name, _session.InputMetadata[name])))];
        string[] outputs = [.. _session.OutputMetadata.Keys];
        _binding = Own(_session.CreateIoBinding());
        for (int i = 0; i < names.Length; i++)
        {
            _binding.BindInput(names[i], values[i]);
        }

        using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(_options, names, values, outputs);
        for (int i = 0; i < outputs.Length; i++)
        {
            OrtTensorTypeAndShapeInfo info = results[i].GetTensorTypeAndShape();
            _binding.BindOutput(
                outputs[i],
                Own(OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, info.ElementDataType, info.Shape)));
        }
    }

    // Noise for numbers, small token ids, masks that let all through, a timestep in the middle.
    private OrtValue Input(string name, NodeMetadata metadata)
    {
        long[] sizes = _free(metadata.Dimensions.Length);
        long[] shape = [.. metadata.Dimensions.Select((size, axis) => size > 0 ? size : sizes[axis])];
        OrtValue value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, metadata.ElementDataType, shape);
        int Whole(int index) => name.Contains("mask", StringComparison.Ordinal) ? 1 : name == "timestep" ? 500 : index % 64;
        switch (metadata.ElementDataType)
        {
            case TensorElementType.Float when shape.Length <= 1:
                value.GetTensorMutableDataAsSpan<float>().Fill(500);
                break;
            case TensorElementType.Float:
                NoiseSource.Create(NoiseKind.Cpu, 1).Fill(value.GetTensorMutableDataAsSpan<float>());
                break;
            case TensorElementType.Int64:
                Fill(value.GetTensorMutableDataAsSpan<long>(), index => Whole(index));
                break;
            case TensorElementType.Int32:
                Fill(value.GetTensorMutableDataAsSpan<int>(), Whole);
                break;
            default:
                throw new NotSupportedException($"{name} takes {metadata.ElementDataType}");
        }

        return value;
    }

    private static void Fill<T>(Span<T> destination, Func<int, T> value)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = value(i);
        }
    }

    private T Own<T>(T resource)
        where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }
}
