using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Onnx;

/// <summary>A tensor in native host memory of its own, in a graph's element type. Its memory does not move and is freed with it.</summary>
internal sealed unsafe class HostTensor : IDisposable
{
    // A cache line, and enough for any vector load.
    private const int Alignment = 64;

    private byte* _memory;

    /// <summary>Allocates zeros.</summary>
    public HostTensor(TensorElementType type, params ReadOnlySpan<long> shape)
    {
        long length = 1;
        foreach (long size in shape)
        {
            length = checked(length * size);
        }

        Type = type;
        Length = checked((int)length);
        ByteLength = checked(Length * TensorElements.SizeOf(type));
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(ByteLength, 1), Alignment);
        Bytes.Clear();
    }

    public TensorElementType Type { get; }

    /// <summary>Values.</summary>
    public int Length { get; }

    public int ByteLength { get; }

    public Span<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return new(_memory, ByteLength);
        }
    }

    /// <summary>The values of a float32 tensor.</summary>
    public Span<float> Floats => MemoryMarshal.Cast<byte, float>(Bytes);

    /// <summary>Part of the tensor as the runtime sees it, without a copy; borrowed memory.</summary>
    /// <param name="offset">First value.</param>
    /// <param name="shape">Shape of the part.</param>
    public OrtValue View(int offset, params long[] shape)
    {
        long length = shape.Aggregate(1L, (product, size) => product * size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, Length);
        int size = TensorElements.SizeOf(Type);
        return OrtValue.CreateTensorValueWithData(
            OrtMemoryInfo.DefaultInstance,
            Type,
            shape,
            (IntPtr)(_memory + ((long)offset * size)),
            length * size);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
