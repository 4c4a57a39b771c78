using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;

namespace DiffusionClip.Imaging.Png;

/// <summary>
/// Reads PNG pixels as 8-bit RGB: all colour types, depths and Adam7. Alpha and <c>tRNS</c> are dropped, of 16 bits the upper 8 are kept, as
/// Pillow's <c>convert("RGB")</c> does (16-bit grey too, which Pillow itself would clip). No colour management. Every checksum is verified.
/// </summary>
internal static class PngDecoder
{
    private static ReadOnlySpan<byte> AdamLeft => [0, 4, 0, 2, 0, 1, 0];

    private static ReadOnlySpan<byte> AdamTop => [0, 0, 4, 0, 2, 0, 1];

    private static ReadOnlySpan<byte> AdamAcross => [8, 8, 4, 4, 2, 2, 1];

    private static ReadOnlySpan<byte> AdamDown => [8, 8, 8, 4, 4, 2, 2];

    /// <summary>Decodes a file whose header has been checked.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused before pixels are allocated.</param>
    /// <exception cref="ImageFormatException">Damaged or beyond the limits.</exception>
    public static RgbImage Decode(ReadOnlyMemory<byte> file, ImageLimits limits)
    {
        ImageHeader header = ImageHeader.Read(file.Span, limits);
        if (header.Format != ImageFileFormat.Png)
        {
            throw new ImageFormatException($"not a PNG but a {ImageHeader.Name(header.Format)}");
        }

        Chunks chunks = ReadChunks(file);
        Layout layout = Layout.Read(file.Span[16..29], chunks.Palette.Span);
        byte[] pixels = new byte[3 * header.Width * header.Height];
        try
        {
            using ZLibStream stream = new(new SegmentStream(chunks.Data), CompressionMode.Decompress);
            if (layout.Interlaced)
            {
                ReadInterlaced(stream, layout, header.Width, header.Height, pixels);
            }
            else
            {
                ReadRows(stream, layout, header.Width, header.Height, pixels);
            }
        }
        catch (Exception damaged) when (damaged is InvalidDataException or EndOfStreamException)
        {
            throw new ImageFormatException("damaged PNG: its compressed data are broken or too short", damaged);
        }

        return new RgbImage(header.Width, header.Height, pixels);
    }

    private static Chunks ReadChunks(ReadOnlyMemory<byte> file)
    {
        ReadOnlySpan<byte> bytes = file.Span;
        List<ReadOnlyMemory<byte>> data = [];
        ReadOnlyMemory<byte> palette = default;
        int at = 8;
        while (true)
        {
            if (bytes.Length - at < 12)
            {
                throw new ImageFormatException("truncated PNG: the file ends before its IEND chunk");
            }

            uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
            if (length > bytes.Length - at - 12)
            {
                throw new ImageFormatException("truncated PNG: the file ends inside a chunk");
            }

            ReadOnlySpan<byte> type = bytes.Slice(at + 4, 4);
            int next = at + 12 + (int)length;
            if (PngChecksum.Of(bytes[(at + 4)..(next - 4)]) != BinaryPrimitives.ReadUInt32BigEndian(bytes[(next - 4)..]))
            {
                throw new ImageFormatException($"damaged PNG: wrong checksum in the chunk at byte {at}");
            }

            if (type.SequenceEqual("IDAT"u8))
            {
                data.Add(file.Slice(at + 8, (int)length));
            }
            else if (type.SequenceEqual("PLTE"u8))
            {
                palette = file.Slice(at + 8, (int)length);
            }
            else if (type.SequenceEqual("IEND"u8))
            {
                return new Chunks(data, palette);
            }
            else if ((type[0] & 0x20) == 0 && !type.SequenceEqual("IHDR"u8))
            {
                throw new ImageFormatException($"damaged PNG: a critical chunk of an unknown kind at byte {at}");
            }

            at = next;
        }
    }

