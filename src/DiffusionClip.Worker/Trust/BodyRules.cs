using DiffusionClip.Worker.Interfaces;
using Microsoft.Net.Http.Headers;

namespace DiffusionClip.Worker.Trust;

/// <summary>
/// Takes JSON, forms with files and pictures only (what a plain HTML form of another site could send is refused), never inflates, and
/// bounds what all bodies in flight may hold together.
/// </summary>
internal sealed class BodyRules(RequestDelegate next, WorkerOptions options)
{
    private const int BodiesInFlight = 8;
    private const string TooMany = "Too many large bodies at once; try again soon.";

    private static readonly string[] _mediaTypes =
    [
        "application/json",
        "multipart/form-data",
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "image/bmp",
        "application/octet-stream",
    ];
    private long _free = options.Trust.BodyBytes * BodiesInFlight;

    public async Task InvokeAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        if (
            request.Headers.ContentEncoding is [{ } encoding, ..]
            && !string.Equals(encoding, "identity", StringComparison.OrdinalIgnoreCase))
        {
            await Faults
                .WriteAsync(
                    context,
                    new Fault(StatusCodes.Status415UnsupportedMediaType, "Compressed bodies are not taken; send it as it is.")
                    {
                        Field = HeaderNames.ContentEncoding,
                    })
                .ConfigureAwait(false);
            return;
        }

        bool hasBody = request.ContentLength > 0 || (request.ContentLength is null && request.Headers.TransferEncoding.Count > 0);
        if ((hasBody || request.ContentType is not null) && !IsTaken(request.ContentType))
        {
            await Faults
                .WriteAsync(
                    context,
                    new Fault(
                        StatusCodes.Status415UnsupportedMediaType,
                        $"Send JSON as Content-Type: application/json; taken are {string.Join(", ", _mediaTypes)}.")
                    {
                        Field = HeaderNames.ContentType,
                    })
                .ConfigureAwait(false);
            return;
        }

        if (request.ContentLength > options.Trust.BodyBytes)
        {
            await Faults
                .WriteAsync(
                    context,
                    new Fault(
                        StatusCodes.Status413PayloadTooLarge,
                        $"The body has {request.ContentLength} bytes, more than the {options.Trust.BodyBytes} allowed."))
                .ConfigureAwait(false);
            return;
        }

        long held = 0;
        void Reserve(long bytes)
        {
            held += bytes;
            if (Interlocked.Add(ref _free, -bytes) < 0)
            {
                throw new BadHttpRequestException(TooMany, StatusCodes.Status503ServiceUnavailable);
            }
        }

        try
        {
            if (request.ContentLength is { } length)
            {
                Reserve(length);
            }
            else if (hasBody)
            {
                request.Body = new CountedBody(request.Body, bytes => Reserve(bytes));
            }

            await next(context).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Add(ref _free, held);
        }
    }

    private static bool IsTaken(string? contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out MediaTypeHeaderValue? type)
        && _mediaTypes.Contains(type.MediaType.Value, StringComparer.OrdinalIgnoreCase);
}
