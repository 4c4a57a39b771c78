using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using DiffusionClip.Skia;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DiffusionClip.Worker.Tests.Page;

[Collection(BrowserCollection.Name)]
public partial class PageTests(BrowserFixture browser)
{
    private const string Apple = "a red apple on a blue background";

    [Fact]
    public async Task Pictures_appear_while_they_are_painted_and_are_ranked_in_the_end()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.ShotAsync("welcome");
        await visit.FillAsync(Apple, candidates: 5, keep: 2, steps: 40);
        await visit.GenerateAsync();

        await Expect(page.Locator(".candidate.latent img").First).ToHaveAttributeAsync("src", PngData());
        await Expect(page.GetByRole(AriaRole.Progressbar, new() { Name = "Progress of the job" })).ToBeVisibleAsync();
        await visit.ShotAsync("live");
        await visit.OverAsync();

        await Expect(page.GetByRole(AriaRole.List, new() { Name = "Kept, best first" }).GetByRole(AriaRole.Listitem)).ToHaveCountAsync(2);
        await Expect(page.GetByRole(AriaRole.List, new() { Name = "Not kept" }).GetByRole(AriaRole.Listitem)).ToHaveCountAsync(3);
        ILocator rows = page.GetByRole(AriaRole.Table, new() { Name = "Candidates, best first" }).Locator("tbody tr");
        await Expect(rows).ToHaveCountAsync(5);
        double[] scores =
        [
            .. (await rows.Locator("td:nth-child(4)").AllTextContentsAsync()).Select(text =>
                double.Parse(text, System.Globalization.CultureInfo.InvariantCulture)),
        ];
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.Equal(4, (await rows.Locator("td:nth-child(5)").AllTextContentsAsync()).Count(margin => margin.Length > 0));
        await Expect(page.Locator(".report")).ToContainTextAsync("Where the time went");
        await page.GetByText("As JSON").ClickAsync();
        using JsonDocument report = JsonDocument.Parse(await page.Locator(".report pre").TextContentAsync() ?? "");
        Assert.Equal(5, report.RootElement.GetProperty("candidates").GetArrayLength());
        await Expect(page.Locator("#announcer")).ToContainTextAsync("The best is candidate");
        await page.GetByText("As JSON").ClickAsync();
        await page.EvaluateAsync("scrollTo(0, 0)");
        await visit.ShotAsync("finished");
        await visit.ShotAsync("finished-whole", whole: true);
        Assert.True(
            await page.EvaluateAsync<bool>(
                "[...document.querySelectorAll('main .pictures img')].every(image => image.complete && image.naturalWidth > 0)"));
    }

    [Fact]
    public async Task Populations_that_shrink_and_branch_are_shown_live_and_from_the_report()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.FillAsync(
            "a fox and a purple umbrella on a white background",
            candidates: 6,
            keep: 2,
            steps: 16,
            strategy: "halve-and-fork");
        await page.GetByLabel("Sampler").SelectOptionAsync("Euler a");
        await visit.GenerateAsync();

        await Expect(page.GetByRole(AriaRole.Img, new() { NameRegex = Population() })).ToBeVisibleAsync();
        await visit.ShotAsync("branching-live", whole: true);
        await visit.OverAsync();
        await LooksRight();
        await visit.ShotAsync("branching-finished", whole: true);

        // Once more, this time from the report alone.
        await page.ReloadAsync();
        await visit.OverAsync();
        await LooksRight();

        async Task LooksRight()
        {
            // 6, cut to 3 and one fork, cut to 2 and one fork.
            await Expect(page.GetByRole(AriaRole.Img, new() { NameRegex = Population() }))
                .ToHaveAttributeAsync("aria-label", new Regex("8 candidates, 2 forks, 5 cut"));
            await Expect(page.Locator(".chart .fork")).Not.ToHaveCountAsync(0);
            ILocator rows = page.GetByRole(AriaRole.Table, new() { Name = "Candidates, best first" }).Locator("tbody tr");
            await Expect(rows).ToHaveCountAsync(8);
            await Expect(rows.Filter(new() { HasTextRegex = new Regex("fork of #\\d at 8") })).ToHaveCountAsync(1);
            await Expect(rows.Filter(new() { HasTextRegex = new Regex("fork of #\\d at 12") })).ToHaveCountAsync(1);
            await Expect(rows.Filter(new() { HasText = "cut by halve-and-fork after evaluation 8 of 16" })).ToHaveCountAsync(3);
            await page.GetByText("The same as a table").ClickAsync();
            await Expect(page.GetByRole(AriaRole.Columnheader, new() { Name = "after 8", Exact = true })).ToBeVisibleAsync();
        }
    }

    [Fact]
    public async Task An_error_stands_at_the_field_that_it_names()
    {
        await using Visit visit = await browser.VisitAsync(expected: 422);
        IPage page = visit.Page;
        await visit.FillAsync(Apple);
        ILocator width = page.GetByLabel("Width");
        await width.FillAsync("130");
        await page.GetByRole(AriaRole.Button, new() { Name = "Generate" }).ClickAsync();

        await Expect(width).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(width).ToBeFocusedAsync();
        await Expect(width).ToHaveAccessibleDescriptionAsync(new Regex("width.*130.*nearest", RegexOptions.Singleline));
        await visit.ShotAsync("error");
        await AccessibleAsync(visit);

        // In a closed panel, and found here already.
        await width.FillAsync("64");
        await page.GetByText("Finer settings").ClickAsync();
        await page.GetByLabel("CLIP skip").FillAsync("99");
        await page.GetByText("Finer settings").ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Generate" }).ClickAsync();
        await Expect(page.GetByLabel("CLIP skip")).ToBeFocusedAsync();
        await Expect(width).Not.ToHaveAttributeAsync("aria-invalid", "true");
        await page.GetByLabel("CLIP skip").FillAsync("1.5");
        await page.GetByRole(AriaRole.Button, new() { Name = "Generate" }).ClickAsync();
        await Expect(page.GetByLabel("CLIP skip")).ToHaveAccessibleDescriptionAsync("This has to be a whole number.");
        await page.GetByLabel("CLIP skip").FillAsync("");
        await page.GetByLabel("Strength").EvaluateAsync("field => field.value = 0.5");
        await page.GetByRole(AriaRole.Button, new() { Name = "Generate" }).ClickAsync();
        await Expect(page.Locator("#init_image")).ToBeFocusedAsync();
    }

    [Fact]
    public async Task Everything_can_be_done_with_the_keyboard()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await page.Keyboard.PressAsync("Tab");
        await Expect(page.GetByText("Skip to the pictures")).ToBeFocusedAsync();
        await TabTo("textarea[name=prompt]");
        await page.Keyboard.TypeAsync("two cats");
        await TabTo("input[name=candidates]");
        await page.Keyboard.TypeAsync("2");
        await TabTo("input[name=width]");
        await page.Keyboard.TypeAsync("64");
        await TabTo("input[name=height]");
        await page.Keyboard.TypeAsync("64");
        await TabTo("input[name=num_inference_steps]");
        await page.Keyboard.TypeAsync("4");
        await page.Keyboard.PressAsync("Control+Enter");
        await Expect(page.Locator("h1:visible")).ToBeFocusedAsync();
        await visit.OverAsync();

        await TabTo("button.plate");
        Assert.NotEqual("none", await page.EvaluateAsync<string>("getComputedStyle(document.activeElement).outlineStyle"));
        string first = await page.EvaluateAsync<string>("document.activeElement.querySelector('img').src");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await Expect(page.Locator("#lightbox-title")).ToContainTextAsync("Picture 1 of 2");
        await AccessibleAsync(visit);
        await visit.ShotAsync("lightbox");
        await page.Keyboard.PressAsync("ArrowRight");
        await Expect(page.Locator("#lightbox-title")).ToContainTextAsync("Picture 2 of 2");
        await page.Keyboard.PressAsync("Escape");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToBeHiddenAsync();
        Assert.Equal(first, await page.EvaluateAsync<string>("document.activeElement.querySelector('img')?.src"));

        await TabTo("[data-nav=gallery]", backwards: true);
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Gallery" })).ToBeFocusedAsync();

        async Task TabTo(string selector, bool backwards = false)
        {
            for (int i = 0; i < 60; i++)
            {
                await page.Keyboard.PressAsync(backwards ? "Shift+Tab" : "Tab");
                if (await page.EvaluateAsync<bool>("selector => document.activeElement.matches(selector)", selector))
                {
                    return;
                }
            }

            Assert.Fail($"{selector} cannot be reached");
        }
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task Every_view_is_accessible(ColorScheme scheme)
    {
        await using Visit visit = await browser.VisitAsync(
            options: new()
            {
                ViewportSize = new() { Width = 1360, Height = 900 },
                ColorScheme = scheme,
            });
        IPage page = visit.Page;
        await page.EvaluateAsync("document.querySelectorAll('form details').forEach(panel => panel.open = true)");
        await AccessibleAsync(visit);
        await visit.FillAsync("three stars on a black background", candidates: 4, keep: 1, steps: 8, strategy: "halve-and-fork");
        await visit.GenerateAsync();
        await AccessibleAsync(visit);
        await visit.OverAsync();
        await page.EvaluateAsync("document.querySelectorAll('main details').forEach(panel => panel.open = true)");
        await AccessibleAsync(visit);
        await visit.ShotAsync($"{scheme}-job".ToLowerInvariant(), whole: true);
        foreach (string view in new[] { "gallery", "rank" })
        {
            await visit.GoAsync("#/" + view);
            await Expect(page.Locator($"#view-{view} h1")).ToBeVisibleAsync();
            if (view == "gallery")
            {
                await Expect(page.Locator("#gallery-list li").First).ToBeVisibleAsync();
            }

            await AccessibleAsync(visit);
            await visit.ShotAsync($"{scheme}-{view}".ToLowerInvariant());
        }

        double luminance = await page.EvaluateAsync<double>(
            "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).reduce((sum, value) => sum + Number(value) / 765, 0)"
        );
        Assert.Equal(scheme == ColorScheme.Dark, luminance < 0.3);
    }

    [Theory]
    [InlineData("phone", 320, 640)]
    [InlineData("zoomed", 640, 450)]
    public async Task Nothing_is_wider_than_the_window(string name, int width, int height)
    {
        await using Visit visit = await browser.VisitAsync(
            options: new()
            {
                ViewportSize = new() { Width = width, Height = height },
                DeviceScaleFactor = 2,
            });
        IPage page = visit.Page;
        await page.EvaluateAsync("document.querySelectorAll('form details').forEach(panel => panel.open = true)");
        await FitsAsync();
        await visit.ShotAsync(name + "-form", whole: true);
        await visit.FillAsync("a-very-long-word-" + new string('x', 300), candidates: 4, keep: 2, steps: 8, strategy: "halve-and-fork");
        await visit.GenerateAsync();
        await FitsAsync();
        await visit.OverAsync();
        await page.EvaluateAsync("document.querySelectorAll('main details').forEach(panel => panel.open = true)");
        await FitsAsync();
        await visit.ShotAsync(name + "-job", whole: true);
        await page.Locator("button.plate").First.ClickAsync();
        await FitsAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();
        foreach (string view in new[] { "gallery", "rank" })
        {
            await visit.GoAsync("#/" + view);
            await FitsAsync();
            await AccessibleAsync(visit);
            await visit.ShotAsync($"{name}-{view}");
        }

        async Task FitsAsync()
        {
            int[] widths = await page.EvaluateAsync<int[]>("[document.documentElement.scrollWidth, innerWidth]");
            Assert.True(widths[0] <= widths[1], $"the page is {widths[0]} wide in a window of {widths[1]}");
        }
    }

    [Fact]
    public async Task Text_from_right_to_left_and_text_that_looks_like_markup_stays_text()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        const string Hostile = "קוף <img src=x onerror=alert(1)><script>alert(1)</script> & \"quoted\"";
        await visit.FillAsync(Hostile, candidates: 1, steps: 2);
        await visit.GenerateAsync();
        await visit.OverAsync();
        await Expect(page.Locator("h1:visible")).ToHaveTextAsync(Hostile);
        Assert.Equal("rtl", await page.Locator("h1:visible").EvaluateAsync<string>("heading => getComputedStyle(heading).direction"));
        Assert.Equal("rtl", await page.Locator("#prompt").EvaluateAsync<string>("field => getComputedStyle(field).direction"));
        await Expect(page.Locator("main script, main img[src='x']")).ToHaveCountAsync(0);
        await visit.ShotAsync("right-to-left");
        await visit.GoAsync("#/gallery");
        await Expect(page.Locator("#gallery-list .title").First).ToHaveTextAsync(Hostile);
        await page.EvaluateAsync("document.documentElement.dir = 'rtl'");
        Assert.True(await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"));
        await visit.ShotAsync("right-to-left-page");
    }

    [Fact]
    public async Task Nothing_moves_for_those_who_do_not_want_it()
    {
        await using Visit visit = await browser.VisitAsync(options: new() { ReducedMotion = ReducedMotion.Reduce });
        await visit.FillAsync(Apple, candidates: 20, steps: 80);
        await visit.GenerateAsync();
        await Expect(visit.Page.Locator(".candidate.latent img").First).ToBeVisibleAsync();
        Assert.Equal(0, await visit.Page.EvaluateAsync<int>("document.getAnimations().length"));
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();
        await visit.OverAsync("Cancelled");
    }

    [Fact]
    public async Task A_job_can_be_finished_early_and_cancelled()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.FillAsync(Apple, candidates: 60, steps: 10);
        await visit.GenerateAsync();
        await Expect(page.Locator(".candidate .score").Filter(new() { HasTextRegex = new Regex("\\d") }).First).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Finish now" }).ClickAsync();
        await visit.OverAsync();
        await Expect(page.Locator(".status")).ToContainTextAsync("finished early");
        await Expect(page.GetByRole(AriaRole.List, new() { Name = "Kept", Exact = false }).First).ToBeVisibleAsync();

        await page.GetByLabel("Seed").FillAsync("7");
        await visit.GenerateAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();
        await visit.OverAsync("Cancelled");
        await Expect(page.Locator(".notice")).ToContainTextAsync("cancelled");
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "these settings" })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task A_job_can_be_taken_up_again()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.FillAsync("a small house", candidates: 2, steps: 5);
        await page.GetByLabel("Seed").FillAsync("18446744073709551615");
        string first = await visit.GenerateAsync();
        await visit.OverAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "new seeds" }).ClickAsync();
        await page.WaitForFunctionAsync("id => !location.hash.endsWith(id)", first);
        await visit.OverAsync();
        await Expect(page.Locator(".facts")).Not.ToContainTextAsync("18446744073709551615");

        await visit.GoAsync("#/jobs/" + first);
        await page.GetByRole(AriaRole.Button, new() { Name = "these settings" }).ClickAsync();
        await Expect(page.GetByLabel("Seed")).ToHaveValueAsync("18446744073709551615");
        await Expect(page.GetByLabel("Steps", new() { Exact = true })).ToHaveValueAsync("5");
        await Expect(page.Locator("#prompt")).ToBeFocusedAsync();
        await Expect(page.Locator("#base-note")).ToBeVisibleAsync();
        await visit.ShotAsync("again");
        await visit.GenerateAsync();
        await visit.OverAsync();
        await Expect(page.Locator(".facts")).ToContainTextAsync("18446744073709551615");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "an earlier job" })).ToHaveAttributeAsync("href", "#/jobs/" + first);

        // From one of the pictures.
        await page.Locator("button.plate").First.ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Start from this picture" }).ClickAsync();
        await Expect(page.GetByAltText("The picture taken over")).ToBeVisibleAsync();
        await page.GetByLabel("Strength").FillAsync("0.6");
        await visit.GenerateAsync();
        await visit.OverAsync();
        await Expect(page.Locator(".facts")).ToContainTextAsync("strength 0.6");
    }

    [Fact]
    public async Task Painting_starts_from_an_uploaded_picture_and_mask()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.FillAsync(Apple, candidates: 1, steps: 4);
        await page.GetByText("Start from a picture").ClickAsync();
        await page.Locator("#init_image").SetInputFilesAsync(Picture("start.png", 64, 200));
        await page.Locator("#mask").SetInputFilesAsync(Picture("mask.png", 64, 255));
        await page.GetByLabel("Strength").FillAsync("0.5");
        string id = await visit.GenerateAsync();
        await visit.OverAsync();
        JsonElement job = await browser.Host.Client.GetFromJsonAsync<JsonElement>(
            "/api/v1/jobs/" + id,
            TestContext.Current.CancellationToken);
        JsonElement origin = job.GetProperty("body").GetProperty("generate").GetProperty("origin");
        Assert.Equal(0.5, origin.GetProperty("strength").GetDouble());
        Assert.Equal(64, origin.GetProperty("mask").GetString()!.Length);
    }

    [Fact]
    public async Task Own_pictures_are_ranked()
    {
        await using Visit visit = await browser.VisitAsync("#/rank");
        IPage page = visit.Page;
        await page.GetByRole(AriaRole.Button, new() { Name = "Rank", Exact = true }).ClickAsync();
        await Expect(page.Locator("#rank-images")).ToHaveAccessibleDescriptionAsync(new Regex("Choose at least one picture"));

        await page.Locator("#rank-images").SetInputFilesAsync([Picture("dark.png", 48, 20), Picture("bright.png", 48, 240)]);
        await Expect(page.Locator("#rank-thumbs li")).ToHaveCountAsync(2);
        IJSHandle dropped = await page.EvaluateHandleAsync(
            "content => { const transfer = new DataTransfer(); transfer.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], 'dropped.png', { type: 'image/png' })); return transfer; }",
            Convert.ToBase64String(Picture("dropped.png", 48, 128).Buffer));
        await page.DispatchEventAsync("#rank-drop", "drop", new { dataTransfer = dropped });
        await Expect(page.Locator("#rank-thumbs li")).ToHaveCountAsync(3);
        await page.Locator("#rank-prompt").FillAsync("something bright");
        await page.Locator("#rank-scorer").SelectOptionAsync("brightness");
        await AccessibleAsync(visit);
        await visit.ShotAsync("rank");
        await page.GetByRole(AriaRole.Button, new() { Name = "Rank", Exact = true }).ClickAsync();
        await visit.OverAsync();
        ILocator rows = page.GetByRole(AriaRole.Table, new() { Name = "Pictures, best first" }).Locator("tbody tr");
        Assert.Equal(["picture 2", "picture 3", "picture 1"], await rows.Locator("td:nth-child(3)").AllTextContentsAsync());
        await AccessibleAsync(visit);
        await visit.ShotAsync("ranked", whole: true);
    }

    [Fact]
    public async Task Scorers_stand_side_by_side()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.FillAsync("two cats", candidates: 3, steps: 4);
        await visit.GenerateAsync();
        await visit.OverAsync();
        await page.GetByLabel("Another scorer").SelectOptionAsync("brightness");
        await page.GetByRole(AriaRole.Button, new() { Name = "Score with it too" }).ClickAsync();
        await HasBoth();
        await visit.ShotAsync("scorers", whole: true);
        await page.ReloadAsync();
        await HasBoth();

        async Task HasBoth()
        {
            ILocator table = page.GetByRole(AriaRole.Table, new() { Name = "Scores of every picture" });
            await Expect(table.GetByRole(AriaRole.Columnheader)).ToHaveTextAsync(["Picture", "emoji-clip", "brightness"]);
            await Expect(table.Locator("td.best")).ToHaveCountAsync(2);
            await Expect(page.GetByText("rank correlation")).ToBeVisibleAsync();
        }
    }

    [Theory]
    [InlineData("""{"from_snapshot":true,"evaluations_skipped":120,"seconds_before":2.5}""", "went on from a snapshot: 120 evaluations and 2.5 s kept")]
    [InlineData("""{"from_snapshot":false,"reason":"another model","evaluations_skipped":0,"seconds_before":0}""", "began anew: another model")]
    public async Task A_report_says_how_an_interrupted_job_went_on(string resumed, string expected)
    {
        await using Visit visit = await browser.VisitAsync();
        await visit.FillAsync(Apple, candidates: 1, steps: 2);
        string id = await visit.GenerateAsync();
        await visit.OverAsync();
        await Expect(visit.Page.Locator(".report")).Not.ToContainTextAsync("After an interruption");
        string[] lines = await visit.Page.EvaluateAsync<string[]>(
            """
            async ([id, resumed]) => {
              const { reportView } = await import("/page/report.js");
              const job = await (await fetch("/api/v1/jobs/" + id)).json();
              job.result.report.resumed = JSON.parse(resumed);
              return reportView(job).flatMap((part) => [...part.querySelectorAll("dd")].map((line) => line.textContent));
            }
            """,
            new[] { id, resumed });
        Assert.Contains(expected, lines);
    }

    [Fact]
    public async Task The_gallery_has_all_jobs_a_page_at_a_time()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        // Cancelled while a long one runs, they cost nothing.
        HttpClient client = browser.Host.Client;
        string running = await SubmitAsync(40);
        for (int i = 0; i < 30; i++)
        {
            (await client.DeleteAsync("/api/v1/jobs/" + await SubmitAsync(1), cancellation)).EnsureSuccessStatusCode();
        }

        (await client.DeleteAsync("/api/v1/jobs/" + running, cancellation)).EnsureSuccessStatusCode();
        await visit.GoAsync("#/gallery");
        await page.GetByLabel("Show").SelectOptionAsync("cancelled");
        await Expect(page.Locator("#gallery-count")).ToHaveTextAsync("The latest 24 jobs");
        await page.GetByRole(AriaRole.Button, new() { Name = "Earlier jobs" }).ClickAsync();
        await Expect(page.Locator("#gallery-list li").Nth(24).Locator("a")).ToBeFocusedAsync();
        int count = await page.Locator("#gallery-list li").CountAsync();
        Assert.InRange(count, 30, 48);
        string[] addresses = [.. await page.Locator("#gallery-list a").EvaluateAllAsync<string[]>("links => links.map(link => link.href)")];
        Assert.Equal(count, addresses.Distinct().Count());
        await page.Locator("#gallery-list a").First.ClickAsync();
        await visit.OverAsync("Cancelled");
        await page.GoBackAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Gallery" })).ToBeVisibleAsync();

        async Task<string> SubmitAsync(int candidates)
        {
            using HttpResponseMessage reply = await client.PostAsJsonAsync(
                "/api/v1/jobs",
                new
                {
                    generate = new
                    {
                        prompt = new { text = "a gallery of houses" },
                        sampling = new
                        {
                            width = 64,
                            height = 64,
                            num_inference_steps = 50,
                        },
                        search = new { candidates },
                    },
                },
                cancellation);
            reply.EnsureSuccessStatusCode();
            return (await reply.Content.ReadFromJsonAsync<JsonElement>(cancellation)).GetProperty("id").GetString()!;
        }
    }

    [Fact]
    public async Task A_job_that_is_not_there_is_said_to_be_gone()
    {
        await using Visit visit = await browser.VisitAsync("#/jobs/01AAAAAAAAAAAAAAAAAAAAAAAA", expected: 404);
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "There is no such job" })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task With_a_key_the_page_works_for_those_who_have_it()
    {
        await using WorkerHost locked = await WorkerHost.StartAsync(null, "--Worker:Trust:Keys:painter=a-key-that-is-long-enough");
        await using Visit visit = await browser.VisitAsync(
            "#/gallery",
            new()
            {
                HttpCredentials = new() { Username = "painter", Password = "a-key-that-is-long-enough" },
            },
            expected: 401,
            host: locked);
        await Expect(visit.Page.Locator("#gallery-count")).ToHaveTextAsync("Nothing here yet.");
        await Expect(visit.Page.Locator("#rank-scorer option")).Not.ToHaveCountAsync(0);
    }

    private static FilePayload Picture(string name, int side, byte grey)
    {
        byte[] pixels = new byte[side * side * 3];
        Array.Fill(pixels, grey);
        return new FilePayload
        {
            Name = name,
            MimeType = "image/png",
            Buffer = new SkiaImageCodec().EncodePng(new RgbImage(side, side, pixels)),
        };
    }

    private static async Task AccessibleAsync(Visit visit) =>
        Assert.Empty(await visit.Page.EvaluateAsync<string[]>(await Accessibility.ScriptAsync()));

    [GeneratedRegex("^data:image/png;base64,")]
    private static partial Regex PngData();

    [GeneratedRegex("^Population over the steps")]
    private static partial Regex Population();
}
