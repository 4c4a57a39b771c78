using DiffusionClip.Imaging;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Decoding;

/// <summary>From latents to pixels: undoes the scaling, decodes, rounds to 8 bits.</summary>
internal sealed class PictureDecoder(ILatentDecoder decoder, AutoencoderFolder folder, LatentShape shape)
{
    /// <summary>Decodes one sample; says what is wrong with a picture that cannot be right.</summary>
    public RgbImage Decode(ReadOnlySpan<float> latents, CancellationToken cancellationToken, out string? failure)
    {
        int width = checked(shape.Width * folder.SpatialScale);
        int height = checked(shape.Height * folder.SpatialScale);
        using PixelBuffer<float> scaled = new(shape.Length), planar = new(checked(3 * width * height));
        Span<float> input = scaled.Span, output = planar.Span;
        folder.Unscale(latents, input);
        decoder.Decode(input, shape, output, cancellationToken);
        failure = PixelConversion.Inspect(output) switch
        {
            DecodedPixels.NotFinite => "the decoded picture holds values that are not finite",
            DecodedPixels.Black => "the decoded picture is black",
            _ => null,
        };
        return PixelConversion.ToImage(output, width, height);
    }
}
