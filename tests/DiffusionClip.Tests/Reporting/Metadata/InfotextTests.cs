using System.Text.RegularExpressions;
using CsCheck;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

public sealed partial class InfotextTests
{
    private static readonly string[] Hostile =
    [
        "a, b",
        "x: y",
        "\"",
        "\"quoted\"",
        "\"a\" b",
        "\\",
        "C:\\new\\table",
        "a\nb",
        "a\r\nb",
        "{\"a\": 1}",
        "{",
        "[1, 2]",
        "[",
        " led",
        "trailed ",
        "\t",
        "é",
        "日本",
        "👩‍🚀",
        "Steps: 1, Seed: 5",
        "Negative prompt: no",
        "\u0001",
        "\u2028",
        "7.5",
        "True",
        ",",
        ":",
        "a\"b",
        "<lora:x:1>",
        "\u001c",
        "ẞ½",
        "\u0085",
    ];

    private static readonly Gen<string> Value = Gen.OneOf(
        Gen.OneOf(Hostile),
        Gen.String,
        Gen.Select(Gen.OneOf(Hostile), Gen.OneOf(Hostile), (a, b) => a + b));

    private static readonly Gen<string> Key = Gen.OneOf(
        "Steps",
        "Sampler",
        "Seed",
        "CFG scale",
        "Score",
        "aesthetic_score",
        "ADetailer dilate/erode",
        "日本",
        "Größe",
        "x1");

    [Fact]
    public void Fields_of_any_value_come_back_as_they_were() =>
        Gen.Select(Key, Value, (key, value) => new InfotextField(key, value.Replace('\0', ' '))).List[3, 8].Sample(fields =>
        {
            List<InfotextField> kept = fields.FindAll(field => field.Value.Length > 0);
            if (kept.Count < Infotext.MinFields)
            {
                return;
            }

            var written = new Infotext { Prompt = "a fox", NegativePrompt = "a dog", Fields = fields };
            Infotext read = Infotext.Parse(written.ToString());
            Assert.Equal("a fox", read.Prompt);
            Assert.Equal("a dog", read.NegativePrompt);
            Assert.Equal(kept, read.Fields);
        });

    [Fact]
    public void A_prompt_of_trimmed_lines_comes_back_as_it_was() =>
        Gen.Select(Value.List[0, 4], Value.List[0, 3], (prompt, negative) => (Lines(prompt), Lines(negative))).Sample((prompt, negative) =>
        {
            var written = new Infotext
            {
                Prompt = prompt,
                NegativePrompt = negative.Length == 0 ? null : negative,
                Fields = [new("Steps", "20"), new("Sampler", "Euler a"), new("Seed", "5")],
            };
            Assert.Equal(written, Infotext.Parse(written.ToString()));
        });

    [Fact]
    public void Parsing_what_was_parsed_and_written_changes_nothing() =>
        Gen.Select(Value.List[1, 6], Gen.OneOf("\n", ", ", ": ", ""), (parts, between) => string.Join(between, parts).Replace('\0', ' ')).Sample(text =>
        {
            Infotext once = Infotext.Parse(text);
            if (once.Fields.Count is > 0 and < Infotext.MinFields || once.Prompt.StartsWith('\n') || once.Prompt.EndsWith('\n') || once.NegativePrompt is "" || once.NegativePrompt?[^1] == '\n')
            {
                return;
            }

            if (once.Fields.Count == 0)
            {
                once = once with { Fields = [new("Steps", "1"), new("Seed", "2"), new("Size", "3x4")] };
            }

            Assert.Equal(once, Infotext.Parse(once.ToString()));
        });

