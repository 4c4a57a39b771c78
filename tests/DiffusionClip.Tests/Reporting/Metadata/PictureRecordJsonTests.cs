using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Reporting.Metadata;

public sealed class PictureRecordJsonTests
{
    private static readonly string[] Hostile =
    [
        "a fox\nSteps: 1, Sampler: x, Seed: 5, Size: 64x64",
        "a\nNegative prompt: b",
        "\0",
        "a\0b\u0001\u001f",
        "👩‍🚀 日本 é Ã©",
        "\"\\/",
        "\u2028\u2029\u0085\uFEFF",
        "  led and trailed  ",
        "\r\n\r\n",
        "<script>&'\"</script>",
        "{\"schema_version\":9}",
        "",
    ];

    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.OneOf(Hostile),
        Gen.String.Select(text => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text))));

    [Fact]
    public void A_record_comes_back_exactly_through_a_file() =>
        Gen.Select(Text, Text, Gen.OneOf(Gen.ULong, Gen.OneOf(0UL, 9007199254740993UL, ulong.MaxValue))).Sample((prompt, negative, seed) =>
        {
            PictureRecord record = PictureRecords.For(prompt, negative, seed);
            byte[] file = PngTextWriter.SetTexts(PngTextTests.Picture(), InfotextWriter.Texts(record, PictureRecords.Sampler));
            PictureInspection inspection = PictureMetadataReader.Read(file);
            Assert.Equal(record.Request.Prompt, inspection.Record!.Request.Prompt);
            Assert.Equal(record.Candidate.Seed, inspection.Record.Candidate.Seed);
            Assert.Equal(Json(record), Json(inspection.Record));
            Assert.Equal("diffusionclip", inspection.Metadata.Format);
            Assert.Equal(prompt, inspection.Metadata.Prompt);
            Assert.Equal(negative, inspection.Metadata.NegativePrompt);
            Assert.Equal(record.Candidate.Seed.ToString(CultureInfo.InvariantCulture), inspection.Metadata.Seed);
            Assert.Empty(inspection.Notes);
            Assert.Empty(inspection.Problems);
        });

    [Fact]
    public void What_JSON_cannot_hold_is_refused_by_name()
    {
        var error = Assert.Throws<InvalidRequestException>(() => PictureRecordJson.Write(PictureRecords.For("a \uD800 fox")));
        Assert.Equal("prompt", error.Field);
        error = Assert.Throws<InvalidRequestException>(() => PictureRecordJson.Write(PictureRecords.For("a fox", "\uDC00")));
        Assert.Equal("negative_prompt", error.Field);
    }

    [Theory]
    [InlineData("schema_version", "3", "schema_version 3, this build reads up to 2")]
    [InlineData("request.schema_version", "7", "schema_version 7, this build reads up to 2")]
    [InlineData("schema_version", "0", "damaged")]
    [InlineData("schema_version", "\"1\"", "damaged")]
    [InlineData("request", "null", "damaged")]
    [InlineData("request", "[]", "damaged")]
    [InlineData("request.prompt", "null", "damaged at $.request.prompt")]
    [InlineData("request.prompt.text", "null", "damaged")]
    [InlineData("request.prompt.text", "\"\\ud800\"", "damaged")]
    [InlineData("request.sampling.seed", "-1", "damaged")]
    [InlineData("candidate", "null", "damaged")]
    [InlineData("models", "null", "damaged")]
    [InlineData("surprise", "1", "damaged")]
    public void A_record_that_cannot_be_read_says_why_and_other_texts_are_read(string path, string value, string message)
    {
        PictureRecord record = PictureRecords.For("a fox");
        string text = Change(PictureRecordJson.Write(record), path, value);
        byte[] file = PngTextWriter.SetTexts(
            PngTextTests.Picture(),
            [new("parameters", InfotextWriter.For(record, PictureRecords.Sampler).ToString()), new(PictureRecordJson.Keyword, text)]);
        PictureInspection inspection = PictureMetadataReader.Read(file);
        Assert.Null(inspection.Record);
        Assert.Contains(message, Assert.Single(inspection.Notes), StringComparison.Ordinal);
        Assert.Equal("a1111", inspection.Metadata.Format);
        Assert.Equal("a fox", inspection.Metadata.Prompt);
        Assert.Equal("6", inspection.Metadata.Seed);
    }

    [Fact]
    public void Any_cut_or_flipped_record_is_reported_not_thrown()
    {
        string sound = PictureRecordJson.Write(PictureRecords.For("a fox\nSteps: 1", "é"));
        Gen.Select(Gen.Int[0, sound.Length - 1], Gen.Char[' ', '~'], Gen.Int[0, sound.Length]).Sample((place, replacement, length) =>
        {
            string flipped = string.Concat(sound.AsSpan(0, place), replacement.ToString(), sound.AsSpan(place + 1));
            foreach (string text in (string[])[flipped, sound[..length], flipped[..length]])
            {
                PictureRecord? record = PictureRecordJson.ReadRecord(text, out string? problem);
                Assert.Equal(record is null, problem is not null);
                Assert.DoesNotContain('\n', problem ?? "");
            }
        }, iter: 3_000);
    }

    private static string Change(string json, string path, string value)
    {
        JsonNode root = JsonNode.Parse(json)!;
        string[] names = path.Split('.');
        JsonNode node = names[..^1].Aggregate(root, (parent, name) => parent[name]!);
        string marker = Guid.Empty.ToString();
        node[names[^1]] = marker;
        // Half a surrogate pair cannot pass through a writer.
        return root.ToJsonString().Replace($"\"{marker}\"", value, StringComparison.Ordinal);
    }

    private static string Json(PictureRecord record) => JsonSerializer.Serialize(record, DiffusionClipJson.Compact);
}
