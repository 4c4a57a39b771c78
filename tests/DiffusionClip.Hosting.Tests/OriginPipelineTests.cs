using System.Text.Json;
using DiffusionClip.Reporting;
using DiffusionClip.Reporting.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

public sealed class OriginPipelineTests(TestHost host) : IClassFixture<TestHost>
{
    private static readonly string Init = Name("init.png");
    private static readonly string Mask = Name("mask.png");

    private IReadOnlyDictionary<string, RgbImage> Images => field ??= new Dictionary<string, RgbImage>
    {
        [Init] = host.Read(PathOf("init.png")),
        [Mask] = host.Read(PathOf("mask.png")),
    };

    [Theory]
    [InlineData("sd1-tiny-random", false, "Euler a")]
    [InlineData("sd1-tiny-random", true, "DPM++ 2M Karras")]
    [InlineData("sd1-inpaint-tiny-random", true, "Heun")]
    [InlineData("lcm-tiny-random", false, null)]
    [InlineData("sdxl-tiny-random", true, "UniPC")]
    public async Task A_candidate_does_not_depend_on_how_many_there_are(string model, bool masked, string? scheduler)
    {
        ImageRequest request = Request(model, masked) with { Search = new() { Candidates = 3, Scorer = "none" } };
        request = request with { Sampling = request.Sampling with { Scheduler = scheduler, Seed = 40 } };
        RankedImages together = await Generate(request);
        Assert.Equal(3, together.Images.Count);
        foreach (RankedImage image in together.Images)
        {
            RankedImages alone = await Generate(
                request with
                {
                    Sampling = request.Sampling with { Seed = image.Seed },
                    Search = new() { Candidates = 1, Scorer = "none" },
                });
            Assert.True(
                image.Image.Pixels.Span.SequenceEqual(Assert.Single(alone.Images).Image.Pixels.Span),
                $"seed {image.Seed} differs");
        }

        Assert.NotEqual(together.Images[0].Image.Pixels.ToArray(), together.Images[1].Image.Pixels.ToArray());
    }

    [Theory]
    [InlineData("sd1-tiny-random")]
    [InlineData("sd1-inpaint-tiny-random")]
    [InlineData("sdxl-tiny-random")]
    public async Task Rows_that_share_a_run_agree_within_tolerance(string model)
    {
        ImageRequest request = Request(model, masked: true) with { Search = new() { Candidates = 2, Scorer = "none" } };
        RankedImages split = await Generate(request);
        RankedImages batched = await Generate(request, split.Report.Plan with { BatchedGuidance = true, RowsPerRun = 4 });
        Assert.Equal(4, batched.Report.Plan.RowsPerRun);
        foreach (RankedImage image in split.Images)
        {
            RankedImage other = batched.Images.Single(candidate => candidate.Seed == image.Seed);
            Assert.InRange(TestHost.LargestDifference(image.Image, other.Image), 0, 1);
        }
    }

    [Theory]
    [InlineData("Euler", 10, 0.6, 6)]
    [InlineData("PNDM", 8, 0.5, 5)]
    [InlineData("Heun", 10, 0.5, 9)]
    [InlineData("DPM2 a", 10, 0.2, 3)]
    [InlineData("DPM++ 2M", 3, 0.34, 1)]
    public async Task Only_the_last_part_of_the_steps_runs(string scheduler, int steps, double strength, int evaluations)
    {
        ImageRequest request = Request("sd1-tiny-random", masked: false) with
        {
            Search = new() { Candidates = 1, Scorer = "none" },
        };
        request = request with
        {
            Sampling = request.Sampling with { Scheduler = scheduler, NumInferenceSteps = steps },
            Origin = new() { Image = Init, Strength = strength },
        };
        var recorder = new Recorder();
        RankedImages ranked = await host.Pipeline.GenerateAsync(request, new RunControl { Observer = recorder }, Images);
        Assert.Equal(evaluations, recorder.Steps);
        Assert.Equal(evaluations, Assert.Single(ranked.Report.Candidates).Evaluations);
    }

    [Fact]
    public async Task Latent_consistency_takes_all_its_steps_from_the_end_of_the_distilled_ones()
    {
        ImageRequest request = Request("lcm-tiny-random", masked: false) with
        {
            Search = new() { Candidates = 1, Scorer = "none" },
            Origin = new() { Image = Init, Strength = 0.5 },
        };
        var recorder = new Recorder();
        await host.Pipeline.GenerateAsync(
            request with
            {
                Sampling = request.Sampling with { NumInferenceSteps = 4 },
            },
            new RunControl { Observer = recorder },
            Images);
        Assert.Equal(4, recorder.Steps);
    }

