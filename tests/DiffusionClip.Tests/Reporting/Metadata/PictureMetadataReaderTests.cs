using System.Globalization;
using System.Text;
using System.Text.Json;
using CsCheck;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

public sealed class PictureMetadataReaderTests
{
    [Fact]
    public void The_inspection_as_JSON_names_what_was_found()
    {
        byte[] file = PngTextWriter.SetTexts(
            PngTextTests.Picture(),
            InfotextWriter.Texts(PictureRecords.For("a fox"), PictureRecords.Sampler));
        using JsonDocument json = JsonDocument.Parse(PictureMetadataReader.Read(new MemoryStream(file)).ToJson());
        JsonElement root = json.RootElement;
        Assert.Equal(
            ("png", 2, 3),
            (root.GetProperty("file_type").GetString(), root.GetProperty("width").GetInt32(), root.GetProperty("height").GetInt32()));
        Assert.Equal("diffusionclip", root.GetProperty("metadata").GetProperty("format").GetString());
        Assert.Equal("a1111", root.GetProperty("foreign").GetProperty("format").GetString());
        Assert.Equal("Steps", root.GetProperty("foreign").GetProperty("fields")[0][0].GetString());
        Assert.Equal(
            20,
            root.GetProperty("record").GetProperty("request").GetProperty("sampling").GetProperty("num_inference_steps").GetInt32());
        Assert.Equal(2, root.GetProperty("texts").GetArrayLength());
        Assert.Equal(0, root.GetProperty("problems").GetArrayLength());
    }

    [Fact]
    public void A_picture_without_metadata_says_so_by_a_null()
    {
        using JsonDocument json = JsonDocument.Parse(PictureMetadataReader.Read(PngTextTests.Picture()).ToJson(indented: false));
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("metadata").GetProperty("format").ValueKind);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Other_files_are_read_by_their_header_and_their_comment(bool bigEndian)
    {
        Encoding encoding = bigEndian ? Encoding.BigEndianUnicode : Encoding.Unicode;
        byte[] comment = [.. "UNICODE\0"u8, .. encoding.GetBytes("a fox 日本\nSteps: 1, Sampler: Euler, Seed: 7")];
        byte[] jpeg = ExifTests.Jpeg(ExifTests.Tiff(bigEndian, 1, comment));
        byte[] file = [.. jpeg[..^2], 0xFF, 0xC0, 0, 11, 8, 0, 9, 0, 8, 1, 1, 0x11, 0, 0xFF, 0xD9];
        PictureInspection inspection = PictureMetadataReader.Read(new MemoryStream(file));
        Assert.Equal((true, "jpeg", 8, 9), (inspection.Readable, inspection.FileType, inspection.Width, inspection.Height));
        Assert.Equal(("a1111", "a fox 日本", "7"), (inspection.Metadata.Format, inspection.Metadata.Prompt, inspection.Metadata.Seed));
        Assert.Equal("a fox 日本", inspection.ScoredText);
        Assert.Equal("UserComment", Assert.Single(inspection.Texts).Keyword);
        Assert.Empty(inspection.Problems);
        Assert.Equal(inspection.Texts, PictureMetadataReader.Read(file).Texts);
    }

    [Fact]
    public void What_is_no_picture_is_no_picture()
    {
        PictureInspection inspection = PictureMetadataReader.Read("hello"u8.ToArray());
        Assert.False(inspection.Readable);
        Assert.Equal(PngTextProblemKind.NotPng, Assert.Single(inspection.Problems).Kind);
        Assert.Single(inspection.Notes);
    }