    [Fact]
    public void The_grammar_matches_what_the_expression_matches()
    {
        Gen<string> alphabet = Gen.OneOf(
            "a",
            "Key",
            "日",
            "ß",
            "1",
            "½",
            "_",
            " ",
            "  ",
            "\t",
            "-",
            "/",
            ":",
            ": ",
            ",",
            ", ",
            "\"",
            "\\",
            "{",
            "[",
            "}",
            "]",
            "x",
            "\u0300",
            "(",
            "\u00A0",
            "\u001D");
        alphabet
            .List[0, 40]
            .Select(parts => string.Concat(parts))
            .Sample(
                line =>
                {
                    string expected = string.Join(
                        '|',
                        Expression()
                            .Matches(line)
                            .Select(match => $"{match.Groups[1].Index}-{match.Groups[1].Value}={match.Groups[2].Value}"));
                    string actual = string.Join(
                        '|',
                        InfotextGrammar
                            .Matches(line, jsonValues: false)
                            .Select(span => $"{span.Key.Start.Value}-{line[span.Key]}={line[span.Value]}"));
                    Assert.Equal(expected, actual);
                },
                iter: 20_000);
    }

    [Theory]
    [InlineData("Steps: 20, Sampler: Euler, Seed: 5", "Steps: 20, Sampler: Euler, Seed: 5, Score: 0.25")]
    [InlineData("a fox \nSteps: 20, Sampler: Euler, Seed: 5,\n\n", "a fox \nSteps: 20, Sampler: Euler, Seed: 5, Score: 0.25\n\n")]
    [InlineData(
        "Score: 1\nSteps: 20, Score: 5.0, Seed: 5, aesthetic_score: 6",
        "Score: 1\nSteps: 20, Score: 0.25, Seed: 5, aesthetic_score: 6")]
    [InlineData("Steps: 20, Score: , Seed: 5", "Steps: 20, Score: 0.25, Seed: 5")]
    [InlineData("Steps: 20, Hashes: {\"Score\": \"a, b\"}, Score: \"1, 2\"", "Steps: 20, Hashes: {\"Score\": \"a, b\"}, Score: 0.25")]
    [InlineData("a prompt, Steps: 20", null)]
    [InlineData("", null)]
    public void A_field_is_set_and_everything_else_stays(string text, string? expected) =>
        Assert.Equal(expected, Infotext.SetField(text, "Score", "0.25"));

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("-a")]
    [InlineData("a,b")]
    [InlineData("a:")]
    [InlineData("é\u0301x")]
    public void A_key_beyond_the_grammar_is_refused(string key) =>
        Assert.Throws<ArgumentException>(() => new Infotext { Fields = [new(key, "1")] }.ToString());

    [Fact]
    public void A_negative_prompt_without_words_differs_from_none()
    {
        Assert.Equal("", Infotext.Parse("a\nNegative prompt:").NegativePrompt);
        Assert.Null(Infotext.Parse("a").NegativePrompt);
    }

    [Fact]
    public void Long_hostile_lines_are_read_in_linear_time()
    {
        const int Length = 500_000;
        foreach (
            string part in (string[])
                [
                    "a",
                    "ab ",
                    "ab:",
                    "\"",
                    "ab:\"",
                    "ab:[\"",
                    "ab:[",
                    "ab:{\"a\":[",
                    "\t",
                    " ",
                    "\\\"",
                    "ab:[1,",
                    "-",
                    "ab:\"\\\",",
                    "ab:[\"\",",
                    "a:",
                ])
        {
            string line = string.Concat(Enumerable.Repeat(part, Length / part.Length));
            Infotext.Parse(line);
            Infotext.Parse($"a fox\nSteps: 1, Sampler: x, Seed: 2, {line}");
        }
    }

    // .NET's \w and \s differ from Python's, so the classes are spelled out for characters of the basic plane.
    [GeneratedRegex("""[\s\x1c-\x1f]*([\p{L}\p{N}_][\p{L}\p{N}_ \-/]+):[\s\x1c-\x1f]*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)""", RegexOptions.CultureInvariant)]
    private static partial Regex Expression();

    /// <summary>Lines that the grammar can carry: trimmed, none beginning with the word for the negative, none blank at the ends.</summary>
    private static string Lines(List<string> parts) =>
        PythonText.Strip(
            string.Join(
                '\n',
                parts
                    .SelectMany(part => part.Replace('\0', ' ').Split('\n'))
                    .Select(PythonText.Strip)
                    .Where(line => !line.StartsWith("Negative prompt:", StringComparison.Ordinal))));
}