    [Fact]
    public async Task The_weaker_the_closer_to_the_picture()
    {
        ImageRequest request = Request("sd1-tiny-random", masked: false) with { Search = new() { Candidates = 1, Scorer = "none" } };
        double last = 0;
        foreach (double strength in new[] { 0.2, 0.5 })
        {
            var recorder = new Recorder();
            ImageRequest run = request with
            {
                Sampling = request.Sampling with { NumInferenceSteps = 10, Scheduler = "DDIM" },
                Origin = new() { Image = Init, Strength = strength },
            };
            await host.Pipeline.GenerateAsync(run, new RunControl { Observer = recorder }, Images);
            var weakest = new Recorder();
            await host.Pipeline.GenerateAsync(
                run with
                {
                    Sampling = run.Sampling with { NumInferenceSteps = 500 },
                    Origin = new() { Image = Init, Strength = 0.002 },
                },
                new RunControl { Observer = weakest },
                Images);
            double distance = recorder
                .Latents[new CandidateId(0)]
                .Zip(weakest.Latents[new CandidateId(0)], (a, b) => (double)(a - b) * (a - b))
                .Sum();
            Assert.True(distance > last, $"strength {strength}: {distance} after {last}");
            last = distance;
        }
    }

    [Fact]
    public void The_size_is_the_pictures_rounded_down()
    {
        var images = new Dictionary<string, RgbImage> { [Init] = new(100, 70, new byte[3 * 100 * 70]) };
        ImageRequest request = Request("sd1-tiny-random", masked: false);
        ImageRequest own = host.Pipeline.Prepare(request, images).Request;
        Assert.Equal((96, 64), (own.Sampling.Width, own.Sampling.Height));
        Assert.Equal(0.8, own.Origin!.Strength);
        Assert.Equal(
            own,
            host.Pipeline.Prepare(own with { Model = own.Model with { Id = request.Model.Id } }).Request with
            {
                Model = own.Model,
            });
        Assert.Equal(
            (96, 48),
            Size(host.Pipeline.Prepare(request with { Sampling = request.Sampling with { Height = 48 } }, images).Request));
        Assert.Equal(
            (16, 16),
            Size(host.Pipeline.Prepare(request, new Dictionary<string, RgbImage> { [Init] = new(3, 5, new byte[45]) }).Request));

        static (int?, int?) Size(ImageRequest request) => (request.Sampling.Width, request.Sampling.Height);
    }

    [Fact]
    public async Task A_picture_and_a_mask_of_other_sizes_are_resized()
    {
        var images = new Dictionary<string, RgbImage>
        {
            [Init] = new(100, 70, new byte[3 * 100 * 70]),
            [Mask] = new(7, 200, new byte[3 * 7 * 200]),
        };
        RankedImages ranked = await host.Pipeline.GenerateAsync(
            Request("sd1-tiny-random", masked: true) with
            {
                Search = new() { Candidates = 1, Scorer = "none" },
            },
            null,
            images);
        Assert.Equal((96, 64), (Assert.Single(ranked.Images).Image.Width, ranked.Images[0].Image.Height));
    }

    [Theory]
    [InlineData("sd1-tiny-random", false, 0.8)]
    [InlineData("sd1-tiny-random", true, 1.0)]
    [InlineData("sdxl-tiny-random", false, 0.3)]
    [InlineData("sdxl-tiny-random", true, 0.9999)]
    [InlineData("lcm-tiny-random", false, 0.8)]
    public void Strength_and_guidance_default_to_the_familys(string model, bool masked, double strength)
    {
        ImageRequest normalized = host.Pipeline.Prepare(Request(model, masked) with { Sampling = new() }, Images).Request;
        Assert.Equal(strength, normalized.Origin!.Strength);
        Assert.Equal(
            model[..3] switch
            {
                "lcm" => (4, 8.5f),
                "sdx" => (50, 5f),
                _ => (50, 7.5f),
            },
            (normalized.Sampling.NumInferenceSteps!.Value, normalized.Sampling.GuidanceScale!.Value));
    }

