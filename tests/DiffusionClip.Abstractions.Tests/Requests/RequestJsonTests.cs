using System.Text.Json;

namespace DiffusionClip.Requests;

public sealed class RequestJsonTests
{
    private static readonly ImageRequest Full = new()
    {
        Prompt = new()
        {
            Text = "a \"red\" apple, 🍎 <b>",
            Negative = "blurry",
            Text2 = "an apple",
            Negative2 = "",
            Syntax = PromptSyntax.Plain,
        },
        Model = new() { Id = "emoji-sd", Provider = "cpu" },
        Sampling = new()
        {
            Scheduler = "DPM++ 2M Karras",
            NumInferenceSteps = 12,
            GuidanceScale = 7.5f,
            GuidanceRescale = 0.7f,
            GuidanceInterval = new(0.1, 0.8),
            Eta = 0.1f,
            Seed = ulong.MaxValue,
            Noise = NoiseKind.Philox,
            Width = 64,
            Height = 128,
            ClipSkip = 1,
            OriginalSize = new RowsColumns(1024, 512),
            CropsCoordsTopLeft = new RowsColumns(0, 8),
        },
        Search = new() { Strategy = "best-of-n", Candidates = 8, Keep = 2, ScoreText = "apple", LongText = LongTextPolicy.WindowsMean },
        Origin = new() { Image = new string('a', 64), Mask = new string('b', 64), Strength = 0.6 },
        Output = new() { Metadata = false, Format = OutputFormat.Jpeg, Quality = 90 },
    };

    [Fact]
    public void A_request_comes_back_whole()
    {
        foreach (JsonSerializerOptions options in new[] { DiffusionClipJson.Compact, DiffusionClipJson.Indented })
        {
            string json = JsonSerializer.Serialize(Full, options);
            Assert.Equal(Full, JsonSerializer.Deserialize<ImageRequest>(json, options));
            Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize<ImageRequest>(json, options), options));
        }
    }

    [Fact]
    public void Every_field_of_a_request_is_in_the_round_trip()
    {
        // A field added later has to be added to the request above, or it is not tried. SchedulerOptions compare by reference.
        string[] allowed =
        [
            "schema_version",
            "scheduler_options",
            "target_size",
            "negative_original_size",
            "negative_crops_coords_top_left",
            "negative_target_size",
        ];
        JsonElement json = JsonSerializer.SerializeToElement(Full, DiffusionClipJson.Compact);
        foreach (string part in new[] { "prompt", "model", "sampling", "origin", "output" })
        {
            Type type = typeof(ImageRequest).GetProperties().Single(property => Name(property.Name) == part).PropertyType;
            string[] missing =
            [
                .. type.GetProperties()
                    .Select(property => Name(property.Name))
                    .Except(allowed)
                    .Where(name =>
                        !json.GetProperty(part).TryGetProperty(name.Replace("text2", "text_2").Replace("negative2", "negative_2"), out _)),
            ];
            Assert.Empty(missing);
        }

        static string Name(string property) => JsonNamingPolicy.SnakeCaseLower.ConvertName(property);
    }

    [Fact]
    public void Options_of_the_scheduler_come_back_as_they_were_written()
    {
        const string Json = """{"sampling":{"scheduler_options":{"use_karras_sigmas":true,"trained_betas":[0.1,1e-05],"algorithm_type":"dpmsolver++"}}}""";
        ImageRequest request = JsonSerializer.Deserialize<ImageRequest>(Json, DiffusionClipJson.Compact)!;
        string written = JsonSerializer.Serialize(request.Sampling.SchedulerOptions, DiffusionClipJson.Compact);
        Assert.Equal("""{"use_karras_sigmas":true,"trained_betas":[0.1,1e-05],"algorithm_type":"dpmsolver++"}""", written);
    }

    [Fact]
    public void What_is_not_said_is_not_written_and_text_stays_readable()
    {
        string json = JsonSerializer.Serialize(ImageRequest.For("a 🍎 & <b> é"), DiffusionClipJson.Compact);
        Assert.Contains("\"text\":\"a 🍎 & <b> é\"", json.Replace("\\uD83C\\uDF4E", "🍎"), StringComparison.Ordinal);
        Assert.DoesNotContain("null", json, StringComparison.Ordinal);
        Assert.DoesNotContain("seed", json, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"promt":{}}""", "promt")]
    [InlineData("""{"prompt":{"txt":"a cat"}}""", "txt")]
    [InlineData("""{"sampling":{"steps":20}}""", "steps")]
    [InlineData("""{"sampling":{"NumInferenceSteps":20}}""", "NumInferenceSteps")]
    [InlineData("""{"origin":{"picture":""}}""", "picture")]
    public void An_unknown_field_is_refused_and_named(string json, string field)
    {
        JsonException exception = Assert.Throws<JsonException>(() =>
            JsonSerializer.Deserialize<ImageRequest>(json, DiffusionClipJson.Compact));
        Assert.Contains($"'{field}'", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"sampling":{"num_inference_steps":"20"}}""")]
    [InlineData("""{"sampling":{"num_inference_steps":20.5}}""")]
    [InlineData("""{"sampling":{"noise":"mt19937"}}""")]
    [InlineData("""{"prompt":{"text":7}}""")]
    [InlineData("""[]""")]
    public void A_value_of_another_type_is_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<ImageRequest>(json, DiffusionClipJson.Compact));

    [Fact]
    public void The_hash_names_the_request_and_not_its_form()
    {
        ImageRequest request = ImageRequest.For("a red apple") with
        {
            Sampling = new() { Seed = 9007199254740993, Width = 64, Height = 64 },
        };
        string hash = request.ComputeSha256();
        Assert.Matches("^[0-9a-f]{64}$", hash);
        const string Reordered = """
            { "sampling": { "height": 64, "seed": "9007199254740993", "width": 64 }, "prompt": { "negative": "", "text": "a red apple" } }
            """;
        Assert.Equal(hash, JsonSerializer.Deserialize<ImageRequest>(Reordered, DiffusionClipJson.Compact)!.ComputeSha256());
        Assert.NotEqual(hash, (request with { Sampling = request.Sampling with { Seed = 9007199254740992 } }).ComputeSha256());
        Assert.NotEqual(hash, (request with { Prompt = new() { Text = "a red apple " } }).ComputeSha256());
    }

    // The canonical form is a contract: caches and records of earlier runs are found by it.
    [Fact]
    public void The_hash_is_the_SHA_256_of_the_sorted_compact_JSON()
    {
        const string Canonical = """
            {"model":{},"output":{"format":"png","metadata":true},"prompt":{"negative":"","text":"é"},"sampling":{"seed":3},"schema_version":VERSION,"search":{}}
            """;
        ImageRequest request = ImageRequest.For("é") with { Sampling = new() { Seed = 3 } };
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(
            Canonical.Replace("VERSION", $"{ImageRequest.CurrentSchemaVersion}", StringComparison.Ordinal));
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), request.ComputeSha256());
    }
}
