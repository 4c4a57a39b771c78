using DiffusionClip.Denoising;
using DiffusionClip.Imaging.Resampling;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Origins;

/// <summary>
/// From the pictures that a request names to the origin of its candidates, prepared as diffusers' VaeImageProcessor does it.
/// </summary>
internal static class OriginPictures
{
    // Grey levels that count as painted: 0.5 and above.
    private const int PaintedFrom = 128;

    /// <summary>Prepares the origin of a run: the autoencoder sees each picture once, whatever the number of candidates.</summary>
    /// <param name="origin">What the normalized request says; null: noise alone.</param>
    /// <param name="images">The pictures by name.</param>
    /// <param name="folder">The model's folder.</param>
    /// <param name="encoder">Its encoder.</param>
    /// <param name="shape">The latents.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    public static ILatentOrigin Prepare(
        OriginRequest? origin,
        IReadOnlyDictionary<string, RgbImage>? images,
        GeneratorFolder folder,
        ILatentEncoder? encoder,
        LatentShape shape,
        CancellationToken cancellationToken)
    {
        if (origin is null)
        {
            return TextOrigin.Instance;
        }

        AutoencoderFolder part = folder.Encoder!;
        int width = shape.Width * part.SpatialScale, height = shape.Height * part.SpatialScale;
        RgbImage image = Resampler.Resize(Find("init_image", origin.Image, images), width, height, ResamplingFilter.Lanczos);
        if (origin.Mask is null)
        {
            return new ImageOrigin(Encode(image, []));
        }

        bool[] kept = Kept(Resampler.Resize(Find("mask", origin.Mask, images), width, height, ResamplingFilter.Lanczos));
        bool seesMask = folder.Denoiser.SeesMask;
        bool fromNoise = origin.Strength == 1;
        return new InpaintOrigin(
            seesMask && fromNoise ? null : Encode(image, []),
            Encode(image, kept),
            Shrink(kept, width, part.SpatialScale, shape),
            seesMask,
            fromNoise);

        EncodedPicture Encode(RgbImage picture, ReadOnlySpan<bool> keep) =>
            EncodedPicture.Encode(picture, encoder!, part, keep, cancellationToken);
    }

    /// <summary>A picture that a request names.</summary>
    /// <exception cref="InvalidRequestException">It was not given.</exception>
    public static RgbImage Find(string field, string name, IReadOnlyDictionary<string, RgbImage>? images) =>
        images is not null && images.TryGetValue(name, out RgbImage? image)
            ? image
            : throw new InvalidRequestException(
                field,
                null,
                $"the picture whose file has the SHA-256 {name} is needed; give it beside the request");

    // Luminance as Pillow's convert("L") has it.
    private static bool[] Kept(RgbImage mask)
    {
        ReadOnlySpan<byte> pixels = mask.Pixels.Span;
        bool[] kept = new bool[mask.Width * mask.Height];
        for (int i = 0; i < kept.Length; i++)
        {
            int luminance = ((pixels[3 * i] * 19595) + (pixels[(3 * i) + 1] * 38470) + (pixels[(3 * i) + 2] * 7471) + 0x8000) >> 16;
            kept[i] = luminance < PaintedFrom;
        }

        return kept;
    }

    // The upper left pixel of each latent's, as torch's nearest interpolation takes it.
    private static float[] Shrink(bool[] kept, int width, int scale, LatentShape shape)
    {
        float[] mask = new float[shape.Height * shape.Width];
        for (int y = 0; y < shape.Height; y++)
        {
            for (int x = 0; x < shape.Width; x++)
            {
                mask[(y * shape.Width) + x] = kept[(y * scale * width) + (x * scale)] ? 0 : 1;
            }
        }

        return mask;
    }
}
