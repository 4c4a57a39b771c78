using System.Buffers.Binary;
using DiffusionClip.Imaging;

namespace DiffusionClip.Skia;

/// <summary>
/// The first frame of a GIF as a file of its own. Pillow gives transparent pixels the colour that the palette has for them, while Skia
/// leaves them black; without the transparency flag Skia gives the palette's colour too. Later frames are cut off unread.
/// </summary>
internal sealed class GifFirstFrame
{
    private const int HeaderBytes = 13;

    private readonly byte[] _file;
    private readonly int _flags;
    private readonly int _left;
    private readonly int _top;
    private readonly int _right;
    private readonly int _bottom;
    private readonly byte[] _background;

    private GifFirstFrame(byte[] file, int flags, int left, int top, int right, int bottom, byte[] background)
    {
        _file = file;
        _flags = flags;
        _left = left;
        _top = top;
        _right = right;
        _bottom = bottom;
        _background = background;
    }

    /// <summary>A GIF of the frame alone.</summary>
    public ReadOnlyMemory<byte> File => _file;

    /// <summary>Whether no pixel is transparent: what the frame leaves uncovered has a colour too, unless one is transparent.</summary>
    public bool IsOpaque => _flags < 0 || (_file[_flags] & 1) == 0;

    /// <summary>Cuts the first frame out.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="header">Its header.</param>
    /// <param name="cancellationToken">Ends it between two blocks.</param>
    /// <exception cref="ImageFormatException">The file ends before its first frame does, or its blocks are broken.</exception>
    public static GifFirstFrame Read(ReadOnlySpan<byte> file, ImageHeader header, CancellationToken cancellationToken)
    {
        int at = HeaderBytes + PaletteBytes(file[10]);
        int flags = -1;
        while (true)
        {
            switch (ByteAt(file, at))
            {
                case 0x21 when ByteAt(file, at + 1) == 0xF9 && ByteAt(file, at + 2) == 4:
                    flags = at + 3;
                    _ = ByteAt(file, flags + 3);
                    at = SkipBlocks(file, at + 2, cancellationToken);
                    break;
                case 0x21:
                    at = SkipBlocks(file, at + 2, cancellationToken);
                    break;
                case 0x2C:
                    GifFirstFrame frame = Cut(file, at, flags, cancellationToken);
                    return frame._right <= header.Width && frame._bottom <= header.Height
                        ? frame
                        : throw new ImageFormatException("damaged GIF: its first frame is larger than the picture");
                case 0x3B:
                    throw new ImageFormatException("damaged GIF: it holds no picture");
                default:
                    throw new ImageFormatException($"damaged GIF: an unknown block at byte {at}");
            }
        }
    }

    /// <summary>A GIF of the frame alone, without its transparency.</summary>
    public byte[] OpaqueFile()
    {
        byte[] opaque = [.. _file];
        if (_flags >= 0)
        {
            opaque[_flags] &= 0xFE;
        }

        return opaque;
    }

    /// <summary>Gives what the frame leaves uncovered the colour that Pillow starts from.</summary>
    public RgbImage Cover(RgbImage image)
    {
        if (_left == 0 && _top == 0 && _right >= image.Width && _bottom >= image.Height)
        {
            return image;
        }

        byte[] pixels = image.Pixels.ToArray();
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < image.Width; x++)
            {
                if (x < _left || x >= _right || y < _top || y >= _bottom)
                {
                    _background.CopyTo(pixels, 3 * ((y * image.Width) + x));
                }
            }
        }

        return new RgbImage(image.Width, image.Height, pixels);
    }

    private static GifFirstFrame Cut(ReadOnlySpan<byte> file, int at, int flags, CancellationToken cancellationToken)
    {
        if (at + 10 > file.Length)
        {
            throw Truncated();
        }

        ReadOnlySpan<byte> frame = file[(at + 1)..];
        int left = BinaryPrimitives.ReadUInt16LittleEndian(frame), top = BinaryPrimitives.ReadUInt16LittleEndian(frame[2..]);
        int width = BinaryPrimitives.ReadUInt16LittleEndian(frame[4..]), height = BinaryPrimitives.ReadUInt16LittleEndian(frame[6..]);
        int local = PaletteBytes(frame[8]);
        int palette = local > 0 ? at + 10 : HeaderBytes;
        int paletteBytes = local > 0 ? local : PaletteBytes(file[10]);
        int end = SkipBlocks(file, at + 10 + local + 1, cancellationToken);
        byte[] cut = new byte[end + 1];
        file[..end].CopyTo(cut);
        cut[end] = 0x3B;

        // Pillow starts from the transparent colour, or else from the palette's first.
        int entry = flags >= 0 && (file[flags] & 1) != 0 ? 3 * file[flags + 3] : 0;
        byte[] background = entry + 3 <= paletteBytes ? file.Slice(palette + entry, 3).ToArray() : [0, 0, 0];
        return new GifFirstFrame(cut, flags, left, top, left + width, top + height, background);
    }

    private static int PaletteBytes(byte packed) => (packed & 0x80) != 0 ? 3 * (2 << (packed & 7)) : 0;

    private static int SkipBlocks(ReadOnlySpan<byte> file, int at, CancellationToken cancellationToken)
    {
        while (ByteAt(file, at) is > 0 and byte length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            at += 1 + length;
        }

        return at + 1;
    }

    private static byte ByteAt(ReadOnlySpan<byte> file, int at) => at < file.Length ? file[at] : throw Truncated();

    private static ImageFormatException Truncated() => new("truncated GIF: the file ends before its first frame does");
}
