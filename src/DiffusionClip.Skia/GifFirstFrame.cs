using System.Buffers.Binary;

namespace DiffusionClip.Skia;

/// <summary>
/// The first frame of a GIF as a file of its own, opaque. Pillow gives transparent pixels the colour that the palette has for them, while Skia
/// leaves them black; without the transparency flag Skia gives the palette's colour too. Later frames are cut off unread.
/// </summary>
internal sealed class GifFirstFrame
{
    private const int HeaderBytes = 13;

    private readonly int _left;
    private readonly int _top;
    private readonly byte[] _background;

    private GifFirstFrame(byte[] file, int left, int top, int right, int bottom, byte[] background)
    {
        File = file;
        _left = left;
        _top = top;
        Right = right;
        Bottom = bottom;
        _background = background;
    }

    /// <summary>A GIF of one frame without transparency.</summary>
    public byte[] File { get; }

    /// <summary>One past the frame's last column.</summary>
    public int Right { get; }

    /// <summary>One past the frame's last row.</summary>
    public int Bottom { get; }

    /// <summary>Cuts the first frame out.</summary>
    /// <exception cref="ImageFormatException">The file ends before its first frame does, or its blocks are broken.</exception>
    public static GifFirstFrame Read(ReadOnlySpan<byte> file)
    {
        int at = HeaderBytes + PaletteBytes(file[10]);
        int flags = -1;
        int transparent = -1;
        while (true)
        {
            switch (ByteAt(file, at))
            {
                case 0x21 when ByteAt(file, at + 1) == 0xF9 && ByteAt(file, at + 2) == 4:
                    flags = at + 3;
                    transparent = (ByteAt(file, flags) & 1) != 0 ? ByteAt(file, at + 6) : -1;
                    at = SkipBlocks(file, at + 2);
                    break;
                case 0x21:
                    at = SkipBlocks(file, at + 2);
                    break;
                case 0x2C:
                    return Cut(file, at, flags, transparent);
                case 0x3B:
                    throw new ImageFormatException("damaged GIF: it holds no picture");
                default:
                    throw new ImageFormatException($"damaged GIF: an unknown block at byte {at}");
            }
        }
    }

    /// <summary>Gives what the frame leaves uncovered the colour that Pillow starts from.</summary>
    public RgbImage Cover(RgbImage image)
    {
        if (_left == 0 && _top == 0 && Right >= image.Width && Bottom >= image.Height)
        {
            return image;
        }

        byte[] pixels = image.Pixels.ToArray();
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < image.Width; x++)
            {
                if (x < _left || x >= Right || y < _top || y >= Bottom)
                {
                    _background.CopyTo(pixels, 3 * ((y * image.Width) + x));
                }
            }
        }

        return new RgbImage(image.Width, image.Height, pixels);
    }

    private static GifFirstFrame Cut(ReadOnlySpan<byte> file, int at, int flags, int transparent)
    {
        if (at + 10 > file.Length)
        {
            throw Truncated();
        }

        int left = BinaryPrimitives.ReadUInt16LittleEndian(file[(at + 1)..]), top = BinaryPrimitives.ReadUInt16LittleEndian(file[(at + 3)..]);
        int width = BinaryPrimitives.ReadUInt16LittleEndian(file[(at + 5)..]), height = BinaryPrimitives.ReadUInt16LittleEndian(file[(at + 7)..]);
        int local = PaletteBytes(file[at + 9]);
        int palette = local > 0 ? at + 10 : HeaderBytes;
        int paletteBytes = local > 0 ? local : PaletteBytes(file[10]);
        int end = SkipBlocks(file, at + 10 + local + 1);
        byte[] cut = new byte[end + 1];
        file[..end].CopyTo(cut);
        cut[end] = 0x3B;
        if (flags >= 0)
        {
            cut[flags] &= 0xFE;
        }

        int entry = 3 * Math.Max(transparent, 0);
        byte[] background = entry + 3 <= paletteBytes ? file.Slice(palette + entry, 3).ToArray() : [0, 0, 0];
        return new GifFirstFrame(cut, left, top, left + width, top + height, background);
    }

    private static int PaletteBytes(byte packed) => (packed & 0x80) != 0 ? 3 * (2 << (packed & 7)) : 0;

    private static int SkipBlocks(ReadOnlySpan<byte> file, int at)
    {
        while (ByteAt(file, at) is > 0 and byte length)
        {
            at += 1 + length;
        }

        return at + 1;
    }

    private static byte ByteAt(ReadOnlySpan<byte> file, int at) => at < file.Length ? file[at] : throw Truncated();

    private static ImageFormatException Truncated() => new("truncated GIF: the file ends before its first frame does");
}
