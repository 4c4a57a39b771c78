using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace DiffusionClip.Imaging;

/// <summary>What decoded values turn out to be.</summary>
internal enum DecodedPixels
{
    /// <summary>A picture.</summary>
    Fine,

    /// <summary>Some values are NaN or infinite.</summary>
    NotFinite,

    /// <summary>Every pixel is black, which is what an overflow or a safety filter leaves.</summary>
    Black,
}

/// <summary>Between the decoder's floats and 8-bit pixels, as diffusers' VaeImageProcessor does it.</summary>
internal static class PixelConversion
{
    /// <summary>Converts a decoded sample to a picture: (x/2 + 0.5) clipped to 0..1, times 255, rounded half to even.</summary>
    /// <param name="sample">[3, height, width] in -1..1: planes of red, green, blue. NaN becomes 0.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <exception cref="ArgumentException">The sample is not 3 × width × height long.</exception>
    public static RgbImage ToImage(ReadOnlySpan<float> sample, int width, int height)
    {
        byte[] pixels = new byte[checked(3 * width * height)];
        ToBytes(sample, width, height, pixels);
        return new RgbImage(width, height, pixels);
    }

    /// <summary>As <see cref="ToImage"/>, into a buffer.</summary>
    /// <param name="sample">[3, height, width] in -1..1.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="pixels">[height, width, 3].</param>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public static void ToBytes(ReadOnlySpan<float> sample, int width, int height, Span<byte> pixels)
    {
        int plane = checked(width * height);
        if (sample.Length != 3L * plane || pixels.Length != 3L * plane)
        {
            throw new ArgumentException(
                $"A {width}x{height} picture has {3L * plane} values, not {sample.Length} and {pixels.Length}.",
                nameof(sample));
        }

        ReadOnlySpan<float> red = sample[..plane], green = sample.Slice(plane, plane), blue = sample.Slice(2 * plane, plane);
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= plane - 4; i += 4)
            {
                Vector128<int> r = Level(Vector128.Create(red[i..])),
                    g = Level(Vector128.Create(green[i..])),
                    b = Level(Vector128.Create(blue[i..]));
                Vector128<byte> interleaved = (r | (g << 8) | (b << 16)).AsByte();
                Vector128<byte> packed = Vector128.Shuffle(
                    interleaved,
                    Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0xFF, 0xFF, 0xFF, 0xFF));
                Span<byte> to = pixels.Slice(3 * i, 12);
                packed.GetLower().CopyTo(to);
                BitConverter.TryWriteBytes(to[8..], packed.AsUInt32().GetElement(2));
            }
        }

        for (; i < plane; i++)
        {
            pixels[3 * i] = Level(red[i]);
            pixels[(3 * i) + 1] = Level(green[i]);
            pixels[(3 * i) + 2] = Level(blue[i]);
        }
    }

    /// <summary>Converts a picture to what an encoder takes: x/255·2 - 1.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="sample">[3, height, width]: planes of red, green, blue in -1..1.</param>
    /// <exception cref="ArgumentException">The sample is not 3 × width × height long.</exception>
    public static void ToSample(RgbImage image, Span<float> sample)
    {
        ArgumentNullException.ThrowIfNull(image);
        int plane = checked(image.Width * image.Height);
        if (sample.Length != 3L * plane)
        {
            throw new ArgumentException(
                $"A {image.Width}x{image.Height} picture has {3L * plane} values, not {sample.Length}.",
                nameof(sample));
        }

        ReadOnlySpan<byte> pixels = image.Pixels.Span;
        for (int i = 0; i < plane; i++)
        {
            sample[i] = Signed(pixels[3 * i]);
            sample[plane + i] = Signed(pixels[(3 * i) + 1]);
            sample[(2 * plane) + i] = Signed(pixels[(3 * i) + 2]);
        }

        static float Signed(byte level) => (level / 255f * 2) - 1;
    }

    /// <summary>Whether a decoded sample is a picture at all; a candidate that is not is reported as failed and never scored.</summary>
    /// <param name="sample">[3, height, width] in -1..1.</param>
    public static DecodedPixels Inspect(ReadOnlySpan<float> sample)
    {
        if (!TensorPrimitives.IsFiniteAll(sample))
        {
            return DecodedPixels.NotFinite;
        }

        foreach (float value in sample)
        {
            if (Level(value) != 0)
            {
                return DecodedPixels.Fine;
            }
        }

        return DecodedPixels.Black;
    }

    // Halving and clipping are exact or rounded as float32 does it; 255 times a value of 0..1 is rounded half to even, as numpy's round.
    private static byte Level(float value)
    {
        float scaled = (value / 2) + 0.5f;
        return (byte)MathF.Round((scaled >= 0 ? MathF.Min(scaled, 1) : 0) * 255, MidpointRounding.ToEven);
    }

    private static Vector128<int> Level(Vector128<float> value)
    {
        Vector128<float> scaled = (value * 0.5f) + Vector128.Create(0.5f);
        scaled = Vector128.ConditionalSelect(
            Vector128.GreaterThanOrEqual(scaled, Vector128<float>.Zero),
            Vector128.Min(scaled, Vector128<float>.One),
            Vector128<float>.Zero);
        return Vector128.ConvertToInt32(Vector128.Round(scaled * 255f, MidpointRounding.ToEven));
    }
}
