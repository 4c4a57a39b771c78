using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Tokenization;

public sealed class GoldenTokenTests(ITestOutputHelper output)
{
    [Fact]
    public void Golden_tokens_of_the_CLIP_vocabulary()
    {
        // 49,408 entries are too much for the repository, and not ours.
        string folder = Path.Combine(Golden.Shared, "clip_tokenizer");
        Assert.SkipUnless(Directory.Exists(folder), $"The CLIP vocabulary is not here ({folder}).");
        Check("tokens.json", ClipTokenizer.Load(folder));
    }

    [Fact]
    public void Golden_tokens_of_the_embedded_vocabulary() =>
        Check("tokens-embedded.json", ClipTokenizer.Load(Path.Combine(Golden.Repository, "models", "emoji-sd", "tokenizer")));

    private void Check(string table, ClipTokenizer tokenizer)
    {
        int index = 0, passed = 0, scoring = 0;
        List<string> failures = [];
        JsonElement[] cases = [.. Golden.Read("golden", table).GetProperty("cases").EnumerateArray()];

        // openai_ids is given where it differs, so its absence says something only in a table that has it.
        bool hasScoring = cases.Any(item => item.TryGetProperty("openai_ids", out _));
        foreach (JsonElement item in cases)
        {
            string prompt = item.GetProperty("prompt").GetString()!;
            int[] diffusion = Ids(item.GetProperty("ids"));
            bool differs = item.TryGetProperty("openai_ids", out JsonElement openai);
            bool equal =
                Compare(index, prompt, TextNormalization.Diffusion, diffusion, tokenizer, failures)
                & (
                    !hasScoring
                    || Compare(index, prompt, TextNormalization.Scoring, differs ? Ids(openai) : diffusion, tokenizer, failures));
            scoring += differs ? 1 : 0;
            passed += equal ? 1 : 0;
            index++;
        }

        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{table} {passed}/{index}{(hasScoring ? $", for diffusion and for scoring, {scoring} of them different" : "")}"));
        Assert.True(failures.Count == 0, string.Join('\n', failures.Take(20)));
        Assert.True(index > 0);
    }

    private static bool Compare(
        int index,
        string prompt,
        TextNormalization normalization,
        int[] expected,
        ClipTokenizer tokenizer,
        List<string> failures)
    {
        int[] actual = tokenizer.Encode(prompt, normalization);
        if (actual.AsSpan().SequenceEqual(expected))
        {
            return true;
        }

        string escaped = string.Concat(
            prompt.Select(c =>
                c is >= ' ' and < (char)0x7F ? c.ToString() : string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}")));
        failures.Add(
            $"case {index}, {normalization}: \"{escaped}\"\n  expected {string.Join(' ', expected)}\n  actual   {string.Join(' ', actual)}"
        );
        return false;
    }

    private static int[] Ids(JsonElement ids) => [.. ids.EnumerateArray().Select(id => id.GetInt32())];
}
