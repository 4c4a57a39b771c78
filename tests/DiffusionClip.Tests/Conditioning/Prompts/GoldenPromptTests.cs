using System.Text.Json;

namespace DiffusionClip.Conditioning.Prompts;

public sealed class GoldenPromptTests(ITestOutputHelper output)
{
    [Fact]
    public void Golden_emphasis()
    {
        int passed = 0, given = 0;
        foreach (JsonElement @case in Golden.Read("golden", "prompts.json").GetProperty("cases").EnumerateArray())
        {
            string prompt = @case.GetProperty("prompt").GetString()!;
            if (!@case.TryGetProperty("emphasis", out JsonElement emphasis))
            {
                continue;
            }

            given++;
            var expected = emphasis.EnumerateArray().Select(pair => (pair[0].GetString()!, pair[1].GetDouble())).ToList();
            var actual = PromptEmphasis.Parse(prompt).Select(run => (run.Text, run.Weight)).ToList();
            Assert.True(
                expected.Count == actual.Count && expected.Zip(actual).All(pair => pair.First.Item1 == pair.Second.Text && Math.Abs(pair.First.Item2 - pair.Second.Weight) < 1e-9),
                $"{prompt}: expected {string.Join(" ", expected)}, got {string.Join(" ", actual)}");
            passed++;
        }

        output.WriteLine($"emphasis {passed}/{given}; windows and schedules belong to later work");
        Assert.True(given > 0);
    }
}
