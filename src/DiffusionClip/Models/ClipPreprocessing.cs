using System.Globalization;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Resampling;

namespace DiffusionClip.Models;

/// <summary>How a picture is brought to the size that an image tower takes.</summary>
public enum PreprocessingResize
{
    /// <summary>The size is left as it is.</summary>
    None,

    /// <summary>The shorter side becomes <c>size</c>; the longer one keeps the ratio.</summary>
    Shortest,

    /// <summary>The longer side fits; what remains is filled.</summary>
    Longest,

    /// <summary>Both sides become <c>size</c>, whatever the ratio.</summary>
    Squash,
}

/// <summary>Which library's rounding a centre crop follows where the margin is odd.</summary>
public enum CropRounding
{
    /// <summary>Hugging Face transformers: rounded down.</summary>
    Down,

    /// <summary>torchvision and open_clip: half to even.</summary>
    HalfToEven,
}

/// <summary>
/// What happens to a picture before a CLIP image tower: resize, centre crop, scale, minus mean, over standard deviation, channels first.
/// Read from a model's folder (<see cref="ReadFolder"/>); the pixels are those of Pillow under transformers' CLIPImageProcessor or
/// open_clip's image transform.
/// </summary>
public sealed partial class ClipPreprocessing
{
    /// <summary>Mean and standard deviation that OpenAI's CLIP was trained with, red, green, blue.</summary>
    private static readonly double[] OpenAiMean = [0.48145466, 0.4578275, 0.40821073], OpenAiStd = [0.26862954, 0.26130258, 0.27577711];

    // The filter's weights take memory in proportion to the longer side; a strip of a megapixel by one is not worth scoring.
    private const int LongestSide = 1 << 17;

    private float[]? _table;

    /// <summary>What the resize aims at.</summary>
    public PreprocessingResize Resize { get; init; } = PreprocessingResize.Shortest;

    /// <summary>Target height; for <see cref="PreprocessingResize.Shortest"/> with equal sides the length of the shorter side.</summary>
    public int ResizeHeight { get; init; } = 224;

    /// <summary>Target width; for <see cref="PreprocessingResize.Shortest"/> with equal sides the length of the shorter side.</summary>
    public int ResizeWidth { get; init; } = 224;

    /// <summary>The filter of the resize.</summary>
    public ResamplingFilter Filter { get; init; } = ResamplingFilter.Bicubic;

    /// <summary>Height of the result.</summary>
    public int Height { get; init; } = 224;

    /// <summary>Width of the result.</summary>
    public int Width { get; init; } = 224;

    /// <summary>Where a centre crop cuts when the margin is odd.</summary>
    public CropRounding Rounding { get; init; }

    /// <summary>
    /// Whether the centre is cut out (and a picture that is too small padded); without it the resize must give the size of the result.
    /// </summary>
    public bool CenterCrop { get; init; } = true;

    /// <summary>The 8-bit value of what is padded.</summary>
    public byte Fill { get; init; }

    /// <summary>What pixel values are multiplied with; 1/255 brings them to 0..1.</summary>
    public double RescaleFactor { get; init; } = 1.0 / 255;

    /// <summary>Subtracted after scaling: red, green, blue.</summary>
    public IReadOnlyList<double> Mean { get; init; } = OpenAiMean;

    /// <summary>Divided by in the end: red, green, blue.</summary>
    public IReadOnlyList<double> Std { get; init; } = OpenAiStd;

    /// <summary>Where the settings come from: a file's name, or <c>defaults</c>.</summary>
    public string Source { get; init; } = "defaults";

    /// <summary>Floats that <see cref="Apply"/> writes: 3 × Height × Width.</summary>
    public int Length => checked(3 * Height * Width);

    /// <summary>
    /// The settings of OpenAI's CLIP for a tower of the given size: shorter side, bicubic, centre crop, their mean and deviation.
    /// </summary>
    /// <param name="imageSize">Side of the square that the tower takes, in pixels.</param>
    public static ClipPreprocessing Default(int imageSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(imageSize, 1);
        return new ClipPreprocessing { ResizeHeight = imageSize, ResizeWidth = imageSize, Height = imageSize, Width = imageSize };
    }

