using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.Native;

/// <summary>
/// A job's events as <c>text/event-stream</c>: number, kind and particulars; a comment now and then keeps the connection alive.
/// </summary>
internal sealed class EventStream(IAsyncEnumerable<JobEvent> events, TimeSpan heartbeat, TimeProvider time) : IResult
{
    // So long a reply with nothing in it may still become "no content".
    private static readonly TimeSpan _hesitation = TimeSpan.FromMilliseconds(200);

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        CancellationToken aborted = httpContext.RequestAborted;
        HttpResponse response = httpContext.Response;
        await using IAsyncEnumerator<JobEvent> source = events.GetAsyncEnumerator(aborted);
        Task<bool> next = source.MoveNextAsync().AsTask();
        try
        {
            bool isOverAlready =
                await HasComeAsync(next, _hesitation, time, aborted).ConfigureAwait(false) && !await next.ConfigureAwait(false);
            if (isOverAlready)
            {
                // Stops an EventSource from reconnecting.
                response.StatusCode = StatusCodes.Status204NoContent;
                return;
            }

            response.ContentType = "text/event-stream; charset=utf-8";
            response.Headers.CacheControl = "no-store";
            response.Headers["X-Accel-Buffering"] = "no";
            await response.WriteAsync("retry: 2000\n\n", aborted).ConfigureAwait(false);
            do
            {
                while (!await HasComeAsync(next, heartbeat, time, aborted).ConfigureAwait(false))
                {
                    await response.WriteAsync(": still here\n\n", aborted).ConfigureAwait(false);
                    await response.Body.FlushAsync(aborted).ConfigureAwait(false);
                }

                if (!await next.ConfigureAwait(false))
                {
                    return;
                }

                await response.WriteAsync(Format(source.Current), aborted).ConfigureAwait(false);
                next = source.MoveNextAsync().AsTask();
                if (!next.IsCompleted)
                {
                    await response.Body.FlushAsync(aborted).ConfigureAwait(false);
                }
            }
            while (true);
        }
        finally
        {
            // The enumerator may be disposed only after its pending move has ended.
            await next.ContinueWith(
                    static _ => { },
                    CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default)
                .ConfigureAwait(false);
        }
    }

    private static async Task<bool> HasComeAsync(Task task, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        await task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return task.IsCompleted;
    }

    private static string Format(JobEvent happened)
    {
        JsonObject data = JsonSerializer.SerializeToNode(happened.Data, DiffusionClipJson.Compact)!.AsObject();
        data.Insert(0, "at", JsonValue.Create(happened.At));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"id: {happened.Number}\nevent: {Name(happened.Kind)}\ndata: {data.ToJsonString(DiffusionClipJson.Compact)}\n\n");
    }

    private static string Name(JobEventKind kind) => JsonSerializer.SerializeToElement(kind, DiffusionClipJson.Compact).GetString()!;
}