    [Fact]
    public void Requests_with_origins_survive_JSON()
    {
        ImageRequest request = host.Pipeline.Prepare(Request("sdxl-tiny-random", masked: true) with
        {
            Prompt = new() { Text = "a", Text2 = "b", Negative2 = "c" },
            Sampling = new() { ClipSkip = 1, OriginalSize = new(128, 192), CropsCoordsTopLeft = new(4, 8), NumInferenceSteps = 3 },
        }, Images).Request;
        string json = JsonSerializer.Serialize(request, DiffusionClipJson.Compact);
        Assert.Equal(request.ComputeSha256(), JsonSerializer.Deserialize<ImageRequest>(json, DiffusionClipJson.Compact)!.ComputeSha256());
        Assert.Contains($"\"origin\":{{\"image\":\"{Init}\",\"mask\":\"{Mask}\",\"strength\":0.9999}}", json, StringComparison.Ordinal);
        Assert.Contains("\"original_size\":[128,192],\"crops_coords_top_left\":[4,8]", json, StringComparison.Ordinal);
        Assert.Contains("\"text_2\":\"b\"", json, StringComparison.Ordinal);
        Assert.ThrowsAny<JsonException>(() => JsonSerializer.Deserialize<RowsColumns>("[1,2,3]", DiffusionClipJson.Compact));
    }

