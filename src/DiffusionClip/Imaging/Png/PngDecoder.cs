using System.IO.Compression;

namespace DiffusionClip.Imaging.Png;

/// <summary>
/// Reads PNG pixels as 8-bit RGB, or their alpha: all colour types, depths and Adam7. For RGB alpha and <c>tRNS</c> are dropped; of 16 bits
/// the upper 8 are kept, as Pillow's <c>convert</c> does (16-bit grey too, which Pillow itself would clip). No colour management. Every
/// checksum is verified.
/// </summary>
public static class PngDecoder
{
    private static ReadOnlySpan<byte> AdamLeft => [0, 4, 0, 2, 0, 1, 0];

    private static ReadOnlySpan<byte> AdamTop => [0, 0, 4, 0, 2, 0, 1];

    private static ReadOnlySpan<byte> AdamAcross => [8, 8, 4, 4, 2, 2, 1];

    private static ReadOnlySpan<byte> AdamDown => [8, 8, 8, 4, 4, 2, 2];

    /// <summary>Decodes a file's colours.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused before pixels are allocated.</param>
    /// <param name="cancellationToken">Ends it between two chunks or rows.</param>
    /// <exception cref="ImageFormatException">Damaged or beyond the limits.</exception>
    public static RgbImage Decode(ReadOnlyMemory<byte> file, ImageLimits limits, CancellationToken cancellationToken = default)
    {
        ImageHeader header = ReadHeader(file.Span, limits);
        Chunks chunks = ReadChunks(file, cancellationToken);
        PngLayout layout = PngLayout.Read(file.Span[16..29], chunks.Palette.Span, default);
        byte[] pixels = new byte[checked(3 * header.Width * header.Height)];
        Decode(chunks.Data, new Rows(layout, header.Width, header.Height, 3, pixels), cancellationToken);
        return new RgbImage(header.Width, header.Height, pixels);
    }

    /// <summary>Decodes a file's alpha.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused before pixels are allocated.</param>
    /// <param name="cancellationToken">Ends it between two chunks or rows.</param>
    /// <returns>Alpha as stored; null if the file has none, which its header and <c>tRNS</c> say: pixels are not read then.</returns>
    /// <exception cref="ImageFormatException">Damaged or beyond the limits.</exception>
    public static AlphaChannel? DecodeAlpha(ReadOnlyMemory<byte> file, ImageLimits limits, CancellationToken cancellationToken = default)
    {
        ImageHeader header = ReadHeader(file.Span, limits);
        Chunks chunks = ReadChunks(file, cancellationToken);
        PngLayout layout = PngLayout.Read(file.Span[16..29], chunks.Palette.Span, chunks.Transparency.Span);
        if (!layout.HasAlpha)
        {
            return null;
        }

        byte[] alpha = new byte[checked(header.Width * header.Height)];
        Decode(chunks.Data, new Rows(layout, header.Width, header.Height, 1, alpha), cancellationToken);
        return new AlphaChannel(header.Width, header.Height, alpha);
    }

    private static ImageHeader ReadHeader(ReadOnlySpan<byte> file, ImageLimits limits)
    {
        ImageHeader header = ImageHeader.Read(file, limits);
        return header.Format == ImageFileFormat.Png
            ? header
            : throw new ImageFormatException($"not a PNG but a {ImageHeader.Name(header.Format)}");
    }

    private static Chunks ReadChunks(ReadOnlyMemory<byte> file, CancellationToken cancellationToken)
    {
        List<ReadOnlyMemory<byte>> data = [];
        ReadOnlyMemory<byte> palette = default, transparency = default;
        PngChunks<PngMemory> chunks = new(new PngMemory(file.Span));
        while (chunks.MoveNext() && chunks.TryTakeWhole(out ReadOnlySpan<byte> content, out uint checksum))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (PngChunk.Checksum(chunks.Type, content) != checksum)
            {
                throw new ImageFormatException($"damaged PNG: wrong checksum in the chunk at byte {chunks.Offset}");
            }

            ReadOnlyMemory<byte> kept = file.Slice((int)chunks.Offset + PngChunk.HeadLength, content.Length);
            switch (chunks.Type)
            {
                case PngChunk.Data:
                    // An empty one is smaller than what would remember it.
                    if (!kept.IsEmpty)
                    {
                        data.Add(kept);
                    }

                    break;
                case PngChunk.Palette:
                    palette = kept;
                    break;
                case PngChunk.Transparency:
                    transparency = kept;
                    break;
                case PngChunk.Header or PngChunk.End:
                    break;
                default:
                    if (PngChunk.IsCritical(chunks.Type))
                    {
                        throw new ImageFormatException($"damaged PNG: a critical chunk of an unknown kind at byte {chunks.Offset}");
                    }

                    break;
            }
        }

