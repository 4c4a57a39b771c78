using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace DiffusionClip.Worker.Tests.Trust;

/// <summary>Rows 3 to 5 of the fault table: who may send what.</summary>
public sealed class RequestRuleTests(RequestRuleTests.Plain plain) : IClassFixture<RequestRuleTests.Plain>
{
    public sealed class Plain : IAsyncLifetime
    {
        public WorkerHost Host { get; private set; } = null!;

        public async ValueTask InitializeAsync() =>
            Host = await WorkerHost.StartAsync(
                null,
                "--Worker:Trust:BodyBytes=100000",
                "--Worker:Trust:Hosts:0=paint.example",
                "--Worker:Trust:Origins:0=http://127.0.0.1:8000");

        public ValueTask DisposeAsync() => Host.DisposeAsync();
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("https://evil", false)]
    [InlineData("null", false)]
    [InlineData("http://127.0.0.1:9", false)]
    [InlineData("http://127.0.0.1", false)]
    [InlineData("http://localhost:{port}", false)]
    [InlineData("http://127.0.0.1:{port}.evil", false)]
    [InlineData("file://", false)]
    [InlineData("http://127.0.0.1:8000", true)]
    [InlineData("http://127.0.0.1:{port}", true)]
    public async Task Row3_other_sites_pages_are_refused(string origin, bool isAllowed)
    {
        foreach (HttpMethod method in new[] { HttpMethod.Get, HttpMethod.Post, HttpMethod.Delete })
        {
            using var request = new HttpRequestMessage(method, "/api/v1/samplers");
            request.Headers.TryAddWithoutValidation(
                "Origin",
                origin.Replace("{port}", $"{plain.Host.Address.Port}", StringComparison.Ordinal));
            using HttpResponseMessage response = await plain.Host.Client.SendAsync(request, Stop);
            Assert.Equal(
                isAllowed
                    ? method == HttpMethod.Get
                        ? HttpStatusCode.OK
                        : HttpStatusCode.MethodNotAllowed
                    : HttpStatusCode.Forbidden,
                response.StatusCode);
            Assert.Equal(origin == "http://127.0.0.1:8000", response.Headers.Contains("Access-Control-Allow-Origin"));
        }
    }

    [Fact]
    public async Task Allowed_sites_may_ask_before()
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, "/api/v1/jobs");
        request.Headers.Add("Origin", "http://127.0.0.1:8000");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", "content-type,authorization");
        using HttpResponseMessage response = await plain.Host.Client.SendAsync(request, Stop);
        Assert.Equal("http://127.0.0.1:8000", Assert.Single(response.Headers.GetValues("Access-Control-Allow-Origin")));
    }

    /// <summary>A client that streams its JSON says no length; many of them at once are no large bodies.</summary>
    [Fact]
    public async Task Bodies_without_a_length_count_what_they_hold()
    {
        var waiting = new List<TcpClient>();
        try
        {
            for (int i = 0; i < 20; i++)
            {
                var client = new TcpClient();
                waiting.Add(client);
                await client.ConnectAsync(IPAddress.Loopback, plain.Host.Address.Port, Stop);
                await client
                    .GetStream()
                    .WriteAsync(
                        Encoding.ASCII.GetBytes(
                            $"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{plain.Host.Address.Port}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"
                        ),
                        Stop);
            }

            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
            {
                Content = new StringContent("{}", Encoding.UTF8, "application/json"),
            };
            request.Headers.TransferEncodingChunked = true;
            using HttpResponseMessage response = await plain.Host.Client.SendAsync(request, Stop);
            Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        }
        finally
        {
            waiting.ForEach(client => client.Dispose());
        }
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/xml")]
    [InlineData("image/svg+xml")]
    [InlineData(null)]
    [InlineData("nonsense")]
    public async Task Row3_other_bodies_are_refused(string? contentType)
    {
        using var content = new ByteArrayContent("""{"kind":"generate","generate":{}}"""u8.ToArray());
        if (contentType is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        }

        using HttpResponseMessage response = await plain.Host.Client.PostAsync("/api/v1/jobs", content, Stop);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Theory]
    [InlineData("evil.example", false)]
    [InlineData("evil.example:7860", false)]
    [InlineData("127.0.0.1.evil.example", false)]
    [InlineData("10.0.0.1", false)]
    [InlineData("2130706433", false)]
    [InlineData("paint.example", true)]
    [InlineData("localhost:1234", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("[::1]:7860", true)]
    public async Task Row4_other_hosts_are_refused(string host, bool isAllowed)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/samplers");
        request.Headers.Host = host;
        using HttpResponseMessage response = await plain.Host.Client.SendAsync(request, Stop);
        Assert.Equal(isAllowed ? HttpStatusCode.OK : HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Row5_large_bodies_are_refused(bool isChunked)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new ByteArrayContent(new byte[200_000]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TransferEncodingChunked = isChunked;
        if (isChunked)
        {
            request.Content = new StringContent("\"" + new string('a', 200_000) + "\"", Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage response = await plain.Host.Client.SendAsync(request, Stop);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    [Fact]
    public async Task Row5_compressed_bodies_are_not_inflated()
    {
        using var bomb = new MemoryStream();
        await using (var gzip = new GZipStream(bomb, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            await gzip.WriteAsync(new byte[20_000_000], Stop);
        }

        using var content = new ByteArrayContent(bomb.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add("gzip");
        using HttpResponseMessage response = await plain.Host.Client.PostAsync("/api/v1/jobs", content, Stop);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
    }

    [Theory]
    [InlineData("{\"generate\":{\"sampling\":{\"scheduler_options\":{\"a\":", "}}}}")]
    [InlineData("", "")]
    public async Task Row5_deep_JSON_is_refused(string before, string after)
    {
        string json = before + new string('[', 2_000) + new string(']', 2_000) + after;
        using HttpResponseMessage response = await plain.Host.Client.PostAsync(
            "/api/v1/jobs",
            new StringContent(json, Encoding.UTF8, "application/json"),
            Stop);
        Assert.Equal(before.Length > 0 ? HttpStatusCode.BadRequest : HttpStatusCode.UnprocessableEntity, response.StatusCode);
    }

    [Fact]
    public async Task Row5_slow_bodies_are_cut_off()
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(plain.Host.Address.Host, plain.Host.Address.Port, Stop);
        NetworkStream stream = socket.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes(
                $"POST /api/v1/jobs HTTP/1.1\r\nHost: {plain.Host.Address.Authority}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
            ),
            Stop);
        using var reader = new StreamReader(stream);
        Assert.StartsWith("HTTP/1.1 408 ", await reader.ReadLineAsync(Stop), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Headers_are_bounded()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health/live");
        request.Headers.Add("X-Long", new string('x', 40_000));
        using HttpResponseMessage response = await plain.Host.Client.SendAsync(request, Stop);
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, response.StatusCode);
    }
}
