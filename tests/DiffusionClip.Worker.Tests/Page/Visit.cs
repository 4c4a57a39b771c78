using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace DiffusionClip.Worker.Tests.Page;

/// <summary>
/// A look at the page by one visitor. At its end nothing may have gone wrong unseen: no error, no violation of the policy, no request to
/// elsewhere.
/// </summary>
internal sealed class Visit : IAsyncDisposable
{
    private const string ReportViolations =
        "document.addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile));";

    private static readonly string? _shots = Environment.GetEnvironmentVariable("DIFFUSIONCLIP_SHOTS");

    private readonly IBrowserContext _context;
    private readonly Uri _address;
    private readonly ConcurrentQueue<string> _faults = new();

    private Visit(IBrowserContext context, IPage page, Uri address)
    {
        _context = context;
        Page = page;
        _address = address;
    }

    public IPage Page { get; }

    /// <summary>The status that the test means to get: Chromium tells of each in its console.</summary>
    private int? Expected { get; init; }

    public static async Task<Visit> StartAsync(IBrowserContext context, Uri address, int? expected)
    {
        context.SetDefaultTimeout(60_000);
        await context.AddInitScriptAsync(ReportViolations);
        IPage page = await context.NewPageAsync();
        var visit = new Visit(context, page, address) { Expected = expected };
        page.Console += (_, message) => visit.Heard(message);
        page.PageError += (_, error) => visit._faults.Enqueue("error: " + error);
        page.Request += (_, request) => visit.Asked(request.Url);
        return visit;
    }

    public async Task GoAsync(string hash)
    {
        await Page.GotoAsync(new Uri(_address, "/" + hash).AbsoluteUri);
        await Assertions.Expect(Page.Locator("main h1:visible")).ToBeVisibleAsync();
    }

    /// <summary>
    /// A picture of the page, for people to look at, in the folder that <c>DIFFUSIONCLIP_SHOTS</c> names; none without it.
    /// </summary>
    public Task ShotAsync(string name, bool whole = false) => string.IsNullOrEmpty(_shots)
        ? Task.CompletedTask
        : Page.ScreenshotAsync(new() { Path = Path.Combine(_shots, name + ".png"), FullPage = whole });

    /// <summary>Fills the form with a small job. Empty values stay the model's.</summary>
    public async Task FillAsync(string prompt, int candidates = 3, int? keep = null, int steps = 4, string? strategy = null)
    {
        await Page.GetByRole(AriaRole.Textbox, new() { Name = "Prompt", Exact = true }).FillAsync(prompt);
        await Page.GetByLabel("Candidates", new() { Exact = true }).FillAsync(Text(candidates));
        await Page.GetByLabel("Keep", new() { Exact = true }).FillAsync(keep is { } number ? Text(number) : "");
        await Page.GetByLabel("Steps", new() { Exact = true }).FillAsync(Text(steps));
        await Page.GetByLabel("Width").FillAsync("64");
        await Page.GetByLabel("Height").FillAsync("64");
        if (strategy is not null)
        {
            await Page.GetByLabel("Strategy").SelectOptionAsync(strategy);
        }
    }

    /// <summary>Presses Generate and waits for the job's view. Returns the job's id.</summary>
    public async Task<string> GenerateAsync()
    {
        string before = Page.Url;
        await Page.GetByRole(AriaRole.Button, new() { Name = "Generate" }).ClickAsync();
        await Page.WaitForFunctionAsync("before => location.href !== before && location.hash.startsWith('#/jobs/')", before);
        return Page.Url.Split('/')[^1];
    }

    /// <summary>Waits until the job in view is over.</summary>
    public Task OverAsync(string state = "Done") =>
        Assertions.Expect(Page.Locator(".badge")).ToHaveTextAsync(state, new() { Timeout = 90_000 });

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        Assert.Empty(_faults);
    }

    private static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private void Heard(IConsoleMessage message)
    {
        bool isExpected =
            Regex.Match(message.Text, @"status of (\d+)") is { Success: true } status
            && Expected is { } expected
            && status.Groups[1].Value == Text(expected);
        if (message.Type is "error" or "warning" && !isExpected)
        {
            _faults.Enqueue($"{message.Type}: {message.Text} ({message.Location})");
        }
    }

    private void Asked(string url)
    {
        var address = new Uri(url);
        bool isOwn =
            address.Scheme is "data"
            || url.StartsWith("blob:" + _address.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal)
            || address.GetLeftPart(UriPartial.Authority) == _address.GetLeftPart(UriPartial.Authority);
        if (!isOwn)
        {
            _faults.Enqueue("request to elsewhere: " + url);
        }
    }
}
