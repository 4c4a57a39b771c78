using System.ClientModel;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using DiffusionClip.Imaging;
using DiffusionClip.Worker.Jobs;
using OpenAI;
using OpenAI.Images;
using OpenAI.Models;

namespace DiffusionClip.Worker.Tests.Interfaces;

public sealed class OpenAiTests(ApisHost host) : IClassFixture<ApisHost>
{
    private const string Generations = "/v1/images/generations";

    private static JsonObject Quick() => new() { ["prompt"] = "a red apple", ["size"] = "64x64", ["steps"] = 2, ["seed"] = 3 };

    // The client of NuGet, unmodified.
    [Fact]
    public async Task OpenAI_of_NuGet_makes_pictures_and_sees_errors()
    {
        var client = new OpenAIClient(
            new ApiKeyCredential("none"),
            new OpenAIClientOptions { Endpoint = new Uri(host.Worker.Address, "/v1") });
        ImageClient images = client.GetImageClient("gpt-image-1");
        ClientResult<GeneratedImageCollection> made = await images.GenerateImagesAsync(
            "a red apple",
            2,
            new ImageGenerationOptions { Size = new GeneratedImageSize(64, 64) },
            TestContext.Current.CancellationToken);
        Assert.Equal(2, made.Value.Count);
        foreach (GeneratedImage image in made.Value)
        {
            Assert.Equal(
                64,
                host.Worker.Application.Services.GetRequiredService<IImageCodec>()
                    .Decode(image.ImageBytes.ToMemory(), ImageLimits.Default)
                    .Width);
        }

        using var picture = new MemoryStream(Convert.FromBase64String(host.Picture(64, 64, 10, 100, 10)));
        GeneratedImage edited = (
            await images.GenerateImageEditAsync(
                picture,
                "image.png",
                "a blue star",
                cancellationToken: TestContext.Current.CancellationToken)
        ).Value;
        Assert.NotEmpty(edited.ImageBytes.ToArray());

        OpenAIModelCollection models = (await client.GetOpenAIModelClient().GetModelsAsync(TestContext.Current.CancellationToken)).Value;
        Assert.Contains(models, model => model.Id == "emoji-sd");

        ClientResultException size = await Assert.ThrowsAsync<ClientResultException>(() =>
            images.GenerateImageAsync(
                "x",
                new ImageGenerationOptions { Size = new GeneratedImageSize(65, 64) },
                TestContext.Current.CancellationToken));
        Assert.Equal(400, size.Status);
        Assert.Contains("multiples", size.Message, StringComparison.Ordinal);
        ClientResultException unknown = await Assert.ThrowsAsync<ClientResultException>(() =>
            client.GetImageClient("no-such-model").GenerateImageAsync("x", cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(404, unknown.Status);
        Assert.Contains("emoji-sd", unknown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("n", "0")]
    [InlineData("n", "11")]
    [InlineData("n", "1.5")]
    [InlineData("size", "\"0x64\"")]
    [InlineData("size", "\"64\"")]
    [InlineData("size", "\"65x64\"")]
    [InlineData("size", "\"99999999999x64\"")]
    [InlineData("steps", "0")]
    [InlineData("seed", "-1")]
    [InlineData("sampler", "\"No Such Sampler\"")]
    [InlineData("strategy", "\"no-such-strategy\"")]
    [InlineData("output_format", "\"tiff\"")]
    [InlineData("output_compression", "101")]
    [InlineData("background", "\"transparent\"")]
    [InlineData("partial_images", "4")]
    [InlineData("stream", "\"yes\"")]
    [InlineData("prompt", "5")]
    [InlineData("prompt", "null")]
    [InlineData("prompt", "\"a \\ud83c\"")]
    [InlineData("candidates", "1000000")]
    public async Task A_field_that_cannot_be_used_is_named(string field, string value)
    {
        string body =
            $"{{{string.Join(',', Quick().Where(pair => pair.Key != field).Select(pair => $"\"{pair.Key}\":{pair.Value!.ToJsonString()}"))},\"{field}\":{value}}}";
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await host.Client.PostAsync(
            new Uri(Generations, UriKind.Relative),
            content,
            TestContext.Current.CancellationToken);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("false", response.Headers.GetValues("x-should-retry").Single());
        JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["error"]!;
        Assert.Equal(field, (string)error["param"]!);
        Assert.Equal("invalid_request_error", (string)error["type"]!);
        Assert.NotEmpty((string)error["message"]!);
    }

