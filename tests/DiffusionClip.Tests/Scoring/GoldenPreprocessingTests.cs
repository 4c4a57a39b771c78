using System.Text.Json;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

/// <summary>
/// golden/preprocess: resized pictures equal byte for byte, geometry, normalised values, and the conversion of every PNG mode to RGB.
/// </summary>
public sealed class GoldenPreprocessingTests(ITestOutputHelper output)
{
    private static RgbImage Load(string file) =>
        PngDecoder.Decode(File.ReadAllBytes(Golden.PathOf("golden", "preprocess", file)), ImageLimits.Default);

    [Fact]
    public void Golden_preprocess_is_equal_to_Pillow()
    {
        JsonElement table = Golden.Read("golden", "preprocess", "preprocess.json");
        double[] mean = [.. table.GetProperty("mean").EnumerateArray().Select(v => v.GetDouble())];
        double[] std = [.. table.GetProperty("std").EnumerateArray().Select(v => v.GetDouble())];
        List<string> failures = [];
        int total = 0, passed = 0;
        (double Deviation, int Case) worst = default;
        foreach (JsonElement golden in table.GetProperty("cases").EnumerateArray())
        {
            int number = total++;
            string? failure;
            double deviation = 0;
            if (golden.TryGetProperty("mode", out _))
            {
                failure = CheckMode(golden);
            }
            else if (golden.TryGetProperty("resized", out _))
            {
                (failure, deviation) = CheckPicture(golden, mean, std);
            }
            else
            {
                failure = "a case of an unknown form";
            }

            worst = deviation > worst.Deviation ? (deviation, number) : worst;
            if (failure is null)
            {
                passed++;
            }
            else
            {
                failures.Add($"case {number} {golden.GetProperty("file").GetString()}: {failure}");
            }
        }

        output.WriteLine(
            FormattableString.Invariant(
                $"preprocess {passed}/{total}, pixels equal, worst normalised value {worst.Deviation:0.0e+0}, case {worst.Case}"));
        Assert.True(total > 0);
        Assert.Empty(failures);
    }

    private static string? CheckMode(JsonElement golden)
    {
        RgbImage expected = Load(golden.GetProperty("rgb").GetString()!);
        RgbImage actual = Load(golden.GetProperty("file").GetString()!);
        return
            (expected.Width, expected.Height) == (actual.Width, actual.Height) && expected.Pixels.Span.SequenceEqual(actual.Pixels.Span)
            ? null
            : "the RGB pixels differ";
    }

    private static (string? Failure, double Deviation) CheckPicture(JsonElement golden, double[] mean, double[] std)
    {
        int size = golden.GetProperty("size").GetInt32();
        RgbImage image = Load(golden.GetProperty("file").GetString()!);
        ClipPreprocessing preprocessing = new()
        {
            ResizeHeight = size,
            ResizeWidth = size,
            Height = size,
            Width = size,
            Mean = mean,
            Std = std,
        };
        ClipPreprocessing openClip = new()
        {
            ResizeHeight = size,
            ResizeWidth = size,
            Height = size,
            Width = size,
            Mean = mean,
            Std = std,
            Rounding = CropRounding.HalfToEven,
        };
        int[] resized = Ints(golden, "resized"),
            crop = Ints(golden, "crop"),
            torchvision = Ints(golden, "crop_torchvision");
        if (preprocessing.Geometry(image.Width, image.Height) != (resized[0], resized[1], crop[0], crop[1]))
        {
            return ($"geometry {preprocessing.Geometry(image.Width, image.Height)}", 0);
        }

        if (openClip.Geometry(image.Width, image.Height) != (resized[0], resized[1], torchvision[0], torchvision[1]))
        {
            return ($"open_clip geometry {openClip.Geometry(image.Width, image.Height)}", 0);
        }

        RgbImage expected = Load(golden.GetProperty("expected").GetString()!);
        if (!preprocessing.Preview(image).Pixels.Span.SequenceEqual(expected.Pixels.Span))
        {
            return ("the resized pixels differ", 0);
        }

        float[] values = new float[preprocessing.Length];
        preprocessing.Apply(image, values);
        double deviation = 0;
        for (int channel = 0; channel < 3; channel++)
        {
            for (int i = 0; i < size * size; i++)
            {
                double wanted = ((expected.Pixels.Span[(3 * i) + channel] / 255.0) - mean[channel]) / std[channel];
                deviation = Math.Max(deviation, Math.Abs(values[(channel * size * size) + i] - wanted));
            }
        }

        float[] first = Floats(golden, "first"), last = Floats(golden, "last");
        deviation = Math.Max(deviation, first.Zip(values, (a, b) => Math.Abs(a - b)).Max());
        deviation = Math.Max(deviation, last.Zip(values.TakeLast(last.Length), (a, b) => Math.Abs(a - b)).Max());
        double sum = values.Sum(v => Math.Abs((double)v));
        double sumDeviation = Math.Abs((sum / golden.GetProperty("sum_abs").GetDouble()) - 1);
        return (
            deviation > 1e-6 ? $"a normalised value is {deviation} off"
            : sumDeviation > 1e-6 ? $"sum_abs is {sumDeviation} off"
            : null,
            deviation);
    }

    private static int[] Ints(JsonElement golden, string name) => [.. golden.GetProperty(name).EnumerateArray().Select(v => v.GetInt32())];

    private static float[] Floats(JsonElement golden, string name) =>
        [.. golden.GetProperty(name).EnumerateArray().Select(v => v.GetSingle())];
}
