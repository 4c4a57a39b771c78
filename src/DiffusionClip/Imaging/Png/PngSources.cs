namespace DiffusionClip.Imaging.Png;

/// <summary>The bytes of a file, one after the other.</summary>
internal interface IPngSource
{
    /// <summary>Takes the next bytes, which are valid until the next call.</summary>
    /// <returns>False if there are fewer.</returns>
    bool TryTake(int count, out ReadOnlySpan<byte> bytes);

    /// <summary>Passes the next bytes.</summary>
    /// <returns>False if there are fewer.</returns>
    bool TrySkip(long count);
}

/// <summary>A file in memory; what is taken stays valid.</summary>
internal ref struct PngMemory(ReadOnlySpan<byte> file) : IPngSource
{
    private ReadOnlySpan<byte> _rest = file;

    public bool TryTake(int count, out ReadOnlySpan<byte> bytes)
    {
        bool enough = count <= _rest.Length;
        bytes = enough ? _rest[..count] : default;
        _rest = enough ? _rest[count..] : default;
        return enough;
    }

    public bool TrySkip(long count)
    {
        bool enough = count <= _rest.Length;
        _rest = enough ? _rest[(int)count..] : default;
        return enough;
    }
}

/// <summary>A stream, read forward only and left open; holds what was taken last.</summary>
internal sealed class PngStream(Stream stream) : IPngSource
{
    // Grown as bytes arrive: a length that the file does not hold up to allocates nothing.
    private byte[] _buffer = new byte[16 << 10];

    public bool TryTake(int count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        int filled = 0;
        while (filled < count)
        {
            if (filled == _buffer.Length)
            {
                Array.Resize(ref _buffer, (int)Math.Min((long)_buffer.Length * 2, count));
            }

            int read = stream.Read(_buffer, filled, Math.Min(count, _buffer.Length) - filled);
            if (read == 0)
            {
                return false;
            }

            filled += read;
        }

        bytes = _buffer.AsSpan(0, count);
        return true;
    }

    public bool TrySkip(long count)
    {
        if (stream.CanSeek)
        {
            long target = stream.Position + count;
            bool enough = target <= stream.Length;
            stream.Position = enough ? target : stream.Length;
            return enough;
        }

        while (count > 0)
        {
            int read = stream.Read(_buffer, 0, (int)Math.Min(count, _buffer.Length));
            if (read == 0)
            {
                return false;
            }

            count -= read;
        }

        return true;
    }
}
