using System.Globalization;
using System.Text.Json;
using DiffusionClip.Worker.Jobs;
using Microsoft.Net.Http.Headers;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>What went wrong, before an interface gives it its shape.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Detail">One line that says what and what to do.</param>
internal sealed record Fault(int Status, string Detail)
{
    /// <summary>The field, header or file at fault; null if none is.</summary>
    public string? Field { get; init; }

    /// <summary>When it is worth trying again; null if it is not, or unknown.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>
/// How an interface writes faults below its path; added to the services by those whose clients expect another shape than RFC 9457.
/// </summary>
/// <param name="Path">The path that its routes begin with, e.g. <c>/v1</c>.</param>
/// <param name="WriteAsync">Writes body and content type; status and <c>Retry-After</c> are already set.</param>
internal sealed record FaultShape(PathString Path, Func<HttpContext, Fault, Task> WriteAsync);

/// <summary>The one map from errors to HTTP, for every interface.</summary>
internal static class Faults
{
    private static readonly JsonSerializerOptions _json = new(DiffusionClipJson.Compact);

    /// <summary>What an exception means to the caller; null for internal errors.</summary>
    public static Fault? Of(Exception exception) =>
        exception switch
        {
            UrlInputDisabledException url => new Fault(StatusCodes.Status400BadRequest, url.Message) { Field = url.Field },
            InvalidRequestException invalid => new Fault(StatusCodes.Status422UnprocessableEntity, invalid.Message)
            {
                Field = invalid.Field,
            },
            ImageFormatException or ExecutionProviderException => new Fault(StatusCodes.Status422UnprocessableEntity, exception.Message),
            ModelFolderException => new Fault(StatusCodes.Status422UnprocessableEntity, exception.Message) { Field = "model" },
            IdempotencyConflictException conflict => new Fault(StatusCodes.Status422UnprocessableEntity, conflict.Message)
            {
                Field = "Idempotency-Key",
            },
            QueueFullException full => new Fault(
                full.OfCaller ? StatusCodes.Status429TooManyRequests : StatusCodes.Status503ServiceUnavailable,
                full.Message)
            {
                RetryAfter = full.RetryAfter,
            },
            DrainingException => new Fault(StatusCodes.Status503ServiceUnavailable, exception.Message)
            {
                RetryAfter = TimeSpan.FromSeconds(10),
            },
            StorageException { IsFull: true } => new Fault(StatusCodes.Status507InsufficientStorage, exception.Message)
            {
                RetryAfter = TimeSpan.FromSeconds(60),
            },
            StorageException => new Fault(StatusCodes.Status503ServiceUnavailable, exception.Message)
            {
                RetryAfter = TimeSpan.FromSeconds(10),
            },
            KeyNotFoundException => new Fault(StatusCodes.Status404NotFound, "There is no such job."),
            BadHttpRequestException { InnerException: JsonException json } => OfJson(json),
            BadHttpRequestException { StatusCode: StatusCodes.Status503ServiceUnavailable } busy => new Fault(
                busy.StatusCode,
                OneLine(busy.Message))
            {
                RetryAfter = TimeSpan.FromSeconds(2),
            },
            BadHttpRequestException bad => new Fault(bad.StatusCode, OneLine(bad.Message)),
            JsonException json => OfJson(json),
            DiffusionClipException => new Fault(StatusCodes.Status422UnprocessableEntity, exception.Message),
            _ => null,
        };

    /// <summary>The fault without paths of this machine.</summary>
    public static Fault ForCaller(HttpContext context, Fault fault) =>
        fault with
        {
            Detail = context.RequestServices.GetRequiredService<MachinePaths>().Hide(fault.Detail),
        };

