using System.Text.Json.Nodes;
using DiffusionClip.Imaging;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Worker.Tests.Interfaces;

/// <summary>Pictures leave every interface in the format that was asked for, with their metadata.</summary>
public sealed class OutputFormatTests(ApisHost host) : IClassFixture<ApisHost>
{
    private const string Prompt = "a red apple";

    [Theory]
    [InlineData("jpeg")]
    [InlineData("webp")]
    public async Task OpenAI_gets_the_format_and_its_record(string format)
    {
        JsonObject body = new()
        {
            ["prompt"] = Prompt, ["size"] = "64x64", ["steps"] = 2, ["seed"] = 3, ["output_format"] = format, ["output_compression"] = 80,
        };
        (int status, JsonNode? reply, _) = await host.PostAsync("/v1/images/generations", body);
        Assert.Equal((200, format), (status, (string)reply!["output_format"]!));
        AssertPicture(Convert.FromBase64String((string)reply["data"]![0]!["b64_json"]!), format, 80);

        body["response_format"] = "url";
        (_, reply, _) = await host.PostAsync("/v1/images/generations", body);
        var url = new Uri((string)reply!["data"]![0]!["url"]!);
        using HttpResponseMessage picture = await host.Client.GetAsync(url, TestContext.Current.CancellationToken);
        Assert.Equal($"image/{format}", picture.Content.Headers.ContentType!.MediaType);
        AssertPicture(await picture.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken), format, 80);
    }

    [Theory]
    [InlineData("jpg", 55, false, "jpeg", 55)]
    [InlineData("webp", 55, false, "webp", 55)]
    [InlineData("webp", 55, true, "webp", 100)]
    public async Task A1111_gets_its_samples_format(string samples, int jpegQuality, bool lossless, string format, int quality)
    {
        JsonObject body = ApisHost.Quick(Prompt);
        body["override_settings"] = new JsonObject
        {
            ["samples_format"] = samples, ["jpeg_quality"] = jpegQuality, ["webp_lossless"] = lossless,
        };
        (int status, JsonNode? reply, _) = await host.PostAsync("/sdapi/v1/txt2img", body);
        Assert.Equal(200, status);
        string image = (string)reply!["images"]![0]!;
        AssertPicture(Convert.FromBase64String(image), format, quality);

        // And back by the webui's own way.
        (_, JsonNode? info, _) = await host.PostAsync("/sdapi/v1/png-info", new JsonObject { ["image"] = image });
        Assert.StartsWith(Prompt, (string)info!["info"]!, StringComparison.Ordinal);
        Assert.Equal("2", (string)info["parameters"]!["Steps"]!);

        // For this request only.
        Assert.Equal("png", (string)(await host.GetAsync("/sdapi/v1/options"))["samples_format"]!);
    }

    [Fact]
    public async Task An_unknown_samples_format_is_refused()
    {
        (int status, JsonNode? reply, _) = await host.PostAsync("/sdapi/v1/options", new JsonObject { ["samples_format"] = "tiff" });
        Assert.Equal(422, status);
        Assert.Contains("png, jpg and webp", reply!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_native_interface_keeps_the_format_and_names_the_file()
    {
        JsonObject request = new()
        {
            ["prompt"] = new JsonObject { ["text"] = Prompt },
            ["sampling"] = new JsonObject { ["width"] = 64, ["height"] = 64, ["num_inference_steps"] = 2, ["seed"] = 5 },
            ["search"] = new JsonObject { ["candidates"] = 1 },
            ["output"] = new JsonObject { ["format"] = "webp" },
        };
        (int status, JsonNode? job, _) = await host.PostAsync("/api/v1/generate", request);
        Assert.Equal(200, status);
        Assert.Equal(95, (int)job!["result"]!["report"]!["request"]!["output"]!["quality"]!);
        string sha256 = (string)job["result"]!["images"]![0]!["sha256"]!;
        var url = new Uri($"/api/v1/artifacts/{sha256}", UriKind.Relative);
        using HttpResponseMessage picture = await host.Client.GetAsync(url, TestContext.Current.CancellationToken);
        Assert.Equal("image/webp", picture.Content.Headers.ContentType!.MediaType);
        Assert.Equal($"inline; filename=\"{sha256[..12]}.webp\"", picture.Content.Headers.ContentDisposition!.ToString());
        AssertPicture(await picture.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken), "webp", 95);

        request["output"] = new JsonObject { ["format"] = "png", ["quality"] = 5 };
        (status, JsonNode? problem, _) = await host.PostAsync("/api/v1/generate", request);
        Assert.Equal(422, status);
        Assert.Contains("quality", problem!.ToJsonString(), StringComparison.Ordinal);
    }

    private static void AssertPicture(byte[] file, string format, int quality)
    {
        Assert.Equal(format, ImageHeader.FormatOf(file).ToString(), ignoreCase: true);
        PictureInspection inspection = PictureMetadataReader.Read(file);
        Assert.Equal((Prompt, quality), (inspection.Record!.Request.Prompt.Text, inspection.Record.Request.Output.Quality));
        Assert.Equal("a1111", inspection.Foreign!.Format);
    }
}
