using System.Globalization;
using System.Text.Json;
using DiffusionClip.Models;

namespace DiffusionClip.Denoising;

/// <summary>What diffusers makes of a folder's configuration when another scheduler is put in its place.</summary>
public sealed class GoldenSchedulerConfigsTests(ITestOutputHelper output)
{
    [Fact]
    public void Golden_configs()
    {
        int read = 0;
        int compared = 0;
        foreach (JsonElement run in Golden.Read("tiny-models", "pipelines.json").GetProperty("runs").EnumerateArray())
        {
            JsonElement scheduler = run.GetProperty("scheduler");
            if (scheduler.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            read++;
            JsonElement folder = JsonFile.Parse(
                File.ReadAllBytes(
                    Golden.PathOf("tiny-models", run.GetProperty("model").GetString()!, "scheduler", "scheduler_config.json")));
            SchedulerConfig actual = SchedulerCatalog.Configure(
                folder,
                scheduler.GetProperty("name").GetString(),
                scheduler.GetProperty("overrides").EnumerateObject().ToDictionary(p => p.Name, p => p.Value));
            foreach (JsonProperty property in scheduler.GetProperty("config").EnumerateObject())
            {
                if (!SchedulerOptions.Of(actual.GetType()).ContainsKey(property.Name))
                {
                    // Another class's, carried along.
                    continue;
                }

                object? value = SchedulerOptions.Get(actual, property.Name);
                string case_ = $"{run.GetProperty("case")}.{property.Name}: {value}, {property.Value} expected";
                Assert.True(property.Value.ValueKind switch
                {
                    JsonValueKind.Null => value is null,
                    JsonValueKind.True or JsonValueKind.False => property.Value.GetBoolean().Equals(value),
                    JsonValueKind.Number => property.Value.GetDouble() == Convert.ToDouble(value, CultureInfo.InvariantCulture),
                    JsonValueKind.String => value is double number
                        ? property.Value.GetString() == number.ToString("R", CultureInfo.InvariantCulture)
                        : property.Value.GetString() == (string?)value,
                    _ => property.Value.GetArrayLength() == ((System.Collections.ICollection)value!).Count,
                }, case_);
                compared++;
            }

            Assert.Equal(scheduler.GetProperty("name").GetString(), actual.ClassName);
        }

        output.WriteLine($"scheduler configurations {read}, {compared} options");
        Assert.True(read > 0);
    }
}
