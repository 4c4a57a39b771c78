using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using DiffusionClip.Worker.Interfaces.Native;
using DiffusionClip.Worker.Jobs;
using Microsoft.Extensions.Time.Testing;

namespace DiffusionClip.Worker.Tests.Interfaces.Native;

/// <summary>What goes over an event stream while nothing happens.</summary>
public sealed class EventStreamTests
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task While_nothing_happens_a_comment_keeps_the_connection_alive()
    {
        var clock = new FakeTimeProvider();
        var events = Channel.CreateUnbounded<JobEvent>();
        var pipe = new Pipe();
        var context = new DefaultHttpContext { Response = { Body = pipe.Writer.AsStream() } };
        events.Writer.TryWrite(new JobEvent(1, clock.GetUtcNow(), JobEventKind.State, new JobEventData { State = JobState.Queued }));
        Task streaming = new EventStream(events.Reader.ReadAllAsync(Stop), Heartbeat, clock).ExecuteAsync(context);
        using var reader = new StreamReader(pipe.Reader.AsStream());
        Assert.Equal("retry: 2000", await LineAsync());
        Assert.Equal("id: 1", await LineAsync());
        Assert.Equal("event: state", await LineAsync());
        Assert.StartsWith("data: ", await LineAsync(), StringComparison.Ordinal);

        // The stream waits once the event is flushed, and may take a moment to do so.
        for (int beat = 0; beat < 2; beat++)
        {
            Task<string> line = LineAsync();
            TimeSpan silent = TimeSpan.Zero;
            for (; !line.IsCompleted; silent += TimeSpan.FromSeconds(1))
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                await Task.Delay(5, Stop);
            }

            Assert.Equal(": still here", await line);
            Assert.True(silent >= Heartbeat - TimeSpan.FromSeconds(1), $"after {silent}");
        }

        events.Writer.Complete();
        await streaming;
        Assert.Equal("text/event-stream; charset=utf-8", context.Response.ContentType);

        async Task<string> LineAsync()
        {
            string? line;
            while ((line = await reader.ReadLineAsync(Stop)) is "")
            {
            }

            return line!;
        }
    }

    [Fact]
    public async Task A_stream_without_events_is_no_content()
    {
        var context = new DefaultHttpContext();
        await new EventStream(NoneAsync(Stop), Heartbeat, new FakeTimeProvider()).ExecuteAsync(context);
        Assert.Equal(StatusCodes.Status204NoContent, context.Response.StatusCode);

        static async IAsyncEnumerable<JobEvent> NoneAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Delay(0, cancellationToken);
            yield break;
        }
    }
}
