using System.Net;
using System.Text.RegularExpressions;

namespace DiffusionClip.Worker.Tests.Page;

public partial class PageRouteTests(PageRouteTests.Running running) : IClassFixture<PageRouteTests.Running>
{
    private static readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    private HttpClient Client => running.Host!.Client;

    [Fact]
    public async Task The_page_may_load_only_itself()
    {
        using HttpResponseMessage reply = await Client.GetAsync("/", _cancellation);
        Assert.Equal(HttpStatusCode.OK, reply.StatusCode);
        Assert.Equal("text/html; charset=utf-8", reply.Content.Headers.ContentType!.ToString());
        Assert.Equal(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            Assert.Single(reply.Headers.GetValues("Content-Security-Policy")));
        Assert.Equal("nosniff", Assert.Single(reply.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(reply.Headers.GetValues("Referrer-Policy")));
        string html = await reply.Content.ReadAsStringAsync(_cancellation);
        Assert.DoesNotMatch(InlineCode(), html);
        Assert.DoesNotMatch("https?://", html);
    }

    [Fact]
    public async Task Everything_that_the_page_names_is_there()
    {
        var seen = new HashSet<string> { "/" };
        var left = new Queue<string>(seen);
        while (left.TryDequeue(out string? path))
        {
            using HttpResponseMessage reply = await Client.GetAsync(path, _cancellation);
            Assert.True(reply.IsSuccessStatusCode, $"{path}: {reply.StatusCode}");
            string text = await reply.Content.ReadAsStringAsync(_cancellation);
            foreach (Match match in Reference().Matches(text))
            {
                string next = match.Groups[1].Success ? "/page/" + match.Groups[1].Value : "/" + match.Groups[2].Value;
                if (seen.Add(next))
                {
                    left.Enqueue(next);
                }
            }
        }

        Assert.Superset(new HashSet<string> { "/page/app.js", "/page/page.css", "/page/icon.svg", "/page/charts.js" }, seen);
    }

    [Fact]
    public async Task What_is_known_is_not_sent_again()
    {
        using HttpResponseMessage first = await Client.GetAsync("/page/app.js", _cancellation);
        using var again = new HttpRequestMessage(HttpMethod.Get, "/page/app.js");
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using HttpResponseMessage second = await Client.SendAsync(again, _cancellation);
        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        using HttpResponseMessage head = await Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/"), _cancellation);
        Assert.True(head.Content.Headers.ContentLength > 0);
    }

    [Theory]
    [InlineData("/index.html")]
    [InlineData("/page/")]
    [InlineData("/page/../appsettings.json")]
    [InlineData("/page/%2e%2e/appsettings.json")]
    [InlineData("/page/..%5cappsettings.json")]
    [InlineData("/appsettings.json")]
    [InlineData("/wwwroot/index.html")]
    public async Task Nothing_else_is_served(string path)
    {
        using HttpResponseMessage reply = await Client.GetAsync(path, _cancellation);
        Assert.Equal(HttpStatusCode.NotFound, reply.StatusCode);
    }

    [GeneratedRegex("""<script(?![^>]*\ssrc=)|<style|\son[a-z]+=|\sstyle=|javascript:""", RegexOptions.IgnoreCase)]
    private static partial Regex InlineCode();

    [GeneratedRegex("""from "\./([a-z]+\.js)"|(?:src|href)="(page/[a-z.]+)["]""")]
    private static partial Regex Reference();

    public sealed class Running : IAsyncLifetime
    {
        internal WorkerHost? Host { get; private set; }

        public async ValueTask InitializeAsync() => Host = await WorkerHost.StartAsync();

        public async ValueTask DisposeAsync() => await Host!.DisposeAsync();
    }
}
