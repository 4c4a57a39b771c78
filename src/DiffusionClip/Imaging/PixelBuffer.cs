using System.Buffers;
using System.Runtime.InteropServices;

namespace DiffusionClip.Imaging;

/// <summary>
/// Working memory for the bytes of a picture, not cleared. Small ones are rented from the shared pool. Large ones are the native heap's and
/// are given back at once: the pool would round them up to a power of two and keep one for each thread that ever held one.
/// </summary>
internal sealed unsafe class PixelBuffer : IDisposable
{
    /// <summary>The longest that is rented: 1024 × 1024 pixels of 4 bytes.</summary>
    internal const int MostRented = 1 << 22;

    private byte[]? _rented;
    private void* _native;

    /// <summary>Takes memory.</summary>
    /// <param name="length">Bytes.</param>
    public PixelBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        if (length <= MostRented)
        {
            _rented = ArrayPool<byte>.Shared.Rent(length);
        }
        else
        {
            _native = NativeMemory.Alloc((nuint)length);
        }
    }

    /// <summary>Bytes that were asked for.</summary>
    public int Length { get; }

    /// <summary>The memory; not to be used after <see cref="Dispose"/>.</summary>
    /// <exception cref="ObjectDisposedException">It was given back.</exception>
    public Span<byte> Span =>
        _rented is not null ? _rented.AsSpan(0, Length)
        : _native is not null ? new Span<byte>(_native, Length)
        : throw new ObjectDisposedException(nameof(PixelBuffer));

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        if (_rented is { } rented)
        {
            _rented = null;
            ArrayPool<byte>.Shared.Return(rented);
        }

        NativeMemory.Free(_native);
        _native = null;
    }
}
