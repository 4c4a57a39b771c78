using System.Net;
using System.Text;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;

namespace DiffusionClip.Worker.Tests.Trust;

/// <summary>Rows 1 and 2 of the fault table.</summary>
public sealed class KeyTests(KeyTests.Keyed keyed) : IClassFixture<KeyTests.Keyed>
{
    private const string Alice = "alice-0123456789abcdef";
    private const string Bob = "bob-0123456789abcdef";

    public sealed class Keyed : IAsyncLifetime
    {
        public WorkerHost Host { get; private set; } = null!;

        public async ValueTask InitializeAsync() =>
            Host = await WorkerHost.StartAsync(null, $"--Worker:Trust:Keys:alice={Alice}", $"--Worker:Trust:Keys:bob={Bob}");

        public ValueTask DisposeAsync() => Host.DisposeAsync();
    }

    [Theory]
    [InlineData("http://0.0.0.0:0")]
    [InlineData("http://[::]:0")]
    [InlineData("http://192.0.2.1:80")]
    public void Row1_without_a_key_it_listens_to_this_machine_only(string url)
    {
        var exception = Assert.Throws<InvalidRequestException>(() => WorkerApplication.Build([$"--Worker:Url={url}"]));
        Assert.Equal("Worker:Url", exception.Field);
        Assert.Contains("key", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Row1_with_a_key_it_may_listen_to_all()
    {
        await using var application = WorkerApplication.Build(["--Worker:Url=http://0.0.0.0:0", $"--Worker:Trust:Keys:alice={Alice}"]);
        Assert.NotNull(application);
    }

    [Fact]
    public async Task Row2_every_mapped_route_wants_a_key()
    {
        var routes = keyed.Host.Application.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().ToList();
        Assert.Contains(routes, route => route.RoutePattern.RawText!.Contains("/api/v1/jobs", StringComparison.Ordinal));
        Assert.Contains(routes, route => route.RoutePattern.RawText!.Contains("openapi", StringComparison.Ordinal));
        Assert.Contains(routes, route => route.RoutePattern.RawText!.Contains("metrics", StringComparison.Ordinal));
        var open = new List<string>();
        using HttpClient stranger = keyed.Host.ClientWith("nobody-0123456789abcdef");
        foreach (RouteEndpoint route in routes)
        {
            string path = "/" + System.Text.RegularExpressions.Regex.Replace(route.RoutePattern.RawText!, @"\{[^}]*\}", "x").TrimStart('/');
            foreach (string method in route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET", "POST"])
            {
                if (route.Metadata.GetMetadata<IAllowAnonymous>() is not null)
                {
                    open.Add(path);
                    continue;
                }

                foreach (HttpClient client in new[] { keyed.Host.Client, stranger })
                {
                    using HttpResponseMessage response = await client.SendAsync(
                        new HttpRequestMessage(new HttpMethod(method), path),
                        TestContext.Current.CancellationToken);
                    Assert.True(
                        response.StatusCode == HttpStatusCode.Unauthorized,
                        $"{method} {path} answers {(int)response.StatusCode}");
                    Assert.Equal(["Basic", "Bearer"], response.Headers.WwwAuthenticate.Select(header => header.Scheme));
                }
            }
        }

        Assert.Equal(["/health/live"], open.Distinct());
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/index.html")]
    [InlineData("/no/such/address")]
    public async Task Row2_so_does_what_is_not_there(string path)
    {
        using HttpResponseMessage response = await keyed.Host.Client.GetAsync(path, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task Keys_come_in_three_ways()
    {
        foreach (var (name, value) in new[]
        {
            ("Authorization", $"Bearer {Alice}"),
            ("Authorization", $"bearer {Bob}"),
            ("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"whoever:{Alice}"))),
            ("X-API-Key", Bob),
        })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/samplers");
            request.Headers.TryAddWithoutValidation(name, value);
            using HttpResponseMessage response = await keyed.Host.Client.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Theory]
    [InlineData("Authorization", "Bearer")]
    [InlineData("Authorization", "Bearer alice-0123456789abcdeF")]
    [InlineData("Authorization", "Basic !!!")]
    [InlineData("Authorization", "Basic YWxpY2U=")]
    [InlineData("Authorization", "Digest alice-0123456789abcdef")]
    [InlineData("Authorization", "alice-0123456789abcdef")]
    [InlineData("X-API-Key", "alice-0123456789abcde")]
    [InlineData("X-API-Key", "alice")]
    [InlineData("Cookie", "key=alice-0123456789abcdef")]
    public async Task Row2_other_things_are_no_keys(string name, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/samplers");
        request.Headers.TryAddWithoutValidation(name, value);
        using HttpResponseMessage response = await keyed.Host.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task Keys_may_come_from_a_file()
    {
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, $"# who may\n\nalice: {Alice}\nbob:{Bob}\n", TestContext.Current.CancellationToken);
            await using WorkerHost host = await WorkerHost.StartAsync(null, $"--Worker:Trust:KeyFile={file}");
            using HttpClient client = host.ClientWith(Bob);
            Assert.Equal(
                HttpStatusCode.OK,
                (await client.GetAsync("/api/v1/strategies", TestContext.Current.CancellationToken)).StatusCode);
            Assert.Equal(
                HttpStatusCode.Unauthorized,
                (await host.Client.GetAsync("/api/v1/strategies", TestContext.Current.CancellationToken)).StatusCode);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("--Worker:Trust:Keys:alice=short")]
    [InlineData("--Worker:Trust:Keys:al ice=0123456789abcdef0")]
    [InlineData("--Worker:Trust:KeyFile=/no/such/file")]
    public void Bad_keys_fail_at_start_and_are_not_shown(string argument)
    {
        var exception = Assert.Throws<InvalidRequestException>(() => WorkerApplication.Build([argument]));
        Assert.StartsWith("Worker:Trust:Key", exception.Field, StringComparison.Ordinal);
        Assert.DoesNotContain("0123456789abcdef0", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("short", exception.Message.Replace("shortened", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }
}
