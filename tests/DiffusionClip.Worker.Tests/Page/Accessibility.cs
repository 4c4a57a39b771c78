namespace DiffusionClip.Worker.Tests.Page;

/// <summary>The check that runs inside the page.</summary>
internal static class Accessibility
{
    public static async Task<string> ScriptAsync()
    {
        await using Stream stream = typeof(Accessibility).Assembly.GetManifestResourceStream("accessibility.js")!;
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