    [Fact]
    public void UTF8_in_a_Latin1_chunk_is_read_and_noted()
    {
        byte[] file = [.. PngTextTests.Head(), .. PngTextTests.Chunk("tEXt", "parameters\0日本"u8), .. PngTextTests.Chunk("IEND", [])];
        PictureInspection inspection = PictureMetadataReader.Read(file);
        Assert.Equal("日本", inspection.Metadata.Prompt);
        Assert.Contains("UTF-8", Assert.Single(inspection.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Cultures_change_nothing()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            string? first = null;
            foreach (string culture in (string[])["", "de-DE", "tr-TR", "ar-SA"])
            {
                CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(culture);
                string json = PictureMetadataReader
                    .Read(
                        PngTextWriter.SetTexts(
                            PngTextTests.Picture(),
                            InfotextWriter.Texts(PictureRecords.For("I i ı İ", "x"), PictureRecords.Sampler)))
                    .ToJson();
                Assert.Equal(first ??= json, json);
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void Texts_of_every_program_survive_any_damage()
    {
        List<List<KeyValuePair<string, string>>> cases =
        [
            .. Golden
                .Read("golden", "infotext.json")
                .GetProperty("cases")
                .EnumerateArray()
                .Select(@case =>
                    @case
                        .GetProperty("chunks")
                        .EnumerateArray()
                        .Select(chunk =>
                            KeyValuePair.Create(chunk.GetProperty("keyword").GetString()!, chunk.GetProperty("text").GetString()!))
                        .ToList()),
        ];
        Gen<string> piece = Gen.OneOf(
            "",
            "null",
            "NaN",
            "[",
            "{",
            "\"",
            "\\",
            "1e999",
            "-1",
            "[\"3\",0]",
            "[\"6\",1]",
            "\u0000",
            ",",
            ":",
            "é",
            "\uD800",
            "99999999999999999999");
        Gen.Select(Gen.Int[0, cases.Count - 1], Gen.Double[0, 1], Gen.Int[0, 6], piece)
            .Sample(
                (index, place, cut, inserted) =>
                {
                    List<KeyValuePair<string, string>> damaged =
                    [
                        .. cases[index]
                            .Select(chunk =>
                            {
                                int at = (int)(place * chunk.Value.Length);
                                return KeyValuePair.Create(
                                    chunk.Key,
                                    chunk.Value[..at] + inserted + chunk.Value[Math.Min(at + cut, chunk.Value.Length)..]);
                            }),
                    ];
                    PictureMetadata read = PictureMetadataFormats.Read(damaged);
                    Assert.NotEmpty(JsonSerializer.Serialize(read, DiffusionClipJson.Compact));
                },
                iter: 20_000);
    }

    [Fact]
    public void A_graph_of_any_length_and_circles_is_walked_once()
    {
        const int Length = 15_000;
        var graph = new StringBuilder("{\"s\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"k0\",0]}}");
        for (int i = 0; i < Length; i++)
        {
            graph.Append(
                CultureInfo.InvariantCulture,
                $",\"k{i}\":{{\"class_type\":\"KSampler\",\"inputs\":{{\"steps\":{i},\"seed\":[\"v{i}\",0],\"model\":[\"m{i}\",0],\"positive\":[\"c{i}\",0],\"latent_image\":[\"k{i + 1}\",0]}}}}"
            );
            graph.Append(
                CultureInfo.InvariantCulture,
                $",\"v{i}\":{{\"class_type\":\"Reroute\",\"inputs\":{{\"\":[\"v{(i + 1) % Length}\",0]}}}}");
            graph.Append(
                CultureInfo.InvariantCulture,
                $",\"m{i}\":{{\"class_type\":\"LoraLoader\",\"inputs\":{{\"lora_name\":\"l{i}\",\"model\":[\"m{(i + 1) % Length}\",0]}}}}");
            graph.Append(
                CultureInfo.InvariantCulture,
                $",\"c{i}\":{{\"class_type\":\"ConditioningCombine\",\"inputs\":{{\"conditioning_1\":[\"c{(i + 1) % Length}\",0],\"conditioning_2\":[\"c{(i + 2) % Length}\",0]}}}}"
            );
        }

        PictureMetadata read = PictureMetadataFormats.Read([new("prompt", graph.Append('}').ToString())]);
        Assert.Equal(Length - 1, read.Steps);
        Assert.Equal(Length, read.Loras!.Count);
        Assert.Null(read.Prompt);
        Assert.Null(read.Seed);
    }

    [Theory]
    [InlineData("[1, 2.50, -0, 1e5, NaN, -Infinity, \"\\ud800\", true, null]", true)]
    [InlineData(" {\"a\": {}, \"a\": []} ", true)]
    [InlineData("01", false)]
    [InlineData("[1,]", false)]
    [InlineData("{\"a\":1,}", false)]
    [InlineData("\"tab\there\"", false)]
    [InlineData("\"\\x\"", false)]
    [InlineData("\"\\u12\"", false)]
    [InlineData("", false)]
    [InlineData("-", false)]
    [InlineData("1.", false)]
    [InlineData("nul", false)]
    [InlineData("[] []", false)]
    public void JSON_is_read_as_Python_reads_it(string text, bool valid) => Assert.Equal(valid, JsonTree.Parse(text) is not null);

    [Fact]
    public void Deep_JSON_is_refused() => Assert.Null(JsonTree.Parse(string.Concat(Enumerable.Repeat("[", 1_000_000))));

    [Theory]
    [InlineData("\u001c a \u2028", "a")]
    [InlineData("\u0085\u3000a\u00A0", "a")]
    [InlineData("\u200Ba", "\u200Ba")]
    public void Texts_are_stripped_as_Python_strips_them(string text, string stripped) => Assert.Equal(stripped, PythonText.Strip(text));

    [Theory]
    [InlineData("UNICODE\0", "日本", true, null)]
    [InlineData("UNICODE\0", "日本", false, false)]
    [InlineData("UNICODE\0", "\uFEFF日本", false, null)]
    [InlineData("UNICODE\0", "a 日本\0\0", false, true)]
    public void Sixteen_bit_comments_are_told_apart(string name, string text, bool writtenBigEndian, bool? fileBigEndian)
    {
        Encoding encoding = writtenBigEndian ? Encoding.BigEndianUnicode : Encoding.Unicode;
        Assert.Equal(
            text.Trim('\uFEFF', '\0'),
            ExifUserComment.Decode([.. Encoding.ASCII.GetBytes(name), .. encoding.GetBytes(text), 0], fileBigEndian));
    }

    [Fact]
    public void Comments_in_other_encodings_are_read()
    {
        Assert.Equal("a fox", ExifUserComment.Decode("ASCII\0\0\0a fox\0\0"u8));
        Assert.Equal("café", ExifUserComment.Decode("ASCII\0\0\0café"u8));
        Assert.Equal("café", ExifUserComment.Decode([.. new byte[8], (byte)'c', (byte)'a', (byte)'f', 0xE9]));
        Assert.Equal("a fox without a name", ExifUserComment.Decode("a fox without a name"u8));
        Assert.Equal("日本", ExifUserComment.Decode([.. "JIS\0\0\0\0\0"u8, 0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x1B, 0x28, 0x42]));
        Assert.Equal("", ExifUserComment.Decode([]));
        Assert.Equal("", ExifUserComment.Decode("UNICODE\0"u8));
    }

    [Theory]
    [InlineData("\"a [b] cat [c]\" -s50 -S 7 -W512 -H 640 -C7.5 -Ak_euler -f0.75", "a cat", "b c", 50, "7", 640)]
    [InlineData("a \\\"cat\\\" --steps 5 --seed=9 --height 64", "a \\\"cat\\\" ", null, 5, "9", 64)]
    [InlineData("\"a \\\"big\\\" cat\" -s 5 -S 9 -H 64", "a \"big\" cat", null, 5, "9", 64)]
    public void Old_command_lines_are_read(string line, string prompt, string? negative, int steps, string seed, int height)
    {
        PictureMetadata read = PictureMetadataFormats.Read([new("Dream", line)]);
        Assert.Equal(
            ("invokeai", prompt, negative, steps, seed, height),
            (read.Format, read.Prompt, read.NegativePrompt, read.Steps, read.Seed, read.Height));
    }
}
