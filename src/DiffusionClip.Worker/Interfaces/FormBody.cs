using Microsoft.AspNetCore.Http.Features;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>Reads bodies that are forms.</summary>
internal static class FormBody
{
    /// <summary>Reads a request's form.</summary>
    /// <param name="request">The request, whose content type is a form's.</param>
    /// <param name="limits">Other limits than the worker's.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="BadHttpRequestException">It is broken.</exception>
    public static async Task<IFormCollection> ReadAsync(HttpRequest request, FormOptions? limits, CancellationToken cancellationToken)
    {
        try
        {
            return limits is null
                ? await request.ReadFormAsync(cancellationToken).ConfigureAwait(false)
                : await request.ReadFormAsync(limits, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException exception)
        {
            throw Broken(exception.Message, exception);
        }
        catch (IOException exception) when (exception.Source == "Microsoft.AspNetCore.WebUtilities")
        {
            throw Broken("The form ends before its last boundary.", exception);
        }
        catch (ArgumentException exception)
        {
            // What the framework makes of a parameter without a value.
            throw Broken("The form has a part whose Content-Disposition is broken.", exception);
        }
    }

    private static BadHttpRequestException Broken(string message, Exception cause) => new(message, StatusCodes.Status400BadRequest, cause);
}
