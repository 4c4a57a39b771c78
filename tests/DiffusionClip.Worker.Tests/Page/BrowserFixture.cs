using Microsoft.Playwright;

namespace DiffusionClip.Worker.Tests.Page;

/// <summary>One worker, with a strategy that branches and a second scorer, and one Chromium for all tests of the page.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    /// <summary>Where Debian, others and a variable of one's own have a Chromium.</summary>
    private static readonly string?[] _places =
    [
        Environment.GetEnvironmentVariable("CHROMIUM"),
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private WorkerHost? _host;

    public WorkerHost Host => _host!;

    private static string? Executable => Array.Find(_places, File.Exists);

    public async ValueTask InitializeAsync()
    {
        if (Executable is null)
        {
            return;
        }

        _host = await WorkerHost.StartAsync(
            services =>
                services
                    .AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new HalveAndFork()))
                    .AddSingleton<IImageScorer, BrightnessScorer>(),
            "--Worker:Queue:PreviewInterval=00:00:00.020");
        // A loaded machine is slow, not wrong.
        Assertions.SetDefaultExpectTimeout(30_000);
        _playwright = await Playwright.CreateAsync();
        // Root has no sandbox of its own, and a container often has none for anybody.
        _browser = await _playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions { ExecutablePath = Executable, Args = ["--no-sandbox", "--disable-dev-shm-usage"] });
    }

    /// <summary>A window of its own, whose one faulty status is expected; the test is skipped where there is no Chromium.</summary>
    internal async Task<Visit> VisitAsync(
        string hash = "",
        BrowserNewContextOptions? options = null,
        int? expected = null,
        WorkerHost? host = null)
    {
        Assert.SkipWhen(Executable is null, "there is no Chromium here; install it (apt-get install chromium) or name it in CHROMIUM");
        IBrowserContext context = await _browser!.NewContextAsync(options ?? new() { ViewportSize = new() { Width = 1360, Height = 900 } });
        Visit visit = await Visit.StartAsync(context, (host ?? Host).Address, expected);
        await visit.GoAsync(hash);
        return visit;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }
    }
}

[CollectionDefinition(Name)]
public sealed class BrowserCollection : ICollectionFixture<BrowserFixture>
{
    public const string Name = "page";
}
