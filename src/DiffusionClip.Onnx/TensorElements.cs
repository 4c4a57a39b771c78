using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Onnx;

/// <summary>Converts between float32 and the element types that graphs take and give.</summary>
internal static class TensorElements
{
    public static int SizeOf(TensorElementType type) => type switch
    {
        TensorElementType.Float or TensorElementType.Int32 => 4,
        TensorElementType.Float16 or TensorElementType.BFloat16 => 2,
        TensorElementType.Double or TensorElementType.Int64 => 8,
        TensorElementType.Bool => 1,
        _ => throw new NotSupportedException($"Element type {type} is not one that models exchange."),
    };

    /// <summary>Writes numbers in a graph's type; whole-number types cut fractions off, as numpy's astype does.</summary>
    public static void Write(ReadOnlySpan<float> source, Span<byte> destination, TensorElementType type)
    {
        switch (type)
        {
            case TensorElementType.Float:
                source.CopyTo(MemoryMarshal.Cast<byte, float>(destination));
                break;
            case TensorElementType.Float16:
                TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(destination));
                break;
            case TensorElementType.BFloat16:
                Span<ushort> brain = MemoryMarshal.Cast<byte, ushort>(destination);
                for (int i = 0; i < source.Length; i++)
                {
                    brain[i] = ToBrain(source[i]);
                }

                break;
            case TensorElementType.Double:
                TensorPrimitives.ConvertTruncating(source, MemoryMarshal.Cast<byte, double>(destination));
                break;
            case TensorElementType.Int32:
                TensorPrimitives.ConvertTruncating(source, MemoryMarshal.Cast<byte, int>(destination));
                break;
            case TensorElementType.Int64:
                TensorPrimitives.ConvertTruncating(source, MemoryMarshal.Cast<byte, long>(destination));
                break;
            default:
                throw new NotSupportedException($"Element type {type} is not one that models exchange.");
        }
    }

    /// <summary>Reads numbers of a graph's type.</summary>
    public static void Read(ReadOnlySpan<byte> source, TensorElementType type, Span<float> destination)
    {
        switch (type)
        {
            case TensorElementType.Float:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case TensorElementType.Float16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source), destination);
                break;
            case TensorElementType.BFloat16:
                ReadOnlySpan<ushort> brain = MemoryMarshal.Cast<byte, ushort>(source);
                for (int i = 0; i < brain.Length; i++)
                {
                    destination[i] = BitConverter.UInt32BitsToSingle((uint)brain[i] << 16);
                }

                break;
            case TensorElementType.Double:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new NotSupportedException($"Element type {type} is not one that models exchange.");
        }
    }

    /// <summary>An output as float32, whatever its type.</summary>
    public static float[] ToFloats(OrtValue value)
    {
        OrtTensorTypeAndShapeInfo info = value.GetTensorTypeAndShape();
        float[] numbers = new float[info.ElementCount];
        Read(value.GetTensorMutableRawData(), info.ElementDataType, numbers);
        return numbers;
    }

    // Rounds to the nearest, ties to even; a NaN stays one.
    private static ushort ToBrain(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)0x7fc0 : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
