using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;

namespace DiffusionClip.Denoising;

/// <summary>An equation in one vector.</summary>
internal interface IUnaryKernel
{
    /// <summary>The equation.</summary>
    Vector<float> Invoke(Vector<float> x);
}

/// <summary>An equation in two vectors.</summary>
internal interface IBinaryKernel
{
    /// <summary>The equation.</summary>
    Vector<float> Invoke(Vector<float> x, Vector<float> y);
}

/// <summary>An equation in three vectors.</summary>
internal interface ITernaryKernel
{
    /// <summary>The equation.</summary>
    Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z);
}

/// <summary>An equation in four vectors.</summary>
internal interface IQuaternaryKernel
{
    /// <summary>The equation.</summary>
    Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z, Vector<float> w);
}

/// <summary>
/// Applies an equation to every value in one pass over memory; the destination may be one of the operands. Equations are written in
/// the reference's order of operations, and nothing contracts multiplication and addition, so that every machine gives the same bits.
/// </summary>
internal static class Elementwise
{
    /// <summary>destination = kernel(x).</summary>
    public static void Apply<T>(Span<float> destination, ReadOnlySpan<float> x, T kernel)
        where T : struct, IUnaryKernel
    {
        Debug.Assert(x.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            kernel.Invoke(Vector.LoadUnsafe(ref px, (nuint)i)).StoreUnsafe(ref d, (nuint)i);
        }

        if (i < destination.Length)
        {
            Store(kernel.Invoke(Rest(x[i..])), destination[i..]);
        }
    }

    /// <summary>destination = kernel(x, y).</summary>
    public static void Apply<T>(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y, T kernel)
        where T : struct, IBinaryKernel
    {
        Debug.Assert(x.Length == destination.Length && y.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        ref float py = ref MemoryMarshal.GetReference(y);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            kernel.Invoke(Vector.LoadUnsafe(ref px, (nuint)i), Vector.LoadUnsafe(ref py, (nuint)i)).StoreUnsafe(ref d, (nuint)i);
        }

        if (i < destination.Length)
        {
            Store(kernel.Invoke(Rest(x[i..]), Rest(y[i..])), destination[i..]);
        }
    }

    /// <summary>destination = kernel(x, y, z).</summary>
    public static void Apply<T>(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> z, T kernel)
        where T : struct, ITernaryKernel
    {
        Debug.Assert(x.Length == destination.Length && y.Length == destination.Length && z.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        ref float py = ref MemoryMarshal.GetReference(y);
        ref float pz = ref MemoryMarshal.GetReference(z);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            kernel.Invoke(Vector.LoadUnsafe(ref px, (nuint)i), Vector.LoadUnsafe(ref py, (nuint)i), Vector.LoadUnsafe(ref pz, (nuint)i))
                .StoreUnsafe(ref d, (nuint)i);
        }

        if (i < destination.Length)
        {
            Store(kernel.Invoke(Rest(x[i..]), Rest(y[i..]), Rest(z[i..])), destination[i..]);
        }
    }

    /// <summary>destination = kernel(x, y, z, w).</summary>
    public static void Apply<T>(
        Span<float> destination,
        ReadOnlySpan<float> x,
        ReadOnlySpan<float> y,
        ReadOnlySpan<float> z,
        ReadOnlySpan<float> w,
        T kernel)
        where T : struct, IQuaternaryKernel
    {
        Debug.Assert(
            x.Length == destination.Length
                && y.Length == destination.Length
                && z.Length == destination.Length
                && w.Length == destination.Length);
        ref float d = ref MemoryMarshal.GetReference(destination);
        ref float px = ref MemoryMarshal.GetReference(x);
        ref float py = ref MemoryMarshal.GetReference(y);
        ref float pz = ref MemoryMarshal.GetReference(z);
        ref float pw = ref MemoryMarshal.GetReference(w);
        int i = 0;
        for (; i <= destination.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            kernel
                .Invoke(
                    Vector.LoadUnsafe(ref px, (nuint)i),
                    Vector.LoadUnsafe(ref py, (nuint)i),
                    Vector.LoadUnsafe(ref pz, (nuint)i),
                    Vector.LoadUnsafe(ref pw, (nuint)i))
                .StoreUnsafe(ref d, (nuint)i);
        }

        if (i < destination.Length)
        {
            Store(kernel.Invoke(Rest(x[i..]), Rest(y[i..]), Rest(z[i..]), Rest(w[i..])), destination[i..]);
        }
    }

    // The last values, fewer than a vector holds; the others are ones, so that nothing divides by zero.
    private static Vector<float> Rest(ReadOnlySpan<float> values)
    {
        Span<float> padded = stackalloc float[Vector<float>.Count];
        padded.Fill(1);
        values.CopyTo(padded);
        return new Vector<float>(padded);
    }

    private static void Store(Vector<float> values, Span<float> destination)
    {
        Span<float> padded = stackalloc float[Vector<float>.Count];
        values.CopyTo(padded);
        padded[..destination.Length].CopyTo(destination);
    }
}