    private static void ReadRows(ZLibStream stream, Layout layout, int width, int height, byte[] pixels)
    {
        int rowBytes = layout.RowBytes(width);
        bool straight = layout is { ColourType: 2, Depth: 8 };
        byte[] rented = ArrayPool<byte>.Shared.Rent(2 * (rowBytes + 1));
        try
        {
            Span<byte> current = rented.AsSpan(0, rowBytes + 1);
            Span<byte> other = rented.AsSpan(rowBytes + 1, rowBytes + 1);
            other.Clear();
            ReadOnlySpan<byte> above = other[1..];
            for (int y = 0; y < height; y++)
            {
                Span<byte> output = pixels.AsSpan(3 * width * y, 3 * width);
                if (straight)
                {
                    // RGB rows need no conversion: the filter is undone where the row stays.
                    stream.ReadExactly(current);
                    current[1..].CopyTo(output);
                    Undo(current[0], output, above, layout.Step);
                    above = output;
                    continue;
                }

                stream.ReadExactly(current);
                Undo(current[0], current[1..], other[1..], layout.Step);
                layout.ToRgb(current[1..], width, output);
                Span<byte> swap = current;
                current = other;
                other = swap;
            }

            // Reading past the last row makes the decompressor compare its own checksum.
            _ = stream.ReadByte();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static void ReadInterlaced(ZLibStream stream, Layout layout, int width, int height, byte[] pixels)
    {
        int widest = layout.RowBytes(width) + 1;
        byte[] rented = ArrayPool<byte>.Shared.Rent((2 * widest) + (3 * width));
        try
        {
            Span<byte> line = rented.AsSpan(2 * widest, 3 * width);
            for (int pass = 0; pass < 7; pass++)
            {
                int left = AdamLeft[pass], across = AdamAcross[pass];
                int columns = (width - left + across - 1) / across;
                if (columns == 0)
                {
                    continue;
                }

                int rowBytes = layout.RowBytes(columns);
                Span<byte> current = rented.AsSpan(0, rowBytes + 1);
                Span<byte> above = rented.AsSpan(widest, rowBytes + 1);
                above.Clear();
                for (int y = AdamTop[pass]; y < height; y += AdamDown[pass])
                {
                    stream.ReadExactly(current);
                    Undo(current[0], current[1..], above[1..], layout.Step);
                    layout.ToRgb(current[1..], columns, line);
                    for (int x = 0; x < columns; x++)
                    {
                        line.Slice(3 * x, 3).CopyTo(pixels.AsSpan(3 * ((y * width) + left + (x * across))));
                    }

                    Span<byte> swap = current;
                    current = above;
                    above = swap;
                }
            }

            _ = stream.ReadByte();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static void Undo(int type, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        if (!PngFilter.Undo(type, row, above, step))
        {
            throw new ImageFormatException($"damaged PNG: a row with the unknown filter {type}");
        }
    }

    private readonly record struct Chunks(List<ReadOnlyMemory<byte>> Data, ReadOnlyMemory<byte> Palette);

    /// <summary>How pixels lie in a row.</summary>
    private sealed class Layout
    {
        private readonly byte[] _palette = new byte[3 * 256];

        private Layout(int depth, int colourType, bool interlaced)
        {
            Depth = depth;
            ColourType = colourType;
            Interlaced = interlaced;
            BitsPerPixel = depth * colourType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };
        }

        public int Depth { get; }

        public int ColourType { get; }

        public bool Interlaced { get; }

        public int Step => Math.Max(1, BitsPerPixel / 8);

        private int BitsPerPixel { get; }

        public static Layout Read(ReadOnlySpan<byte> header, ReadOnlySpan<byte> palette)
        {
            (int depth, int colourType) = (header[8], header[9]);
            bool known = (colourType, depth) is (0, 1 or 2 or 4 or 8 or 16) or (3, 1 or 2 or 4 or 8) or (2 or 4 or 6, 8 or 16);
            if (!known || header[10] != 0 || header[11] != 0 || header[12] > 1)
            {
                throw new ImageFormatException($"damaged PNG header: colour type {colourType} with {depth} bits, compression {header[10]}, filter {header[11]}, interlace {header[12]}");
            }

            Layout layout = new(depth, colourType, header[12] == 1);
            if (colourType == 3)
            {
                if (palette.IsEmpty || palette.Length % 3 != 0 || palette.Length > layout._palette.Length)
                {
                    throw new ImageFormatException($"damaged PNG: a palette of {palette.Length} bytes");
                }

                palette.CopyTo(layout._palette);
            }
            else if (depth < 8)
            {
                int levels = (1 << depth) - 1;
                for (int i = 0; i <= levels; i++)
                {
                    layout._palette.AsSpan(3 * i, 3).Fill((byte)(255 / levels * i));
                }
            }

            return layout;
        }

        public int RowBytes(int width)
        {
            long bytes = (((long)width * BitsPerPixel) + 7) / 8;
            return bytes <= Array.MaxLength / 4 ? (int)bytes : throw new ImageFormatException($"a PNG of {width} columns is too wide");
        }

        public void ToRgb(ReadOnlySpan<byte> row, int width, Span<byte> rgb)
        {
            switch (ColourType)
            {
                case 2 when Depth == 8:
                    row.CopyTo(rgb);
                    break;
                case 2 or 6:
                    int size = Depth / 8, pixel = Step;
                    for (int x = 0, from = 0, to = 0; x < width; x++, from += pixel, to += 3)
                    {
                        rgb[to] = row[from];
                        rgb[to + 1] = row[from + size];
                        rgb[to + 2] = row[from + (2 * size)];
                    }

                    break;
                case 0 or 4 when Depth >= 8:
                    int stride = Step;
                    for (int x = 0, from = 0; x < width; x++, from += stride)
                    {
                        rgb.Slice(3 * x, 3).Fill(row[from]);
                    }

                    break;
                default:
                    // Palette indices, and grey of less than 8 bits as a palette of greys; the first pixel is in the upper bits.
                    int mask = (1 << Depth) - 1;
                    for (int x = 0; x < width; x++)
                    {
                        int bit = x * Depth;
                        int index = (row[bit >> 3] >> (8 - Depth - (bit & 7))) & mask;
                        _palette.AsSpan(3 * index, 3).CopyTo(rgb[(3 * x)..]);
                    }

                    break;
            }
        }
    }

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
