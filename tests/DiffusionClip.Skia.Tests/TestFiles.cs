using System.Buffers.Binary;

namespace DiffusionClip.Skia;

/// <summary>Picture files put together by hand: formats that nothing here encodes.</summary>
internal static class TestFiles
{
    public static string PathOf(string name) => Path.Combine(Golden.Repository, "tests", "DiffusionClip.Skia.Tests", "Pictures", name);

    public static RgbImage Noise(int width, int height, int seed = 1)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(seed).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }

    /// <summary>Smooth enough for JPEG to come close to.</summary>
    public static RgbImage Smooth(int width, int height)
    {
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < width * height; i++)
        {
            (int x, int y) = (i % width, i / width);
            pixels[3 * i] = (byte)(128 + (90 * Math.Sin(x * 0.05)));
            pixels[(3 * i) + 1] = (byte)(128 + (90 * Math.Cos(y * 0.04)));
            pixels[(3 * i) + 2] = (byte)(128 + (60 * Math.Sin((x + y) * 0.03)));
        }

        return new RgbImage(width, height, pixels);
    }

    /// <summary>A GIF of palette indices; the frame may be smaller than the screen and one colour transparent.</summary>
    public static byte[] Gif(
        int width,
        int height,
        byte[] palette,
        (int Left, int Top, int Width, int Height) frame,
        byte[] indices,
        int transparent)
    {
        List<byte> file = [.. "GIF89a"u8, (byte)width, (byte)(width >> 8), (byte)height, (byte)(height >> 8), 0x81, 0, 0, .. palette];
        if (transparent >= 0)
        {
            file.AddRange([0x21, 0xF9, 4, 1, 0, 0, (byte)transparent, 0]);
        }

        file.AddRange([0x2C, (byte)frame.Left, 0, (byte)frame.Top, 0, (byte)frame.Width, 0, (byte)frame.Height, 0, 0, 2]);

        // Three-bit codes throughout: a clear code before every index keeps the code size from growing.
        List<int> codes = [.. indices.SelectMany(index => new[] { 4, (int)index }), 5];
        byte[] packed = new byte[((3 * codes.Count) + 7) / 8];
        for (int i = 0; i < codes.Count; i++)
        {
            for (int bit = 0; bit < 3; bit++)
            {
                int at = (3 * i) + bit;
                packed[at / 8] |= (byte)(((codes[i] >> bit) & 1) << (at % 8));
            }
        }

        foreach (byte[] block in packed.Chunk(255))
        {
            file.Add((byte)block.Length);
            file.AddRange(block);
        }

        return [.. file, 0, 0x3B];
    }

    /// <summary>A 24-bit BMP, rows from the bottom.</summary>
    public static byte[] Bmp(RgbImage image)
    {
        int stride = ((3 * image.Width) + 3) & ~3;
        byte[] file = new byte[54 + (stride * image.Height)];
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), 54);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), image.Width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), image.Height);
        (file[26], file[28]) = (1, 24);
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < image.Width; x++)
            {
                ReadOnlySpan<byte> pixel = image.Pixels.Span.Slice(3 * ((y * image.Width) + x), 3);
                Span<byte> to = file.AsSpan(54 + ((image.Height - 1 - y) * stride) + (3 * x));
                (to[0], to[1], to[2]) = (pixel[2], pixel[1], pixel[0]);
            }
        }

        return file;
    }

    /// <summary>An 8×8 CMYK JPEG with Adobe's marker, each component flat with the given stored value.</summary>
    public static byte[] CmykJpeg(params byte[] stored)
    {
        List<byte> file = [0xFF, 0xD8, 0xFF, 0xEE, 0, 14, .. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0];

        // Quantisation by 8 makes the DC coefficient the mean less 128.
        file.AddRange([0xFF, 0xDB, 0, 67, 0, .. Enumerable.Repeat((byte)8, 64)]);
        file.AddRange([0xFF, 0xC0, 0, 20, 8, 0, 8, 0, 8, 4, .. Enumerable.Range(1, 4).SelectMany(id => new byte[] { (byte)id, 0x11, 0 })]);

        // DC: sizes 0 to 8 as four-bit codes; AC: end of block as the only code, one bit.
        file.AddRange([
            0xFF,
            0xC4,
            0,
            28,
            0x00,
            0,
            0,
            0,
            9,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            .. Enumerable.Range(0, 9).Select(size => (byte)size),
        ]);
        file.AddRange([0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        file.AddRange([0xFF, 0xDA, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
        string bits = "";
        foreach (byte value in stored)
        {
            int dc = value - 128, size = 32 - int.LeadingZeroCount(Math.Abs(dc));
            bits += Convert.ToString(size, 2).PadLeft(4, '0');
            bits += size == 0 ? "" : Convert.ToString(dc < 0 ? dc + (1 << size) - 1 : dc, 2).PadLeft(size, '0');
            bits += "0";
        }

        foreach (char[] eight in bits.Chunk(8))
        {
            byte value = Convert.ToByte(new string(eight).PadRight(8, '1'), 2);
            file.Add(value);
            if (value == 0xFF)
            {
                file.Add(0);
            }
        }

        return [.. file, 0xFF, 0xD9];
    }

    public static int Deviation(RgbImage expected, RgbImage actual)
    {
        Assert.Equal((expected.Width, expected.Height), (actual.Width, actual.Height));
        int worst = 0;
        for (int i = 0; i < expected.Pixels.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs(expected.Pixels.Span[i] - actual.Pixels.Span[i]));
        }

        return worst;
    }
}
