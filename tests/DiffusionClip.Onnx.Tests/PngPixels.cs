using System.Buffers.Binary;
using System.IO.Compression;

namespace DiffusionClip.Onnx;

/// <summary>Reads the 8-bit RGB pictures of the reference data, and nothing else: this project has no codec.</summary>
internal static class PngPixels
{
    /// <summary>The largest difference in grey levels between planar pixels in -1 … 1 and a picture.</summary>
    public static int WorstDifference(ReadOnlySpan<float> planar, string file)
    {
        float[] expected = Read(file, out int width, out int height);
        Assert.Equal(3 * width * height, planar.Length);
        int worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs(Level(planar[i]) - Level(expected[i])));
        }

        return worst;
    }

    /// <summary>Planar pixels in -1 … 1.</summary>
    public static float[] Read(string file, out int width, out int height)
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(file);
        using MemoryStream data = new();
        (width, height) = (0, 0);
        for (int at = 8; at < bytes.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(bytes[at..]);
            ReadOnlySpan<byte> type = bytes.Slice(at + 4, 4), content = bytes.Slice(at + 8, length);
            if (type.SequenceEqual("IHDR"u8))
            {
                width = BinaryPrimitives.ReadInt32BigEndian(content);
                height = BinaryPrimitives.ReadInt32BigEndian(content[4..]);
                Assert.Equal([8, 2, 0, 0, 0], content[8..13].ToArray());
            }
            else if (type.SequenceEqual("IDAT"u8))
            {
                data.Write(content);
            }

            at += length + 12;
        }

        data.Position = 0;
        using ZLibStream inflated = new(data, CompressionMode.Decompress);
        int stride = 3 * width;
        byte[] line = new byte[stride], above = new byte[stride];
        float[] planar = new float[stride * height];
        for (int y = 0; y < height; y++)
        {
            int filter = inflated.ReadByte();
            inflated.ReadExactly(line);
            for (int i = 0; i < stride; i++)
            {
                int left = i < 3 ? 0 : line[i - 3], up = above[i], corner = i < 3 ? 0 : above[i - 3];
                line[i] += (byte)(filter switch
                {
                    0 => 0,
                    1 => left,
                    2 => up,
                    3 => (left + up) / 2,
                    _ => Paeth(left, up, corner),
                });
                planar[((i % 3) * width * height) + (y * width) + (i / 3)] = (line[i] / 127.5f) - 1;
            }

            line.CopyTo(above, 0);
        }

        return planar;
    }

    private static int Level(float value) => (int)MathF.Round(Math.Clamp((value / 2) + 0.5f, 0, 1) * 255);

    private static int Paeth(int left, int up, int corner)
    {
        int guess = left + up - corner, a = Math.Abs(guess - left), b = Math.Abs(guess - up), c = Math.Abs(guess - corner);
        return a <= b && a <= c ? left : b <= c ? up : corner;
    }
}
