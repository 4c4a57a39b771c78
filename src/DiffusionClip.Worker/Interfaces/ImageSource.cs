using System.Buffers.Text;
using System.Globalization;
using DiffusionClip.Imaging;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Trust;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>
/// Turns what a request gives for a picture into an artefact: its SHA-256, base64 with or without <c>data:…;base64,</c> before it, or,
/// where that is switched on, an https URL. Pictures are tried before they are kept; each belongs to the caller that gave it.
/// </summary>
internal sealed class ImageSource(IArtifactStore artifacts, IImageCodec codec, ImageLimits limits, UrlFetcher urls, WorkerOptions options)
    : IDisposable
{
    private const int HashLength = 64;

    // Decoding takes many times a file's size: how many at once is what bounds memory.
    private readonly SemaphoreSlim _decoding = new(Math.Max(1, Environment.ProcessorCount / 2));

    /// <summary>Finds or keeps a picture.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="field">The request's field, for errors.</param>
    /// <param name="given">SHA-256, base64, data URI or URL.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The SHA-256 of its artefact.</returns>
    /// <exception cref="InvalidRequestException">Not a picture, damaged, too large, or an artefact that is not the caller's.</exception>
    /// <exception cref="UrlInputDisabledException">A URL, where they are not taken.</exception>
    /// <exception cref="StorageException">It cannot be written.</exception>
    public async Task<string> ResolveAsync(string caller, string field, string? given, CancellationToken cancellationToken = default)
    {
        if (string.IsNullOrWhiteSpace(given))
        {
            throw new InvalidRequestException(field, given, "give a picture as SHA-256 of an artefact, base64 or a data URI");
        }

        if (IsHash(given))
        {
            return artifacts.IsVisible(caller, given)
                ? given
                : throw new InvalidRequestException(field, given, "you have no such artefact; upload the picture first");
        }

        if (Base64Picture.IsUrl(given))
        {
            if (!options.Trust.FetchUrls)
            {
                throw new UrlInputDisabledException(field);
            }

            if (!Uri.TryCreate(given, UriKind.Absolute, out Uri? uri))
            {
                throw new InvalidRequestException(field, given, "not a URL");
            }

            return (
                await AddAsync(
                        caller,
                        field,
                        await urls.FetchAsync(field, uri, cancellationToken).ConfigureAwait(false),
                        cancellationToken)
                    .ConfigureAwait(false)
            ).Sha256;
        }

        return (await AddAsync(caller, field, FromBase64(field, given), cancellationToken).ConfigureAwait(false)).Sha256;
    }

    /// <summary>Tries a picture and keeps it. GIF and BMP are kept as PNG.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="field">The request's field, for errors.</param>
    /// <param name="file">The whole file.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidRequestException">Not a picture, damaged or too large.</exception>
    /// <exception cref="StorageException">It cannot be written.</exception>
    public async Task<StoredPicture> AddAsync(
        string caller,
        string field,
        ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken = default)
    {
        try
        {
            // From the header alone: what is too large is never decoded.
            ImageHeader header = ImageHeader.Read(file.Span, limits);
            (ReadOnlyMemory<byte> content, int width, int height) = await Task.Run(
                    () => TryAsync(file, header, cancellationToken),
                    cancellationToken)
                .ConfigureAwait(false);
            string mediaType = header.Format switch
            {
                ImageFileFormat.Jpeg => "image/jpeg",
                ImageFileFormat.WebP => "image/webp",
                _ => "image/png",
            };
            await artifacts.RequireDiskAsync(cancellationToken).ConfigureAwait(false);
            string sha256 = await artifacts.PutAsync(content, mediaType, cancellationToken).ConfigureAwait(false);
            await artifacts.OwnAsync(caller, sha256).ConfigureAwait(false);
            return new StoredPicture(sha256, mediaType, content.Length, width, height);
        }
        catch (ImageFormatException exception)
        {
            throw new InvalidRequestException(field, $"({file.Length.ToString(CultureInfo.InvariantCulture)} bytes)", exception.Message);
        }
    }

    /// <summary>Whether a text is the name of an artefact.</summary>
    public static bool IsHash(string text) => text.Length == HashLength && text.All(char.IsAsciiHexDigitLower);

    /// <inheritdoc/>
    public void Dispose() => _decoding.Dispose();

    private async Task<(ReadOnlyMemory<byte> Content, int Width, int Height)> TryAsync(
        ReadOnlyMemory<byte> file,
        ImageHeader header,
        CancellationToken cancellationToken)
    {
        await _decoding.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            RgbImage image = codec.Decode(file, limits, cancellationToken);
            return (header.Format is ImageFileFormat.Gif or ImageFileFormat.Bmp ? codec.EncodePng(image) : file, image.Width, image.Height);
        }
        finally
        {
            _decoding.Release();
        }
    }

    private ReadOnlyMemory<byte> FromBase64(string field, string given)
    {
        ReadOnlySpan<char> text = given;
        if (Base64Picture.IsData(text))
        {
            int comma = text.IndexOf(',');
            if (comma < 0 || !text[..comma].EndsWith(";base64", StringComparison.OrdinalIgnoreCase))
            {
                throw new InvalidRequestException(field, "(data URI)", "write data:image/png;base64, before the base64");
            }

            text = text[(comma + 1)..];
        }

        if (text.Length / 4 * 3L > limits.MaxFileBytes)
        {
            throw new InvalidRequestException(
                field,
                "(base64)",
                string.Create(CultureInfo.InvariantCulture, $"a picture file has at most {limits.MaxFileBytes} bytes"));
        }

        var bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length) + 3];
        return Convert.TryFromBase64Chars(text, bytes, out int length)
            ? bytes.AsMemory(0, length)
            : throw new InvalidRequestException(
                field,
                given.Length > 24 ? given[..24] + "…" : given,
                "give a picture as SHA-256 of an artefact, base64 or a data URI");
    }
}

/// <summary>A picture that was kept.</summary>
/// <param name="Sha256">Its name: <c>/api/v1/artifacts/{sha256}</c>.</param>
/// <param name="MediaType">Its type.</param>
/// <param name="Bytes">Size of its file.</param>
/// <param name="Width">Columns, upright.</param>
/// <param name="Height">Rows, upright.</param>
public sealed record StoredPicture(string Sha256, string MediaType, long Bytes, int Width, int Height);

/// <summary>A URL was given where they are not taken.</summary>
internal sealed class UrlInputDisabledException(string field)
    : DiffusionClipException($"{field}: URL input disabled; send the picture itself as base64, or set Worker:Trust:FetchUrls")
{
    /// <summary>The field at fault.</summary>
    public string Field { get; } = field;
}
