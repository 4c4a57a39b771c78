using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Jpeg;

/// <summary>How a walk over the segments of a file ended.</summary>
internal enum JpegEnd
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>With the marker of the picture's end.</summary>
    Whole,

    /// <summary>There is no marker where one should be.</summary>
    NoMarker,

    /// <summary>The file ends before the next segment does.</summary>
    Cut,
}

/// <summary>
/// Walks over the marker segments of a JPEG file up to the marker of its end (ITU-T T.81, annex B). Entropy-coded data follow a scan's
/// header without a marker: a caller that continues past one gives their end.
/// </summary>
/// <param name="file">The whole file, which begins with the two bytes of JPEG's first marker.</param>
internal ref struct JpegSegments(ReadOnlySpan<byte> file)
{
    public const byte HuffmanTables = 0xC4;
    public const byte EndOfImage = 0xD9;
    public const byte StartOfScan = 0xDA;
    public const byte RestartInterval = 0xDD;
    public const byte App1 = 0xE1;

    private readonly ReadOnlySpan<byte> _file = file;

    /// <summary>How the walk ended.</summary>
    public JpegEnd End { get; private set; }

    /// <summary>Second byte of the current segment's marker.</summary>
    public byte Marker { get; private set; }

    /// <summary>The current segment without marker and length.</summary>
    public ReadOnlySpan<byte> Content { get; private set; }

    /// <summary>Where the walk goes on: behind the current segment, or at what ended it.</summary>
    public int Position { get; set; } = 2;

    /// <summary>Whether the current segment is a frame header, of whichever coding.</summary>
    public readonly bool IsFrame => Marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC);

    /// <summary>Goes to the next segment; markers that have none are passed.</summary>
    /// <returns>False at the end, which <see cref="End"/> describes.</returns>
    public bool MoveNext()
    {
        Content = default;
        while (End == JpegEnd.None)
        {
            ReadOnlySpan<byte> rest = _file[Position..];
            if (rest.Length < 2)
            {
                End = JpegEnd.Cut;
                break;
            }

            Marker = rest[1];
            if (rest[0] != 0xFF || Marker == 0)
            {
                End = JpegEnd.NoMarker;
            }
            else if (Marker == 0xFF)
            {
                // Markers may be preceded by fill bytes.
                Position++;
            }
            else if (Marker is 0x01 or (>= 0xD0 and <= 0xD8))
            {
                Position += 2;
            }
            else if (Marker == EndOfImage)
            {
                End = JpegEnd.Whole;
            }
            else
            {
                int length = rest.Length < 4 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
                if (length < 2 || length > rest.Length - 2)
                {
                    End = JpegEnd.Cut;
                    break;
                }

                Content = rest.Slice(4, length - 2);
                Position += 2 + length;
                return true;
            }
        }

        return false;
    }
}
