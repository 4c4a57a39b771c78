using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Onnx;

/// <summary>The inputs of one run of an encoder or decoder; re-entrant graphs need no buffers of their own for that.</summary>
internal sealed class EncoderCall : IDisposable
{
    private readonly List<string> _names = [];
    private readonly List<OrtValue> _values = [];
    private readonly List<(Port, long[])> _shapes = [];
    private readonly List<IDisposable> _owned = [];

    /// <summary>Whole numbers in the type the graph takes.</summary>
    public void Add(Port port, ReadOnlySpan<int> numbers, params long[] shape)
    {
        if (port.Type == TensorElementType.Int32)
        {
            Add(port, OrtValue.CreateTensorValueFromMemory(numbers.ToArray(), shape), shape);
            return;
        }

        HostTensor tensor = Own(new HostTensor(port.Type, shape));
        switch (port.Type)
        {
            case TensorElementType.Int64:
                Span<long> wide = MemoryMarshal.Cast<byte, long>(tensor.Bytes);
                for (int i = 0; i < numbers.Length; i++)
                {
                    wide[i] = numbers[i];
                }

                break;
            case TensorElementType.Bool:
                for (int i = 0; i < numbers.Length; i++)
                {
                    tensor.Bytes[i] = (byte)(numbers[i] == 0 ? 0 : 1);
                }

                break;
            default:
                float[] real = new float[numbers.Length];
                for (int i = 0; i < real.Length; i++)
                {
                    real[i] = numbers[i];
                }

                TensorElements.Write(real, tensor.Bytes, port.Type);
                break;
        }

        Add(port, tensor.View(0, shape), shape);
    }

    /// <summary>
    /// Real numbers in the type the graph takes; float32 is read where it lies, which must not move until the call is disposed.
    /// </summary>
    public unsafe void AddPinned(Port port, float* numbers, int length, params long[] shape)
    {
        if (port.Type == TensorElementType.Float)
        {
            Add(
                port,
                OrtValue.CreateTensorValueWithData(
                    OrtMemoryInfo.DefaultInstance,
                    port.Type,
                    shape,
                    (IntPtr)numbers,
                    (long)length * sizeof(float)),
                shape);
            return;
        }

        HostTensor tensor = Own(new HostTensor(port.Type, shape));
        TensorElements.Write(new ReadOnlySpan<float>(numbers, length), tensor.Bytes, port.Type);
        Add(port, tensor.View(0, shape), shape);
    }

    /// <summary>Zeros, for the half of a graph that is not asked.</summary>
    public void AddZeros(Port port, params long[] shape) => Add(port, Own(new HostTensor(port.Type, shape)).View(0, shape), shape);

    /// <summary>Runs the graph; the caller owns the outputs.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IDisposableReadOnlyCollection<OrtValue> Run(OnnxSession session, string[] outputs, CancellationToken cancellationToken)
    {
        OnnxSession shaped = session.ForShapes(_shapes);
        try
        {
            return shaped.Run([.. _names], [.. _values], outputs, cancellationToken);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new DiffusionClipException(
                $"{session.Path}: the evaluation failed: {exception.Message.ReplaceLineEndings(" ")}",
                exception);
        }
        finally
        {
            shaped.Release();
        }
    }

    public void Dispose()
    {
        _values.ForEach(value => value.Dispose());
        _owned.ForEach(resource => resource.Dispose());
    }

    private void Add(Port port, OrtValue value, long[] shape)
    {
        _shapes.Add((port, shape));
        _names.Add(port.Name);
        _values.Add(value);
    }

    private T Own<T>(T resource) where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }
}
