using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Reporting.Metadata;

public sealed class GoldenInfotextTests
{
    [Fact]
    public void Golden_texts_of_all_programs()
    {
        List<string> failures = [];
        int count = 0;
        foreach (JsonElement @case in Golden.Read("golden", "infotext.json").GetProperty("cases").EnumerateArray())
        {
            count++;
            string name = @case.GetProperty("name").GetString()!;
            PictureMetadata metadata = PictureMetadataFormats.Read(
                @case
                    .GetProperty("chunks")
                    .EnumerateArray()
                    .Select(chunk =>
                        KeyValuePair.Create(chunk.GetProperty("keyword").GetString()!, chunk.GetProperty("text").GetString()!)));
            JsonElement actual = JsonSerializer.SerializeToElement(
                metadata with
                {
                    Fields = null,
                    Notes = null,
                },
                DiffusionClipJson.Compact);
            Compare(name, @case.GetProperty("expected"), actual, failures);
            if (@case.TryGetProperty("fields", out JsonElement fields))
            {
                Compare(
                    $"{name}.fields",
                    fields,
                    JsonSerializer.SerializeToElement(metadata.Fields ?? [], DiffusionClipJson.Compact),
                    failures);
            }
        }

        Report("infotext", count, failures);
        Assert.Empty(failures);
        Assert.NotEqual(0, count);
    }

    [Fact]
    public void Golden_user_comments()
    {
        List<string> failures = [];
        int count = 0;
        foreach (JsonElement @case in Golden.Read("golden", "infotext.json").GetProperty("exif_user_comment").EnumerateArray())
        {
            count++;
            string actual = ExifUserComment.Decode(@case.GetProperty("base64").GetBytesFromBase64());
            if (actual != @case.GetProperty("expected").GetString())
            {
                failures.Add($"{@case.GetProperty("name")}: {actual}");
            }
        }

        Report("user comments", count, failures);
        Assert.Empty(failures);
        Assert.NotEqual(0, count);
    }

    private static void Report(string table, int count, List<string> failures)
    {
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{table} {count - failures.Select(failure => failure.Split('.', ':')[0]).Distinct().Count()}/{count}");
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        TestContext.Current.SendDiagnosticMessage(line);
    }

    /// <summary>Exact, but for the order of an object's members and the spelling of a number.</summary>
    private static void Compare(string path, JsonElement expected, JsonElement actual, List<string> failures)
    {
        bool equal = expected.ValueKind == actual.ValueKind && expected.ValueKind switch
        {
            JsonValueKind.String => expected.GetString() == actual.GetString(),
            JsonValueKind.Number => expected.GetDouble().Equals(actual.GetDouble()),
            JsonValueKind.Array => expected.GetArrayLength() == actual.GetArrayLength(),
            _ => true,
        };
        if (!equal)
        {
            failures.Add($"{path}: expected {expected.GetRawText()}, got {actual.GetRawText()}");
            return;
        }

        if (expected.ValueKind == JsonValueKind.Array)
        {
            foreach ((JsonElement left, JsonElement right) in expected.EnumerateArray().Zip(actual.EnumerateArray()))
            {
                Compare(path, left, right, failures);
            }
        }
        else if (expected.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty property in expected.EnumerateObject())
            {
                if (actual.TryGetProperty(property.Name, out JsonElement value))
                {
                    Compare($"{path}.{property.Name}", property.Value, value, failures);
                }
                else
                {
                    failures.Add($"{path}.{property.Name}: missing");
                }
            }

            failures.AddRange(actual.EnumerateObject().Where(property => !expected.TryGetProperty(property.Name, out _))
                .Select(property => $"{path}.{property.Name}: not expected, got {property.Value.GetRawText()}"));
        }
    }
}
