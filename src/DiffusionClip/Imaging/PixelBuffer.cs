using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DiffusionClip.Imaging;

/// <summary>
/// Working memory for the values of a picture, not cleared. Small ones are rented from the shared pool. Large ones are the native heap's
/// and are given back at once: the pool would round them up to a power of two and keep one for each thread that ever held one.
/// </summary>
/// <typeparam name="T">Type of a value.</typeparam>
public sealed unsafe class PixelBuffer<T> : IDisposable
    where T : unmanaged
{
    /// <summary>The most bytes that are rented: 1024 × 1024 pixels of 4 bytes.</summary>
    internal const int MostRented = 1 << 22;

    private T[]? _rented;
    private void* _native;

    /// <summary>Takes memory.</summary>
    /// <param name="length">Values.</param>
    public PixelBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        if ((long)length * Unsafe.SizeOf<T>() <= MostRented)
        {
            _rented = ArrayPool<T>.Shared.Rent(length);
        }
        else
        {
            _native = NativeMemory.Alloc((nuint)length, (nuint)Unsafe.SizeOf<T>());
        }
    }

    /// <summary>Values that were asked for.</summary>
    public int Length { get; }

    /// <summary>The memory; not to be used after <see cref="Dispose"/>.</summary>
    /// <exception cref="ObjectDisposedException">It was given back.</exception>
    public Span<T> Span =>
        _rented is not null ? _rented.AsSpan(0, Length)
        : _native is not null ? new Span<T>(_native, Length)
        : throw new ObjectDisposedException(nameof(PixelBuffer<T>));

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        if (_rented is { } rented)
        {
            _rented = null;
            ArrayPool<T>.Shared.Return(rented);
        }

        NativeMemory.Free(_native);
        _native = null;
    }
}