    /// <summary>
    /// One line for the record of a score, e.g. <c>shortest 224 bicubic, centre crop 224x224, mean 0.5 0.5 0.5, std 0.5 0.5 0.5</c>.
    /// </summary>
    public string Description
    {
        get
        {
            string size = Resize == PreprocessingResize.Shortest && ResizeWidth == ResizeHeight
                ? ResizeHeight.ToString(CultureInfo.InvariantCulture)
                : $"{ResizeWidth}x{ResizeHeight}";
            List<string> parts = [];
            if (Resize != PreprocessingResize.None)
            {
                parts.Add($"{Resize.ToString().ToLowerInvariant()} {size} {Filter.ToString().ToLowerInvariant()}");
            }

            if (CenterCrop)
            {
                parts.Add(
                    $"centre crop {Width}x{Height}{(Rounding == CropRounding.HalfToEven ? " half to even" : "")}{(Fill == 0 ? "" : $" fill {Fill}")}"
                );
            }

            if (RescaleFactor != 1.0 / 255)
            {
                parts.Add(string.Create(CultureInfo.InvariantCulture, $"scale {RescaleFactor}"));
            }

            parts.Add("mean " + Join(Mean));
            parts.Add("std " + Join(Std));
            return string.Join(", ", parts);

            static string Join(IEnumerable<double> values) =>
                string.Join(' ', values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
        }
    }

    /// <summary>The size after the resize and where the crop begins in it (negative where the picture is padded).</summary>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Height of the picture.</param>
    /// <exception cref="ImageFormatException">The picture is too long or too thin for this preprocessing.</exception>
    public (int Width, int Height, int Left, int Top) Geometry(int width, int height)
    {
        if (Math.Max(width, height) > LongestSide)
        {
            throw new ImageFormatException(
                $"a {width}x{height} picture is too long for the model: at most {LongestSide} pixels a side; crop or scale it first");
        }

        (int resizedWidth, int resizedHeight) = ResizedSize(width, height);
        if (!CenterCrop)
        {
            return resizedWidth == Width && resizedHeight == Height
                ? (resizedWidth, resizedHeight, 0, 0)
                : throw new ImageFormatException(
                    $"a {width}x{height} picture becomes {resizedWidth}x{resizedHeight} and the model takes {Width}x{Height}: its preprocessing has no centre crop"
                );
        }

        return (resizedWidth, resizedHeight, CropStart(resizedWidth, Width), CropStart(resizedHeight, Height));
    }

    /// <summary>Prepares a picture.</summary>
    /// <param name="image">Upright RGB.</param>
    /// <param name="destination">
    /// [3, Height, Width]: planes of red, green and blue, in the tower's units. Allocates nothing beyond pooled buffers.
    /// </param>
    /// <exception cref="ArgumentException">The destination is not <see cref="Length"/> long.</exception>
    public void Apply(RgbImage image, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (destination.Length != Length)
        {
            throw new ArgumentException($"The result has {Length} floats, not {destination.Length}.", nameof(destination));
        }

        (int width, int height, int left, int top) = Geometry(image.Width, image.Height);
        PixelRegion region = new(
            Math.Max(left, 0),
            Math.Max(top, 0),
            Math.Min(Width, width - Math.Max(left, 0)),
            Math.Min(Height, height - Math.Max(top, 0)));
        float[] table = _table ??= BuildTable();
        if (region.Width < Width || region.Height < Height)
        {
            int plane = Width * Height;
            for (int channel = 0; channel < 3; channel++)
            {
                destination.Slice(channel * plane, plane).Fill(table[(256 * channel) + Fill]);
            }
        }

        int offset = (Math.Max(-top, 0) * Width) + Math.Max(-left, 0);
        if (width == image.Width && height == image.Height)
        {
            int start = 3 * ((region.Top * image.Width) + region.Left);
            ToPlanes(image.Pixels.Span[start..], 3 * image.Width, region, table, destination, offset);
            return;
        }

        using PixelBuffer<byte> pixels = new(checked(3 * region.Width * region.Height));
        Resampler.Resize(image, width, height, Filter, region, pixels.Span);
        ToPlanes(pixels.Span, 3 * region.Width, region, table, destination, offset);
    }

    /// <summary>The picture as the tower sees it, before scaling: for tests and inspection.</summary>
    /// <param name="image">Upright RGB.</param>
    /// <returns>Height × Width pixels, resized, cropped and padded.</returns>
    public RgbImage Preview(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        (int width, int height, int left, int top) = Geometry(image.Width, image.Height);
        RgbImage resized = Resampler.Resize(image, width, height, Filter);
        byte[] pixels = new byte[checked(3 * Width * Height)];
        pixels.AsSpan().Fill(Fill);
        int columns = Math.Min(Width, width - Math.Max(left, 0));
        for (int y = Math.Max(-top, 0); y < Height && y + top < height; y++)
        {
            resized
                .Pixels.Span.Slice(3 * (((y + top) * width) + Math.Max(left, 0)), 3 * columns)
                .CopyTo(pixels.AsSpan(3 * ((y * Width) + Math.Max(-left, 0))));
        }

        return new RgbImage(Width, Height, pixels);
    }

    private (int Width, int Height) ResizedSize(int width, int height)
    {
        switch (Resize)
        {
            case PreprocessingResize.None:
                return (width, height);
            case PreprocessingResize.Squash:
                return (ResizeWidth, ResizeHeight);
            case PreprocessingResize.Shortest when ResizeWidth == ResizeHeight:
                // transformers and torchvision both cut int(size · long / short).
                return width <= height ? (ResizeWidth, Long(ResizeWidth, height, width)) : (Long(ResizeWidth, width, height), ResizeWidth);
            default:
                double down = (double)height / ResizeHeight, across = (double)width / ResizeWidth;
                double ratio = Resize == PreprocessingResize.Longest ? Math.Max(down, across) : Math.Min(down, across);
                return (Side(width / ratio), Side(height / ratio));
        }

        int Long(int size, long longer, long shorter) => Side((double)(size * longer / shorter));

        // A strip so thin that a side would vanish keeps one pixel of it.
        int Side(double length) => length <= int.MaxValue / 4
            ? Math.Max(1, (int)Math.Round(length, MidpointRounding.ToEven))
            : throw new ImageFormatException($"a {width}x{height} picture is too thin to be resized for the model");
    }

    private int CropStart(int length, int crop)
    {
        if (length < crop)
        {
            // transformers pads the larger half in front, torchvision behind.
            return Rounding == CropRounding.Down ? -((crop - length + 1) / 2) : -((crop - length) / 2);
        }

        int margin = length - crop;
        return Rounding == CropRounding.Down ? margin / 2 : (int)Math.Round(margin / 2.0, MidpointRounding.ToEven);
    }

    // 8-bit values have 256 results a channel, so any formula is a table; computed in float32 in the order of the reference.
    private float[] BuildTable()
    {
        float[] table = new float[3 * 256];
        for (int channel = 0; channel < 3; channel++)
        {
            for (int value = 0; value < 256; value++)
            {
                float scaled = (float)(value * RescaleFactor);
                table[(256 * channel) + value] = (scaled - (float)Mean[channel]) / (float)Std[channel];
            }
        }

        return table;
    }

    private unsafe void ToPlanes(
        ReadOnlySpan<byte> pixels,
        int stride,
        PixelRegion region,
        float[] table,
        Span<float> destination,
        int offset)
    {
        int plane = Width * Height;
        if (
            pixels.Length < (stride * (region.Height - 1)) + (3 * region.Width)
            || destination.Length < (2 * plane) + offset + ((region.Height - 1) * Width) + region.Width)
        {
            throw new InvalidOperationException("The crop leaves its buffers.");
        }

        fixed (byte* source = pixels)
        fixed (float* lookup = table, planes = destination)
        {
            for (int y = 0; y < region.Height; y++)
            {
                byte* from = source + ((long)y * stride);
                float* red = planes + offset + ((long)y * Width);
                float* green = red + plane;
                float* blue = green + plane;
                for (int x = 0; x < region.Width; x++, from += 3)
                {
                    red[x] = lookup[from[0]];
                    green[x] = lookup[256 + from[1]];
                    blue[x] = lookup[512 + from[2]];
                }
            }
        }
    }
}
