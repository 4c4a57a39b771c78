using DiffusionClip.Imaging;
using DiffusionClip.Worker.Interfaces.A1111;

namespace DiffusionClip.Worker.Interfaces.OpenAi;

/// <summary>Pictures and masks as OpenAI's API has them: a mask's transparent part is painted.</summary>
internal sealed class OpenAiPictures(ImageSource source, A1111Pictures pictures, IImageCodec codec, ImageLimits limits)
{
    private const int Half = 128;

    /// <summary>Keeps the picture of an edit and its mask.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="image">The picture's file.</param>
    /// <param name="mask">The mask's file; null: the picture's own transparent part, and where it has none, all of it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="OpenAiException">The mask has no transparent part.</exception>
    public async Task<OriginRequest> KeepAsync(
        string caller,
        ReadOnlyMemory<byte> image,
        ReadOnlyMemory<byte>? mask,
        CancellationToken cancellationToken)
    {
        string name = (await source.AddAsync(caller, "image", image, cancellationToken).ConfigureAwait(false)).Sha256;
        RgbImage? painted = null;
        if (mask is { } given)
        {
            await source.AddAsync(caller, "mask", given, cancellationToken).ConfigureAwait(false);
            painted = codec.DecodeAlpha(given, limits, cancellationToken) is { } alpha ? Painted(alpha) : null;
            if (painted is null)
            {
                throw OpenAiError.Invalid("mask", "mask: it has no transparent part; what is transparent is painted.");
            }
        }
        else if (codec.DecodeAlpha(image, limits, cancellationToken) is { } own)
        {
            painted = Painted(own);
        }

        return new OriginRequest
        {
            Image = name,
            Mask = painted is null ? null : await pictures.KeepAsync(caller, "mask", painted, cancellationToken).ConfigureAwait(false),
        };
    }

    // White where it is painted, as the pipeline has it; null where nothing is.
    private static RgbImage? Painted(AlphaChannel alpha)
    {
        byte[] pixels = new byte[3 * alpha.Values.Length];
        bool paints = false;
        ReadOnlySpan<byte> values = alpha.Values.Span;
        for (int i = 0; i < values.Length; i++)
        {
            if (values[i] < Half)
            {
                pixels.AsSpan(3 * i, 3).Fill(byte.MaxValue);
                paints = true;
            }
        }

        return paints ? new RgbImage(alpha.Width, alpha.Height, pixels) : null;
    }
}