    [Fact]
    public async Task What_is_not_done_is_named()
    {
        JsonObject body = Quick();
        (body["style"], body["quality"], body["unheard_of"]) = ("vivid", "high", 1);
        (int status, JsonNode? reply, _) = await host.PostAsync(Generations, body);
        Assert.Equal(200, status);
        string ignored = reply!["diffusionclip"]!["ignored"]!.ToJsonString();
        Assert.All((string[])["style", "quality", "unheard_of"], name => Assert.Contains(name, ignored, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_idempotency_key_means_the_same_job()
    {
        string key = Guid.NewGuid().ToString();
        JsonNode first = await SendAsync(Quick()), second = await SendAsync(Quick());
        Assert.Equal((string)first["diffusionclip"]!["job"]!, (string)second["diffusionclip"]!["job"]!);
        JsonObject other = Quick();
        other["prompt"] = "another";
        Assert.Equal("Idempotency-Key", (string)(await SendAsync(other))["error"]!["param"]!);

        async Task<JsonNode> SendAsync(JsonObject body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Generations) { Content = JsonContent.Create(body) };
            request.Headers.Add("Idempotency-Key", key);
            using HttpResponseMessage response = await host.Client.SendAsync(request, TestContext.Current.CancellationToken);
            return JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        }
    }

    // Overload is worth another try, later.
    [Fact]
    public async Task A_full_queue_says_when_to_try_again()
    {
        await using WorkerHost own = await WorkerHost.StartAsync(null, "--Worker:Queue:CallerCapacity=1");
        JsonObject body = Quick();
        (body["steps"], body["size"]) = (1000, "128x128");
        using var gone = new CancellationTokenSource();
        IJobQueue queue = own.Application.Services.GetRequiredService<IJobQueue>();
        List<Task<HttpResponseMessage>> requests = [Send(1)];
        await UntilAsync(() => queue.Status("local").OwnRunning == 1, "runs");
        requests.Add(Send(2));
        await UntilAsync(() => queue.Status("local").OwnQueued == 1, "waits");
        using HttpResponseMessage refused = await Send(3);
        Assert.Equal(429, (int)refused.StatusCode);
        Assert.True(refused.Headers.RetryAfter!.Delta > TimeSpan.Zero);
        Assert.False(refused.Headers.Contains("x-should-retry"));
        Assert.Equal(
            "rate_limit_exceeded",
            (string)JsonNode.Parse(await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["error"]!["code"]!);
        await gone.CancelAsync();
        await UntilAsync(() => queue.Status("local") is { OwnRunning: 0, OwnQueued: 0 }, "ends");

        Task<HttpResponseMessage> Send(int seed)
        {
            body["seed"] = seed;
            return own.Client.PostAsync(new Uri(Generations, UriKind.Relative), JsonContent.Create(body.DeepClone()), gone.Token);
        }
    }

    // Row 10 and 12 on a form.
    [Theory]
    [InlineData("http://169.254.169.254/x")]
    [InlineData("<html></html>")]
    public async Task What_is_no_picture_is_refused(string file)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("x"), "prompt" },
            { new ByteArrayContent(Encoding.UTF8.GetBytes(file)), "image", "image.png" },
        };
        using HttpResponseMessage response = await host.Client.PostAsync(
            new Uri("/v1/images/edits", UriKind.Relative),
            form,
            TestContext.Current.CancellationToken);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(
            "image",
            (string)JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["error"]!["param"]!);
    }

    // Row 29.
    [Fact]
    public async Task Who_leaves_a_stream_frees_the_worker()
    {
        IJobQueue queue = host.Worker.Application.Services.GetRequiredService<IJobQueue>();
        JsonObject body = Quick();
        (body["stream"], body["steps"], body["size"]) = (true, 1000, "128x128");
        string json = body.ToJsonString();
        // A connection of our own: what HttpClient drains before it closes is its affair.
        using (var connection = new TcpClient())
        {
            await connection.ConnectAsync(host.Worker.Address.Host, host.Worker.Address.Port, TestContext.Current.CancellationToken);
            NetworkStream stream = connection.GetStream();
            await stream.WriteAsync(
                Encoding.UTF8.GetBytes(
                    $"POST {Generations} HTTP/1.1\r\nHost: 127.0.0.1:{host.Worker.Address.Port}\r\nContent-Type: application/json\r\nContent-Length: {json.Length}\r\n\r\n{json}"
                ),
                TestContext.Current.CancellationToken);
            using var reader = new StreamReader(stream);
            Assert.Equal("HTTP/1.1 200 OK", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
            for (string? line; (line = await reader.ReadLineAsync(TestContext.Current.CancellationToken)) is { Length: > 0 };)
            {
                Assert.DoesNotContain("application/json", line, StringComparison.Ordinal);
            }

            await UntilAsync(() => queue.Status("local").OwnRunning == 1, "runs");
        }

        await UntilAsync(() => queue.Status("local") is { OwnRunning: 0, OwnQueued: 0 }, "has ended");
        Assert.Equal(JobState.Cancelled, queue.List("local", limit: 1)[0].State);
    }

    private static async Task UntilAsync(Func<bool> condition, string what)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 6000, $"it never {what}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
