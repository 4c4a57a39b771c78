using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Noise;

public sealed class GoldenNoiseTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-6;

    [Fact]
    public void Golden_noise_equals_Torch()
    {
        JsonElement cases = Golden.Read("golden", "noise.json").GetProperty("cases");
        int passed = 0, index = 0, worstCase = 0;
        double worst = 0;
        List<string> failures = [];
        foreach (JsonElement item in cases.EnumerateArray())
        {
            double deviation = Deviation(item);
            (worst, worstCase) = deviation > worst ? (deviation, index) : (worst, worstCase);
            if (deviation <= Tolerance)
            {
                passed++;
            }
            else
            {
                failures.Add(string.Create(CultureInfo.InvariantCulture, $"case {index}: {deviation:g3}"));
            }

            index++;
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"noise {passed}/{index}, worst {worst:g3}, case {worstCase}"));
        Assert.Empty(failures);
        Assert.True(index > 0);
    }

    private static double Deviation(JsonElement item)
    {
        ulong seed = item.GetProperty("seed").GetUInt64();
        string kind = item.GetProperty("kind").GetString()!;
        NoiseSource noise = kind switch
        {
            "torch_cpu" or "torch_cpu_rand" => NoiseSource.Create(NoiseKind.Cpu, seed),
            "philox" => NoiseSource.Create(NoiseKind.Philox, seed),
            _ => throw new InvalidDataException($"Unknown kind '{kind}'."),
        };
        double worst = 0;
        int draws = 0;
        foreach (JsonElement draw in item.GetProperty("draws").EnumerateArray())
        {
            for (; draw.TryGetProperty("offset", out JsonElement offset) && draws < offset.GetInt32(); draws++)
            {
                noise.Fill(new float[3]);
            }

            float[] actual = new float[draw.GetProperty("shape").EnumerateArray().Aggregate(1, (n, d) => n * d.GetInt32())];
            if (kind == "torch_cpu_rand")
            {
                ((TorchCpuNoiseSource)noise).FillUniform(actual);
            }
            else
            {
                noise.Fill(actual);
            }

            draws++;
            worst = Math.Max(
                worst,
                draw.TryGetProperty("values", out JsonElement values) ? Against(values, actual) : AgainstSummary(draw, actual));
        }

        return worst;
    }

    private static double AgainstSummary(JsonElement draw, float[] actual)
    {
        // The sums bind the values between: as means they are comparable with a single value's deviation.
        double sum = actual.Sum(v => (double)v) - draw.GetProperty("sum").GetDouble();
        double sumAbs = actual.Sum(v => Math.Abs((double)v)) - draw.GetProperty("sum_abs").GetDouble();
        JsonElement last = draw.GetProperty("last");
        return new[]
        {
            Against(draw.GetProperty("first"), actual[..draw.GetProperty("first").GetArrayLength()]),
            Against(last, actual[^last.GetArrayLength()..]),
            Math.Abs(sum) / actual.Length,
            Math.Abs(sumAbs) / actual.Length,
        }.Max();
    }

    private static double Against(JsonElement expected, float[] actual)
    {
        Assert.Equal(expected.GetArrayLength(), actual.Length);
        double worst = 0;
        int i = 0;
        foreach (JsonElement value in expected.EnumerateArray())
        {
            double deviation = Math.Abs(actual[i++] - value.GetDouble());
            worst = double.IsNaN(deviation) ? double.PositiveInfinity : Math.Max(worst, deviation);
        }

        return worst;
    }
}
