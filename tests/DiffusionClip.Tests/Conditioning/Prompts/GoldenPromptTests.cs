using System.Text.Json;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Prompts;

public sealed class GoldenPromptTests(ITestOutputHelper output)
{
    private static readonly JsonElement Table = Golden.Read("golden", "prompts.json");

    [Fact]
    public void Golden_emphasis() =>
        Check(
            "emphasis",
            "cases",
            static @case =>
            {
                string prompt = @case.GetProperty("prompt").GetString()!;
                IReadOnlyList<string> invalid = PromptEmphasis.InvalidWeights(prompt);
                IReadOnlyList<WeightedText> actual = PromptEmphasis.Parse(prompt);
                if (@case.TryGetProperty("error", out JsonElement error))
                {
                    // The reference fails; here the prompt is read all the same, and the report says what was wrong.
                    return error.GetString() == "not a number in a weight" && invalid.Count > 0
                        ? null
                        : $"error {error}: {invalid.Count} invalid weights";
                }

                List<(string, double)> expected =
                [
                    .. @case.GetProperty("emphasis").EnumerateArray().Select(pair => (pair[0].GetString()!, pair[1].GetDouble())),
                ];
                return
                    invalid.Count == 0
                    && expected.Count == actual.Count
                    && expected
                        .Zip(actual)
                        .All(pair => pair.First.Item1 == pair.Second.Text && Math.Abs(pair.First.Item2 - pair.Second.Weight) < 1e-12)
                    ? null
                    : $"expected {string.Join(" ", expected)}, got {string.Join(" ", actual)}";
            });

    [Fact]
    public void Golden_windows()
    {
        string folder = Path.Combine(Golden.Shared, "clip_tokenizer");
        Assert.SkipUnless(Directory.Exists(folder), $"The CLIP vocabulary is not here ({folder}).");
        var tokenizer = ClipTokenizer.Load(folder);
        Check("windows", "cases", @case =>
        {
            if (@case.TryGetProperty("error", out _))
            {
                return null;
            }

            PromptWindows windows = PromptWindows.Of(tokenizer, 77, PromptEmphasis.Parse(@case.GetProperty("prompt").GetString()!));
            JsonElement[] expected = [.. @case.GetProperty("chunks").EnumerateArray()];
            if (windows.Windows.Count != expected.Length || windows.Dropped > 0)
            {
                return $"expected {expected.Length} windows, got {windows.Windows.Count}";
            }

            for (int i = 0; i < expected.Length; i++)
            {
                int[] ids = [.. expected[i].GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
                double[] weights = [.. expected[i].GetProperty("weights").EnumerateArray().Select(weight => weight.GetDouble())];
                PromptWindow window = windows.Windows[i];
                if (!window.Ids.Span.SequenceEqual(ids))
                {
                    return $"window {i}: expected {string.Join(' ', ids)}, got {string.Join(' ', window.Ids.ToArray())}";
                }

                if (weights.Length != window.Weights.Length || weights.Zip(window.Weights.ToArray()).Any(pair => Math.Abs(pair.First - pair.Second) > 1e-12))
                {
                    return $"window {i}: expected weights {string.Join(' ', weights)}, got {string.Join(' ', window.Weights.ToArray())}";
                }
            }

            return null;
        });
    }

    [Fact]
    public void Golden_schedules() =>
        Check(
            "schedules",
            "schedules",
            static @case =>
            {
                ScheduledPrompt[] expected =
                [
                    .. @case
                        .GetProperty("schedule")
                        .EnumerateArray()
                        .Select(pair => new ScheduledPrompt(pair[0].GetInt32(), pair[1].GetString()!)),
                ];
                IReadOnlyList<ScheduledPrompt> actual = PromptSchedule.Parse(
                    @case.GetProperty("prompt").GetString()!,
                    @case.GetProperty("steps").GetInt32());
                return expected.SequenceEqual(actual) ? null : $"expected {string.Join(" ", expected)}, got {string.Join(" ", actual)}";
            });

    private void Check(string name, string table, Func<JsonElement, string?> check)
    {
        int given = 0, passed = 0;
        List<string> failures = [];
        foreach (JsonElement @case in Table.GetProperty(table).EnumerateArray())
        {
            if (check(@case) is { } failure)
            {
                failures.Add($"case {given}, {@case.GetProperty("prompt").GetRawText()}: {failure}");
            }
            else
            {
                passed++;
            }

            given++;
        }

        output.WriteLine($"{name} {passed}/{given}");
        Assert.True(failures.Count == 0, $"{failures.Count} of {given}\n{string.Join('\n', failures.Take(20))}");
        Assert.True(given > 0);
    }
}