    [Fact]
    public async Task A_picture_says_what_it_was_painted_over()
    {
        ImageRequest request = Request("sd1-tiny-random", masked: false) with
        {
            Search = new() { Candidates = 1, Scorer = "none" },
            Origin = new() { Image = Init, Strength = 0.6 },
        };
        RankedImages ranked = await Generate(request with { Sampling = request.Sampling with { ClipSkip = 1 } });
        PictureFile file = host.Services.GetRequiredService<PictureEncoder>().Encode(ranked.Best!, ranked.Report);
        PictureInspection inspection = PictureMetadataReader.Read(file.Content);
        Assert.Equal(ranked.Report.Request.ComputeSha256(), inspection.Record!.Request.ComputeSha256());
        string parameters = inspection.Texts.Single(text => text.Keyword == "parameters").Text;
        Assert.Contains(", Denoising strength: 0.6, Clip skip: 2,", parameters, StringComparison.Ordinal);

        // Size and everything else are in the record, so the pictures alone are missing.
        InvalidRequestException exception = await Assert.ThrowsAsync<InvalidRequestException>(() =>
            host.Pipeline.GenerateAsync(inspection.Record.Request with { Model = request.Model }));
        Assert.Equal("init_image", exception.Field);
        Assert.Contains(Init, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("strength", 0.0)]
    [InlineData("strength", -0.1)]
    [InlineData("strength", 1.5)]
    [InlineData("strength", double.NaN)]
    [InlineData("strength", 0.01)]
    public async Task Strengths_out_of_range_are_refused(string field, double strength)
    {
        ImageRequest request = Request("sd1-tiny-random", masked: false) with { Origin = new() { Image = Init, Strength = strength } };
        await Refused(field, request);
    }

    [Fact]
    public async Task What_cannot_be_used_is_named()
    {
        ImageRequest plain = Request("sd1-tiny-random", masked: false);
        await Refused("init_image", plain with { Origin = new() { Strength = 0.5 } });
        await Refused("init_image", plain with { Origin = new() { Image = "init.png" } });
        await Refused("init_image", plain with { Origin = new() { Image = new string('0', 64) } });
        await Refused(
            "mask",
            plain with
            {
                Origin = new() { Image = Init, Mask = "" },
            });
        await Refused(
            "mask",
            plain with
            {
                Sampling = plain.Sampling with { Width = 64, Height = 64 },
                Origin = new() { Image = Init, Mask = new string('0', 64) },
            });
        await Refused("init_image", Request("sd1-inpaint-tiny-random", masked: false) with { Origin = null });
        await Refused("mask", Request("sd1-inpaint-tiny-random", masked: false));
        await Refused("prompt_2", plain with { Prompt = new() { Text2 = "two cats" } });
        await Refused("negative_prompt_2", plain with { Prompt = new() { Negative2 = "two cats" } });
        await Refused("original_size", plain with { Sampling = new() { OriginalSize = new(64, 64) } });
        await Refused("target_size", Request("sdxl-tiny-random", masked: false) with { Sampling = new() { TargetSize = new(0, 64) } });
        await Refused(
            "crops_coords_top_left",
            Request("sdxl-tiny-random", masked: false) with
            {
                Sampling = new() { CropsCoordsTopLeft = new(0, -1) },
            });
        await Refused("clip_skip", plain with { Sampling = new() { ClipSkip = -1 } });
    }

    [Fact]
    public async Task A_model_without_an_encoder_paints_from_noise_only()
    {
        string folder = Directory.CreateTempSubdirectory("dclip-").FullName;
        try
        {
            string source = Golden.PathOf("tiny-models", "sd1-tiny-random");
            foreach (
                string file in Directory
                    .EnumerateFiles(source, "*", SearchOption.AllDirectories)
                    .Where(file => !file.Contains("vae_encoder", StringComparison.Ordinal)))
            {
                string target = Path.Combine(folder, Path.GetRelativePath(source, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }

            ImageRequest request = Request("sd1-tiny-random", masked: false) with { Model = new() { Id = folder } };
            ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() => Generate(request));
            Assert.EndsWith("vae_encoder", exception.Path, StringComparison.Ordinal);
            Assert.NotEmpty((await Generate(request with { Origin = null })).Images);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Latent_consistency_does_not_look_at_the_negative_prompt()
    {
        ImageRequest request = Request("lcm-tiny-random", masked: false) with
        {
            Origin = null,
            Search = new() { Candidates = 1, Scorer = "none" },
        };
        RankedImages without = await Generate(request);
        RankedImages with = await Generate(request with { Prompt = request.Prompt with { Negative = "blurry" } });
        RankedImages stronger = await Generate(request with { Sampling = request.Sampling with { GuidanceScale = 3 } });
        Assert.Equal(without.Best!.Image.Pixels.ToArray(), with.Best!.Image.Pixels.ToArray());
        Assert.NotEqual(without.Best.Image.Pixels.ToArray(), stronger.Best!.Image.Pixels.ToArray());
    }

    [Fact]
    public async Task Both_encoders_of_SDXL_read_windows_weights_and_edits()
    {
        ImageRequest request = Request("sdxl-tiny-random", masked: false) with
        {
            Origin = null,
            Search = new() { Candidates = 1, Scorer = "none" },
        };
        string longer = string.Join(", ", Enumerable.Repeat("a red apple on a blue background", 12));
        RankedImages windows = await Generate(request with { Prompt = new() { Text = longer, Text2 = "[two cats:a (dog:1.3):0.5]" } });
        Assert.True(windows.Report.Texts.Single(text => text is { Role: "prompt", Encoder: 0 }).Windows > 1);
        TextReport second = windows.Report.Texts.Single(text => text is { Role: "prompt", Encoder: 1 });
        Assert.Equal("[two cats:a (dog:1.3):0.5]", second.Text);
        RankedImages other = await Generate(request with { Prompt = new() { Text = longer, Text2 = "[two cats:a (dog:1.4):0.5]" } });
        Assert.NotEqual(windows.Best!.Image.Pixels.ToArray(), other.Best!.Image.Pixels.ToArray());
    }

    [Fact]
    public async Task There_are_only_so_many_layers()
    {
        ImageRequest request = ImageRequest.For("two cats") with
        {
            Model = new() { Id = Golden.PathOf("tiny-models", "sd1-tiny-random") },
            Sampling = new() { NumInferenceSteps = 1, ClipSkip = 4 },
            Search = new() { Scorer = "none" },
        };
        InvalidRequestException exception = await Assert.ThrowsAsync<InvalidRequestException>(() => host.Pipeline.GenerateAsync(request));
        Assert.Equal("clip_skip", exception.Field);
        Assert.Contains("3 layers", exception.Message, StringComparison.Ordinal);
    }

    private async Task Refused(string field, ImageRequest request)
    {
        InvalidRequestException exception = await Assert.ThrowsAsync<InvalidRequestException>(() => Generate(request));
        Assert.True(field == exception.Field, $"{exception.Field} instead of {field}: {exception.Message}");
        Assert.DoesNotContain('\n', exception.Message);
    }

    private Task<RankedImages> Generate(ImageRequest request, ExecutionPlan? plan = null) =>
        host.Pipeline.GenerateAsync(request, new RunControl { Plan = plan }, Images);

    private static ImageRequest Request(string model, bool masked) => ImageRequest.For("a red apple on a blue background") with
    {
        Model = new() { Id = Golden.PathOf("tiny-models", model) },
        Sampling = new() { NumInferenceSteps = 4, Seed = 5 },
        Search = new() { Candidates = 1, Scorer = "none" },
        Origin = new() { Image = Init, Mask = masked ? Mask : null },
    };

    private static string PathOf(string file) => Golden.PathOf("tiny-models", "expected", file);

    private static string Name(string file) => OriginRequest.NameOf(File.ReadAllBytes(PathOf(file)));
}