        return chunks.End switch
        {
            PngEnd.Whole => new Chunks(data, palette, transparency),
            PngEnd.BetweenChunks => throw new ImageFormatException("truncated PNG: the file ends before its IEND chunk"),
            _ => throw new ImageFormatException("truncated PNG: the file ends inside a chunk"),
        };
    }

    private static void Decode(List<ReadOnlyMemory<byte>> data, in Rows rows, CancellationToken cancellationToken)
    {
        try
        {
            using ZLibStream stream = new(new SegmentStream(data), CompressionMode.Decompress);
            if (rows.Layout.Interlaced)
            {
                ReadInterlaced(stream, rows, cancellationToken);
            }
            else
            {
                ReadRows(stream, rows, cancellationToken);
            }

            // Reading past the last row makes the decompressor compare its own checksum.
            _ = stream.ReadByte();
        }
        catch (Exception damaged) when (damaged is InvalidDataException or EndOfStreamException)
        {
            throw new ImageFormatException("damaged PNG: its compressed data are broken or too short", damaged);
        }
    }

    private static void ReadRows(ZLibStream stream, in Rows rows, CancellationToken cancellationToken)
    {
        PngLayout layout = rows.Layout;
        int rowBytes = layout.RowBytes(rows.Width);
        bool straight = rows.Channels == 3 && layout is { ColourType: 2, Depth: 8 };
        using PixelBuffer<byte> first = new(rowBytes + 1), second = new(rowBytes + 1);
        Span<byte> current = first.Span, other = second.Span;
        other.Clear();
        ReadOnlySpan<byte> above = other[1..];
        for (int y = 0; y < rows.Height; y++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> output = rows.Output.AsSpan(rows.Channels * rows.Width * y, rows.Channels * rows.Width);
            stream.ReadExactly(current);
            if (straight)
            {
                // RGB rows need no conversion: the filter is undone where the row stays.
                current[1..].CopyTo(output);
                Undo(current[0], output, above, layout.Step);
                above = output;
                continue;
            }

            Undo(current[0], current[1..], other[1..], layout.Step);
            layout.Convert(current[1..], rows.Width, rows.Channels, output);
            Span<byte> swap = current;
            current = other;
            other = swap;
        }
    }

    private static void ReadInterlaced(ZLibStream stream, in Rows rows, CancellationToken cancellationToken)
    {
        PngLayout layout = rows.Layout;
        int widest = layout.RowBytes(rows.Width) + 1;
        using PixelBuffer<byte> first = new(widest), second = new(widest), converted = new(rows.Channels * rows.Width);
        Span<byte> line = converted.Span;
        for (int pass = 0; pass < 7; pass++)
        {
            int left = AdamLeft[pass], across = AdamAcross[pass];
            int columns = (rows.Width - left + across - 1) / across;
            if (columns == 0)
            {
                continue;
            }

            int rowBytes = layout.RowBytes(columns);
            Span<byte> current = first.Span[..(rowBytes + 1)], above = second.Span[..(rowBytes + 1)];
            above.Clear();
            for (int y = AdamTop[pass]; y < rows.Height; y += AdamDown[pass])
            {
                cancellationToken.ThrowIfCancellationRequested();
                stream.ReadExactly(current);
                Undo(current[0], current[1..], above[1..], layout.Step);
                layout.Convert(current[1..], columns, rows.Channels, line);
                for (int x = 0; x < columns; x++)
                {
                    int to = (y * rows.Width) + left + (x * across);
                    line.Slice(rows.Channels * x, rows.Channels).CopyTo(rows.Output.AsSpan(rows.Channels * to));
                }

                Span<byte> swap = current;
                current = above;
                above = swap;
            }
        }
    }

    private static void Undo(int type, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        if (!PngFilter.Undo(type, row, above, step))
        {
            throw new ImageFormatException($"damaged PNG: a row with the unknown filter {type}");
        }
    }

    /// <summary>What the chunks hold.</summary>
    private readonly record struct Chunks(
        List<ReadOnlyMemory<byte>> Data, ReadOnlyMemory<byte> Palette, ReadOnlyMemory<byte> Transparency);

    /// <summary>What is made of the rows.</summary>
    /// <param name="Layout">How they are stored.</param>
    /// <param name="Width">Columns.</param>
    /// <param name="Height">Rows.</param>
    /// <param name="Channels">3: red, green and blue; 1: alpha.</param>
    /// <param name="Output">[height, width, channels].</param>
    private readonly record struct Rows(PngLayout Layout, int Width, int Height, int Channels, byte[] Output);

    /// <summary>The data of all IDAT chunks, one after another.</summary>
    private sealed class SegmentStream(List<ReadOnlyMemory<byte>> segments) : ForwardStream
    {
        private int _segment;
        private int _offset;

        public override int Read(Span<byte> buffer)
        {
            while (_segment < segments.Count)
            {
                ReadOnlySpan<byte> rest = segments[_segment].Span[_offset..];
                if (rest.IsEmpty)
                {
                    _segment++;
                    _offset = 0;
                    continue;
                }

                int count = Math.Min(rest.Length, buffer.Length);
                rest[..count].CopyTo(buffer);
                _offset += count;
                return count;
            }

            return 0;
        }
    }
}
