using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;

namespace DiffusionClip.Denoising;

/// <summary>
/// Sums of scaled samples, the arithmetic of every scheduler step, in one pass over memory. The destination may be one of the operands.
/// Multiplications and additions are not contracted, so that every machine gives the same bits.
/// </summary>
internal static class LinearCombination
{
    /// <summary>destination = a·x.</summary>
    public static void Write(Span<float> destination, float a, ReadOnlySpan<float> x)
    {
        Debug.Assert(x.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        var va = new Vector<float>(a);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            (va * Vector.LoadUnsafe(ref px, (nuint)i)).StoreUnsafe(ref d, (nuint)i);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = a * x[i];
        }
    }

    /// <summary>destination = a·x + b·y.</summary>
    public static void Write(Span<float> destination, float a, ReadOnlySpan<float> x, float b, ReadOnlySpan<float> y)
    {
        Debug.Assert(x.Length == destination.Length && y.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        ref float py = ref MemoryMarshal.GetReference(y);
        var va = new Vector<float>(a);
        var vb = new Vector<float>(b);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            ((va * Vector.LoadUnsafe(ref px, (nuint)i)) + (vb * Vector.LoadUnsafe(ref py, (nuint)i))).StoreUnsafe(ref d, (nuint)i);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = (a * x[i]) + (b * y[i]);
        }
    }

    /// <summary>destination = a·x + b·y + c·z.</summary>
    public static void Write(Span<float> destination, float a, ReadOnlySpan<float> x, float b, ReadOnlySpan<float> y, float c, ReadOnlySpan<float> z)
    {
        Debug.Assert(x.Length == destination.Length && y.Length == destination.Length && z.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        ref float py = ref MemoryMarshal.GetReference(y);
        ref float pz = ref MemoryMarshal.GetReference(z);
        var va = new Vector<float>(a);
        var vb = new Vector<float>(b);
        var vc = new Vector<float>(c);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            ((va * Vector.LoadUnsafe(ref px, (nuint)i)) + (vb * Vector.LoadUnsafe(ref py, (nuint)i)) + (vc * Vector.LoadUnsafe(ref pz, (nuint)i)))
                .StoreUnsafe(ref d, (nuint)i);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = (a * x[i]) + (b * y[i]) + (c * z[i]);
        }
    }

    /// <summary>destination = a·x + b·y + c·z + e·w.</summary>
    public static void Write(
        Span<float> destination, float a, ReadOnlySpan<float> x, float b, ReadOnlySpan<float> y, float c, ReadOnlySpan<float> z, float e, ReadOnlySpan<float> w)
    {
        Debug.Assert(x.Length == destination.Length && y.Length == destination.Length && z.Length == destination.Length && w.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        ref float py = ref MemoryMarshal.GetReference(y);
        ref float pz = ref MemoryMarshal.GetReference(z);
        ref float pw = ref MemoryMarshal.GetReference(w);
        var va = new Vector<float>(a);
        var vb = new Vector<float>(b);
        var vc = new Vector<float>(c);
        var ve = new Vector<float>(e);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            ((va * Vector.LoadUnsafe(ref px, (nuint)i)) + (vb * Vector.LoadUnsafe(ref py, (nuint)i))
                + (vc * Vector.LoadUnsafe(ref pz, (nuint)i)) + (ve * Vector.LoadUnsafe(ref pw, (nuint)i))).StoreUnsafe(ref d, (nuint)i);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = (a * x[i]) + (b * y[i]) + (c * z[i]) + (e * w[i]);
        }
    }

    /// <summary>destination += a·x.</summary>
    public static void Add(Span<float> destination, float a, ReadOnlySpan<float> x) => Write(destination, 1, destination, a, x);

    /// <summary>destination += a·x + b·y.</summary>
    public static void Add(Span<float> destination, float a, ReadOnlySpan<float> x, float b, ReadOnlySpan<float> y) =>
        Write(destination, 1, destination, a, x, b, y);
}
