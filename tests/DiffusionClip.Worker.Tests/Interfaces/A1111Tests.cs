using System.Text;
using System.Text.Json.Nodes;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Tests.Interfaces;

public sealed class A1111Tests(ApisHost host) : IClassFixture<ApisHost>
{
    private const string Text = "/sdapi/v1/txt2img";
    private const string Image = "/sdapi/v1/img2img";

    [Fact]
    public async Task A_picture_comes_with_its_parameters_and_score()
    {
        JsonObject body = ApisHost.Quick();
        body["n_iter"] = 2;
        body["alwayson_scripts"] = JsonNode.Parse("""{"diffusionclip":{"args":[{"candidates":3}]}}""");
        (int status, JsonNode? reply, _) = await host.PostAsync(Text, body);

        Assert.Equal(200, status);
        Assert.Equal(2, reply!["images"]!.AsArray().Count);
        JsonNode info = JsonNode.Parse((string)reply["info"]!)!;
        Assert.Equal(0, (int)info["index_of_first_image"]!);
        Assert.Equal(3, (int)info["diffusionclip"]!["candidates"]!);
        double[] scores = [.. info["diffusionclip"]!["scores"]!.AsArray().Select(score => (double)score!)];
        Assert.True(scores[0] >= scores[1]);
        Assert.Equal((ulong)info["seed"]!, (ulong)info["all_seeds"]![0]!);
        Assert.Equal("a red apple", (string)info["all_prompts"]![1]!);
        foreach (int i in (int[])[0, 1])
        {
            byte[] png = Convert.FromBase64String((string)reply["images"]![i]!);
            PictureInspection inside = PictureMetadataReader.Read(png);
            Assert.Equal((string)info["infotexts"]![i]!, inside.Texts.First(text => text.Keyword == "parameters").Text);
            Assert.Equal((ulong)info["all_seeds"]![i]!, inside.Record!.Candidate.Seed);
        }
    }

    [Fact]
    public async Task The_servers_default_makes_more_candidates_than_are_kept()
    {
        await using WorkerHost own = await WorkerHost.StartAsync(null, "--Worker:Compatibility:CandidatesPerImage=3");
        (int status, JsonNode? reply, _) = await ApisHost.PostAsync(own.Client, Text, ApisHost.Quick());
        Assert.Equal(200, status);
        Assert.Single(reply!["images"]!.AsArray());
        Assert.Equal(3, (int)JsonNode.Parse((string)reply["info"]!)!["diffusionclip"]!["candidates"]!);
    }

    [Theory]
    [InlineData("DPM++ 2M Karras", null, "DPM++ 2M", "Karras")]
    [InlineData("DPM++ 2M", "karras", "DPM++ 2M", "Karras")]
    [InlineData("DPM++ 2M", "Automatic", "DPM++ 2M", "Karras")]
    [InlineData("DPM++ 2M SDE Exponential", null, "DPM++ 2M SDE", "Exponential")]
    [InlineData("euler", "beta", "Euler", "Beta")]
    [InlineData("k_euler_a", "sgm_uniform", "Euler a", null)]
    public async Task Samplers_go_by_all_their_names(string sampler, string? scheduler, string label, string? type)
    {
        JsonObject body = ApisHost.Quick();
        body["sampler_index"] = sampler;
        body["scheduler"] = scheduler;
        (int status, JsonNode? reply, _) = await host.PostAsync(Text, body);
        Assert.Equal(200, status);
        JsonNode info = JsonNode.Parse((string)reply!["info"]!)!;
        Assert.Equal(label, (string)info["sampler_name"]!);
        Assert.Equal(type, (string?)info["extra_generation_params"]!["Schedule type"]);
    }

    [Theory]
    [InlineData("No Such Sampler")]
    [InlineData("DPM fast")]
    public async Task An_unknown_sampler_is_refused_as_programs_know_it(string sampler)
    {
        JsonObject body = ApisHost.Quick();
        body["sampler_index"] = sampler;
        (int status, JsonNode? reply, _) = await host.PostAsync(Text, body);
        Assert.Equal(404, status);
        Assert.Equal("Sampler not found", (string)reply!["detail"]!);
    }

