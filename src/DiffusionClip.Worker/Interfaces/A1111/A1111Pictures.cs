using System.Globalization;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Resampling;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// Makes of the webui's pictures and masks what the pipeline takes: opaque pictures, and masks that are white where it paints.
/// </summary>
internal sealed class A1111Pictures(ImageSource source, IArtifactStore artifacts, IImageCodec codec, ImageLimits limits)
{
    private const int Half = 128;

    /// <summary>Keeps a picture to start from. What is transparent shows the background's colour.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="given">Base64 or data URI.</param>
    /// <param name="background">Colour as <c>#rrggbb</c>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<GivenPicture> InitAsync(string caller, string given, string background, CancellationToken cancellationToken)
    {
        (string sha256, ReadOnlyMemory<byte> file) = await FileAsync(caller, "init_images", given, cancellationToken).ConfigureAwait(false);
        RgbImage image = codec.Decode(file, limits, cancellationToken);
        if (codec.DecodeAlpha(file, limits, cancellationToken) is not { } alpha)
        {
            return new(sha256, image, IsChanged: false);
        }

        byte[] color =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(i => byte.Parse(background.AsSpan(1 + (2 * i), 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)),
        ];
        byte[] pixels = image.Pixels.ToArray();
        ReadOnlySpan<byte> values = alpha.Values.Span;
        for (int i = 0; i < values.Length; i++)
        {
            for (int channel = 0; channel < 3; channel++)
            {
                ref byte value = ref pixels[(3 * i) + channel];
                value = (byte)(((value * values[i]) + (color[channel] * (byte.MaxValue - values[i])) + 127) / byte.MaxValue);
            }
        }

        return new("", new RgbImage(image.Width, image.Height, pixels), IsChanged: true);
    }

    /// <summary>Reads a mask: its alpha where it has one, else its brightness.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="given">Base64 or data URI.</param>
    /// <param name="inverted">Whether black is painted, not white.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidRequestException">It paints nothing.</exception>
    public async Task<RgbImage> MaskAsync(string caller, string given, bool inverted, CancellationToken cancellationToken)
    {
        (_, ReadOnlyMemory<byte> file) = await FileAsync(caller, "mask", given, cancellationToken).ConfigureAwait(false);
        RgbImage image = codec.Decode(file, limits, cancellationToken);
        AlphaChannel? alpha = codec.DecodeAlpha(file, limits, cancellationToken);
        byte[] mask = new byte[image.Pixels.Length];
        bool paints = false;
        for (int i = 0; i < mask.Length / 3; i++)
        {
            bool painted = (alpha is { } seen ? seen.Values.Span[i] : Luminance(image, i)) >= Half != inverted;
            paints |= painted;
            mask.AsSpan(3 * i, 3).Fill(painted ? byte.MaxValue : byte.MinValue);
        }

        return paints
            ? new RgbImage(image.Width, image.Height, mask)
            : throw new InvalidRequestException(
                "mask",
                "(all black)",
                inverted
                    ? "with inpainting_mask_invert it has to be black somewhere, where it is painted"
                    : "it has to be white somewhere, where it is painted");
    }

    /// <summary>Keeps a picture that was made here.</summary>
    public async Task<string> KeepAsync(string caller, string field, RgbImage image, CancellationToken cancellationToken) =>
        (await source.AddAsync(caller, field, codec.EncodePng(image), cancellationToken).ConfigureAwait(false)).Sha256;

    /// <summary>A mask scaled to a picture's size.</summary>
    public static RgbImage SameSize(RgbImage mask, RgbImage image) =>
        mask.Width == image.Width && mask.Height == image.Height
            ? mask
            : Resampler.Resize(mask, image.Width, image.Height, ResamplingFilter.Lanczos);

