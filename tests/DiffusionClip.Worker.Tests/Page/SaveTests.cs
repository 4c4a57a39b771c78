using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DiffusionClip.Worker.Tests.Page;

[Collection(BrowserCollection.Name)]
public sealed class SaveTests(BrowserFixture browser)
{
    [Fact]
    public async Task A_picture_is_saved_under_the_ending_of_its_format()
    {
        await using Visit visit = await browser.VisitAsync();
        IPage page = visit.Page;
        await visit.FillAsync("a red apple", candidates: 1, steps: 2);
        await page.GetByText("Finer settings").ClickAsync();
        await Expect(page.GetByLabel("Quality")).ToBeDisabledAsync();
        await page.GetByLabel("File format").SelectOptionAsync("webp");
        await page.GetByLabel("Quality").FillAsync("70");
        await visit.GenerateAsync();
        await visit.OverAsync();

        await page.Locator("button.plate").First.ClickAsync();
        // A download without a name of its own takes the one of the reply; not every Chromium tells tests of downloads.
        ILocator save = page.GetByRole(AriaRole.Link, new() { Name = "Save" });
        await Expect(save).ToHaveAttributeAsync("download", "");
        const string Asked = "link => fetch(link.href).then(reply => reply.headers.get('content-disposition'))";
        string disposition = await save.EvaluateAsync<string>(Asked);
        Assert.Matches("^inline; filename=\"[0-9a-f]{12}\\.webp\"$", disposition);
        await page.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();

        // Taken up again the choice is there; for PNG the quality goes.
        await page.GetByRole(AriaRole.Button, new() { Name = "these settings" }).ClickAsync();
        await Expect(page.GetByLabel("File format")).ToHaveValueAsync("webp");
        await Expect(page.GetByLabel("Quality")).ToHaveValueAsync("70");
        await page.GetByLabel("File format").SelectOptionAsync("");
        await visit.GenerateAsync();
        await visit.OverAsync();
        await Expect(page.Locator(".report")).ToContainTextAsync("Where the time went");
    }
}
