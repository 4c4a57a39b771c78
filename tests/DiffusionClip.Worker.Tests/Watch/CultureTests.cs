using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DiffusionClip.Worker.Tests.Watch;

/// <summary>Row 39 of the fault table: numbers, names and times do not depend on where the machine stands.</summary>
public sealed class CultureTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    // Turkish has a dotted capital i, German a decimal comma; both put their clocks forward and back.
    [Theory]
    [InlineData("tr_TR.UTF-8", "tr-TR", "Europe/Istanbul")]
    [InlineData("de_DE.UTF-8", "de-DE", "Europe/Berlin")]
    public async Task Row39_numbers_names_and_times_are_the_same_everywhere(string language, string culture, string zone)
    {
        string folder = Directory.CreateTempSubdirectory("dclip-culture-").FullName;
        try
        {
            using WorkerProcess worker = await WorkerProcess.StartAsync(
                folder,
                new Dictionary<string, string>
                {
                    ["LANG"] = language,
                    ["LC_ALL"] = language,
                    ["TZ"] = zone,
                },
                []);
            var body = new JsonObject
            {
                ["prompt"] = "a (red:1.5) apple",
                ["sampler_name"] = "ddim",
                ["steps"] = 2,
                ["width"] = 64,
                ["height"] = 64,
                ["seed"] = 5,
                ["cfg_scale"] = 7.5,
            };
            using HttpResponseMessage made = await worker.Client.PostAsJsonAsync("/sdapi/v1/txt2img", body, Stop);
            Assert.Equal(HttpStatusCode.OK, made.StatusCode);
            JsonNode info = JsonNode.Parse((string)(await made.Content.ReadFromJsonAsync<JsonObject>(Stop))!["info"]!)!;
            Assert.Equal(("DDIM", 7.5), ((string)info["sampler_name"]!, (double)info["cfg_scale"]!));
            Assert.Contains("Sampler: DDIM,", (string)info["infotexts"]![0]!, StringComparison.Ordinal);
            Assert.Contains("CFG scale: 7.5,", (string)info["infotexts"]![0]!, StringComparison.Ordinal);
            JsonNode job = (await worker.Client.GetFromJsonAsync<JsonObject>("/api/v1/jobs", Stop))!["jobs"]![0]!;
            DateTimeOffset accepted = DateTimeOffset.Parse((string)job["accepted_at"]!, CultureInfo.InvariantCulture);
            Assert.InRange((DateTimeOffset.UtcNow - accepted).Duration(), TimeSpan.Zero, TimeSpan.FromMinutes(2));
            Assert.Equal(TimeSpan.Zero, accepted.Offset);
            string metrics = await worker.Client.GetStringAsync("/metrics", Stop);
            Assert.Contains("diffusionclip_clip_score", metrics, StringComparison.Ordinal);
            Assert.All(
                metrics.Split('\n').Where(line => line.Length > 0 && line[0] != '#'),
                line => Assert.Matches(@" [0-9.eE+-]+(NaN|\+Inf)?( \d+)?$", line));

            // The process did stand there.
            string environment = await File.ReadAllTextAsync($"/proc/{worker.Process.Id}/environ", Stop);
            Assert.Contains($"LANG={language}", environment, StringComparison.Ordinal);
            Assert.Equal("7,5", 7.5.ToString(CultureInfo.GetCultureInfo(culture)));
            Assert.DoesNotMatch(new Regex(@"\d,\d"), (string)info["infotexts"]![0]!);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