    /// <summary>
    /// Brings a picture to the proportions of a size, which the pipeline then scales it to: cut down around its middle
    /// (<c>resize_mode</c> 1), or set into its own edges' colours (2).
    /// </summary>
    public static RgbImage Fit(RgbImage image, int width, int height, bool fill)
    {
        // Compared as whole numbers, so that equal proportions stay untouched.
        long across = (long)image.Width * height, down = (long)image.Height * width;
        if (across == down)
        {
            return image;
        }

        bool isWide = across > down;
        int newWidth, newHeight;
        if (fill)
        {
            // Scaled first: a picture of a thousand by one would else grow beyond all bounds.
            image = Resampler.Resize(
                image,
                isWide ? width : (int)Math.Clamp(across / image.Height, 1, width),
                isWide ? (int)Math.Clamp(down / image.Width, 1, height) : height,
                ResamplingFilter.Lanczos);
            (newWidth, newHeight) = (width, height);
        }
        else
        {
            newWidth = isWide ? (int)Math.Max(1, down / height) : image.Width;
            newHeight = isWide ? image.Height : (int)Math.Max(1, across / width);
        }

        int left = (newWidth - image.Width) / 2, top = (newHeight - image.Height) / 2;
        byte[] pixels = new byte[3L * newWidth * newHeight];
        ReadOnlySpan<byte> from = image.Pixels.Span;
        for (int y = 0; y < newHeight; y++)
        {
            int row = Math.Clamp(y - top, 0, image.Height - 1) * image.Width;
            for (int x = 0; x < newWidth; x++)
            {
                from.Slice(3 * (row + Math.Clamp(x - left, 0, image.Width - 1)), 3).CopyTo(pixels.AsSpan(3 * ((y * newWidth) + x)));
            }
        }

        return new RgbImage(newWidth, newHeight, pixels);
    }

    /// <summary>
    /// Paints over what a mask shows with what surrounds it, coarse in the middle and fine at the edges: each pixel takes the colour of the
    /// smallest neighbourhood in which something is kept.
    /// </summary>
    public static RgbImage Fill(RgbImage image, RgbImage mask)
    {
        mask = SameSize(mask, image);
        int width = image.Width, height = image.Height;
        var levels = new List<(float[] Sums, int Width, int Height)>();
        float[] sums = new float[checked(4 * width * height)];
        ReadOnlySpan<byte> from = image.Pixels.Span, painted = mask.Pixels.Span;
        for (int i = 0; i < width * height; i++)
        {
            if (painted[3 * i] < Half)
            {
                sums[4 * i] = from[3 * i];
                sums[(4 * i) + 1] = from[(3 * i) + 1];
                sums[(4 * i) + 2] = from[(3 * i) + 2];
                sums[(4 * i) + 3] = 1;
            }
        }

        levels.Add((sums, width, height));
        while (levels[^1] is var (finer, w, h) && (w > 1 || h > 1))
        {
            int halfWidth = (w + 1) / 2, halfHeight = (h + 1) / 2;
            float[] coarser = new float[4 * halfWidth * halfHeight];
            for (int y = 0; y < h; y++)
            {
                for (int x = 0; x < w; x++)
                {
                    for (int part = 0; part < 4; part++)
                    {
                        coarser[(4 * ((y / 2 * halfWidth) + (x / 2))) + part] += finer[(4 * ((y * w) + x)) + part];
                    }
                }
            }

            levels.Add((coarser, halfWidth, halfHeight));
        }

        byte[] pixels = image.Pixels.ToArray();
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                int at = (y * width) + x;
                if (painted[3 * at] < Half)
                {
                    continue;
                }

                for (int level = 1; level < levels.Count; level++)
                {
                    (float[] coarse, int w, _) = levels[level];
                    int cell = 4 * (((y >> level) * w) + (x >> level));
                    if (coarse[cell + 3] > 0)
                    {
                        for (int channel = 0; channel < 3; channel++)
                        {
                            pixels[(3 * at) + channel] = (byte)((coarse[cell + channel] / coarse[cell + 3]) + 0.5f);
                        }

                        break;
                    }
                }
            }
        }

        return new RgbImage(width, height, pixels);
    }

    private static int Luminance(RgbImage image, int pixel)
    {
        ReadOnlySpan<byte> rgb = image.Pixels.Span.Slice(3 * pixel, 3);
        return ((rgb[0] * 19595) + (rgb[1] * 38470) + (rgb[2] * 7471) + 0x8000) >> 16;
    }

    private async Task<(string Sha256, ReadOnlyMemory<byte> File)> FileAsync(
        string caller,
        string field,
        string given,
        CancellationToken cancellationToken)
    {
        string sha256 = await source.ResolveAsync(caller, field, given, cancellationToken).ConfigureAwait(false);
        Artifact file =
            await artifacts.FindAsync(sha256, cancellationToken).ConfigureAwait(false)
            ?? throw new StorageException($"the picture {sha256} is no longer there");
        return (sha256, file.Content);
    }
}

/// <summary>A picture that came with a request.</summary>
/// <param name="Sha256">Its artefact as it was given.</param>
/// <param name="Image">Its pixels as they are used.</param>
/// <param name="IsChanged">Whether the pixels differ from the artefact's.</param>
internal sealed record GivenPicture(string Sha256, RgbImage Image, bool IsChanged);