    // Rows 6 and 7 of the fault table.
    [Theory]
    [InlineData("width", "0")]
    [InlineData("width", "-8")]
    [InlineData("width", "513")]
    [InlineData("height", "1000000000")]
    [InlineData("height", "\"512\"")]
    [InlineData("steps", "0")]
    [InlineData("steps", "1000000")]
    [InlineData("n_iter", "1000000")]
    [InlineData("batch_size", "2147483648")]
    [InlineData("cfg_scale", "1e400")]
    [InlineData("seed", "18446744073709551616")]
    [InlineData("seed", "-2")]
    [InlineData("prompt", "7")]
    [InlineData("eta", "2")]
    [InlineData("script_name", "\"X/Y/Z plot\"")]
    [InlineData("scheduler", "\"no such type\"")]
    public async Task A_field_that_cannot_be_used_is_named(string field, string value)
    {
        string body = ApisHost.Quick().ToJsonString();
        body =
            $"{{{string.Join(',', JsonNode.Parse(body)!.AsObject().Where(pair => pair.Key != field).Select(pair => $"\"{pair.Key}\":{pair.Value!.ToJsonString()}"))},\"{field}\":{value}}}";
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await host.Client.PostAsync(
            new Uri(Text, UriKind.Relative),
            content,
            TestContext.Current.CancellationToken);
        Assert.Equal(422, (int)response.StatusCode);
        JsonNode reply = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        Assert.Equal(["body", field], reply["detail"]![0]!["loc"]!.AsArray().Select(part => (string)part!));
    }

    [Fact]
    public async Task Batches_that_overflow_are_refused()
    {
        JsonObject body = ApisHost.Quick();
        body["n_iter"] = int.MaxValue;
        body["batch_size"] = int.MaxValue;
        Assert.Equal(422, (await host.PostAsync(Text, body)).Status);
    }

    [Fact]
    public async Task Not_a_number_is_refused()
    {
        using var content = new StringContent("{\"prompt\":\"x\",\"cfg_scale\":NaN}", Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await host.Client.PostAsync(
            new Uri(Text, UriKind.Relative),
            content,
            TestContext.Current.CancellationToken);
        Assert.Equal(422, (int)response.StatusCode);
    }

    // Row 8.
    [Theory]
    [InlineData("", 200)]
    [InlineData("\u202E\u05D0 \U0001F34E\u0000", 200)]
    public async Task Prompts_of_all_kinds_are_painted(string prompt, int expected) =>
        Assert.Equal(expected, (await host.PostAsync(Text, ApisHost.Quick(prompt))).Status);

    [Fact]
    public async Task A_prompt_beyond_the_limit_is_refused() =>
        Assert.Equal(422, (await host.PostAsync(Text, ApisHost.Quick(new string('a', 1 << 20)))).Status);

    [Fact]
    public async Task Half_a_surrogate_pair_is_refused()
    {
        using var content = new StringContent("""{"prompt":"a \ud83c b","steps":2,"width":64,"height":64}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await host.Client.PostAsync(new Uri(Text, UriKind.Relative), content, TestContext.Current.CancellationToken);
        Assert.Equal(422, (int)response.StatusCode);
        using var name = new StringContent("""{"\ud83c":1,"override_settings":{"\ud83c":2}}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage second = await host.Client.PostAsync(
            new Uri(Text, UriKind.Relative),
            name,
            TestContext.Current.CancellationToken);
        Assert.Equal(400, (int)second.StatusCode);

        // Also where it is only repeated, or handed on.
        foreach (string path in new[] { Text, "/sdapi/interpause/txt2img" })
        {
            using var deep = new StringContent("""{"prompt":"a","orig_width":64,"orig_height":64,"alwayson_scripts":{"x":{"args":["\ud83c"]}}}""", Encoding.UTF8, "application/json");
            using HttpResponseMessage third = await host.Client.PostAsync(new Uri(path, UriKind.Relative), deep, TestContext.Current.CancellationToken);
            Assert.Equal(422, (int)third.StatusCode);
            Assert.Contains(
                "alwayson_scripts",
                await third.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
                StringComparison.Ordinal);
        }
    }

    // Row 9.
    [Fact]
    public async Task What_is_not_done_is_named()
    {
        JsonObject body = ApisHost.Quick();
        body["override_settings"] = JsonNode.Parse("""{"sd_hypernetwork":"x","CLIP_stop_at_last_layers":2}""");
        body["alwayson_scripts"] = JsonNode.Parse("""{"ControlNet":{"args":[{"enabled":true}]}}""");
        body["enable_hr"] = true;
        body["restore_faces"] = true;
        body["styles"] = new JsonArray("cinematic");
        (int status, JsonNode? reply, _) = await host.PostAsync(Text, body);
        Assert.Equal(200, status);
        JsonNode info = JsonNode.Parse((string)reply!["info"]!)!;
        string ignored = string.Join('\n', info["ignored"]!.AsArray().Select(line => (string)line!));
        foreach (
            string name in (string[])
                ["override_settings.sd_hypernetwork", "alwayson_scripts.ControlNet", "enable_hr", "restore_faces", "styles"])
        {
            Assert.Contains(name, ignored, StringComparison.Ordinal);
        }

        Assert.Equal(2, (int)info["clip_skip"]!);
    }

    [Fact]
    public async Task Credentials_in_a_body_do_not_come_back()
    {
        JsonObject body = ApisHost.Quick();
        body["auth"] = "user:secret-word";
        body["url"] = "http://127.0.0.1:1";
        (int status, JsonNode? reply, _) = await host.PostAsync(Text, body);
        Assert.Equal(200, status);
        Assert.DoesNotContain("secret-word", reply!.ToJsonString(), StringComparison.Ordinal);
        Assert.False(reply["parameters"]!.AsObject().ContainsKey("url"));
    }

    [Fact]
    public async Task At_rest_progress_is_exactly_what_programs_wait_for()
    {
        string idle = (await host.GetAsync("/sdapi/v1/progress")).ToJsonString();
        Assert.Equal("""{"progress":0.0,"eta_relative":0.0,"state":{"skipped":false,"interrupted":false,"stopping_generation":false,"job":"","job_count":0,"job_timestamp":"0","job_no":0,"sampling_step":0,"sampling_steps":0},"current_image":null,"textinfo":null}""", idle);
    }

    [Fact]
    public async Task The_whole_options_object_goes_round()
    {
        JsonNode options = await host.GetAsync("/sdapi/v1/options");
        options["CLIP_stop_at_last_layers"] = 2;
        (int status, JsonNode? reply, _) = await host.PostAsync("/sdapi/v1/options", options.DeepClone());
        Assert.Equal((200, null), (status, reply));
        Assert.Equal(options.ToJsonString(), (await host.GetAsync("/sdapi/v1/options")).ToJsonString());
        options["CLIP_stop_at_last_layers"] = 1;
        Assert.Equal(200, (await host.PostAsync("/sdapi/v1/options", options.DeepClone())).Status);
        (status, reply, _) = await host.PostAsync("/sdapi/v1/options", new JsonObject { ["sd_model_checkpoint"] = "no-such-model" });
        Assert.Equal(422, status);
        Assert.Contains("emoji-sd", (string)reply!["detail"]![0]!["msg"]!, StringComparison.Ordinal);
    }

    // Row 10.
    [Theory]
    [InlineData("http://169.254.169.254/latest/meta-data")]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://[::ffff:127.0.0.1]/x.png")]
    [InlineData("http://2130706433/x.png")]
    public async Task No_address_is_fetched(string url)
    {
        JsonObject body = ApisHost.Quick();
        body["init_images"] = new JsonArray(url);
        foreach (
            (string path, JsonNode given) in ((string, JsonNode)[])
                [
                    (Image, body),
                    ("/sdapi/v1/png-info", new JsonObject { ["image"] = url }),
                    ("/sdapi/v1/interrogate", new JsonObject { ["image"] = url, ["model"] = "clip" }),
                ])
        {
            (int status, JsonNode? reply, _) = await host.PostAsync(path, given);
            Assert.Equal(400, status);
            Assert.Contains("URL input disabled", (string)reply!["detail"]!, StringComparison.Ordinal);
        }
    }

    // Rows 11 and 12.
    [Theory]
    [InlineData("bomb")]
    [InlineData("cut")]
    [InlineData("flipped")]
    [InlineData("svg")]
    [InlineData("html")]
    [InlineData("tiff")]
    [InlineData("no base64")]
    public async Task What_is_no_picture_is_refused(string kind)
    {
        byte[] png = Convert.FromBase64String(host.Picture(64, 64, 200, 10, 30));
        string given = kind switch
        {
            // 30000 by 30000 in the header of a small file.
            "bomb" => Convert.ToBase64String([.. png[..16], 0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, .. png[24..]]),
            "cut" => Convert.ToBase64String(png[..(png.Length / 2)]),
            "flipped" => Convert.ToBase64String([.. png[..60], (byte)(png[60] ^ 0x55), .. png[61..]]),
            "svg" => Convert.ToBase64String(Encoding.UTF8.GetBytes("<svg xmlns=\"http://www.w3.org/2000/svg\"/>")),
            "html" => Convert.ToBase64String(Encoding.UTF8.GetBytes("<html><script>alert(1)</script></html>")),
            "tiff" => Convert.ToBase64String([0x49, 0x49, 0x2A, 0, 8, 0, 0, 0, 0, 0]),
            _ => "%%%%",
        };
        JsonObject body = ApisHost.Quick();
        body["init_images"] = new JsonArray(given);
        (int status, JsonNode? reply, _) = await host.PostAsync(Image, body);
        Assert.Equal(422, status);
        Assert.Equal("init_images", (string)reply!["detail"]![0]!["loc"]![1]!);
        Assert.Equal(200, (await host.PostAsync(Text, ApisHost.Quick())).Status);
    }

    [Fact]
    public async Task Without_a_picture_there_is_nothing_to_start_from()
    {
        (int status, JsonNode? reply, _) = await host.PostAsync(Image, ApisHost.Quick());
        Assert.Equal((404, "Init image not found"), (status, (string)reply!["detail"]!));
    }

    // Row 13: the alpha of a picture to start from shows the background's colour.
    [Fact]
    public async Task Transparent_pictures_stand_on_the_background()
    {
        JsonObject body = ApisHost.Quick();
        body["steps"] = 8;
        body["denoising_strength"] = 0.25;
        body["init_images"] = new JsonArray("data:image/png;base64," + ApisHost.Translucent(1, 1, 255, 0, 0, 0));
        (int status, JsonNode? seeThrough, _) = await host.PostAsync(Image, body.DeepClone());
        Assert.Equal(200, status);
        body["init_images"] = new JsonArray(host.Picture(1, 1, 255, 255, 255));
        (_, JsonNode? white, _) = await host.PostAsync(Image, body);
        Assert.Equal(
            host.Decode((string)white!["images"]![0]!).Pixels.ToArray(),
            host.Decode((string)seeThrough!["images"]![0]!).Pixels.ToArray());
    }

    // Row 14.
    [Fact]
    public async Task Masks_of_another_size_are_scaled_and_black_ones_refused()
    {
        JsonObject body = ApisHost.Quick();
        body["steps"] = 4;
        body["init_images"] = new JsonArray(host.Picture(64, 64, 10, 200, 30));
        body["mask"] = host.Picture(16, 16, 255, 255, 255);
        (int status, JsonNode? reply, _) = await host.PostAsync(Image, body.DeepClone());
        Assert.Equal(200, status);
        Assert.Equal(64, host.Decode((string)reply!["images"]![0]!).Width);
        body["mask"] = host.Picture(64, 64, 0, 0, 0);
        (status, reply, _) = await host.PostAsync(Image, body.DeepClone());
        Assert.Equal(422, status);
        Assert.Equal("mask", (string)reply!["detail"]![0]!["loc"]![1]!);
        body["inpainting_mask_invert"] = 1;
        Assert.Equal(200, (await host.PostAsync(Image, body)).Status);
    }

    // Row 14: where a mask has alpha, that is the mask, whatever its colours.
    [Fact]
    public async Task The_alpha_of_a_mask_is_the_mask()
    {
        JsonObject body = ApisHost.Quick();
        body["steps"] = 4;
        body["init_images"] = new JsonArray(host.Picture(64, 64, 10, 200, 30));
        body["mask"] = ApisHost.Translucent(64, 64, 255, 255, 255, 0);
        Assert.Equal(422, (await host.PostAsync(Image, body.DeepClone())).Status);
        body["mask"] = ApisHost.Translucent(64, 64, 0, 0, 0, 200);
        (int status, JsonNode? seeThrough, _) = await host.PostAsync(Image, body.DeepClone());
        Assert.Equal(200, status);
        body["mask"] = host.Picture(64, 64, 255, 255, 255);
        (_, JsonNode? white, _) = await host.PostAsync(Image, body);
        Assert.Equal(
            host.Decode((string)white!["images"]![0]!).Pixels.ToArray(),
            host.Decode((string)seeThrough!["images"]![0]!).Pixels.ToArray());
    }

    [Fact]
    public async Task A_picture_is_painted_over_and_its_size_kept()
    {
        var body = new JsonObject
        {
            ["prompt"] = "a blue star",
            ["steps"] = 8,
            ["denoising_strength"] = 0.5,
            ["init_images"] = new JsonArray(host.Picture(96, 64, 250, 250, 250)),
            ["mask_blur"] = 4,
            ["resize_mode"] = 0,
        };
        (int status, JsonNode? reply, _) = await host.PostAsync(Image, body);
        Assert.Equal(200, status);
        RgbImage image = host.Decode((string)reply!["images"]![0]!);
        Assert.Equal((96, 64), (image.Width, image.Height));
        Assert.Null(reply["parameters"]!["init_images"]);
        Assert.Equal(0.5, (double)JsonNode.Parse((string)reply["info"]!)!["denoising_strength"]!);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Resize_modes_keep_proportions(int mode)
    {
        JsonObject body = ApisHost.Quick();
        body["steps"] = 4;
        body["resize_mode"] = mode;
        body["init_images"] = new JsonArray(host.Picture(50, 200, 250, 0, 0));
        Assert.Equal(200, (await host.PostAsync(Image, body)).Status);
    }

    // Row 15: the text is ambiguous, our own record is not.
    [Fact]
    public async Task A_prompt_that_looks_like_parameters_round_trips_in_our_record()
    {
        const string Prompt = "a star\nNegative prompt: x\nSteps: 1, Seed: 5, Sampler: Foo";
        (_, JsonNode? reply, _) = await host.PostAsync(Text, ApisHost.Quick(Prompt));
        byte[] png = Convert.FromBase64String((string)reply!["images"]![0]!);
        Assert.Equal(Prompt, PictureMetadataReader.Read(png).Record!.Request.Prompt.Text);
        (int status, JsonNode? read, _) = await host.PostAsync(
            "/sdapi/v1/png-info",
            new JsonObject { ["image"] = Convert.ToBase64String(png) });
        Assert.Equal(200, status);
        Assert.Equal(Prompt, PictureRecordJson.ReadRecord((string)read!["items"]!["diffusionclip"]!, out _)!.Request.Prompt.Text);
    }

    // Row 16: what a prompt holds comes back as a text, never as markup.
    [Fact]
    public async Task Markup_in_prompts_stays_text()
    {
        const string Prompt = "<script>alert(1)</script> {{7*7}} =cmd() \r\n[line]";
        (int status, JsonNode? reply, HttpResponseMessage response) = await host.PostAsync(Text, ApisHost.Quick(Prompt));
        Assert.Equal(200, status);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal(Prompt, (string)JsonNode.Parse((string)reply!["info"]!)!["prompt"]!);
    }

    [Fact]
    public async Task PNG_info_takes_the_text_apart()
    {
        (_, JsonNode? made, _) = await host.PostAsync(Text, ApisHost.Quick());
        (int status, JsonNode? reply, _) = await host.PostAsync(
            "/sdapi/v1/png-info",
            new JsonObject { ["image"] = "data:image/png;base64," + (string)made!["images"]![0]! });
        Assert.Equal(200, status);
        Assert.Equal((string)JsonNode.Parse((string)made["info"]!)!["infotexts"]![0]!, (string)reply!["info"]!);
        JsonNode parameters = reply["parameters"]!;
        Assert.Equal(
            ("a red apple", "64", "64", "5"),
            ((string)parameters["Prompt"]!, (string)parameters["Size-1"]!, (string)parameters["Size-2"]!, (string)parameters["Seed"]!));
    }

    [Fact]
    public async Task Captions_are_ranked()
    {
        JsonObject body = ApisHost.Quick("a red apple on a white background");
        (body["steps"], body["width"], body["height"], body["cfg_scale"]) = (12, 128, 128, 2);
        body["alwayson_scripts"] = JsonNode.Parse("""{"diffusionclip":{"args":[{"candidates":4}]}}""");
        (_, JsonNode? made, _) = await host.PostAsync(Text, body);
        string picture = (string)made!["images"]![0]!;
        (int status, JsonNode? reply, _) = await host.PostAsync(
            "/sdapi/v1/interrogate",
            new JsonObject { ["image"] = picture, ["model"] = "clip" });
        Assert.Equal(200, status);
        Assert.Contains("apple", (string)reply!["caption"]!, StringComparison.Ordinal);
        (_, reply, _) = await host.PostAsync(
            "/sdapi/v1/interrogate",
            new JsonObject { ["image"] = picture, ["captions"] = new JsonArray("a yellow tractor", "a red apple") });
        Assert.Equal("a red apple", (string)reply!["caption"]!);
        (status, reply, _) = await host.PostAsync(
            "/sdapi/v1/interrogate",
            new JsonObject { ["image"] = picture, ["model"] = "deepdanbooru" });
        Assert.Equal((404, "Model not found"), (status, (string)reply!["detail"]!));
    }

    // Row 29.
    [Fact]
    public async Task Who_leaves_frees_the_worker()
    {
        IJobQueue queue = host.Worker.Application.Services.GetRequiredService<IJobQueue>();
        using var gone = new CancellationTokenSource();
        JsonObject body = ApisHost.Quick("a slow picture");
        (body["steps"], body["width"], body["height"]) = (1000, 128, 128);
        Task<HttpResponseMessage> request = host.Client.PostAsync(
            new Uri(Text, UriKind.Relative),
            System.Net.Http.Json.JsonContent.Create(body),
            gone.Token);
        await UntilAsync(() => queue.Status("local").OwnRunning == 1);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await UntilAsync(() => queue.Status("local") is { OwnRunning: 0, OwnQueued: 0 });
        Assert.Equal(JobState.Cancelled, queue.List("local", limit: 1)[0].State);
    }

    [Fact]
    public async Task An_interrupt_gives_the_best_so_far()
    {
        IJobQueue queue = host.Worker.Application.Services.GetRequiredService<IJobQueue>();
        JsonObject body = ApisHost.Quick("many pictures");
        (body["steps"], body["alwayson_scripts"]) = (20, JsonNode.Parse("""{"diffusionclip":{"args":[{"candidates":1000,"keep":1}]}}"""));
        Task<(int Status, JsonNode? Body, HttpResponseMessage Response)> request = host.PostAsync(Text, body);
        await UntilAsync(() => queue.Status("local").OwnRunning == 1);
        await UntilAsync(async () => (double)(await host.GetAsync("/sdapi/v1/progress"))["progress"]! > 0);
        Assert.Equal((200, "{}"), await InterruptAsync(host.Client));
        (int status, JsonNode? reply, _) = await request;
        Assert.Equal(200, status);
        Assert.Single(reply!["images"]!.AsArray());
        Assert.True((bool)JsonNode.Parse((string)reply["info"]!)!["diffusionclip"]!["finished_early"]!);
    }

    // Row 19.
    [Fact]
    public async Task An_interrupt_stops_nobody_else()
    {
        await using WorkerHost own = await WorkerHost.StartAsync(
            null,
            "--Worker:Trust:Keys:anna=key-of-anna-0123456789",
            "--Worker:Trust:Keys:bert=key-of-bert-0123456789");
        using HttpClient anna = own.ClientWith("key-of-anna-0123456789"),
            bert = own.ClientWith("key-of-bert-0123456789");
        IJobQueue queue = own.Application.Services.GetRequiredService<IJobQueue>();
        JsonObject body = ApisHost.Quick("a tree");
        body["steps"] = 100;
        Task<(int Status, JsonNode? Body, HttpResponseMessage Response)> request = ApisHost.PostAsync(anna, Text, body);
        await UntilAsync(() => queue.Status("anna").OwnRunning == 1);
        Assert.Equal((200, "{}"), await InterruptAsync(bert));
        Assert.Equal(0, (int)(await ApisHost.GetAsync(bert, "/sdapi/v1/progress"))["state"]!["job_count"]!);
        Assert.Equal(1, (int)(await ApisHost.GetAsync(anna, "/sdapi/v1/progress"))["state"]!["job_count"]!);
        (int status, JsonNode? reply, _) = await request;
        Assert.Equal(200, status);
        Assert.False((bool)JsonNode.Parse((string)reply!["info"]!)!["diffusionclip"]!["finished_early"]!);
    }

    [Theory]
    [InlineData("samplers")]
    [InlineData("schedulers")]
    [InlineData("sd-models")]
    [InlineData("sd-vae")]
    [InlineData("upscalers")]
    [InlineData("latent-upscale-modes")]
    [InlineData("prompt-styles")]
    [InlineData("loras")]
    [InlineData("hypernetworks")]
    public async Task Lists_are_lists(string name) => Assert.IsType<JsonArray>(await host.GetAsync($"/sdapi/v1/{name}"));

    [Theory]
    [InlineData("/sdapi/v1/embeddings")]
    [InlineData("/sdapi/v1/cmd-flags")]
    [InlineData("/sdapi/v1/memory")]
    [InlineData("/internal/ping")]
    public async Task Objects_are_objects(string path) => Assert.IsType<JsonObject>(await host.GetAsync(path));

    [Fact]
    public async Task Every_sampler_that_is_listed_paints()
    {
        foreach (JsonNode? sampler in (await host.GetAsync("/sdapi/v1/samplers")).AsArray())
        {
            JsonObject body = ApisHost.Quick();
            (body["steps"], body["width"], body["height"], body["sampler_name"]) = (4, 32, 32, (string)sampler!["name"]!);
            (int status, JsonNode? reply, _) = await host.PostAsync(Text, body);
            Assert.True(status == 200, $"{sampler["name"]}: {status} {reply?.ToJsonString()}");
        }
    }

    private static async Task<(int Status, string Body)> InterruptAsync(HttpClient client)
    {
        using HttpResponseMessage response = await client.PostAsync(
            new Uri("/sdapi/v1/interrupt", UriKind.Relative),
            null,
            TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (int i = 0; !await condition(); i++)
        {
            Assert.True(i < 6000, "it never came about");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
