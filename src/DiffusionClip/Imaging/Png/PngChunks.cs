using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Png;

/// <summary>How a walk over the chunks of a file ended.</summary>
internal enum PngEnd
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>With an IEND chunk, which is whole.</summary>
    Whole,

    /// <summary>The file ends where a chunk should begin: IEND is missing.</summary>
    BetweenChunks,

    /// <summary>The file ends inside the current chunk.</summary>
    InsideChunk,
}

/// <summary>
/// Walks over the chunks of a PNG file, forward and up to IEND; grammar and checksums of their contents are the caller's. Nothing is
/// held that the caller did not ask for, whatever lengths the file claims.
/// </summary>
/// <typeparam name="TSource">Where the bytes come from.</typeparam>
internal ref struct PngChunks<TSource>
    where TSource : IPngSource, allows ref struct
{
    private TSource _source;
    private long _unread;

    /// <summary>Begins a walk.</summary>
    /// <param name="source">The file, from its first byte.</param>
    public PngChunks(TSource source)
    {
        _source = source;
        Offset = PngChunk.Signature.Length;
        IsPng = _source.TryTake(PngChunk.Signature.Length, out ReadOnlySpan<byte> signature) && signature.SequenceEqual(PngChunk.Signature);
        End = IsPng ? PngEnd.None : PngEnd.BetweenChunks;
    }

    /// <summary>Whether the file begins with PNG's signature; if not, there are no chunks.</summary>
    public bool IsPng { get; }

    /// <summary>How the walk ended.</summary>
    public PngEnd End { get; private set; }

    /// <summary>Type of the current chunk.</summary>
    public uint Type { get; private set; }

    /// <summary>Bytes of the current chunk's content, as the file says.</summary>
    public uint Length { get; private set; }

    /// <summary>Where the current chunk begins in the file, or the missing one should, in bytes.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes of the current chunk that were not taken yet, its checksum included.</summary>
    public readonly long Unread => _unread;

    /// <summary>Goes to the next chunk past whatever of the current one was not taken.</summary>
    /// <returns>False at the end, which <see cref="End"/> describes.</returns>
    public bool MoveNext()
    {
        bool begun = Type != 0;
        if (End != PngEnd.None || !TrySkip())
        {
            return false;
        }

        if (begun)
        {
            Offset += PngChunk.HeadLength + (long)Length + PngChunk.ChecksumLength;
            if (Type == PngChunk.End)
            {
                End = PngEnd.Whole;
                return false;
            }
        }

        if (!_source.TryTake(PngChunk.HeadLength, out ReadOnlySpan<byte> head))
        {
            End = PngEnd.BetweenChunks;
            return false;
        }

        Length = BinaryPrimitives.ReadUInt32BigEndian(head);
        Type = BinaryPrimitives.ReadUInt32BigEndian(head[4..]);
        _unread = (long)Length + PngChunk.ChecksumLength;
        return true;
    }

    /// <summary>Takes the next bytes of the current chunk; they are valid until more is taken or passed.</summary>
    /// <param name="count">At most <see cref="Unread"/>.</param>
    /// <param name="bytes">The bytes.</param>
    /// <returns>False if the file ends before.</returns>
    public bool TryTake(int count, out ReadOnlySpan<byte> bytes)
    {
        if (!_source.TryTake(count, out bytes))
        {
            End = PngEnd.InsideChunk;
            return false;
        }

        _unread -= count;
        return true;
    }

    /// <summary>Takes the current chunk, of which nothing was taken yet; its content is valid until more is taken or passed.</summary>
    /// <param name="content">The content.</param>
    /// <param name="checksum">The checksum that the file gives it.</param>
    /// <returns>False if the file ends before, which it does for any length of more than 2 GiB.</returns>
    public bool TryTakeWhole(out ReadOnlySpan<byte> content, out uint checksum)
    {
        content = default;
        checksum = 0;
        if (_unread > Array.MaxLength)
        {
            End = PngEnd.InsideChunk;
            return false;
        }

        if (!TryTake((int)_unread, out ReadOnlySpan<byte> all))
        {
            return false;
        }

        content = all[..^PngChunk.ChecksumLength];
        checksum = BinaryPrimitives.ReadUInt32BigEndian(all[^PngChunk.ChecksumLength..]);
        return true;
    }

    /// <summary>Passes what is left of the current chunk.</summary>
    /// <returns>False if the file ends before.</returns>
    public bool TrySkip()
    {
        if (_unread > 0 && !_source.TrySkip(_unread))
        {
            End = PngEnd.InsideChunk;
            return false;
        }

        _unread = 0;
        return true;
    }
}