    /// <summary>Writes a fault in the shape that the path's clients expect.</summary>
    public static async Task WriteAsync(HttpContext context, Fault fault)
    {
        HttpResponse response = context.Response;
        fault = ForCaller(context, fault);
        response.StatusCode = fault.Status;
        response.Headers.CacheControl = "no-store";
        if (fault.RetryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        if (
            context
                .RequestServices.GetServices<FaultShape>()
                .FirstOrDefault(shape => context.Request.Path.StartsWithSegments(shape.Path, StringComparison.Ordinal)) is
            { } shape)
        {
            await shape.WriteAsync(context, fault).ConfigureAwait(false);
            return;
        }

        response.ContentType = "application/problem+json";
        await JsonSerializer.SerializeAsync(response.Body, Problem.Of(fault), _json, context.RequestAborted).ConfigureAwait(false);
    }

    // What is not JSON is 400; what is JSON and does not fit is 422 and names its field.
    private static Fault OfJson(JsonException exception)
    {
        string? field = exception.Path is null or "$" or "" ? null : exception.Path.TrimStart('$').TrimStart('.');
        bool isSyntax =
            exception.InnerException?.GetType().Name == "JsonReaderException" || exception.GetType().Name == "JsonReaderException";
        if (!isSyntax)
        {
            return new Fault(StatusCodes.Status422UnprocessableEntity, OneLine(Sentence(exception.Message))) { Field = field };
        }

        // Many a program writes numbers that are none in this way.
        return
            exception.Message.StartsWith("'N' is an invalid", StringComparison.Ordinal)
            || exception.Message.StartsWith("'I' is an invalid", StringComparison.Ordinal)
            ? new Fault(
                StatusCodes.Status422UnprocessableEntity,
                $"{field ?? "body"}: NaN and Infinity cannot be used; give a finite number")
            {
                Field = field,
            }
            : new Fault(StatusCodes.Status400BadRequest, $"The body is not JSON: {OneLine(Sentence(exception.Message))}")
            {
                Field = field,
            };
    }

    // The serializer's own addition about path and line comes again in the field; types of ours mean nothing to a caller.
    private static string Sentence(string message)
    {
        int at = message.IndexOf(" Path: ", StringComparison.Ordinal);
        return (at < 0 ? message : message[..at])
            .Replace("DiffusionClip.Worker.Jobs.", "", StringComparison.Ordinal)
            .Replace("DiffusionClip.Worker.Interfaces.Native.", "", StringComparison.Ordinal)
            .Replace("DiffusionClip.", "", StringComparison.Ordinal);
    }

    private static string OneLine(string text) =>
        new([.. text.Take(500).Select(character => char.IsControl(character) || char.IsSurrogate(character) ? ' ' : character)]);
}

/// <summary>A problem as RFC 9457 has it.</summary>
public sealed record Problem
{
    /// <summary>Kind of the problem; <c>about:blank</c>: the status says it all.</summary>
    public string Type { get; init; } = "about:blank";

    /// <summary>The status in words.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What is wrong and what would be accepted.</summary>
    public required string Detail { get; init; }

    /// <summary>The field at fault in the request's own words; absent if none is.</summary>
    public string? Field { get; init; }

    internal static Problem Of(Fault fault) => new()
    {
        Title = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(fault.Status) is { Length: > 0 } phrase ? phrase : "Error",
        Status = fault.Status,
        Detail = fault.Detail,
        Field = fault.Field,
    };
}

/// <summary>Turns exceptions and empty error replies into the shape that the caller expects.</summary>
internal sealed class FaultMiddleware(RequestDelegate next, ILogger<FaultMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client is gone.
            return;
        }
        catch (Exception exception)
        {
            if (context.Response.HasStarted)
            {
                Log.CutOff(logger, exception, context.Request.Method, context.Request.Path);
                context.Abort();
                return;
            }

            Fault? fault = Faults.Of(exception);
            if (fault is null)
            {
                Log.Unexpected(logger, exception, context.Request.Method, context.Request.Path);
            }

            context.Response.Clear();
            await Faults
                .WriteAsync(
                    context,
                    fault ?? new Fault(StatusCodes.Status500InternalServerError, "Something went wrong here; the worker's log says what."))
                .ConfigureAwait(false);
            return;
        }

        HttpResponse response = context.Response;
        if (!response.HasStarted && response.StatusCode >= 400 && response.ContentLength is null && response.ContentType is null)
        {
            await Faults
                .WriteAsync(
                    context,
                    new Fault(
                        response.StatusCode,
                        response.StatusCode switch
                        {
                            StatusCodes.Status401Unauthorized =>
                                "A key is needed: Authorization: Bearer KEY, X-API-Key: KEY, or Basic with the key as password.",
                            StatusCodes.Status404NotFound => "There is nothing here.",
                            StatusCodes.Status405MethodNotAllowed => $"This address takes {response.Headers[HeaderNames.Allow]}.",
                            StatusCodes.Status415UnsupportedMediaType => "This address does not take that Content-Type.",
                            _ => "The request cannot be answered.",
                        }))
                .ConfigureAwait(false);
        }
    }
}

/// <summary>What the interfaces log.</summary>
internal static partial class Log
{
    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "{Method} {Path} ended in an unexpected error")]
    public static partial void Unexpected(ILogger logger, Exception exception, string method, string path);

    [LoggerMessage(EventId = 2, Level = LogLevel.Warning, Message = "{Method} {Path} was cut off by an error after the reply had begun")]
    public static partial void CutOff(ILogger logger, Exception exception, string method, string path);
}
