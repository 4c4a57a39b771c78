using System.Net.Http.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Imaging;

namespace DiffusionClip.Worker.Tests.Interfaces;

/// <summary>One worker with two callers' keys for a class of tests; loopback, so that requests without a key are refused too.</summary>
public sealed class ApisHost : IAsyncLifetime
{
    public WorkerHost Worker { get; private set; } = null!;

    public HttpClient Client => Worker.Client;

    public async ValueTask InitializeAsync() => Worker = await WorkerHost.StartAsync(null, "--Worker:Queue:PreviewInterval=00:00:00.020");

    public ValueTask DisposeAsync() => Worker.DisposeAsync();

    /// <summary>Sends JSON and reads JSON.</summary>
    public static async Task<(int Status, JsonNode? Body, HttpResponseMessage Response)> PostAsync(
        HttpClient client,
        string path,
        JsonNode body)
    {
        HttpResponseMessage response = await client.PostAsync(
            new Uri(path, UriKind.Relative),
            JsonContent.Create(body),
            TestContext.Current.CancellationToken);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text), response);
    }

    public Task<(int Status, JsonNode? Body, HttpResponseMessage Response)> PostAsync(string path, JsonNode body) =>
        PostAsync(Client, path, body);

    public static async Task<JsonNode> GetAsync(HttpClient client, string path) =>
        JsonNode.Parse(await client.GetStringAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken))!;

    public Task<JsonNode> GetAsync(string path) => GetAsync(Client, path);

    /// <summary>A body that is quick on the embedded model.</summary>
    public static JsonObject Quick(string prompt = "a red apple") =>
        new()
        {
            ["prompt"] = prompt,
            ["steps"] = 2,
            ["width"] = 64,
            ["height"] = 64,
            ["seed"] = 5,
            ["cfg_scale"] = 1,
        };

    /// <summary>A picture of one colour, PNG in base64.</summary>
    public string Picture(int width, int height, byte red, byte green, byte blue)
    {
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        }

        return Convert.ToBase64String(
            Worker.Application.Services.GetRequiredService<IImageCodec>().EncodePng(new RgbImage(width, height, pixels)));
    }

    /// <summary>A picture of one colour with an alpha channel, PNG in base64.</summary>
    public static string Translucent(int width, int height, byte red, byte green, byte blue, byte alpha) =>
        Convert.ToBase64String(
            PngFile.Of(
                width,
                height,
                8,
                6,
                _ => [.. Enumerable.Repeat(new[] { red, green, blue, alpha }, width).SelectMany(pixel => pixel)]));

    public RgbImage Decode(string base64) =>
        Worker.Application.Services.GetRequiredService<IImageCodec>().Decode(Convert.FromBase64String(base64), ImageLimits.Default);
}
