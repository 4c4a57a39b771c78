using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Jpeg;

/// <summary>
/// Reads a JPEG's entropy-coded data without making pixels, to find files that are cut off or have flipped bits (ITU-T T.81, annexes F
/// and G). JPEG has no checksum, and decoders fill what they cannot read with grey and say nothing; but data that do not decode to exactly
/// the blocks that the header promises are damaged. Damage that still decodes to that many blocks goes unnoticed.
/// Huffman-coded files only; arithmetic-coded ones are left to the decoder.
/// </summary>
public static class JpegIntegrity
{
    /// <summary>The most scans a file may have. Encoders write about ten; each costs time for every block, however few its bytes.</summary>
    public const int MostScans = 100;

    /// <summary>Checks a file.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="cancellationToken">Ends the check between two rows of blocks.</param>
    /// <exception cref="ImageFormatException">Damaged; says where.</exception>
    public static void Check(ReadOnlySpan<byte> file, CancellationToken cancellationToken = default)
    {
        using JpegFrame frame = new();
        JpegHuffmanTables tables = new();
        int restartInterval = 0, scans = 0;
        JpegSegments segments = new(file);
        while (segments.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            switch (segments.Marker)
            {
                case 0xC0 or 0xC1 or 0xC2:
                    frame.Read(segments.Content, isProgressive: segments.Marker == 0xC2);
                    break;
                case JpegSegments.HuffmanTables:
                    tables.Read(segments.Content);
                    break;
                case JpegSegments.RestartInterval when segments.Content.Length >= 2:
                    restartInterval = BinaryPrimitives.ReadUInt16BigEndian(segments.Content);
                    break;
                case JpegSegments.StartOfScan:
                    if (++scans > MostScans)
                    {
                        throw Damaged($"it has more than {MostScans} scans");
                    }

                    JpegScan scan = new(frame, tables, restartInterval, segments.Content);
                    segments.Position = scan.Read(file, segments.Position, cancellationToken);
                    break;
                default:
                    if (segments.IsFrame)
                    {
                        return;
                    }

                    break;
            }
        }

        switch (segments.End)
        {
            case JpegEnd.NoMarker:
                throw Damaged($"a marker is missing at byte {segments.Position}");
            case JpegEnd.Cut:
                throw new ImageFormatException("truncated JPEG: the file ends before the picture does");
            case var _ when scans == 0:
                throw Damaged("it holds no scan");
        }
    }

    /// <summary>The error for a damaged file.</summary>
    public static ImageFormatException Damaged(string what) => new($"damaged JPEG: {what}");
}
